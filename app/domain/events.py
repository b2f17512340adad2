"""An event of Clever's: what it says of one record of a district, as far as permissions depend on it."""

from dataclasses import dataclass
from enum import StrEnum

from app.domain.facts import Facts
from app.domain.ids import SchoolId, UserId
from app.domain.places import Section


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
        record: the record as it is now; None if it was deleted, if the event has a flaw, and for all kinds but users,
            whose sections it does not say, sections and schools.
        previous: who taught or learned in an updated section before, as far as the event says so.
        flaw: why the record has to be read instead; None if the event is sound.
    """

    id: str | None
    kind: Kind
    change: Change = Change.UPDATED
    record_id: str | None = None
    record: Facts | Section | SchoolId | None = None
    previous: tuple[UserId, ...] = ()
    flaw: Flaw | None = None


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events, oldest first, and whether there are none after them."""

    events: tuple[Event, ...]
    is_last: bool
