"""Who may begin to read: so many readings at once, a short queue before them, and room kept for who waits alone."""

import asyncio
from collections.abc import AsyncGenerator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

from app.domain.errand import Errand, Urgency
from app.domain.errors import CleverBusy

_PATIENT = frozenset({Urgency.BULK, Urgency.RENEWAL})


@dataclass(frozen=True, slots=True)
class Room:
    """How many readings there is room for.

    Attributes:
        at_once: readings under way, each of up to three requests.
        of_one_district: of these at most, so that one district whose Clever dawdles leaves room for the others.
        of_many: of these at most for batches, searches and renewals, so that those who ask for one user find room.
        waiting: single readings that may wait for their turn.
        patience: seconds that a single reading waits at most.
    """

    at_once: int = 32
    of_one_district: int = 24
    of_many: int = 16
    waiting: int = 64
    patience: float = 1.0


class Turns:
    """Hands out turns.

    Single readings wait shortly, since past that their callers do better to come again later than to wait in a queue
    that only grows. Batches and searches take their turns one by one and wait as long as their callers do; renewals,
    for which nobody waits, take what is free.
    """

    def __init__(self, room: Room | None = None) -> None:
        """Make room for as many as ``room`` says."""
        self._room = room or Room()
        self._all = asyncio.Semaphore(self._room.at_once)
        self._many = asyncio.Semaphore(self._room.of_many)
        self._districts: WeakValueDictionary[Hashable, asyncio.Semaphore] = WeakValueDictionary()
        self._waiting = 0

    @asynccontextmanager
    async def turn(self, district: Hashable, errand: Errand) -> AsyncGenerator[None]:
        """Wait for a turn to read from ``district``, and hold it for the block; raises ``CleverBusy``."""
        of_district = self._districts.setdefault(district, asyncio.Semaphore(self._room.of_one_district))
        gates = [of_district, self._all]
        if errand.urgency in _PATIENT:
            gates.insert(0, self._many)
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout_at(self._until(errand, gates)):
                    for gate in gates:
                        await self._enter(gate, errand)
                        held.callback(gate.release)
            except TimeoutError as error:
                raise _busy() from error
            yield

    def _until(self, errand: Errand, gates: list[asyncio.Semaphore]) -> float | None:
        if errand.urgency in _PATIENT:
            if errand.urgency is Urgency.RENEWAL and any(gate.locked() for gate in gates):
                raise _busy()
            return errand.until
        patience = asyncio.get_running_loop().time() + self._room.patience
        return patience if errand.until is None else min(patience, errand.until)

    async def _enter(self, gate: asyncio.Semaphore, errand: Errand) -> None:
        if not gate.locked() or errand.urgency in _PATIENT:
            await gate.acquire()
            return
        if self._waiting >= self._room.waiting:
            raise _busy()
        self._waiting += 1
        try:
            await gate.acquire()
        finally:
            self._waiting -= 1


def _busy() -> CleverBusy:
    return CleverBusy("too many readings are under way; ask again in a moment", retry_after=1)
