"""Readings in the memory of this process, bounded in size and in age."""

import math
from collections.abc import Callable, Hashable
from typing import Any

from cachetools import LRUCache

from app.domain.snapshot import Snapshot


class MemoryCache:
    """Readings by key: the least recently used makes room for a new one, and the too old are dropped when met."""

    def __init__(
        self,
        *,
        most: int,
        keep_seconds: float,
        clock: Callable[[], float],
        size_of: Callable[[Snapshot[Any]], int] | None = None,
    ) -> None:
        """Hold readings of ``most`` in all, each until ``keep_seconds`` after it began by ``clock``.

        Each counts as one, or as what ``size_of`` says; what is larger than all of ``most`` is not kept.
        """
        self._readings: LRUCache[Hashable, Snapshot[Any]] = LRUCache(most, size_of)
        self._size_of = size_of
        self._keep_seconds = keep_seconds
        self._clock = clock

    def __len__(self) -> int:
        """Return how many readings are held, among them some that are too old."""
        return len(self._readings)

    def get(self, key: Hashable) -> Snapshot[Any] | None:
        """Return the reading under ``key``, or None where there is none young enough to be of use."""
        try:
            snapshot = self._readings[key]
        except KeyError:
            return None
        if self._clock() - snapshot.began < self._keep_seconds:
            return snapshot
        del self._readings[key]
        return None

    def put(self, key: Hashable, snapshot: Snapshot[Any]) -> None:
        """Keep a reading, unless a newer one is there."""
        there = self.get(key)
        if there is not None and there.began > snapshot.began:
            return
        if self._size_of is not None and self._size_of(snapshot) > self._readings.maxsize:
            self._readings.pop(key, None)
        else:
            self._readings[key] = snapshot

    def forget(self, key: Hashable, began: float = math.inf) -> None:
        """Drop what is kept under ``key`` and began no later than ``began``, by the clock."""
        there = self._readings.get(key)
        if there is not None and there.began <= began:
            del self._readings[key]
