"""Readings in the memory of this process, bounded in number and in age."""

from collections.abc import Callable

from cachetools import TLRUCache

from app.domain.ids import DistrictId, UserId
from app.domain.reading import Reading

Key = tuple[DistrictId, UserId]


class MemoryCache:
    """Readings by district and user: the least recently used makes room for a new one, and the too old are dropped."""

    def __init__(self, *, users: int, keep_seconds: float, clock: Callable[[], float]) -> None:
        """Hold ``users`` readings at most, each until ``keep_seconds`` after it began by ``clock``."""
        self._readings: TLRUCache[Key, Reading] = TLRUCache(
            maxsize=users, ttu=lambda _key, reading, _now: reading.began + keep_seconds, timer=clock
        )

    def get(self, user: UserId, district: DistrictId) -> Reading | None:
        """Return the reading of a user, or None where there is none young enough to be of use."""
        return self._readings.get((district, user))

    def put(self, reading: Reading) -> None:
        """Keep a reading, unless a newer one of the same user is there."""
        key = (reading.facts.district, reading.facts.user)
        there = self._readings.get(key)
        if there is None or there.began <= reading.began:
            self._readings[key] = reading

    def forget(self, user: UserId, district: DistrictId) -> None:
        """Drop whatever is kept of a user."""
        self._readings.pop((district, user), None)
