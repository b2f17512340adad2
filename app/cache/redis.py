"""Facts of users in Redis or Valkey, where all replicas find them: a second tier, behind the memory of each.

Nothing there is believed that is not under a MAC from the deployment's secret: whoever writes to Redis can take facts
away, or bring back what was true within the time that readings are kept, and can make up nothing. Names are keyed
hashes, so that they tell nobody who is there.
"""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

from redis.asyncio import Redis

from app.cache.redis_client import Health, RedisClient, Unavailable, redis_at
from app.cache.redis_locks import DROP, PUT, Invalidations, Leases, lease_of
from app.cache.signing import FORMAT, Names, Opened, Signer
from app.domain import serialization
from app.domain.serialization import PackedFacts
from app.domain.snapshot import Found
from app.telemetry import metrics, tracing

Dropped = Callable[[str, float], None]
"""Is told the key of facts that are outdated, and the Unix time up to which readings of them are."""

TOMBSTONE_SECONDS = 60
"""How long it is known that there is no such user: longer than a reading takes that began before."""

AHEAD_SECONDS = 5
"""How far the clocks of replicas may differ: what began later than that from now is not believed."""

_PREFIX = f"rosterguard:{FORMAT.decode()}.{serialization.FORMAT}"
_CHANNEL = "rosterguard:outdated"
_OWNER_BYTES = 8
_MICROSECONDS = 1_000_000


class _Writing(NamedTuple):
    """What to put under a key, nothing for that there is no such user; when it began, and until when it is of use."""

    key: str
    content: bytes
    at: float
    until: float


class SharedCache:
    """Keeps facts in Redis, each under its key, and carries to all replicas what is outdated."""

    def __init__(
        self, url: str, *, secret: bytes, keep_seconds: float, patience: float, wall: Callable[[], float]
    ) -> None:
        """Take where Redis is, without asking it.

        Args:
            url: ``redis://`` or ``rediss://``, with what is needed to be let in.
            secret: from which keys are derived; the same in every replica.
            keep_seconds: how long after it began a reading is of use.
            patience: for how many seconds a caller waits.
            wall: Unix seconds.
        """
        redis = redis_at(url)
        self._health = Health()
        self._link = RedisClient(redis, self._health, patience)
        self._leases = Leases(self._link, partial(os.urandom, _OWNER_BYTES))
        self._names = Names(secret, "names in Redis")
        self._values, self._messages = Signer(secret, "facts in Redis"), Signer(secret, "messages in Redis")
        self._channel = f"{_CHANNEL}:{self._names.of(_CHANNEL)}"
        self._announcements = Invalidations(redis, self._channel, take=self._heard, ended=self._link.check)
        self._keep_seconds = keep_seconds
        self._wall = wall
        self._us = os.urandom(_OWNER_BYTES)
        self._dropped: Dropped = lambda _key, _at: None

    def state(self) -> str:
        """How Redis fares, in one fixed word."""
        return self._health.state

    @asynccontextmanager
    async def open(self, dropped: Dropped) -> AsyncGenerator[None]:
        """Connect and listen until the end of the block; ``dropped`` is told what is outdated by now."""
        self._dropped = dropped
        async with self._link.open(), self._announcements.listening():
            yield

    async def find(self, key: str) -> Found[PackedFacts] | None:
        """Return what is there under ``key``, or None; in a few milliseconds in any case."""
        with tracing.tracer().working("shared") as span:
            outcome, found = await self._look(key)
            metrics.shared_looked_up(outcome)
            span.says("outcome", outcome)
            return found

    async def lead(self, key: str, until: float | None) -> bool:
        """Tell whether to read now, so that one replica reads for all; see the port."""
        with tracing.tracer().working("lease"):
            return await self._leases.take(self._value(key), until)

    def put(self, key: str, said: PackedFacts, at: float) -> None:
        """Share a reading that began ``at`` Unix seconds, unless a newer one is there; nobody waits for that."""
        self._write(_Writing(key, said, at, at + self._keep_seconds))

    def forget(self, key: str, at: float) -> None:
        """Have all replicas drop what began no later than ``at``: there is no such user any more."""
        self._write(_Writing(key, b"", at, self._wall() + TOMBSTONE_SECONDS))

    def give_up(self, key: str) -> None:
        """Let others read: the reading failed."""
        self._leases.give_up(self._value(key))

    def _value(self, key: str) -> str:
        return f"{_PREFIX}:{self._names.of(key)}"

    async def _look(self, key: str) -> tuple[str, Found[PackedFacts] | None]:
        name = self._value(key)
        try:
            there = await self._link.ask(partial(_get, name))
        except Unavailable as error:
            return error.word, None
        if there is None:
            return "miss", None
        opened = self._opened(self._values, key, there)
        if opened is None:
            # Else a time that has been made up would keep readings from being put.
            self._link.send(partial(_drop, name, there))
            return "refused", None
        if not opened.content or self._is_old(opened.at):
            return "miss", None
        # Where the other clock is ahead, it has begun just now: nothing is of the future.
        return "hit", Found(PackedFacts(opened.content), min(opened.at, self._wall()))

    def _opened(self, seal: Signer, name: str, text: bytes) -> Opened | None:
        opened = seal.opened(name, text)
        return None if opened is None or opened.at > self._wall() + AHEAD_SECONDS else opened

    def _is_old(self, at: float) -> bool:
        # Other replicas may keep readings for longer; or somebody brings back what stood there once.
        return at < self._wall() - self._keep_seconds

    def _write(self, writing: _Writing) -> None:
        owner = self._leases.given_up(self._value(writing.key))
        self._link.send(partial(self._put, writing, owner))

    async def _put(self, writing: _Writing, owner: bytes, redis: Redis) -> None:
        key, content, at, until = writing
        now, name = self._wall(), self._value(key)
        if until <= now:
            return
        sealed = self._values.sealed(key, content, at)
        message = self._messages.sealed(self._channel, self._us + key.encode(), at)
        given = int((now + AHEAD_SECONDS) * _MICROSECONDS), int((until - now) * 1000) + 1, owner
        anyhow = 0 if content else 1
        for _ in range(2):
            there = await PUT.run(redis, (name, lease_of(name)), sealed, *given, self._channel, message, anyhow)
            if not isinstance(there, bytes):
                return
            newer = self._opened(self._values, key, there)
            if newer is not None:
                self._dropped(key, newer.at)
                return
            await _drop(name, there, redis)

    def _heard(self, message: bytes) -> None:
        opened = self._opened(self._messages, self._channel, message)
        if opened is not None and not self._is_old(opened.at) and not opened.content.startswith(self._us):
            self._dropped(opened.content[_OWNER_BYTES:].decode(), opened.at)


async def _get(name: str, redis: Redis) -> bytes | None:
    there = await redis.get(name)
    return there if isinstance(there, bytes) else None


async def _drop(name: str, there: bytes, redis: Redis) -> None:
    await DROP.run(redis, (name,), there)
