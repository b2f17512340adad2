"""Who may begin to read: so many readings at once, a short queue before them, and room kept for who waits alone."""

import asyncio
from collections.abc import AsyncGenerator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

from app.domain.errors import CleverBusy, CleverTimedOut
from app.domain.read_context import ReadContext, Urgency
from app.telemetry import metrics

_PATIENT = frozenset({Urgency.BULK, Urgency.RENEWAL})


class _Turns:
    """The turns of one district; kept for as long as somebody holds one or waits for one."""

    __slots__ = ("__weakref__", "every", "many")

    def __init__(self, room: "SlotLimits") -> None:
        self.every = asyncio.Semaphore(room.of_one_district)
        self.many = asyncio.Semaphore(room.of_many_of_one)


@dataclass(frozen=True, slots=True)
class SlotLimits:
    """How many readings there is room for.

    Attributes:
        at_once: readings under way, each of up to three requests.
        of_one_district: of these at most, so that one district whose Clever dawdles leaves room for the others.
        of_many: of these at most for batches and searches, so that those who ask for one user find room.
        of_many_of_one: of those again at most for one district.
        of_renewals: of these at most for renewals.
        waiting: single readings that may wait for their turn.
        patience: seconds that a single reading waits at most.
    """

    at_once: int = 24
    of_one_district: int = 18
    of_many: int = 12
    of_many_of_one: int = 8
    of_renewals: int = 8
    waiting: int = 16
    patience: float = 0.5


class ReadSlots:
    """Hands out turns.

    Single readings wait shortly, since past that their callers do better to come again later than to wait in a queue
    that only grows. Batches and searches take their turns one by one and wait as long as their callers do; renewals,
    for which nobody waits, take what is free.
    """

    def __init__(self, room: SlotLimits | None = None) -> None:
        """Make room for as many as ``room`` says."""
        self._room = room or SlotLimits()
        self._all = asyncio.Semaphore(self._room.at_once)
        self._many = asyncio.Semaphore(self._room.of_many)
        self._renewals = asyncio.Semaphore(self._room.of_renewals)
        self._districts: WeakValueDictionary[Hashable, _Turns] = WeakValueDictionary()
        self.in_progress = self.waiting = 0

    def _end(self) -> None:
        self.in_progress -= 1

    @asynccontextmanager
    async def turn(self, district: Hashable, read_context: ReadContext) -> AsyncGenerator[None]:
        """Wait for a turn to read from ``district``, and hold it for the block; raises ``CleverBusy``."""
        theirs = self._districts.setdefault(district, _Turns(self._room))
        gates = self._gates(theirs, read_context.urgency)
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout_at(self._until(read_context, gates)):
                    for gate in gates:
                        await self._enter(gate, read_context)
                        held.callback(gate.release)
            except TimeoutError as error:
                raise _busy() from error
            self.in_progress += 1
            held.callback(self._end)
            yield

    def look(self, district: Hashable, read_context: ReadContext) -> None:
        """Raise ``CleverBusy`` where nobody who asks now would get a turn: it costs less than to ask for one."""
        if read_context.urgency is Urgency.BULK:
            return
        theirs = self._districts.get(district)
        locked = self._all.locked() or (theirs is not None and theirs.every.locked())
        if locked and (read_context.urgency is Urgency.RENEWAL or self.waiting >= self._room.waiting):
            raise _busy()

    def _gates(self, theirs: _Turns, urgency: Urgency) -> list[asyncio.Semaphore]:
        if urgency is Urgency.BULK:
            return [theirs.many, self._many, theirs.every, self._all]
        return [*([self._renewals] if urgency is Urgency.RENEWAL else []), theirs.every, self._all]

    def _until(self, read_context: ReadContext, gates: list[asyncio.Semaphore]) -> float | None:
        if read_context.urgency in _PATIENT:
            if read_context.urgency is Urgency.RENEWAL and any(gate.locked() for gate in gates):
                raise _busy()
            return read_context.until
        patience = asyncio.get_running_loop().time() + self._room.patience
        return patience if read_context.until is None else min(patience, read_context.until)

    async def _enter(self, gate: asyncio.Semaphore, read_context: ReadContext) -> None:
        if not gate.locked() or read_context.urgency in _PATIENT:
            await gate.acquire()
            return
        if self.waiting >= self._room.waiting:
            raise _busy()
        self.waiting += 1
        try:
            await gate.acquire()
        finally:
            self.waiting -= 1


def _busy() -> CleverBusy:
    metrics.withheld(CleverBusy.word)
    return CleverBusy("too many readings are under way; ask again in a moment", retry_after=1)


def halfway_to(until: float | None) -> float | None:
    """Return the time halfway from now to ``until``, in seconds of the event loop's clock; None where that is None."""
    return None if until is None else (asyncio.get_running_loop().time() + until) / 2


@asynccontextmanager
async def by(until: float | None) -> AsyncGenerator[None]:
    """Break the block off at ``until``, in seconds of the event loop's clock, and raise ``CleverTimedOut``."""
    if until is not None and asyncio.get_running_loop().time() >= until:
        raise _too_late()
    try:
        async with asyncio.timeout_at(until):
            yield
    except TimeoutError as error:
        raise _too_late() from error


def _too_late() -> CleverTimedOut:
    return CleverTimedOut("Clever was not read within the time that a request may take")
