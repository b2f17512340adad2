"""How many fetches from Clever may run at once: limits per process and per district, with a short queue before them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakValueDictionary

from app.domain.errors import CleverBusy, RosterguardError
from app.domain.read_context import ReadContext, Urgency
from app.telemetry import metrics

Q = TypeVar("Q")
A = TypeVar("A")

_PATIENT = frozenset({Urgency.BULK, Urgency.RENEWAL})


class _Turns:
    """The slots of one district; kept for as long as somebody holds one or waits for one."""

    __slots__ = ("__weakref__", "every", "many")

    def __init__(self, room: "SlotLimits") -> None:
        self.every = asyncio.Semaphore(room.of_one_district)
        self.many = asyncio.Semaphore(room.of_many_of_one)


@dataclass(frozen=True, slots=True)
class SlotLimits:
    """How many fetches may run at once.

    Attributes:
        at_once: in all, each of up to three requests.
        of_one_district: for one district, so that one for which Clever is slow leaves room for the others.
        of_many: for batches and searches, so that requests for one user find room.
        of_many_of_one: for batches and searches in one district.
        of_renewals: for renewals.
        waiting: how many fetches for one user may wait for a slot.
        patience: how many seconds such a fetch waits at most.
    """

    at_once: int = 24
    of_one_district: int = 18
    of_many: int = 12
    of_many_of_one: int = 8
    of_renewals: int = 8
    waiting: int = 16
    patience: float = 0.5


class ReadSlots:
    """Hands out the slots.

    A fetch for one user waits for a moment only: after that its caller has to come again, so that the queue does not
    grow. Batches and searches wait as long as their callers do. Renewals, for which nobody waits, use a free slot or
    give up.
    """

    def __init__(self, room: SlotLimits | None = None) -> None:
        """Take the limits."""
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
        """Wait for a slot for ``district``, and hold it for the block; raises ``CleverBusy``."""
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
        """Raise ``CleverBusy`` if no slot would be free now: cheaper than a fetch that finds none."""
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
    metrics.record_withheld(CleverBusy.outcome)
    return CleverBusy("too much is being read from Clever; ask again in a moment", retry_after=1)


def halfway_to(until: float | None) -> float | None:
    """Return the time halfway from now to ``until``, in seconds of the event loop's clock; None where that is None."""
    return None if until is None else (asyncio.get_running_loop().time() + until) / 2


FEW = 4
"""The most things that are read one by one; for more, a list is looked for."""

AT_ONCE = 8
"""How many questions of one batch wait for Clever at once, since other callers have batches, too."""


async def outcome_of(answer: Awaitable[A]) -> A | RosterguardError:
    """Return an answer, or the error that it raises."""
    try:
        return await answer
    except RosterguardError as error:
        return error


async def several(questions: Sequence[Q], answer: Callable[[Q], Awaitable[A]]) -> list[A]:
    """Answer each question, a few at a time, and return the answers in the same order; the first error ends it all."""
    answers: dict[int, A] = {}
    waiting = iter(enumerate(questions))

    async def work() -> None:
        for place, question in waiting:
            answers[place] = await answer(question)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(questions))):
                group.create_task(work())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [answers[place] for place in range(len(questions))]
