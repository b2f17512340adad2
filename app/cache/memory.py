"""Snapshots in the memory of this process, bounded in size and age."""

import math
from collections.abc import Callable, Hashable
from typing import Any

from cachetools import LRUCache

from app.domain.snapshot import Snapshot


class MemoryCache:
    """Snapshots by key: the least recently used makes room for a new one, and what is too old is dropped on access."""

    def __init__(
        self,
        *,
        most: int,
        keep_seconds: float,
        clock: Callable[[], float],
        size_of: Callable[[Snapshot[Any]], int] | None = None,
    ) -> None:
        """Hold snapshots of the total size ``most``, each until ``keep_seconds`` after its fetch began by ``clock``.

        Each has the size 1, or what ``size_of`` says; one that is larger than ``most`` is not kept.
        """
        self._snapshots: LRUCache[Hashable, Snapshot[Any]] = LRUCache(most, size_of)
        self._size_of = size_of
        self._keep_seconds = keep_seconds
        self._clock = clock

    def __len__(self) -> int:
        """Return how many snapshots are held, including those that are too old."""
        return len(self._snapshots)

    def get(self, key: Hashable) -> Snapshot[Any] | None:
        """Return the snapshot under ``key``, or None if there is none that is recent enough to be of use."""
        try:
            snapshot = self._snapshots[key]
        except KeyError:
            return None
        if self._clock() - snapshot.began < self._keep_seconds:
            return snapshot
        del self._snapshots[key]
        return None

    def put(self, key: Hashable, snapshot: Snapshot[Any]) -> None:
        """Keep a snapshot, unless a newer one is there."""
        there = self.get(key)
        if there is not None and there.began > snapshot.began:
            return
        if self._size_of is not None and self._size_of(snapshot) > self._snapshots.maxsize:
            self._snapshots.pop(key, None)
        else:
            self._snapshots[key] = snapshot

    def forget(self, key: Hashable, began: float = math.inf) -> None:
        """Drop the snapshot under ``key`` if its fetch began no later than ``began``, by the clock."""
        there = self._snapshots.get(key)
        if there is not None and there.began <= began:
            del self._snapshots[key]
