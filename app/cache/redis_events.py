"""The events of districts in Redis or Valkey: one replica reads them from Clever, and passes them on to the others.

A district has a stream of what was read, which is bounded, and a value that says when and how far Clever was last
asked. Both are signed. Whoever can write to Redis can remove, repeat or reorder entries: whether one follows on another
is seen by the ids of the events in them, and where it does not, Clever is asked.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from app.cache.redis_client import RedisClient, Unavailable
from app.cache.redis_locks import PUT, Leases, lease_of
from app.cache.signing import FORMAT, Names, Opened, Signer
from app.domain import serialization
from app.domain.events import Passage, packed_passage, unpacked_passage
from app.domain.ids import DistrictId
from app.domain.snapshot import Found
from app.telemetry import metrics

MOST_ENTRIES = 256
"""How long a stream may be, roughly; a page of 200 sections takes some 80 KB."""

KEEP_SECONDS = 86_400
"""After how long without news a stream is forgotten."""

AHEAD_SECONDS = 5
"""How far the clocks of replicas may differ: a value from further in the future is not believed."""

_AT_ONCE = 8
_ENTRY = b"e"
_BEGINNING = "0-0"
_PREFIX = f"rosterguard:events:{FORMAT.decode()}.{serialization.FORMAT}"
_MILLISECONDS, _MICROSECONDS = 1_000, 1_000_000


class SharedEvents:
    """Passes on the events of districts; it implements the roster's port ``EventStream``."""

    def __init__(  # noqa: PLR0913 -- the parts of one connection to Redis
        self,
        *,
        client: RedisClient,
        leases: Leases,
        secret: bytes,
        wall: Callable[[], float],
        channel: str,
        message_of: Callable[[DistrictId, float], bytes],
    ) -> None:
        """Take what the cache of facts has made.

        Args:
            client: sends commands.
            leases: those that this process holds.
            secret: from which keys are derived; the same in every replica.
            wall: tells Unix seconds.
            channel: on which replicas are told that there is something new.
            message_of: makes such a message, which ends in ``wake`` in every other replica.
        """
        self._client = client
        self._leases = leases
        self._signer = Signer(secret, "events in Redis")
        self._names = Names(secret, "names in Redis")
        self._wall = wall
        self._channel = channel
        self._message_of = message_of
        self._news: defaultdict[DistrictId, asyncio.Event] = defaultdict(asyncio.Event)

    async def polled(self, district: DistrictId) -> Found[str] | None:
        """Return up to which event a replica last asked Clever, and when; None if that is not known."""
        try:
            there = await self._client.ask(partial(_get, self._value(district)))
        except Unavailable:
            return None
        opened = self._opened(f"{district}/polled", there)
        return None if opened is None else Found(opened.content.decode(), opened.at)

    async def lead(self, district: DistrictId) -> bool:
        """Tell whether this replica is to ask Clever now; if another is asking, wait for it."""
        return await self._leases.acquire(self._value(district), None)

    def give_up(self, district: DistrictId) -> None:
        """Let another replica ask: Clever could not be read."""
        self._leases.release(self._value(district))

    def put(self, district: DistrictId, passages: Sequence[Passage], polled: Found[str]) -> None:
        """Pass on what was read, perhaps nothing new; nobody waits for that."""
        owner = self._leases.forget(self._value(district))
        entries = [self._signer.signed(district, packed_passage(passage), polled.at) for passage in passages]
        self._client.send(partial(self._put, district, entries, polled, owner))

    async def end(self, district: DistrictId) -> str | None:
        """Return the position behind all that has been passed on; None if that is not known."""
        try:
            return await self._client.ask(partial(_end, self._stream(district)))
        except Unavailable:
            return None

    async def read(self, district: DistrictId, position: str) -> tuple[str, Sequence[Passage]] | None:
        """Return what was passed on after a position, or the first of it, and the next position; None if unknown."""
        try:
            entries = await self._client.ask(partial(_entries, self._stream(district), position))
            passages = [self._passage(district, fields) for _, fields in entries]
        except (Unavailable, ValueError):
            return None
        return (entries[-1][0].decode() if entries else position), passages

    async def wait(self, district: DistrictId, seconds: float) -> None:
        """Wait until something is passed on, for so many seconds at most."""
        news = self._news[district]
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await news.wait()
        news.clear()

    def wake(self, district: DistrictId) -> None:
        """End the wait for something new."""
        self._news[district].set()

    def _passage(self, district: DistrictId, fields: dict[bytes, bytes]) -> Passage:
        opened = self._opened(district, fields.get(_ENTRY, b""))
        if opened is None:
            raise ValueError("an entry that none of us has made")
        return unpacked_passage(opened.content)

    def _opened(self, name: str, text: bytes | None) -> Opened | None:
        if text is None:
            return None
        opened = self._signer.opened(name, text)
        if opened is None or opened.at > self._wall() + AHEAD_SECONDS:
            metrics.record_shared_lookup("refused")
            return None
        return opened

    async def _put(
        self, district: DistrictId, entries: Sequence[bytes], polled: Found[str], owner: bytes, redis: Redis
    ) -> None:
        stream, value = self._stream(district), self._value(district)
        try:
            await _add(stream, entries, redis)
        except ResponseError:
            # Somebody else has put another kind of value there, or an entry with the largest id that there can be.
            await redis.delete(stream)
            await _add(stream, entries, redis)
        # Only now: whoever reads it expects to find in the stream all that it speaks of.
        signed = self._signer.signed(f"{district}/polled", polled.said.encode(), polled.at)
        latest = int((self._wall() + AHEAD_SECONDS) * _MICROSECONDS)
        message = self._message_of(district, polled.at)
        given = signed, latest, KEEP_SECONDS * _MILLISECONDS, owner, self._channel, message, 1 if entries else 0
        await PUT.run(redis, (value, lease_of(value)), *given)

    def _stream(self, district: DistrictId) -> str:
        return f"{_PREFIX}:{self._names.of(f'{district}/events')}"

    def _value(self, district: DistrictId) -> str:
        return f"{_PREFIX}:{self._names.of(f'{district}/polled')}"


async def _get(name: str, redis: Redis) -> bytes | None:
    there = await redis.get(name)
    return there if isinstance(there, bytes) else None


async def _add(stream: str, entries: Sequence[bytes], redis: Redis) -> None:
    for entry in entries:
        await redis.xadd(stream, {_ENTRY: entry}, maxlen=MOST_ENTRIES, approximate=True)
    if entries:
        await redis.expire(stream, KEEP_SECONDS)


async def _end(stream: str, redis: Redis) -> str:
    entries: Any = await redis.xrevrange(stream, count=1)
    return entries[0][0].decode() if entries else _BEGINNING


async def _entries(stream: str, position: str, redis: Redis) -> Any:
    return await redis.xrange(stream, min=f"({position}", count=_AT_ONCE)
