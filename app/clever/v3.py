"""The reads of API 3.0 and 3.1: where each thing is found; `models` says in which shape, `mapping` what it means.

``versions.Family`` says what each returns and raises. Something else to read is a function here and a method there.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import TypeVar

from app.clever.answer_limits import of_own_list
from app.clever.bulk import BulkList, SchoolFields, SectionFields, UserFields
from app.clever.events import event_of
from app.clever.mapping import (
    Answers,
    AnySection,
    calendar_of,
    facts_of,
    has_schools_to_confirm,
    needs_sections,
    section_of,
)
from app.clever.models import (
    DistrictRecord,
    Entry,
    EventRecord,
    Page,
    SchoolRecord,
    SectionRecord,
    TermRecord,
    UserRecord,
)
from app.clever.pagination import DistrictApi, R, ReadPage, records_of
from app.domain.calendar import Calendar
from app.domain.errors import (
    CleverMalformed,
    CleverRecordMissing,
    CleverUnexpected,
    EventsLost,
    RecordUnknown,
    UserUnknown,
)
from app.domain.events import EventPage
from app.domain.facts import Facts, Role
from app.domain.ids import SchoolId, SectionId, UserId
from app.domain.places import Place, Section
from app.domain.scopes import Scope
from app.waiting import cancel

T = TypeVar("T")

# Made once: to name a generic model's parameter takes as long as to parse a small record.
_USER, _USERS = Entry[UserRecord], Page[UserRecord]
_SECTION, _SECTIONS = Entry[SectionRecord], Page[SectionRecord]
_SCHOOL, _SCHOOLS = Entry[SchoolRecord], Page[SchoolRecord]
_DISTRICT, _TERMS = Entry[DistrictRecord], Page[TermRecord]
_EVENTS = Page[EventRecord]

_ALL_USERS, _ALL_SECTIONS, _ALL_SCHOOLS = BulkList(UserFields), BulkList(SectionFields), BulkList(SchoolFields)

_OWN_LIMIT, _OWN_PAGES = 1000, 100  # of one user's lists: more than anybody has, and less memory than a district's

_EVENTS_LIMIT = 200  # each has a whole record; so many take some 10 ms to parse, and as long to map

_SECTION_PATHS: Mapping[Scope, str] = {Scope.DISTRICT: "/sections", Scope.SCHOOL: "/schools/{}/sections"}

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
    sections = asyncio.create_task(_own_list(api, "/users/{}/sections", user, _SECTIONS))
    schools = asyncio.create_task(_own_list(api, "/users/{}/schools", user, _SCHOOLS))
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


async def read_section(api: DistrictApi, section: SectionId) -> Section:
    """Read one section."""
    return _section_of(api, await api.record("/sections/{}", section, _SECTION))


async def read_school(api: DistrictApi, school: SchoolId) -> SchoolId:
    """Read whether there is such a school."""
    return SchoolId((await api.record("/schools/{}", school, _SCHOOL)).id)


async def read_sections(api: DistrictApi, place: Place, most_pages: int | None) -> tuple[Section, ...]:
    """Read all sections of a school or of the district, by ascending id."""
    if place[0] not in _SECTION_PATHS:
        raise ValueError(f"Clever lists no sections of a {place[0]}")
    pages = api.pages(_SECTION_PATHS[place[0]], _SECTIONS, of=place[1], most_pages=most_pages)
    records = await _all_of(place, pages)
    return tuple(_section_of(api, record) for record in api.own(records))


async def read_schools(api: DistrictApi) -> tuple[SchoolId, ...]:
    """Read the ids of all schools of the district, in ascending order."""
    records = await records_of(api.pages("/schools", _SCHOOLS))
    return tuple(SchoolId(record.id) for record in api.own(records))


async def read_people(api: DistrictApi, place: Place, role: Role | None, most_pages: int | None) -> tuple[Facts, ...]:
    """Read the people of a place, by ascending id."""
    path, roles = _PEOPLE.get(place[0], ("", frozenset()))
    if not path or (role is not None and role not in roles):
        raise ValueError(f"Clever cannot be asked for the people of a {place[0]} by the role {role}")
    pages = api.pages(path, _USERS, of=place[1], query=f"&role={role}" if role else "", most_pages=most_pages)
    users = asyncio.create_task(_all_of(place, pages))
    try:
        of_section = place[0] is Scope.SECTION
        sections = (await api.record("/sections/{}", place[1], _SECTION),) if of_section else ()
        return await _people_of(api, await users, sections, role)
    finally:
        await cancel((users,))


async def read_calendar(api: DistrictApi, *, with_terms: bool) -> Calendar:
    """Read the calendar of the district."""
    terms = asyncio.create_task(records_of(api.pages("/terms", _TERMS))) if with_terms else None
    try:
        record = await api.record("/districts/{}", api.district, _DISTRICT)
        return calendar_of(record, None if terms is None else api.own(await terms), api.odd)
    except RecordUnknown as error:
        # The token is the district's own: that it is not there says nothing of it.
        raise CleverRecordMissing("Clever has no record of the district") from error
    finally:
        await cancel(() if terms is None else (terms,))


async def newest_event(api: DistrictApi) -> str | None:
    """Read the id of the newest event."""
    page = await _event_page(api, "&ending_before=last", 1)
    if not page.events:
        return None
    newest = page.events[-1].id
    if newest is None:
        raise CleverMalformed("Clever sent an event without an id")
    return newest


async def read_events(api: DistrictApi, after: str) -> EventPage:
    """Read the events after one, or the first of them."""
    if not api.endpoint.id_shape.fits(after):
        raise EventsLost("this cannot be the id of an event")
    try:
        return await _event_page(api, f"&starting_after={after}", _EVENTS_LIMIT)
    except (CleverRecordMissing, CleverUnexpected) as error:
        # What Clever answers to an id that has expired is not documented: one of these two.
        if isinstance(error, CleverUnexpected) and error.status != HTTPStatus.BAD_REQUEST:
            raise
        raise EventsLost("Clever no longer knows the event from which to go on") from error


async def _event_page(api: DistrictApi, query: str, limit: int) -> EventPage:
    async with aclosing(api.pages("/events", _EVENTS, query=query, limit=limit)) as pages:
        page = await anext(pages)
    return EventPage(tuple(event_of(record, api) for record in page.records), page.cursor is None)


async def read_people_page(
    api: DistrictApi, role: Role | None, after: str | None, take: Callable[[Facts], object]
) -> ReadPage[str]:
    """Read one page of all people of the district, or of those who hold a role."""

    def people(records: list[UserFields]) -> list[str]:
        every = [_facts_of(api, Answers(record)) for record in api.listed(records)]
        found = every if role is None else [facts for facts in every if role in facts.held()]
        return _taken(found, take, lambda facts: facts.user)

    return await api.bulk_page("/users", _ALL_USERS.of(people), f"&role={role}" if role else "", after)


async def read_section_page(api: DistrictApi, after: str | None, take: Callable[[Section], object]) -> ReadPage[str]:
    """Read one page of all sections of the district."""

    def sections(records: list[SectionFields]) -> list[str]:
        found = [_section_of(api, record) for record in api.listed(records)]
        return _taken(found, take, lambda section: section.id)

    return await api.bulk_page("/sections", _ALL_SECTIONS.of(sections), "", after)


async def read_school_page(api: DistrictApi, after: str | None, take: Callable[[SchoolId], object]) -> ReadPage[str]:
    """Read one page of all schools of the district."""

    def schools(records: list[SchoolFields]) -> list[str]:
        return _taken([SchoolId(record.id) for record in api.listed(records)], take, str)

    return await api.bulk_page("/schools", _ALL_SCHOOLS.of(schools), "", after)


def _taken(records: list[T], take: Callable[[T], object], id_of: Callable[[T], str]) -> list[str]:
    """Hand over records as they come, so that a page never is in memory as a whole, and return their ids."""
    for record in records:
        take(record)
    return [id_of(record) for record in records]


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


async def _own_list(api: DistrictApi, path: str, user: UserId, shape: type[Page[R]]) -> list[R]:
    return await records_of(
        api.pages(path, shape, of=user, limit=_OWN_LIMIT, most_pages=_OWN_PAGES, byte_budget=of_own_list())
    )


async def _all_of(place: Place, pages: AsyncGenerator[ReadPage[R]]) -> list[R]:
    try:
        return await records_of(pages)
    except CleverRecordMissing as error:
        # That a list of a whole district is missing says nothing of any record.
        if place[0] is Scope.DISTRICT:
            raise
        raise RecordUnknown from error


def _facts_of(api: DistrictApi, answers: Answers) -> Facts:
    return facts_of(answers, api.district, api.endpoint.id_shape, api.odd)


def _section_of(api: DistrictApi, record: AnySection) -> Section:
    return section_of(record, api.district, api.endpoint.id_shape, api.odd)


async def _result_in(task: asyncio.Task[T], grace: float) -> T | None:
    """Return the result of a task that is not needed, or None if it failed or is late."""
    await asyncio.wait((task,), timeout=grace)
    return None if not task.done() or task.exception() is not None else task.result()
