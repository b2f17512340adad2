"""Reads the events of a district: what each record says as an event of the domain, whatever the API's version.

An event whose envelope can be read never makes its whole page unreadable: what it lacks is a flaw of this one event.
"""

from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError

from app.clever.mapping import section_of
from app.clever.models import ApiModel, Page
from app.clever.pagination import DistrictApi
from app.clever.records import SchoolRecord, SectionRecord
from app.domain.errors import CleverMalformed, CleverRecordMissing, CleverUnexpected, EventsLost
from app.domain.events import Change, Event, EventPage, Flaw, Kind
from app.domain.facts import Facts, Oddity
from app.domain.ids import SchoolId, UserId
from app.domain.places import Section


class EventRecord(ApiModel):
    """An event; whatever of it is missing or has another type is found when it is mapped."""

    id: Any = None
    type: Any = None
    data: Any = None
    previous_attributes: Any = None


_EVENTS = Page[EventRecord]

_LIMIT = 200  # each has a whole record; so many take some 10 ms to parse, and as long to map

_CHANGES = {change.value: change for change in Change}


@dataclass(frozen=True, slots=True)
class RecordType:
    """What the events of one record type say; the type is the first word of theirs, such as ``users.updated``.

    Attributes:
        kind: what they are about.
        needed: groups of fields, of each of which a record has one at least.
        read: makes of the record what it says, or raises ``ValidationError``; None if nothing but its id matters.
    """

    kind: Kind
    needed: tuple[tuple[str, ...], ...] = ()
    read: Callable[[Any, DistrictApi], Facts | Section | SchoolId] | None = None


RecordTypes = Mapping[str, RecordType]


async def newest_event(api: DistrictApi, types: RecordTypes) -> str | None:
    """Read the id of the newest event; None if there is none, as where an application has not enabled events.

    Without any ``types``, there are no events to follow, and Clever is not asked.
    """
    if not types:
        return None
    page = await _page(api, types, "&ending_before=last", 1)
    if not page.events:
        return None
    newest = page.events[-1].id
    if newest is None:
        raise CleverMalformed("Clever sent an event without an id")
    return newest


async def read_events(api: DistrictApi, after: str, types: RecordTypes) -> EventPage:
    """Read the events after one, or the first of them; raises ``EventsLost`` if Clever no longer knows that one."""
    if not api.endpoint.id_shape.fits(after):
        raise EventsLost("this cannot be the id of an event")
    try:
        return await _page(api, types, f"&starting_after={after}", _LIMIT)
    except (CleverRecordMissing, CleverUnexpected) as error:
        # What Clever answers to an id that has expired is not documented: one of these two.
        if isinstance(error, CleverUnexpected) and error.status != HTTPStatus.BAD_REQUEST:
            raise
        raise EventsLost("Clever no longer knows the event from which to go on") from error


async def _page(api: DistrictApi, types: RecordTypes, query: str, limit: int) -> EventPage:
    async with aclosing(api.pages("/events", _EVENTS, query=query, limit=limit)) as pages:
        page = await anext(pages)
    return EventPage(tuple(_event_of(record, types, api) for record in page.records), page.cursor is None)


def _event_of(record: EventRecord, types: RecordTypes, api: DistrictApi) -> Event:
    """Return what an event says, and count in ``api`` what of it grants nothing."""
    named = record.id if isinstance(record.id, str) and api.endpoint.id_shape.fits(record.id) else None
    if not isinstance(record.type, str):
        return Event(named, Kind.UNKNOWN, flaw=Flaw.HOLES)
    name, _, verb = record.type.partition(".")
    record_type, change = types.get(name), _CHANGES.get(verb)
    if change is None or record_type is None:
        return Event(named, Kind.UNKNOWN)
    if record_type.kind is Kind.OTHER:
        return Event(named, Kind.OTHER)
    return _event_about(record, record_type, Event(named, record_type.kind, change), api)


def _event_about(record: EventRecord, record_type: RecordType, event: Event, api: DistrictApi) -> Event:
    """Complete an event by its record."""
    given = _object(_object(record.data).get("object"))
    about = given.get("id")
    if not isinstance(about, str):
        return replace(event, flaw=Flaw.HOLES)
    if not api.endpoint.id_shape.fits(about):
        api.odd[Oddity.ID_MALFORMED] += 1
        return Event(event.id, Kind.OTHER)
    event = replace(event, record_id=about, flaw=_flaw(record_type, given, api))
    if event.flaw or event.change is Change.DELETED or record_type.read is None:
        return event
    # Clever's pages have them beside the object, its description beside `data`.
    previous = _object(_object(record.data).get("previous_attributes")) | _object(record.previous_attributes)
    try:
        return replace(event, record=record_type.read(given, api), previous=_members(previous, api))
    except ValidationError:
        return replace(event, flaw=Flaw.HOLES)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _flaw(record_type: RecordType, given: Mapping[str, Any], api: DistrictApi) -> Flaw | None:
    owner = given.get("id" if record_type.kind is Kind.DISTRICT else "district")
    if not isinstance(owner, str):
        return Flaw.HOLES
    if owner != api.district:
        api.odd[Oddity.DISTRICT_FOREIGN] += 1
        return Flaw.FOREIGN
    is_whole = all(any(given.get(name) is not None for name in names) for names in record_type.needed)
    return None if is_whole else Flaw.HOLES


def _members(previous: Mapping[str, Any], api: DistrictApi) -> tuple[UserId, ...]:
    """Return who stands in the old values of a section; a user has no such fields at the top."""
    listed = [previous.get("teacher"), *_listed(previous.get("teachers")), *_listed(previous.get("students"))]
    ids = {each for each in listed if isinstance(each, str) and api.endpoint.id_shape.fits(each)}
    return tuple(sorted(map(UserId, ids)))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _section(given: Any, api: DistrictApi) -> Section:
    return section_of(SectionRecord.model_validate(given), api.district, api.endpoint.id_shape, api.odd)


def _school(given: Any, _: DistrictApi) -> SchoolId:
    return SchoolId(SchoolRecord.model_validate(given).id)


OTHER_RECORD_TYPES: RecordTypes = {
    "sections": RecordType(Kind.SECTION, (("school",), ("students",), ("teacher", "teachers")), _section),
    "schools": RecordType(Kind.SCHOOL, read=_school),
    "terms": RecordType(Kind.TERM),
    "districts": RecordType(Kind.DISTRICT),
    "courses": RecordType(Kind.OTHER),
    "resources": RecordType(Kind.OTHER),
}
"""Those that are not about people (dev.clever.com/docs says which fields a section always has)."""
