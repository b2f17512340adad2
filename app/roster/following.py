"""Keeps a loaded district true by Clever's events (dev.clever.com/docs/events-api).

Events carry whole records, so that one that comes twice changes nothing. Where several replicas share a stream, one of
them asks Clever and passes on what it read; each applies it to its own memory, and asks Clever itself where the stream
has a gap.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum

from app import telemetry
from app.domain.calendar import Calendar
from app.domain.errors import CleverError, EventsLost, RecordUnknown
from app.domain.events import Change, Event, Kind, Passage
from app.domain.facts import Facts
from app.domain.ids import DistrictId, SchoolId, SectionId, UserId
from app.domain.places import Section
from app.domain.scopes import Scope
from app.domain.snapshot import Found
from app.roster.changes import ChangeLog
from app.roster.district import AsOf, District
from app.roster.event_reader import EventReader, LoadAgain, Trail
from app.roster.ports import Clever, Clock, EventStream
from app.telemetry import metrics
from app.waiting import Backoff, FairLimit, Stretches, cancel, give_way, start

KEPT_SECONDS = 30 * 86_400
"""For how long Clever keeps events."""

LOADED_AGAIN_SECONDS = 86_400
"""After how long a district is loaded again anyway: Clever wants a full read once a day at least."""

SILENT_SECONDS = 3_600
"""After how long without any event a district is loaded again: somebody may have switched events off at Clever."""

_LOADED_AGAIN_FROM = 2 / 3  # of the fresh time, where there are no events, or some of an unknown type

_FIRST_PAUSE, _LONGEST_PAUSE, _JITTERED = 1.0, 60.0, 0.5

MOST_PAGES_AGAIN = 10
"""How many pages of one poll are read again by the next."""

MOST_WAITING = 500
"""How many may wait for changes at once; each takes a connection and some memory."""

_NO_EVENTS = "no_events"

_AGAIN = "~"
"""After the id of an event that is noted a second time: whoever has seen the first must be told what comes now."""


class Mode(StrEnum):
    """How a district is known."""

    ON_DEMAND = "on_demand"
    """User by user, as they are asked for."""
    LOADING = "loading"
    """Likewise; it is being loaded as a whole."""
    LOADED = "loaded"
    """As a whole, and loaded again after a while, since Clever has no events of it."""
    FOLLOWING = "following"
    """As a whole, and kept true by Clever's events."""


@dataclass(slots=True)
class Followed:
    """A district that is loaded.

    Attributes:
        district: the district as it is now; None before it can answer.
        mode: how it is known.
        last_error: why Clever could not be read, or why the district has to be loaded again, in one fixed word; None
            if all is well.
        changes: which users' facts have changed lately.
        trail: which events the district has had; None where it has none.
        silent_since: the event after which something changed that no event told; None while events tell everything.
    """

    district: District | None = None
    mode: Mode = Mode.ON_DEMAND
    last_error: str | None = None
    changes: ChangeLog = field(default_factory=ChangeLog)
    trail: Trail | None = None
    silent_since: str | None = None
    pauses: Backoff = field(default_factory=lambda: Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, _JITTERED))
    task: asyncio.Task[None] | None = None


@dataclass(kw_only=True)
class Following:
    """Follows the districts that this process has loaded.

    Attributes:
        clever: who is asked.
        publish: answers from a loaded district from now on.
        withdraw: answers from it no longer.
        calendar_changed: is called if terms or the record of a district may have changed.
        clock: seconds that only go forward.
        wall: Unix seconds.
        seconds: how often Clever is asked for events.
        fresh_seconds: how old data may be; where there are no events, a district is loaded again before that.
        stream: passes events on to other replicas; None if each process asks Clever for itself.
        load_again: starts to load a district again; until that is done, what is known of it grows old.
        waiting: how many may wait for changes.
        is_stopping: whether the process ends soon, so that nobody should wait for changes.
    """

    clever: Clever
    publish: Callable[[District], None]
    withdraw: Callable[[DistrictId], None]
    calendar_changed: Callable[[DistrictId], None]
    clock: Clock
    wall: Clock
    seconds: float
    fresh_seconds: float
    stream: EventStream | None = None
    load_again: Callable[[DistrictId], object] = lambda _district: None
    waiting: FairLimit = field(default_factory=lambda: FairLimit(MOST_WAITING))
    is_stopping: bool = False
    _followed: dict[DistrictId, Followed] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def take(self, district: District, newest_event: str | None) -> None:
        """Answer from a district that has just been loaded, and follow it from now on.

        Args:
            district: what was loaded.
            newest_event: the newest event from before the load; None if Clever has no events.

        Returns once the district answers: all that has happened since ``newest_event`` has been applied by then.
        """
        followed = self._followed.setdefault(district.id, Followed())
        if followed.task is not None:
            await cancel([followed.task])
        load, answers = _Load(self, followed, district), asyncio.Event()
        followed.task = start(self._keep(load, newest_event, answers), self._tasks)
        await answers.wait()

    async def drop(self, district: DistrictId) -> None:
        """Answer from a district no longer, and follow it no longer; whoever waits for its changes is woken."""
        followed = self._followed.pop(district, None)
        if followed is not None:
            if followed.task is not None:
                await cancel([followed.task])
            self.withdraw(district)
            followed.changes.restart(None)

    def followed(self, district: DistrictId) -> Followed | None:
        """Return how a district is followed; None if it has not been loaded."""
        return self._followed.get(district)

    def lag_seconds(self, district: DistrictId) -> float | None:
        """Return how old what is known of a loaded district is; None if it is not loaded."""
        followed = self._followed.get(district)
        known = None if followed is None else followed.district
        return None if known is None else max(0.0, self.clock() - known.as_of.began)

    def stop(self) -> None:
        """Let nobody wait for changes any more."""
        self.is_stopping = True
        for followed in self._followed.values():
            followed.changes.wake()

    async def aclose(self) -> None:
        """Follow no longer."""
        await cancel(self._tasks)

    async def _keep(self, load: "_Load", newest_event: str | None, answers: asyncio.Event) -> None:
        """Follow for as long as that goes, then have the district loaded again until that has worked."""
        try:
            reason = await self._follow(load, newest_event, answers)
        except LoadAgain as again:
            reason = again.reason
        except EventsLost:
            reason = "lost"
        finally:
            answers.set()
        if reason != _NO_EVENTS:
            load.followed.last_error = reason
            telemetry.district_unfollowed(reason)
        while True:
            await asyncio.sleep(self._usual_seconds() if reason == _NO_EVENTS else load.followed.pauses.next())
            self._load_again(load.district.id, reason)

    async def _follow(self, load: "_Load", newest_event: str | None, answers: asyncio.Event) -> str:
        """Follow for as long as there are events; raises ``LoadAgain`` or ``EventsLost``."""
        if newest_event is None or newest_event == load.followed.silent_since:
            self._answer_from(load, None, Mode.LOADED)
            return _NO_EVENTS
        # What is older than the load has to be applied before anybody is answered: of a record that has changed twice
        # since, the first event brings back what is no longer true.
        await load.catch_up(newest_event)
        if await load.shows_changes_without_events():
            load.followed.silent_since = load.trail.newest
            self._answer_from(load, None, Mode.LOADED)
            return _NO_EVENTS
        self._answer_from(load, load.trail.newest, Mode.FOLLOWING)
        answers.set()
        began = heard = clear = self.clock()
        while True:
            newest = load.trail.newest
            await load.cycle()
            now = self.clock()
            heard = now if load.trail.newest != newest else heard
            clear = clear if load.trail.has_unclear() else now
            if now - began > _LONGEST_PAUSE:
                load.followed.pauses.reset()
            reason = (
                ("daily" if now - began > LOADED_AGAIN_SECONDS else None)
                or ("silent" if now - heard > SILENT_SECONDS else None)
                or ("unknown" if now - clear > self._usual_seconds() else None)
            )
            if reason is not None:
                self._load_again(load.district.id, reason)
                began = heard = clear = now

    def _usual_seconds(self) -> float:
        """Return after how long a district is loaded again of which events do not tell everything."""
        return self.fresh_seconds * _LOADED_AGAIN_FROM

    def _load_again(self, district: DistrictId, reason: str) -> None:
        metrics.record_load_again(reason)
        self.load_again(district)

    def _answer_from(self, load: "_Load", upto: str | None, mode: Mode) -> None:
        followed, district = load.followed, load.district
        # What has changed while no events were heard is not told by those after the last one that was.
        is_heard_again = followed.mode is Mode.LOADED and upto is not None
        if mode is Mode.LOADED is not followed.mode:
            telemetry.district_without_events(int(self._usual_seconds()))
        followed.district, followed.mode, followed.last_error = district, mode, None
        followed.trail = load.trail if mode is Mode.FOLLOWING else None
        load.is_answering = True
        self.publish(district)
        district.on_change(load.changed_before)
        load.changed_before.clear()
        self.calendar_changed(district.id)
        followed.changes.restart(f"{upto}{_AGAIN}" if is_heard_again else upto)


class _Load:
    """One load of a district, and what has been applied to it.

    Attributes:
        followed: what is shown of it.
        district: what was loaded.
        trail: which events have been applied.
        is_answering: whether answers come from this load already.
        changed_before: whose facts changed before they did; of whoever is not loaded, more may be known than that.
    """

    def __init__(self, following: Following, followed: Followed, district: District) -> None:
        self.followed = followed
        self.district = district
        self.trail = Trail("")
        self.is_answering = False
        self.changed_before: set[UserId] = set()
        self._following = following
        self._reader = EventReader(following.clever, district)
        self._position: str | None = None

    async def catch_up(self, newest_event: str) -> None:
        """Apply whatever has happened from the newest event before the load until now."""
        self.trail = Trail(newest_event)
        while True:
            try:
                await self._catch_up()
            except (CleverError, RecordUnknown) as error:
                self.followed.last_error = _outcome_of(error)
                await asyncio.sleep(self._following.seconds)
            else:
                return

    async def shows_changes_without_events(self) -> bool:
        """Tell whether the load before had all events that this one has, and yet says something else."""
        before, trail = self.followed.district, self.followed.trail
        if before is None or trail is None or trail.newest != self.trail.newest:
            return False
        stretches = Stretches()
        # Nobody changes either of them now.
        for is_another in before.differences(self.district):
            if is_another:
                return True
            await stretches.give_way()
        return False

    async def cycle(self) -> None:
        """Apply what there is, and wait for more; raises ``LoadAgain`` or ``EventsLost``."""
        following, stream = self._following, self._following.stream
        wait = following.seconds
        try:
            if stream is None:
                await self._poll()
            else:
                wait = await self._share(stream)
            self.followed.last_error = None
        except (CleverError, RecordUnknown) as error:
            self.followed.last_error = _outcome_of(error)
            if following.clock() - self.district.as_of.began > KEPT_SECONDS:
                raise LoadAgain("gap") from error
        if stream is None:
            await asyncio.sleep(wait)
        else:
            await stream.wait(self.district.id, wait)

    async def _catch_up(self) -> None:
        stream = self._following.stream
        if stream is not None:
            # What has been passed on before is read from Clever just as well.
            self._position = await stream.end(self.district.id)
        await self._poll()

    async def _share(self, stream: EventStream) -> float:
        """Ask Clever if it is this replica's turn, else apply what another has read; return when to look again."""
        named, following = self.district.id, self._following
        polled = await stream.polled(named)
        if (polled is None or following.wall() - polled.at >= following.seconds) and await stream.lead(named):
            try:
                passages = await self._poll()
            except BaseException:
                stream.give_up(named)
                raise
            stream.put(named, passages, Found(self.trail.newest, self.district.as_of.at))
        else:
            await self._drain(stream)
        return max(0.0, min(following.seconds, self.district.as_of.at + following.seconds - following.wall()))

    async def _drain(self, stream: EventStream) -> None:
        """Apply what other replicas have passed on, or ask Clever where that leaves a gap."""
        # It is read before the stream, so that all that it speaks of is in there.
        polled = await stream.polled(self.district.id)
        while self._position is not None:
            read = await stream.read(self.district.id, self._position)
            if read is None:
                break
            self._position, passages = read
            if not passages:
                if polled is None or polled.said not in self.trail:
                    break
                self._move_on(polled.at)
                return
            for passage in passages:
                if passage.after not in self.trail:
                    self._position = None
                    break
                await self._apply(passage)
                self.trail.again_from = passage.after
        await self._catch_up()

    def _move_on(self, at: float) -> None:
        if at > self.district.as_of.at:
            ago = max(0.0, self._following.wall() - at)
            self.district.as_of = AsOf(self._following.clock() - ago, at)

    async def _poll(self) -> list[Passage]:
        """Ask Clever, apply what is new, and return it."""
        as_of, trail = AsOf(self._following.clock(), self._following.wall()), self.trail
        start, starts = trail.again_from, deque([trail.newest], MOST_PAGES_AGAIN)
        passages = []
        while True:
            passage, is_last, end = await self._reader.passage(start, trail)
            if passage.events:
                await self._apply(passage)
                passages.append(passage)
            if is_last:
                break
            start = end
            starts.append(end)
        trail.again_from = starts[0]
        self.district.as_of = as_of
        return passages

    async def _apply(self, passage: Passage) -> None:
        """Apply what of a passage has not been applied."""
        changes, trail = self.followed.changes, self.trail
        is_ahead, is_calendar_changed = passage.upto in trail, False
        for place, event in enumerate(passage.events):
            await give_way(place)
            if event.id is None or not trail.is_new(event):
                continue
            noted_as = f"{event.id}{_AGAIN}" if event.id in trail else event.id
            users = applied(self.district, event)
            is_calendar_changed |= event.kind is Kind.DISTRICT
            trail.note(event)
            if self.is_answering:
                changes.add(noted_as, users)
            else:
                self.changed_before.update(users)
        if not is_ahead:
            trail.add(passage.upto)
            trail.newest = passage.upto
        if is_calendar_changed:
            self._following.calendar_changed(self.district.id)
            changes.wake()


def applied(district: District, event: Event) -> Collection[UserId]:
    """Apply an event without flaws to a loaded district, and return the users whose facts may have changed."""
    match event.record:
        case Facts():
            return district.put_person(event.record)
        case Section():
            return {*district.put_section(event.record), *event.previous}
        case str():
            return district.put_school(event.record)
        case Calendar():
            district.put_calendar(event.record)
            return ()
        case None if event.kind is Kind.DISTRICT:
            district.drop_calendar()
            return ()
        case None:
            is_gone = event.change is Change.DELETED and event.record_id is not None
            return _dropped(district, event.kind, str(event.record_id)) if is_gone else ()


def _dropped(district: District, kind: Kind, named: str) -> Collection[UserId]:
    if kind is Kind.USER:
        return {*district.drop_person(UserId(named)), *district.people((Scope.STUDENT, named))}
    if kind is Kind.SECTION:
        return district.drop_section(SectionId(named))
    return district.drop_school(SchoolId(named)) if kind is Kind.SCHOOL else ()


def _outcome_of(error: CleverError | RecordUnknown) -> str:
    """Return why something could not be read, in one fixed word."""
    return error.outcome if isinstance(error, CleverError) else "unknown"
