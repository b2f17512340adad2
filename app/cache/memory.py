"""Readings in the memory of this process, bounded in size and in age."""

import math
from collections.abc import Callable, Hashable
from typing import Any

from cachetools import LRUCache

from app.domain.reading import Reading


class MemoryCache:
    """Readings by key: the least recently used makes room for a new one, and the too old are dropped when met."""

    def __init__(
        self,
        *,
        most: int,
        keep_seconds: float,
        clock: Callable[[], float],
        size_of: Callable[[Reading[Any]], int] | None = None,
    ) -> None:
        """Hold readings of ``most`` in all, each until ``keep_seconds`` after it began by ``clock``.

        Each counts as one, or as what ``size_of`` says; what is larger than all of ``most`` is not kept.
        """
        self._readings: LRUCache[Hashable, Reading[Any]] = LRUCache(most, size_of)
        self._size_of = size_of
        self._keep_seconds = keep_seconds
        self._clock = clock

    def __len__(self) -> int:
        """Return how many readings are held, among them some that are too old."""
        return len(self._readings)

    def get(self, key: Hashable) -> Reading[Any] | None:
        """Return the reading under ``key``, or None where there is none young enough to be of use."""
        try:
            reading = self._readings[key]
        except KeyError:
            return None
        if self._clock() - reading.began < self._keep_seconds:
            return reading
        del self._readings[key]
        return None

    def put(self, key: Hashable, reading: Reading[Any]) -> None:
        """Keep a reading, unless a newer one is there."""
        there = self.get(key)
        if there is not None and there.began > reading.began:
            return
        if self._size_of is not None and self._size_of(reading) > self._readings.maxsize:
            self._readings.pop(key, None)
        else:
            self._readings[key] = reading

    def forget(self, key: Hashable, began: float = math.inf) -> None:
        """Drop what is kept under ``key`` and began no later than ``began``, by the clock."""
        there = self._readings.get(key)
        if there is not None and there.began <= began:
            del self._readings[key]
