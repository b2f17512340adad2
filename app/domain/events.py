"""An event of Clever's: what it says of one record of a district, as far as permissions depend on it."""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from app.domain.calendar import Calendar
from app.domain.facts import Facts
from app.domain.ids import SchoolId, UserId
from app.domain.places import Section
from app.domain.serialization import FORMAT, PackedFacts, packed, unpacked


class Kind(StrEnum):
    """What kind of record an event is about."""

    USER = "user"
    SECTION = "section"
    SCHOOL = "school"
    TERM = "term"
    DISTRICT = "district"
    OTHER = "other"
    """A course or a resource, on which nothing depends, or a record without a proper id, which grants nothing."""
    UNKNOWN = "unknown"
    """A type that Clever does not document."""


class Change(StrEnum):
    """What happened to the record."""

    CREATED = "created"
    """It is new, or newly shared with this application."""
    UPDATED = "updated"
    DELETED = "deleted"
    """It is gone, or no longer shared with this application."""


class Flaw(StrEnum):
    """Why an event cannot be taken as it is."""

    HOLES = "holes"
    """Something is missing that every record has, or has another type than documented."""
    FOREIGN = "foreign"
    """The record is one of another district."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        id: the event's own id; None if it has none.
        kind: what kind of record it is about.
        change: what happened to the record.
        record_id: the id of the record; None if the event does not say it.
        record: the record as it is now; None if it was deleted or if the event has a flaw. Of a user it lacks the
            sections. Terms and districts have none until the calendar, which both belong to, has been read.
        previous: who taught or learned in an updated section before, as far as the event says so.
        flaw: why the record has to be read instead; None if the event is sound.
    """

    id: str | None
    kind: Kind
    change: Change = Change.UPDATED
    record_id: str | None = None
    record: Facts | Section | SchoolId | Calendar | None = None
    previous: tuple[UserId, ...] = ()
    flaw: Flaw | None = None


@dataclass(frozen=True, slots=True)
class EventPage:
    """One page of events, oldest first, and whether it is the last page."""

    events: tuple[Event, ...]
    is_last: bool


@dataclass(frozen=True, slots=True)
class Passage:
    """Events without flaws that follow one another.

    Attributes:
        after: the id of the event before them.
        upto: the id of the newest event that they cover, which need not be among them.
        events: the events, oldest first.
    """

    after: str
    upto: str
    events: tuple[Event, ...] = ()


class _Packed(msgspec.Struct, array_like=True):
    id: str | None
    kind: Kind
    change: Change
    record_id: str | None
    facts: bytes | None
    section: Section | None
    school: str | None
    calendar: Calendar | None
    previous: tuple[str, ...]


class _Passage(msgspec.Struct, array_like=True):
    format: int
    after: str
    upto: str
    events: tuple[_Packed, ...]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Passage)


def packed_passage(passage: Passage) -> bytes:
    """Return the compact form of events, in which replicas pass them on."""
    events = tuple(map(_put, passage.events))
    return _ENCODER.encode(_Passage(FORMAT, passage.after, passage.upto, events))


def unpacked_passage(given: bytes) -> Passage:
    """Return the events of a compact form; raises ``ValueError`` for bytes of another format."""
    try:
        found = _DECODER.decode(given)
        if found.format != FORMAT:
            raise ValueError("these bytes are not events in this format")
        return Passage(found.after, found.upto, tuple(map(_event, found.events)))
    except msgspec.DecodeError as error:
        raise ValueError("these bytes are not events in this format") from error


def _put(event: Event) -> _Packed:
    record = event.record
    return _Packed(
        event.id,
        event.kind,
        event.change,
        event.record_id,
        packed(record) if isinstance(record, Facts) else None,
        record if isinstance(record, Section) else None,
        record if isinstance(record, str) else None,
        record if isinstance(record, Calendar) else None,
        event.previous,
    )


def _event(given: _Packed) -> Event:
    record: Facts | Section | SchoolId | Calendar | None = given.section or given.calendar
    if given.facts is not None:
        record = unpacked(PackedFacts(given.facts))
    elif given.school is not None:
        record = SchoolId(given.school)
    previous = tuple(map(UserId, given.previous))
    return Event(given.id, given.kind, given.change, given.record_id, record, previous)
