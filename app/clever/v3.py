"""The reads of API 3.0 and 3.1 that other versions have in another form: of users, of the calendar, and of events.

``versions.Family`` says what each returns and raises; ``records`` in which shape it comes, ``mapping`` what it means.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from app.clever import places
from app.clever.bulk import BulkList, handed_over
from app.clever.events import OTHER_RECORD_TYPES, RecordType
from app.clever.mapping import Answers, facts_of, has_schools_to_confirm, needs_sections
from app.clever.models import Entry, Page
from app.clever.pagination import DistrictApi, ReadPage, records_of_place
from app.clever.places import SCHOOLS, SECTION, SECTIONS
from app.clever.records import SectionRecord, UserFields, UserRecord
from app.domain.errors import RecordUnknown, UserUnknown
from app.domain.events import Kind
from app.domain.facts import Facts, Role
from app.domain.ids import UserId
from app.domain.places import Place
from app.domain.scopes import Scope
from app.waiting import cancel

T = TypeVar("T")

# Made once: to name a generic model's parameter takes as long as to parse a small record.
_USER, _USERS, _ALL_USERS = Entry[UserRecord], Page[UserRecord], BulkList(UserFields)

USER_REQUESTS = 3  # the user, their sections and their schools

_PEOPLE: Mapping[Scope, tuple[str, frozenset[Role]]] = {
    Scope.DISTRICT: ("/users", frozenset(Role)),
    Scope.SCHOOL: ("/schools/{}/users", frozenset({Role.STAFF, Role.TEACHER, Role.STUDENT})),
    Scope.SECTION: ("/sections/{}/users", frozenset({Role.TEACHER, Role.STUDENT})),
    Scope.STUDENT: ("/users/{}/mycontacts", frozenset()),
}
"""Where Clever lists the people of a place, and the roles for which it can be asked there (dev.clever.com's spec)."""

_AT_A_STRETCH = 200  # users; a whole district at once would keep other tasks waiting for seconds


async def read_user(api: DistrictApi, user: UserId, *, confirm_schools: bool, grace: float) -> Facts:
    """Read a user, their sections and their schools, all at once."""
    reading = asyncio.create_task(api.record("/users/{}", user, _USER))
    sections = asyncio.create_task(api.own_list("/users/{}/sections", user, SECTIONS))
    schools = asyncio.create_task(api.own_list("/users/{}/schools", user, SCHOOLS))
    try:
        record = await reading
        # What no role needs may fail or be late; since it has been requested anyway, it gets a moment.
        taught = await (sections if needs_sections(record) else _result_in(sections, grace))
        confirming = confirm_schools and has_schools_to_confirm(record)
        answers = Answers(record, taught or (), await (schools if confirming else _result_in(schools, grace)))
    except RecordUnknown as error:
        raise UserUnknown from error
    finally:
        # Exchanges with Clever that the tasks wait for go on for a moment.
        await cancel((reading, sections, schools))
    return _facts_of(api, answers)


async def read_people(api: DistrictApi, place: Place, role: Role | None, most_pages: int | None) -> tuple[Facts, ...]:
    """Read the people of a place, by ascending id."""
    path, roles = _PEOPLE.get(place[0], ("", frozenset()))
    if not path or (role is not None and role not in roles):
        raise ValueError(f"Clever cannot be asked for the people of a {place[0]} by the role {role}")
    pages = api.pages(path, _USERS, of=place[1], query=f"&role={role}" if role else "", most_pages=most_pages)
    users = asyncio.create_task(records_of_place(place, pages))
    try:
        of_section = place[0] is Scope.SECTION
        sections = (await api.record("/sections/{}", place[1], SECTION),) if of_section else ()
        return await _people_of(api, await users, sections, role)
    finally:
        await cancel((users,))


async def read_people_page(
    api: DistrictApi, role: Role | None, after: str | None, take: Callable[[Facts], object]
) -> ReadPage[str]:
    """Read one page of all people of the district, or of those who hold a role."""

    def people(records: list[UserFields]) -> list[str]:
        every = [_facts_of(api, Answers(record)) for record in api.listed(records)]
        found = every if role is None else [facts for facts in every if role in facts.held()]
        return handed_over(found, take, lambda facts: facts.user)

    return await api.bulk_page("/users", _ALL_USERS.of(people), f"&role={role}" if role else "", after)


async def _people_of(
    api: DistrictApi, records: Iterable[UserRecord], sections: Sequence[SectionRecord], role: Role | None
) -> tuple[Facts, ...]:
    found = []
    for number, record in enumerate(api.own(records), 1):
        facts = _facts_of(api, Answers(record, sections, schools=None))
        # A server that ignores the parameter must not widen the answer.
        if role is None or role in facts.held():
            found.append(facts)
        if number % _AT_A_STRETCH == 0:
            await asyncio.sleep(0)
    return tuple(found)


def _facts_of(api: DistrictApi, answers: Answers) -> Facts:
    return facts_of(answers, api.district, api.endpoint.id_shape, api.odd)


def _user_of(given: Any, api: DistrictApi) -> Facts:
    return _facts_of(api, Answers(UserRecord.model_validate(given)))


async def _result_in(task: asyncio.Task[T], grace: float) -> T | None:
    """Return the result of a task that is not needed, or None if it failed or is late."""
    await asyncio.wait((task,), timeout=grace)
    return None if not task.done() or task.exception() is not None else task.result()


read_calendar = places.read_calendar

RECORD_TYPES: Mapping[str, RecordType] = {
    **OTHER_RECORD_TYPES,
    "users": RecordType(Kind.USER, (("roles",),), _user_of),
}
