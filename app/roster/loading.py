"""Loads whole districts: reads their lists page by page, and has answers come from them once all of it is there.

What was known of it before answers until then. A page that cannot be read is tried again, and those before it
are not read again. A list that repeats or skips records, or changes while it is read, is begun again.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from app import telemetry
from app.domain.errors import (
    CallerOverspent,
    CleverCircuitOpen,
    CleverError,
    CleverForbade,
    CleverLimited,
    CleverPagingBroken,
    CleverRecordMissing,
    CleverRefusedToken,
    LoadAlone,
    RecordUnknown,
    UserUnknown,
)
from app.domain.facts import EMPLOYEES, Facts, Role
from app.domain.ids import DistrictId, SchoolId, SectionId, UserId
from app.domain.places import Section
from app.domain.read_context import ReadContext, Urgency
from app.roster.district import AsOf, District, Whom
from app.roster.ports import Clever, PageOf
from app.roster.store import Store
from app.telemetry import metrics
from app.waiting import Backoff, Stretches, cancel, start

T = TypeVar("T")

_Ids: TypeAlias = dict[str, int]
"""In which list an id stood last, by number; unlike a set, a dictionary of these is no work for garbage collections."""

MOST_AT_ONCE = 2
"""Districts that are loaded at once; of all others none is begun."""

LOOK_SECONDS = 5.0
"""How often it is looked whether a district that the settings name has to be loaded."""

_SOON_SECONDS = 0.1  # while it is not known yet which districts are connected

_AFTER_FAILURE = 600.0  # seconds until a load that was given up is tried again

_FIRST_PAUSE, _LONGEST_PAUSE, _JITTERED = 1.0, 60.0, 0.5

MOST_TRIES = 60
"""Tries of one page, or of one list, in the better part of an hour; then other districts have their turn."""

CALENDAR_TRIES = 3
"""Tries of the district's record and its terms, without which a district is loaded, too."""

_LOAD = ReadContext(urgency=Urgency.LOAD)

# Where one of these is the answer, asking again helps only once somebody has changed something at Clever.
_NOT_SHARED = (CleverForbade, CleverRecordMissing)
_GIVEN_UP = (CleverRefusedToken, *_NOT_SHARED)


class LoadStatus(StrEnum):
    """How a load fares."""

    NOT_STARTED = "not_started"
    WAITING = "waiting"
    LOADING = "loading"
    LOADED = "loaded"
    FAILED = "failed"


@dataclass(slots=True)
class Progress:
    """How far the load of a district has come.

    Attributes:
        district: which.
        whom: whose facts are loaded.
        status: how it fares.
        began: when it began, in Unix seconds; None before that.
        ended: when it ended.
        pages: how many pages were read.
        records: how many records were taken in, by list.
        expected: how many there may be; None while that cannot be told.
        restarts: how often a list was begun again.
        failures: how many pages could not be read, and were tried again.
        last_error: why, the last time; a code of ``CleverError`` or ``not_connected``.
    """

    district: DistrictId
    whom: Whom
    status: LoadStatus = LoadStatus.NOT_STARTED
    began: float | None = None
    ended: float | None = None
    pages: int = 0
    records: dict[str, int] = field(default_factory=lambda: {"schools": 0, "sections": 0, "users": 0})
    expected: int | None = None
    restarts: int = 0
    failures: int = 0
    last_error: str | None = None

    def is_over(self) -> bool:
        """Tell whether the load is not in progress."""
        return self.status not in {LoadStatus.WAITING, LoadStatus.LOADING}

    def estimated_end(self, now: float) -> float | None:
        """Return when it may end if it goes on as it did until ``now``, in Unix seconds; None if that is unknown."""
        done = sum(self.records.values())
        if self.is_over() or self.began is None or self.expected is None or not done:
            return None
        return now + (now - self.began) * max(self.expected - done, 0) / done


class Turns(Protocol):
    """Who may load, where several processes would."""

    def alone(self, key: str) -> AbstractAsyncContextManager[None]:
        """Wait until no other process has the turn, and keep it for the block; without the others' word go on."""

    def announce_load(self, district: DistrictId) -> None:
        """Have all other processes load a district, too."""


class NoOthers:
    """The turns of a process that knows of no other."""

    @asynccontextmanager
    async def alone(self, _key: str) -> AsyncGenerator[None]:
        """Have the turn at once."""
        yield

    def announce_load(self, district: DistrictId) -> None:
        """Do nothing."""


@dataclass(kw_only=True)
class Loading:
    """The loads of one process.

    Attributes:
        clever: from where districts are read.
        store: by its clocks it is told when a load began.
        whom: whose facts are loaded.
        turns: who may load when.
        is_one_of_several: whether there are other processes that cannot be told to load, too.
        hand_over: has answers come from a loaded district; it is also given the id of the newest event before the load
            began, None where Clever has no events.
        take_back: has answers come from a district no longer.
        sleep: waits for some seconds.
    """

    clever: Clever
    store: Store
    whom: Whom
    hand_over: Callable[[District, str | None], Awaitable[None]]
    take_back: Callable[[DistrictId], Awaitable[None]]
    turns: Turns = field(default_factory=NoOthers)
    is_one_of_several: bool = False
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    _progress: dict[DistrictId, Progress] = field(default_factory=dict)
    _tasks: dict[DistrictId, asyncio.Task[None]] = field(default_factory=dict)
    _running: set[asyncio.Task[None]] = field(default_factory=set)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_AT_ONCE))
    _is_closed: bool = False

    def progress(self, district: DistrictId) -> Progress:
        """Return how the latest load of a district fares."""
        return self._progress.get(district) or Progress(district, self.whom)

    def start(self, district: DistrictId) -> Progress:
        """Load a district in the background, unless that is in progress, and return how it fares; not once closed."""
        progress = self.progress(district)
        if progress.is_over() and not self._is_closed:
            progress = self._progress[district] = Progress(district, self.whom, LoadStatus.WAITING)
            self._tasks[district] = start(self._load(progress), self._running)
        return progress

    async def finish(self, district: DistrictId) -> Progress:
        """Wait until the load of a district is over, if one is in progress."""
        if (task := self._tasks.get(district)) is not None:
            await asyncio.wait((task,))
        return self.progress(district)

    def start_everywhere(self, district: DistrictId) -> Progress:
        """Load a district here and in all other processes; raises ``LoadAlone`` if those cannot be told.

        While that is in progress here the others have been told, and those that are done need not begin again.
        """
        if self.is_one_of_several:
            raise LoadAlone
        if self.progress(district).is_over():
            self.turns.announce_load(district)
        return self.start(district)

    def start_unless_newer(self, district: DistrictId, at: float) -> None:
        """Load a district as was asked for ``at`` Unix seconds, unless the latest load began after that.

        Whoever can write to Redis can repeat what was announced before.
        """
        began = self.progress(district).began
        if began is None or began < at:
            self.start(district)

    async def drop(self, district: DistrictId) -> None:
        """Break off the load of a district, and keep nothing of it."""
        self._progress.pop(district, None)
        if (task := self._tasks.pop(district, None)) is not None:
            await cancel((task,))
        await self.take_back(district)

    async def keep_loaded(self, named: Collection[str] | None) -> None:
        """Load the districts that the settings name, None for all, as soon as each is connected.

        A district that is not connected any more is dropped, whoever had it loaded. What was given up is tried again
        after ten minutes.
        """
        while True:
            connected = self.clever.known_districts()
            if connected is not None:
                for district in self._progress.keys() - connected:
                    await self.drop(district)
            for district in connected or ():
                if (named is None or district in named) and self._is_due(self.progress(district)):
                    self.start(district)
            await self.sleep(_SOON_SECONDS if connected is None else LOOK_SECONDS)

    async def aclose(self) -> None:
        """Break off what is in progress, and begin no more: following a district may ask for that until it ends."""
        self._is_closed = True
        await cancel(self._running)

    def _is_due(self, progress: Progress) -> bool:
        if progress.status is LoadStatus.NOT_STARTED:
            return True
        failed_at = progress.ended if progress.status is LoadStatus.FAILED else None
        return failed_at is not None and self.store.wall() - failed_at >= _AFTER_FAILURE

    async def _load(self, progress: Progress) -> None:
        async with self._room, self.turns.alone(f"load/{progress.district}"):
            progress.status, progress.began = LoadStatus.LOADING, self.store.wall()
            telemetry.load_started(progress.district, progress.whom)
            failure: str | None = "broken_off"
            try:
                await _Load(self, progress).run()
                failure = None
            except CleverError as error:
                failure = error.outcome
            except (RecordUnknown, UserUnknown):
                failure = "not_connected"
            finally:
                progress.status = LoadStatus.LOADED if failure is None else LoadStatus.FAILED
                progress.last_error = failure or progress.last_error
                progress.ended = self.store.wall()
                telemetry.load_ended(progress.district, progress.records, progress.ended - progress.began, failure)


class _Records(NamedTuple):
    """The records of one kind: what they are called, how one page is read, and how one is dropped again."""

    name: str
    pages: Sequence[Callable[[str | None], Awaitable[PageOf[str]]]]
    drop: Callable[[str], object]


@dataclass(slots=True)
class _Load:
    """One load of a district, in progress."""

    loading: Loading
    progress: Progress

    async def run(self) -> None:
        """Read all of the district, and have it answer."""
        clever, store, name = self.loading.clever, self.loading.store, self.progress.district
        district = District(name, self.progress.whom, AsOf(store.clock(), store.wall()))
        # What happens from here on is told by the events after this one, also if the lists have it already.
        newest = None
        with suppress(*_NOT_SHARED):
            newest = await self._tried(lambda: clever.newest_event(name, _LOAD))
        # Who needs the calendar reads it alone; what cannot be read of it must not keep all else from being loaded.
        with suppress(CleverError):
            district.put_calendar(
                await self._tried(lambda: clever.calendar(name, _LOAD, with_terms=True), CALENDAR_TRIES)
            )
        taken: list[str] = []

        def put_school(school: SchoolId) -> None:
            taken.append(school)
            district.put_school(school)

        def put_section(section: Section) -> None:
            taken.append(section.id)
            district.load_section(section)

        def put_person(facts: Facts) -> None:
            taken.append(facts.user)
            district.put_person(facts)

        schools = partial(clever.school_page, name, _LOAD, put_school)
        await self._read(_Records("schools", [schools], lambda gone: district.drop_school(SchoolId(gone))), taken)
        sections = partial(clever.section_page, name, _LOAD, put_section)
        await self._read(_Records("sections", [sections], lambda gone: district.drop_section(SectionId(gone))), taken)
        self.progress.expected = sum(self.progress.records.values()) + district.listed()
        users = [partial(clever.people_page, name, role, _LOAD, put_person) for role in _roles(self.progress.whom)]
        await self._read(_Records("users", users, lambda gone: district.drop_person(UserId(gone))), taken)
        await self.loading.hand_over(district, newest)

    async def _read(self, records: _Records, taken: list[str]) -> None:
        """Read all lists of one kind of records; begin again if one repeats records, skips some, or changes.

        ``taken`` are the ids of the records of one page that were put, also where it could not be read to its end.
        """
        pauses, outdated, tries = _pauses(), set[str](), 0
        while True:
            ids: _Ids = {}
            tries += 1
            try:
                for number in range(len(records.pages)):
                    await self._read_list(records, number, ids, taken, outdated)
                break
            except CleverPagingBroken as error:
                if tries == MOST_TRIES:
                    raise
                self.progress.restarts += 1
                self.progress.last_error = error.outcome
                self.progress.records[records.name] = 0
                telemetry.list_restarted(self.progress.district, records.name, str(error))
                outdated.update(ids, taken)
                taken.clear()
                await self.loading.sleep(pauses.next())
        # What only stood on a page, or in a list, that came to nothing may be gone.
        for gone in outdated.difference(ids):
            records.drop(gone)

    async def _read_list(self, records: _Records, number: int, ids: _Ids, taken: list[str], outdated: set[str]) -> None:
        after: str | None = None
        while True:
            page = await self._tried(partial(records.pages[number], after))
            if len(taken) > len(page.records):
                outdated.update(taken)
            taken.clear()
            is_twice, stretches = False, Stretches()
            for record in page.records:
                is_twice |= ids.get(record) == number
                ids[record] = number
                await stretches.give_way()
            if is_twice:
                raise CleverPagingBroken("a list of Clever's has a record twice")
            self.progress.pages += 1
            self.progress.records[records.name] += len(page.records)
            metrics.record_loaded_page(records.name, len(page.records))
            after = page.cursor
            if after is None:
                return

    async def _tried(self, read: Callable[[], Awaitable[T]], most: int = MOST_TRIES) -> T:
        """Read, trying again where that may help, up to ``most`` times; the pauses grow."""
        pauses, tries = _pauses(), 0
        while True:
            tries += 1
            try:
                return await read()
            except (CleverPagingBroken, *_GIVEN_UP):
                raise
            except CleverError as error:
                if tries == most:
                    raise
                self.progress.failures += 1
                self.progress.last_error = error.outcome
                telemetry.load_delayed(self.progress.district, error.outcome)
                await self.loading.sleep(max(pauses.next(), error.retry_after if _says_when(error) else 0))


def _says_when(error: CleverError) -> bool:
    return isinstance(error, (CleverLimited, CallerOverspent, CleverCircuitOpen))


def _pauses() -> Backoff:
    return Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, _JITTERED)


def _roles(whom: Whom) -> Sequence[Role | None]:
    """Return by which roles users are listed; a user comes with all roles in each list."""
    return [None] if whom is Whom.EVERYONE else sorted(EMPLOYEES)
