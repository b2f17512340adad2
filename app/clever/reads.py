"""The three reads of a user, at once; and one record, checked to be the one asked for."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from app import telemetry
from app.clever.bodies import of_own_list
from app.clever.paging import records_of
from app.clever.records import Entry, Page, SchoolRecord, SectionRecord, UserRecord
from app.clever.transport import Transport
from app.clever.v3 import Answers, has_schools_to_confirm, needs_sections
from app.clever.versions import Family
from app.clever.warrant import Warrant
from app.domain.errors import CleverMalformed, CleverRecordMissing, RecordUnknown, UserUnknown
from app.domain.facts import Oddity
from app.domain.ids import DistrictId, IdShape, UserId

MOST_PAGES = 100
"""Pages of one user's sections or schools; nobody has as many, and the lists of all users share Clever's limit."""

PAGE_LIMIT = 2000
"""Records of the list of a place to ask for at once; nobody else has a turn while a page of users is parsed, 50 ms."""

OWN_LIMIT = 1000
"""Records of one user's own lists to ask for at once: nobody's should take as much memory as those of a district."""

T = TypeVar("T")
R = TypeVar("R", SchoolRecord, SectionRecord, UserRecord)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What to ask, and how to read it.

    Attributes:
        api: Clever's API with its version, such as ``https://api.clever.com/v3.0``.
        family: the shapes and rules of that version.
        id_shape: an id without this shape grants nothing.
        page_limit: how many records of a list to ask for at once; Clever's default is 100, its maximum 10 000. Of one
            user's own lists it is ``OWN_LIMIT`` at most.
    """

    api: str
    family: Family
    id_shape: IdShape
    page_limit: int = PAGE_LIMIT


class UserReads:
    """Reads what Clever knows of one user; how long it waits for what nobody needs is its ``grace``, in seconds."""

    def __init__(self, transport: Transport, endpoint: Endpoint, *, grace: float = 0.5) -> None:
        self._transport = transport
        self._endpoint = endpoint
        self._grace = grace

    async def answers(self, user: UserId, district: DistrictId, warrant: Warrant, *, confirm_schools: bool) -> Answers:
        """Read a user, their sections and their schools.

        Raises:
            UserUnknown: Clever has no such user in that district.
            CleverError: something that is needed could not be read for certain.
        """
        reading = asyncio.create_task(self._user(user, district, warrant))
        sections = asyncio.create_task(self._sections(user, warrant))
        schools = asyncio.create_task(self._schools(user, warrant))
        async with not_waited_for_in_the_end(reading, sections, schools):
            record = await reading
            # What no role needs may fail or be late. It gets a moment nonetheless, since it is under way already.
            taught = await (sections if needs_sections(record) else _spared(sections, self._grace))
            confirming = confirm_schools and has_schools_to_confirm(record)
            return Answers(record, taught or (), await (schools if confirming else _spared(schools, self._grace)))

    async def _user(self, user: UserId, district: DistrictId, warrant: Warrant) -> UserRecord:
        try:
            url = f"{self._endpoint.api}/users/{user}"
            return await record_of(self._transport, url, warrant, self._endpoint.family.user, (user, district))
        except RecordUnknown as error:
            raise UserUnknown from error

    async def _sections(self, user: UserId, warrant: Warrant) -> Sequence[SectionRecord]:
        return await self._list(f"/users/{user}/sections", warrant, self._endpoint.family.sections)

    async def _schools(self, user: UserId, warrant: Warrant) -> Sequence[SchoolRecord]:
        return await self._list(f"/users/{user}/schools", warrant, self._endpoint.family.schools)

    async def _list(self, path: str, warrant: Warrant, shape: type[Page[R]]) -> list[R]:
        limit = min(self._endpoint.page_limit, OWN_LIMIT)
        url = f"{self._endpoint.api}{path}?limit={limit}"
        return await records_of(
            self._transport, url, warrant, shape, limit=limit, most_pages=MOST_PAGES, ration=of_own_list()
        )


async def record_of(
    transport: Transport, url: str, warrant: Warrant, shape: type[Entry[R]], wanted: tuple[str, DistrictId]
) -> R:
    """Read one record.

    Args:
        transport: the way to Clever.
        url: where the record is.
        warrant: who asks, and what for.
        shape: what it is.
        wanted: the id that it has to have, and the district that it has to belong to.

    Raises:
        RecordUnknown: Clever has no such record in that district.
        CleverError: it could not be read for certain.
    """
    try:
        record = (await transport.read(url, warrant, shape)).data
    except CleverRecordMissing as error:
        raise RecordUnknown from error
    if record.id != wanted[0]:
        raise CleverMalformed("Clever answered with another record than the one asked for")
    if record.district != wanted[1]:
        telemetry.odd_data({Oddity.DISTRICT_FOREIGN.value: 1})
        raise RecordUnknown
    return record


@asynccontextmanager
async def not_waited_for_in_the_end(*tasks: asyncio.Task[object]) -> AsyncGenerator[None]:
    """Leave none of the tasks behind, however the block ends; an exchange that they wait for goes on for a moment."""
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _spared(task: asyncio.Task[T], grace: float) -> T | None:
    """Return what a task that is not needed came to, or None where it failed or is late."""
    await asyncio.wait((task,), timeout=grace)
    return None if not task.done() or task.exception() is not None else task.result()
