"""Readings in the memory of this process, bounded in number and in age."""

from collections.abc import Callable, Hashable
from typing import Any

from cachetools import TLRUCache

from app.domain.reading import Reading


class MemoryCache:
    """Readings by key: the least recently used makes room for a new one, and the too old are dropped."""

    def __init__(self, *, most: int, keep_seconds: float, clock: Callable[[], float]) -> None:
        """Hold ``most`` readings, each until ``keep_seconds`` after it began by ``clock``."""
        self._readings: TLRUCache[Hashable, Reading[Any]] = TLRUCache(
            maxsize=most, ttu=lambda _key, reading, _now: reading.began + keep_seconds, timer=clock
        )

    def get(self, key: Hashable) -> Reading[Any] | None:
        """Return the reading under ``key``, or None where there is none young enough to be of use."""
        return self._readings.get(key)

    def put(self, key: Hashable, reading: Reading[Any]) -> None:
        """Keep a reading, unless a newer one is there."""
        there = self._readings.get(key)
        if there is None or there.began <= reading.began:
            self._readings[key] = reading

    def forget(self, key: Hashable) -> None:
        """Drop whatever is kept under ``key``."""
        self._readings.pop(key, None)
