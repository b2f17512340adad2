"""A roster over any Clever, with memory of its own."""

from collections.abc import Callable

from app.cache.memory import MemoryCache
from app.domain.ids import IdShape
from app.domain.serialization import PackedFacts
from app.roster.concurrency import ReadSlots
from app.roster.ports import Clever, Clock, Shared
from app.roster.roster import Deadlines, Roster
from app.roster.single_flight import Fetches
from app.roster.store import Store


def roster_over(
    clever: Clever,
    clock: Clock,
    *,
    wall: Clock | None = None,
    id_shape: IdShape | None = None,
    deadlines: Deadlines | None = None,
    keep_seconds: int = 3600,
    most: int = 10_000,
    read_slots: ReadSlots | None = None,
    shared: Shared[PackedFacts] | None = None,
    jitter: Callable[[], float] = lambda: 0.0,
) -> Roster:
    """Make a roster whose snapshots are fresh for 300 seconds, and that remembers who is gone for 10."""

    def cache(seconds: int = keep_seconds) -> MemoryCache:
        return MemoryCache(most=most, keep_seconds=seconds, clock=clock)

    store = Store(
        users=cache(),
        places=cache(),
        gone=cache(10),
        outdated=cache(),
        clock=clock,
        wall=wall or (lambda: 1_700_000_000.0 + clock()),
        fresh_seconds=300,
        jitter=jitter,
    )
    return Roster(
        clever=clever,
        store=store,
        fetches=Fetches(clever, store, read_slots),
        id_shape=id_shape or IdShape(),
        stale_seconds=keep_seconds,
        deadlines=deadlines or Deadlines(slow=60),
        shared=shared,
    )
