"""What an event of API 3.0 and 3.1 says: from the record that comes to an event of the domain.

An event whose envelope can be read never makes its whole page unreadable: what it lacks is a flaw of this one event.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from app.clever.mapping import Answers, facts_of, section_of
from app.clever.models import EventRecord, SchoolRecord, SectionRecord, UserRecord
from app.clever.pagination import DistrictApi
from app.domain.events import Change, Event, Flaw, Kind
from app.domain.facts import Facts, Oddity
from app.domain.ids import SchoolId, UserId
from app.domain.places import Section

_KINDS: Mapping[str, Kind] = {
    "users": Kind.USER,
    "sections": Kind.SECTION,
    "schools": Kind.SCHOOL,
    "terms": Kind.TERM,
    "districts": Kind.DISTRICT,
    "courses": Kind.OTHER,
    "resources": Kind.OTHER,
}
_CHANGES = {change.value: change for change in Change}


def event_of(record: EventRecord, api: DistrictApi) -> Event:
    """Return what an event says, and count in ``api`` what of it grants nothing."""
    named = record.id if isinstance(record.id, str) and api.endpoint.id_shape.fits(record.id) else None
    if not isinstance(record.type, str):
        return Event(named, Kind.UNKNOWN, flaw=Flaw.HOLES)
    collection, _, verb = record.type.partition(".")
    kind, change = _KINDS.get(collection, Kind.UNKNOWN), _CHANGES.get(verb)
    if change is None or kind is Kind.UNKNOWN:
        return Event(named, Kind.UNKNOWN)
    return Event(named, kind) if kind is Kind.OTHER else _event_about(record, Event(named, kind, change), api)


def _event_about(record: EventRecord, event: Event, api: DistrictApi) -> Event:
    """Complete an event by its record."""
    kind, given = event.kind, _object(_object(record.data).get("object"))
    about = given.get("id")
    if not isinstance(about, str):
        return replace(event, flaw=Flaw.HOLES)
    if not api.endpoint.id_shape.fits(about):
        api.odd[Oddity.ID_MALFORMED] += 1
        return Event(event.id, Kind.OTHER)
    event = replace(event, record_id=about, flaw=_flaw(kind, given, api))
    if event.flaw or event.change is Change.DELETED or kind not in _READERS:
        return event
    # Clever's pages have them beside the object, its description beside `data`.
    previous = _object(_object(record.data).get("previous_attributes")) | _object(record.previous_attributes)
    try:
        return replace(event, record=_READERS[kind](given, api), previous=_members(previous, api))
    except ValidationError:
        return replace(event, flaw=Flaw.HOLES)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _flaw(kind: Kind, given: Mapping[str, Any], api: DistrictApi) -> Flaw | None:
    owner = given.get("id" if kind is Kind.DISTRICT else "district")
    if not isinstance(owner, str):
        return Flaw.HOLES
    if owner != api.district:
        api.odd[Oddity.DISTRICT_FOREIGN] += 1
        return Flaw.FOREIGN
    is_whole = all(any(given.get(name) is not None for name in names) for names in _NEEDED.get(kind, ()))
    return None if is_whole else Flaw.HOLES


_NEEDED: Mapping[Kind, tuple[tuple[str, ...], ...]] = {
    Kind.USER: (("roles",),),
    Kind.SECTION: (("school",), ("students",), ("teacher", "teachers")),
}
"""Of each of these groups a record has one field at least (dev.clever.com/docs on users and on sections)."""


def _user(given: Any, api: DistrictApi) -> Facts:
    return facts_of(Answers(UserRecord.model_validate(given)), api.district, api.endpoint.id_shape, api.odd)


def _section(given: Any, api: DistrictApi) -> Section:
    return section_of(SectionRecord.model_validate(given), api.district, api.endpoint.id_shape, api.odd)


def _school(given: Any, _: DistrictApi) -> SchoolId:
    return SchoolId(SchoolRecord.model_validate(given).id)


_READERS: Mapping[Kind, Callable[[Any, DistrictApi], Facts | Section | SchoolId]] = {
    Kind.USER: _user,
    Kind.SECTION: _section,
    Kind.SCHOOL: _school,
}


def _members(previous: Mapping[str, Any], api: DistrictApi) -> tuple[UserId, ...]:
    """Return who stands in the old values of a section; a user has no such fields at the top."""
    listed = [previous.get("teacher"), *_listed(previous.get("teachers")), *_listed(previous.get("students"))]
    ids = {each for each in listed if isinstance(each, str) and api.endpoint.id_shape.fits(each)}
    return tuple(sorted(map(UserId, ids)))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
