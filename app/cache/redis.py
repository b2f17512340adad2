"""Facts of users in Redis or Valkey, shared by all replicas: a second tier behind the memory of each.

Only values with a MAC from the deployment's secret are believed. Whoever can write to Redis can remove facts, or bring
back what was true within the time that snapshots are kept, but cannot invent any. Keys are keyed hashes, so they do not
show who is in there.
"""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import NamedTuple

from redis.asyncio import Redis

from app.cache.redis_client import Health, RedisClient, Unavailable, redis_at
from app.cache.redis_events import SharedEvents
from app.cache.redis_locks import DROP, PUT, Invalidations, Leases, lease_of, turn
from app.cache.signing import FORMAT, Names, Opened, Signer
from app.domain import serialization
from app.domain.ids import DistrictId
from app.domain.serialization import PackedFacts
from app.domain.snapshot import Found
from app.telemetry import metrics, tracing

LoadWanted = Callable[[DistrictId, float], object]
"""Called with a district that another process was asked to load, and when it was, in Unix seconds."""

Dropped = Callable[[str, float], None]
"""Called with the key of outdated facts, and the Unix time up to which snapshots of them are outdated."""

TOMBSTONE_SECONDS = 60
"""How long Redis keeps that a user is gone: longer than any fetch takes that began before."""

AHEAD_SECONDS = 5
"""How far the clocks of replicas may differ: a value from further in the future is not believed."""

_PREFIX = f"rosterguard:{FORMAT.decode()}.{serialization.FORMAT}"
_CHANNEL = "rosterguard:outdated"
_OWNER_BYTES = 8
_NEWS = "/"
"""How a message begins that names a district with new events; the key of a user begins with that of the district."""
_LOAD = "+"
"""How a message begins that names a district to load."""
_MICROSECONDS = 1_000_000


class _Writing(NamedTuple):
    """A value to put under a key: its content, empty if the user is gone, when its fetch began, and when it expires."""

    key: str
    content: bytes
    at: float
    until: float


class SharedCache:
    """Keeps facts in Redis, and sends all replicas the keys of facts that are outdated."""

    def __init__(
        self, url: str, *, secret: bytes, keep_seconds: float, timeout: float, wall: Callable[[], float]
    ) -> None:
        """Take where Redis is; nothing is connected yet.

        Args:
            url: ``redis://`` or ``rediss://``, with the credentials that Redis asks for.
            secret: from which keys are derived; the same in every replica.
            keep_seconds: how long a snapshot is of use, from when its fetch began.
            timeout: how many seconds a caller waits for Redis.
            wall: returns Unix seconds.
        """
        redis = redis_at(url)
        self._health = Health()
        self._client = RedisClient(redis, self._health, timeout)
        self._leases = Leases(self._client, partial(os.urandom, _OWNER_BYTES))
        self._names = Names(secret, "names in Redis")
        self._values, self._messages = Signer(secret, "facts in Redis"), Signer(secret, "messages in Redis")
        self._channel = f"{_CHANNEL}:{self._names.of(_CHANNEL)}"
        self._invalidations = Invalidations(
            redis, self._channel, on_message=self._on_message, on_end=self._client.check
        )
        self._keep_seconds = keep_seconds
        self._wall = wall
        self._sender = os.urandom(_OWNER_BYTES)
        self._dropped: Dropped = lambda _key, _at: None
        self.events = SharedEvents(
            client=self._client,
            leases=self._leases,
            secret=secret,
            wall=wall,
            channel=self._channel,
            message_of=self._news_of,
        )
        self._load_wanted: LoadWanted = lambda _district, _at: None

    def state(self) -> str:
        """Return the state of Redis, in one fixed word."""
        return self._health.state

    @asynccontextmanager
    async def open(self, dropped: Dropped) -> AsyncGenerator[None]:
        """Connect and listen until the end of the block; ``dropped`` is called with what becomes outdated."""
        self._dropped = dropped
        async with self._client.open(), self._invalidations.listening():
            yield

    def on_load(self, load_wanted: LoadWanted) -> None:
        """Have ``load_wanted`` called with each district that another process was asked to load, and when."""
        self._load_wanted = load_wanted

    def announce_load(self, district: DistrictId) -> None:
        """Have all other processes load a district, too; nobody waits for that."""
        message = self._messages.signed(self._channel, self._sender + f"{_LOAD}{district}".encode(), self._wall())
        self._client.send(partial(_publish, self._channel, message))

    def alone(self, key: str) -> AbstractAsyncContextManager[None]:
        """Hold the lock that ``key`` names for the block, waiting for other processes first; see ``turn``."""
        return turn(self._client, f"{self._value(key)}:turn", os.urandom(_OWNER_BYTES))

    async def find(self, key: str) -> Found[PackedFacts] | None:
        """Return what another replica has read under ``key``, or None; it takes a few milliseconds at most."""
        with tracing.tracer().internal_span("shared") as span:
            outcome, found = await self._look(key)
            metrics.record_shared_lookup(outcome)
            span.set_attribute("outcome", outcome)
            return found

    async def lead(self, key: str, until: float | None) -> bool:
        """Take the lead in fetching, or wait for the replica that has it; see ``Shared.lead``."""
        with tracing.tracer().internal_span("lease"):
            return await self._leases.acquire(self._value(key), until)

    def put(self, key: str, said: PackedFacts, at: float) -> None:
        """Share what was read ``at`` Unix seconds, unless there is something newer; nobody waits for that."""
        self._write(_Writing(key, said, at, at + self._keep_seconds))

    def forget(self, key: str, at: float) -> None:
        """Have all replicas drop what they read no later than ``at``: there is no such user any more."""
        self._write(_Writing(key, b"", at, self._wall() + TOMBSTONE_SECONDS))

    def give_up(self, key: str) -> None:
        """Let others take the lead: the fetch failed."""
        self._leases.release(self._value(key))

    def _value(self, key: str) -> str:
        return f"{_PREFIX}:{self._names.of(key)}"

    async def _look(self, key: str) -> tuple[str, Found[PackedFacts] | None]:
        name = self._value(key)
        try:
            there = await self._client.ask(partial(_get, name))
        except Unavailable as error:
            return error.outcome, None
        if there is None:
            return "miss", None
        opened = self._opened(self._values, key, there)
        if opened is None:
            # Otherwise a forged time would keep newer snapshots from being put.
            self._client.send(partial(_drop, name, there))
            return "refused", None
        if not opened.content or self._is_old(opened.at):
            return "miss", None
        # If the other clock is ahead, it counts as read just now.
        return "hit", Found(PackedFacts(opened.content), min(opened.at, self._wall()))

    def _opened(self, signer: Signer, name: str, text: bytes) -> Opened | None:
        opened = signer.opened(name, text)
        return None if opened is None or opened.at > self._wall() + AHEAD_SECONDS else opened

    def _is_old(self, at: float) -> bool:
        # Other replicas may keep snapshots for longer; or somebody puts back an old value.
        return at < self._wall() - self._keep_seconds

    def _write(self, writing: _Writing) -> None:
        owner = self._leases.forget(self._value(writing.key))
        self._client.send(partial(self._put, writing, owner))

    async def _put(self, writing: _Writing, owner: bytes, redis: Redis) -> None:
        key, content, at, until = writing
        now, name = self._wall(), self._value(key)
        if until <= now:
            return
        signed = self._values.signed(key, content, at)
        message = self._messages.signed(self._channel, self._sender + key.encode(), at)
        given = int((now + AHEAD_SECONDS) * _MICROSECONDS), int((until - now) * 1000) + 1, owner
        anyhow = 0 if content else 1
        for _ in range(2):
            there = await PUT.run(redis, (name, lease_of(name)), signed, *given, self._channel, message, anyhow)
            if not isinstance(there, bytes):
                return
            newer = self._opened(self._values, key, there)
            if newer is not None:
                self._dropped(key, newer.at)
                return
            await _drop(name, there, redis)

    def _on_message(self, message: bytes) -> None:
        opened = self._opened(self._messages, self._channel, message)
        if opened is None or self._is_old(opened.at) or opened.content.startswith(self._sender):
            return
        key = opened.content[_OWNER_BYTES:].decode()
        if key.startswith(_NEWS):
            self.events.wake(DistrictId(key.removeprefix(_NEWS)))
        elif key.startswith(_LOAD):
            self._load_wanted(DistrictId(key.removeprefix(_LOAD)), opened.at)
        else:
            self._dropped(key, opened.at)

    def _news_of(self, district: DistrictId, at: float) -> bytes:
        return self._messages.signed(self._channel, self._sender + f"{_NEWS}{district}".encode(), at)


async def _get(name: str, redis: Redis) -> bytes | None:
    there = await redis.get(name)
    return there if isinstance(there, bytes) else None


async def _publish(channel: str, message: bytes, redis: Redis) -> None:
    await redis.publish(channel, message)


async def _drop(name: str, there: bytes, redis: Redis) -> None:
    await DROP.run(redis, (name,), there)
