"""Who reads for all replicas: whoever takes the lease, and the others wait a moment for what he puts."""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from math import inf

from cachetools import TTLCache
from redis.asyncio import Redis

from app.cache.link import Link, Unavailable
from app.cache.scripts import DROP, LEAD, Answer

LEASE_SECONDS = 2.0
"""How long a lease lasts that nobody gives up: for so long others wait for one who dies, or whose Clever dawdles."""

_MOST_LEASES = 10_000
_FIRST_LOOK, _LAST_LOOK, _LONGER = 0.01, 0.1, 1.5  # seconds between two looks, by how much they grow
_FIRST = b"-"
_TAKEN = 1


class Leases:
    """The leases that this process holds, or may hold; each is gone by itself soon."""

    def __init__(self, link: Link, owner: Callable[[], bytes], jitter: Callable[[], float] = random.random) -> None:
        """Take the link, what makes up an owner no other process has, and what spreads looks, from 0 up to 1."""
        self._link = link
        self._owner = owner
        self._jitter = jitter
        self._held: TTLCache[str, bytes] = TTLCache(_MOST_LEASES, LEASE_SECONDS)

    async def take(self, value: str, until: float | None) -> bool:
        """Take the lease of a value, or wait for another value to be put; see the port ``Shared``.

        Whoever is more urgent than the holder in this process does not wait for it, as for none without a Redis.
        """
        if value in self._held:
            return True
        now = asyncio.get_running_loop().time
        end = min(inf if until is None else until, now() + LEASE_SECONDS)
        owner, seen, pause = self._owner(), _FIRST, _FIRST_LOOK
        while True:
            try:
                found = await self._link.ask(partial(_look, value, owner, seen))
            except Unavailable:
                found = _TAKEN  # it may have been, and the answer be late
            if not isinstance(found, bytes):
                self._held[value] = owner
                return True
            if seen not in {_FIRST, found}:
                return False
            if now() >= end:
                return True
            await asyncio.sleep(min(pause * (1 - self._jitter() / 2), end - now()))
            seen, pause = found, min(pause * _LONGER, _LAST_LOOK)

    def given_up(self, value: str) -> bytes:
        """Hold the lease of a value no longer; return who has held it, for whoever deletes it."""
        held: bytes = self._held.pop(value, b"")
        return held

    def give_up(self, value: str) -> None:
        """Let others take the lease of a value."""
        if owner := self.given_up(value):
            self._link.send(partial(_delete, value, owner))


def lease_of(value: str) -> str:
    """Return the name of the lease of a value."""
    return f"{value}:lease"


async def _look(value: str, owner: bytes, seen: bytes, redis: Redis) -> Answer:
    return await LEAD.run(redis, (value, lease_of(value)), owner, int(LEASE_SECONDS * 1000), seen)


async def _delete(value: str, owner: bytes, redis: Redis) -> None:
    await DROP.run(redis, (lease_of(value),), owner)
