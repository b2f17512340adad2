"""Reads by what the people of a district are known: for a command that matches accounts, and for nothing else.

No other module reads these fields. They are handed over as they come, and neither cached nor counted nor logged.
"""

from collections.abc import Callable, Iterator
from functools import partial

import msgspec

from app.clever.bulk import BulkList, handed_over
from app.clever.client import CleverClient
from app.clever.pagination import DistrictApi, ReadPage
from app.domain.errors import CleverPagingBroken
from app.domain.facts import Role
from app.domain.ids import DistrictId, UserId
from app.domain.read_context import ReadContext, Urgency
from app.migration.identities import Field, Identity, Person, identity_of


class _Name(msgspec.Struct, gc=False):
    first: str | None = None
    last: str | None = None


class _Role(msgspec.Struct, gc=False):
    """A role, with the fields of all of them."""

    legacy_id: str | None = None
    sis_id: str | None = None
    staff_id: str | None = None
    state_id: str | None = None
    student_number: str | None = None
    teacher_number: str | None = None
    dob: str | None = None
    email: str | None = None


class _Roles(msgspec.Struct, gc=False):
    district_admin: _Role | None = None
    staff: _Role | None = None
    teacher: _Role | None = None
    student: _Role | None = None
    contact: _Role | None = None


class _User(msgspec.Struct, gc=False):
    id: str
    district: str | None = None
    email: str | None = None
    name: _Name | None = None
    roles: _Roles | None = None


_USERS = BulkList(_User)

_READ = ReadContext(urgency=Urgency.LOAD)


async def read_people(
    client: CleverClient,
    district: DistrictId,
    take: Callable[[Person], object],
    progress: Callable[[int], object] = lambda _: None,
) -> None:
    """Read all users of a district, and hand over each in each of their roles; tell how many were read after each page.

    Raises:
        RecordUnknown: no such district is connected.
        CleverPagingBroken: the list changed while it was read, or cannot be followed to its end.
        CleverError: the list cannot be read.
    """
    ids, cursor = set[str](), None

    async def read_page(api: DistrictApi, after: str | None) -> ReadPage[str]:
        def take_all(users: list[_User]) -> list[str]:
            return handed_over(
                api.listed(users), lambda user: [take(each) for each in _people(user)], lambda user: user.id
            )

        return await api.bulk_page("/users", _USERS.of(take_all), "", after)

    while True:
        page = await client.page(district, _READ, partial(read_page, after=cursor))
        if not ids.isdisjoint(page.records):
            raise CleverPagingBroken("Clever's list changed while its pages were read")
        ids.update(page.records)
        progress(len(ids))
        if page.cursor is None:
            return
        cursor = page.cursor


def _people(user: _User) -> Iterator[Person]:
    for role in Role:
        held: _Role | None = getattr(user.roles, role, None)
        if held is not None:
            yield Person(UserId(user.id), held.legacy_id, _identity(role, _fields(user, held)))


def _identity(role: Role, fields: dict[str, str | None]) -> Identity:
    try:
        return identity_of(role, fields)
    except ValueError:
        # A date of birth that nobody can read says nothing.
        return identity_of(role, {**fields, Field.DATE_OF_BIRTH: None})


def _fields(user: _User, held: _Role) -> dict[str, str | None]:
    name = user.name or _Name()
    return {
        Field.SIS_ID: held.sis_id,
        Field.STUDENT_NUMBER: held.student_number,
        Field.TEACHER_NUMBER: held.teacher_number,
        Field.STAFF_ID: held.staff_id,
        Field.STATE_ID: held.state_id,
        Field.EMAIL: user.email or held.email,
        Field.DATE_OF_BIRTH: held.dob,
        Field.NAME: f"{name.first} {name.last}" if name.first and name.last else None,
    }
