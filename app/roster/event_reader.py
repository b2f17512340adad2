"""Reads Clever's events of a district so that they can be applied: in order, each once, and without flaws.

Whatever a page does not say for certain is found out by reading the record, or the page, again.
"""

import re
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from app import telemetry
from app.domain.calendar import Calendar
from app.domain.errors import (
    CleverFailed,
    CleverForbade,
    CleverMalformed,
    CleverNotJson,
    CleverPagingBroken,
    CleverRecordMissing,
    CleverUnexpected,
    RecordUnknown,
    UserUnknown,
)
from app.domain.events import Change, Event, Flaw, Kind, Passage
from app.domain.facts import Facts
from app.domain.ids import CLEVER_ID, SchoolId, SectionId, UserId
from app.domain.places import Section
from app.domain.read_context import ReadContext, Urgency
from app.roster.concurrency import several
from app.roster.district import District
from app.roster.ports import Clever

MOST_HEALED = 100
"""How many records of one page are read one by one; for more, the whole district is loaded again."""

MOST_KNOWN = 10_000
"""How many events are remembered by id."""

_TRIES = 3
_READ_CONTEXT = ReadContext(urgency=Urgency.BULK)
_CLEVER_ID = re.compile(CLEVER_ID)
_READ_ALONE = frozenset({Kind.USER, Kind.SECTION, Kind.SCHOOL})


class LoadAgain(Exception):
    """The district cannot be followed any more and has to be loaded again; ``reason`` is a fixed word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Trail:
    """Which events have been applied lately.

    Attributes:
        newest: the newest of them.
        again_from: from which event on Clever is asked next. Those of one poll are read again by the next, so that one
            that was left out, or came late, is found.
    """

    def __init__(self, newest: str) -> None:
        """Begin after an event, which counts as applied."""
        self.newest = self.again_from = newest
        self._order = deque([newest])
        self._known = {newest}
        self._unclear = set[str]()

    def __contains__(self, event: str) -> bool:
        """Tell whether an event has been applied lately."""
        return event in self._known

    def add(self, event: str) -> None:
        """Note that an event has been applied."""
        if event in self._known:
            return
        self._known.add(event)
        self._order.append(event)
        if len(self._order) > MOST_KNOWN:
            oldest = self._order.popleft()
            self._known.discard(oldest)
            self._unclear.discard(oldest)

    def is_new(self, event: Event) -> bool:
        """Tell whether an event has to be applied: not lately, or it has turned out to be of a type that is known."""
        return str(event.id) not in self or (event.kind is not Kind.UNKNOWN and event.id in self._unclear)

    def has_unclear(self) -> bool:
        """Tell whether the type of some event is still unknown."""
        return bool(self._unclear)

    def note(self, event: Event) -> None:
        """Note that an event has been applied, or skipped since its type is unknown."""
        named = str(event.id)
        self.add(named)
        if event.kind is Kind.UNKNOWN:
            self._unclear.add(named)
        else:
            self._unclear.discard(named)


class ReadPassage(NamedTuple):
    """A passage, whether there are no events after it, and the last event of its page, from which to go on."""

    passage: Passage
    is_last: bool
    end: str


_Record = tuple[Kind, str]


class EventReader:
    """Reads the events of one loaded district."""

    def __init__(self, clever: Clever, loaded: District) -> None:
        """Take who is asked, and the district as it is known."""
        self._clever = clever
        self._loaded = loaded
        self._district = loaded.id

    async def passage(self, start: str, trail: Trail) -> ReadPassage:
        """Read the events after ``start`` that have not been applied, or the first of them.

        Raises:
            EventsLost: Clever no longer knows the event ``start``.
            LoadAgain: the events do not say what they are about, or too much of it would have to be read again, or the
                token may not read them any more.
            CleverError, RecordUnknown: something could not be read for certain; nothing has been applied.
        """
        counts: Counter[str] = Counter()
        try:
            return await self._passage(start, trail, counts)
        finally:
            telemetry.odd_events(counts)

    async def _passage(self, start: str, trail: Trail, counts: Counter[str]) -> ReadPassage:
        events, is_last = await self._page(start, counts)
        known = [place for place, event in enumerate(events) if str(event.id) in trail]
        late = max(known, default=0)
        new = [(place, event) for place, event in enumerate(events) if trail.is_new(event)]
        fresh = [(event, place < late or str(event.id) in trail) for place, event in new]
        sound = await self._healed(fresh, counts)
        end = str(events[-1].id) if events else start
        upto = trail.newest if end in trail else end
        return ReadPassage(Passage(trail.newest, upto, tuple(sound)), is_last, end)

    async def _page(self, start: str, counts: Counter[str]) -> tuple[list[Event], bool]:
        """Read a page of which each event says what it is about; an empty page is the last one."""
        outcome = ""
        for _ in range(_TRIES):
            try:
                page = await self._clever.events(self._district, start, _READ_CONTEXT)
            except CleverForbade as error:
                # The load finds out whether the district may be read at all; it goes without events if need be.
                raise LoadAgain(error.outcome) from error
            unclear = sum(map(_is_unclear, page.events))
            events = [event for event in _once(page.events, counts) if _is_after(event, start)]
            if not unclear and (events or not page.events):
                return _in_order(events, counts), page.is_last or not events
            outcome = "unclear" if unclear else "repeated"
            counts[outcome] += unclear or 1
        if outcome == "unclear":
            raise LoadAgain("unclear")
        raise CleverPagingBroken("Clever sends the events before those that were asked for")

    async def _healed(self, events: Sequence[tuple[Event, bool]], counts: Counter[str]) -> list[Event]:
        """Return events, with the record as it is now where an event has a flaw or came late."""
        doubtful: dict[_Record, None] = {}
        events = [(self._judged(event), is_late) for event, is_late in events]
        for event, is_late in events:
            counts[event.flaw or ("late" if is_late else _OUTCOMES.get(event.kind, "applied"))] += 1
            record = self._record_of(event)
            if record is not None and (event.flaw or is_late or record[0] is Kind.DISTRICT):
                doubtful[record] = None
        if len(doubtful) > MOST_HEALED:
            raise LoadAgain("flawed")
        records = [*doubtful]
        read = dict(zip(records, await several(records, self._read), strict=True))
        last = {self._record_of(event): place for place, (event, _) in enumerate(events)}
        sound = []
        for place, (event, _) in enumerate(events):
            record = self._record_of(event)
            now = None if record is None else read.get(record)
            if now is None:
                sound.append(replace(event, flaw=None))
            # It is as new as the newest of its events, and older ones must not come after it.
            elif last[record] == place:
                sound.append(replace(now, id=event.id, previous=event.previous))
            else:
                sound.append(Event(event.id, Kind.OTHER))
        return sound

    def _judged(self, event: Event) -> Event:
        """Return an event, with a flaw where it says of a section that it has no term, against what is known.

        A section need not have one, and without one it always counts: that must not come of what the event lacks.
        """
        section = event.record
        if not isinstance(section, Section) or section.term is not None:
            return event
        before = self._loaded.section(section.id)
        is_odd = self._loaded.has_terms() if before is None else before.term is not None
        return replace(event, flaw=Flaw.HOLES) if is_odd else event

    def _record_of(self, event: Event) -> _Record | None:
        """Return what has to be read where an event is not taken as it is; of terms that is the district's calendar."""
        if event.kind in {Kind.TERM, Kind.DISTRICT}:
            return Kind.DISTRICT, self._district
        if event.kind not in _READ_ALONE or event.record_id is None:
            return None
        return event.kind, event.record_id

    async def _read(self, record: _Record) -> Event:
        kind, named = record
        try:
            return Event(None, kind, Change.UPDATED, named, await self._read_alone(kind, named))
        except (RecordUnknown, UserUnknown):
            return Event(None, kind, Change.DELETED, named)

    async def _read_alone(self, kind: Kind, named: str) -> Facts | Section | SchoolId | Calendar | None:
        clever, district = self._clever, self._district
        if kind is Kind.DISTRICT:
            # What is wrong with it alone does not end the rest: whoever needs the calendar reads it alone.
            with suppress(*_UNREADABLE):
                return await clever.calendar(district, _READ_CONTEXT, with_terms=True)
            return None
        if kind is Kind.USER:
            return await clever.facts(UserId(named), district, _READ_CONTEXT, confirm_schools=False)
        if kind is Kind.SECTION:
            return await clever.section(SectionId(named), district, _READ_CONTEXT)
        return await clever.school(SchoolId(named), district, _READ_CONTEXT)


# What Clever says each time it is asked for one record, maybe, although it answers all else.
_UNREADABLE = (
    CleverForbade,
    CleverRecordMissing,
    CleverFailed,
    CleverUnexpected,
    CleverNotJson,
    CleverMalformed,
    CleverPagingBroken,
)

_OUTCOMES = {Kind.OTHER: "skipped", Kind.UNKNOWN: "unknown"}


def _is_unclear(event: Event) -> bool:
    return event.id is None or (event.flaw is not None and event.record_id is None)


def _is_after(event: Event, start: str) -> bool:
    """Tell whether an event can be newer than another: of Clever's ids the newer is the larger one."""
    named = str(event.id)
    is_comparable = _CLEVER_ID.fullmatch(named) and _CLEVER_ID.fullmatch(start)
    return named > start if is_comparable else named != start


def _once(events: Sequence[Event], counts: Counter[str]) -> list[Event]:
    """Return events without repetitions."""
    each: dict[str | None, Event] = {}
    for event in events:
        each.setdefault(event.id, event)
    if repeated := len(events) - len(each):
        counts["repeated"] += repeated
    return [*each.values()]


def _in_order(events: list[Event], counts: Counter[str]) -> list[Event]:
    """Return events by ascending id, as Clever sends them; ids of another kind say nothing of the order."""
    ids = [str(event.id) for event in events]
    if all(one < other for one, other in pairwise(ids)) or not all(map(_CLEVER_ID.fullmatch, ids)):
        return events
    counts["disordered"] += 1
    return sorted(events, key=lambda event: str(event.id))
