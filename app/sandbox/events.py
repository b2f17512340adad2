"""Clever's events: the changes of a district in the last 30 days, oldest first.

As at Clever, the events of one sync are ordered by their type, and there are none for changes while events are off.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal, NamedTuple

from app.sandbox.endpoints import bad_parameter, not_found
from app.sandbox.records import District, Ids, Record, School, Section, User, roles_held
from app.sandbox.serialization import Details, collection_of, previous_attributes, timestamp_of

DAYS_KEPT = 30

_SECONDS_OF_DAY = 86_400

PreviousPlace = Literal["beside_object", "beside_data"]
"""Where an event has `previous_attributes`: as in Clever's pages, or as in its description."""

LAST = "last"
"""The value of `ending_before` for the newest events."""

RECORD_TYPES = ("districts", "schools", "terms", "courses", "resources", "users", "sections")


class Change(NamedTuple):
    """A record before and after a change; None if it did not exist."""

    old: Record | None
    new: Record | None

    @property
    def record(self) -> Record:
        """The record after the change, or before its removal."""
        record = self.old if self.new is None else self.new
        if record is None:
            raise ValueError("a change is of a record")
        return record

    @property
    def verb(self) -> str:
        """The last part of the event's type."""
        return "created" if self.old is None else "deleted" if self.new is None else "updated"


@dataclass(frozen=True, slots=True)
class Event:
    """An event with its ``type``, such as `users.updated`, and its creation in Unix seconds."""

    id: str
    type: str
    created: float
    change: Change


@dataclass
class EventLog:
    """The events of one district. They may be recorded and read from any thread.

    Events are kept for 30 days by ``clock``, which gives Unix seconds. The first one is the creation of the district.
    """

    ids: Ids
    clock: Callable[[], float]
    enabled: bool
    _events: list[Event] = field(default_factory=list, repr=False)
    _recorded: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def record(self, changes: Iterable[Change]) -> Sequence[Event]:
        """Record the changes of one sync in Clever's order, and return their events.

        There are none while events are disabled, or for a change that changes nothing.
        """
        if not self.enabled:
            return ()
        with self._lock:
            now, began = self.clock(), len(self._events)
            for change in sorted((one for one in changes if one.old != one.new), key=_place_in_sync):
                kind = f"{collection_of(change.record)}.{change.verb}"
                self._events.append(Event(self.ids.of("event", self._recorded), kind, now, change))
                self._recorded += 1
            return self._events[began:]

    def restart(self, district: District, *, enabled: bool) -> None:
        """Forget every event and begin with the creation of the district; ids of older events stay unknown."""
        with self._lock:
            self._events.clear()
        self.enabled = enabled
        self.record([Change(None, district.emptied)])

    def kept(self) -> Sequence[Event]:
        """Return the events of the last 30 days."""
        with self._lock:
            begin = bisect_right(self._events, self.clock() - DAYS_KEPT * _SECONDS_OF_DAY, key=_created)
            del self._events[:begin]
            return self._events.copy()

    def one(self, wanted: str) -> Event:
        """Return an event, or raise the `Refusal` that Clever would answer."""
        kept = self.kept()
        at = bisect_left(kept, wanted, key=_id)
        if at == len(kept) or kept[at].id != wanted:
            raise not_found()
        return kept[at]


_CREATED_OR_UPDATED = (
    *("districts", "district_admin", "schools", "terms", "courses", "resources"),
    *("student", "contact", "teacher", "sections", "staff"),
)
_DELETED = (
    *("staff", "sections", "teacher", "contact", "student"),
    *("terms", "courses", "resources", "schools", "district_admin", "districts"),
)
_VERBS = ("created", "updated", "deleted")


def _place_in_sync(change: Change) -> tuple[int, int]:
    order = _DELETED if change.new is None else _CREATED_OR_UPDATED
    return _VERBS.index(change.verb), order.index(_group_of(change.record))


def _group_of(record: Record) -> str:
    if not isinstance(record, User):
        return collection_of(record)
    held = set(roles_held(record))
    return next(
        (role for role in ("student", "contact", "teacher", "staff", "district_admin") if role in held), "staff"
    )


def _created(event: Event) -> float:
    return event.created


def _id(event: Event) -> str:
    return event.id


def events_asked_for(log: EventLog, parameters: Mapping[str, str], record_types: Sequence[str]) -> Sequence[Event]:
    """Return the events that match the filters; raise a `Refusal` for unknown cursors and record types."""
    if any(one not in RECORD_TYPES for one in record_types):
        raise bad_parameter("record_type")
    for name in ("starting_after", "ending_before"):
        cursor = parameters.get(name, LAST)
        if cursor != LAST:
            log.one(cursor)
    school = parameters.get("school")
    return [
        event
        for event in log.kept()
        if (not record_types or event.type.partition(".")[0] in record_types)
        and (school is None or school in _schools_of(event.change.record))
    ]


def event_of(event: Event, fields_of: Callable[[Record], Details], previous: PreviousPlace) -> Details:
    """Return an event as Clever sends it: the whole record and, for an update, the old values of changed fields."""
    old, new = event.change
    record = fields_of(event.change.record)
    data: Details = {"object": record}
    sent: Details = {"id": event.id, "type": event.type, "created": timestamp_of(event.created), "data": data}
    if old is not None and new is not None:
        place = data if previous == "beside_object" else sent
        place["previous_attributes"] = previous_attributes(fields_of(old), record)
    return sent


def _schools_of(record: Record) -> Iterable[str]:
    match record:
        case User():
            return record.schools
        case Section():
            return (record.school,)
        case School():
            return (record.id,)
        case _:
            return ()
