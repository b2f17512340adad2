"""Messages about outdated facts, and leases: which replica fetches a user while the others wait."""

import asyncio
import hashlib
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any

from cachetools import TTLCache
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import NoScriptError, RedisError

from app.cache.redis_client import CONNECTING, RedisClient, Unavailable
from app.waiting import Backoff, cancel

QUIET_SECONDS = 15.0

_FIRST_PAUSE, _LONGEST_PAUSE, _JITTERED = 0.5, 5.0, 0.5


@dataclass(slots=True)
class Invalidations:
    """Listens to a channel; after a lost connection it connects again, and what was sent meanwhile is missed.

    Attributes:
        redis: the client, which is not closed.
        channel: the name of the channel.
        on_message: is called with each message.
        on_end: is called when the connection is lost.
        quiet: after how many seconds without a message Redis is pinged.
        jitter: draws from 0 up to 1, so that replicas do not connect in step.
    """

    redis: Redis
    channel: str
    on_message: Callable[[bytes], None]
    on_end: Callable[[], None]
    quiet: float = QUIET_SECONDS
    jitter: Callable[[], float] = random.random
    _tried: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator[None]:
        """Listen until the end of the block, which begins after the first try to connect, or after a moment."""
        listening = asyncio.create_task(self._keep_listening())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(CONNECTING):
                    await self._tried.wait()
            yield
        finally:
            await cancel((listening,))

    async def _keep_listening(self) -> None:
        pauses = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, _JITTERED, self.jitter)
        while True:
            began = asyncio.get_running_loop().time()
            with suppress(RedisError, OSError):
                async with self.redis.pubsub() as channel:
                    await self._listen(channel)
            self.on_end()
            self._tried.set()
            lasted = asyncio.get_running_loop().time() - began > _LONGEST_PAUSE
            await asyncio.sleep(pauses.next())
            if lasted:
                pauses.reset()

    async def _listen(self, channel: PubSub) -> None:
        async with asyncio.timeout(CONNECTING):
            await channel.subscribe(self.channel)
        while message := await self._next(channel):
            if message["type"] == "subscribe":
                self._tried.set()
            elif message["type"] == "message":
                self.on_message(message["data"])

    async def _next(self, channel: PubSub) -> Any:
        """Return the next message, or None if Redis does not answer any more."""
        # The library reconnects by itself, without a time limit of its own.
        async with asyncio.timeout(self.quiet + 3 * CONNECTING):
            message = await channel.get_message(timeout=self.quiet)
            if message is None:
                await channel.ping()
                message = await channel.get_message(timeout=CONNECTING)
        return message


Answer = bytes | int | None


class Script:
    """A Lua script, which Redis knows by its hash once it has been sent."""

    def __init__(self, text: str) -> None:
        """Take the text of the script."""
        self._text = text
        self._hash = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, redis: Redis, keys: tuple[str, ...], *given: str | bytes | int) -> Answer:
        """Run it, and send it first if Redis does not know it, as after a restart; raises ``RedisError``."""
        try:
            answer: Answer = await redis.evalsha(self._hash, len(keys), *keys, *given)
        except NoScriptError:
            answer = await redis.eval(self._text, len(keys), *keys, *given)
        return answer


PUT = Script("""\
-- KEYS: value, lease. ARGV: sealed, latest time to believe, milliseconds, owner of the lease, channel, message, anyhow
if redis.pcall('GET', KEYS[2]) == ARGV[4] then redis.call('DEL', KEYS[2]) end
local there = redis.pcall('GET', KEYS[1])
if type(there) ~= 'string' then there = '' end
local at = tonumber(string.sub(there, 2, 17)) or 0
if at > tonumber(string.sub(ARGV[1], 2, 17)) and at <= tonumber(ARGV[2]) then return there end
local set = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
if set.err then redis.call('DEL', KEYS[1]) end
local differs = there ~= '' and string.sub(there, 34) ~= string.sub(ARGV[1], 34)
if differs or ARGV[7] == '1' then redis.call('PUBLISH', ARGV[5], ARGV[6]) end
if set.err then return set end
return false
""")
"""Puts a value, unless a newer one is there, which is returned; releases the lease, and announces what has changed.

If Redis is full, the older value is deleted all the same, since it is no longer true."""

LEAD = Script("""\
-- KEYS: value, lease. ARGV: owner, milliseconds, time of the value that was there before, or '-'
local at = redis.pcall('GETRANGE', KEYS[1], 1, 16)
if type(at) ~= 'string' then at = '' end
if ARGV[3] ~= '-' and at ~= '' and at ~= ARGV[3] then return at end
local left = redis.call('PTTL', KEYS[2])
if left == -1 or left > tonumber(ARGV[2]) then redis.call('DEL', KEYS[2]) end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return at
""")
"""Takes the lease if nobody has it and no other value has been put since, and returns 1; else the time of the value.

A lease that lasts longer than ours do was not written by us, and is deleted."""

DROP = Script("""\
-- KEYS: any. ARGV: what has to be there
local there = redis.pcall('GET', KEYS[1])
if type(there) == 'string' and there == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
""")
"""Deletes a value only if it is still the given one: one's own lease, or a forged value."""

RENEW = Script("""\
-- KEYS: lease. ARGV: owner, milliseconds
if redis.pcall('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
""")
"""Extends a lease, if its owner still holds it, to so many milliseconds from now."""

LEASE_SECONDS = 2.0
"""How long a lease lasts unless it is released: so long others wait for a replica that died, or is slow to fetch."""

_MOST_LEASES = 10_000

_FIRST_LOOK, _LAST_LOOK, _LONGER = 0.01, 0.1, 1.5  # seconds between two looks, by how much they grow

_FIRST = b"-"

_TAKEN = 1


class Leases:
    """The leases that this process holds; each expires by itself soon."""

    def __init__(
        self, client: RedisClient, owner: Callable[[], bytes], jitter: Callable[[], float] = random.random
    ) -> None:
        """Take the client, what generates an owner unique among processes, and what draws jitter, from 0 up to 1."""
        self._client = client
        self._owner = owner
        self._jitter = jitter
        self._held: TTLCache[str, bytes] = TTLCache(_MOST_LEASES, LEASE_SECONDS)

    async def acquire(self, value: str, until: float | None) -> bool:
        """Take the lease of a value, or wait for another process to put the value; see ``Shared.lead``.

        If this process holds the lease already, a more urgent fetch in it does not wait.
        """
        if value in self._held:
            return True
        now = asyncio.get_running_loop().time
        end = min(inf if until is None else until, now() + LEASE_SECONDS)
        owner, seen, pause = self._owner(), _FIRST, _FIRST_LOOK
        while True:
            try:
                found = await self._client.ask(partial(_try_acquire, value, owner, seen))
            except Unavailable:
                found = _TAKEN  # perhaps it was, and the answer is late
            if not isinstance(found, bytes):
                self._held[value] = owner
                return True
            if seen not in {_FIRST, found}:
                return False
            if now() >= end:
                return True
            await asyncio.sleep(min(pause * (1 - self._jitter() / 2), end - now()))
            seen, pause = found, min(pause * _LONGER, _LAST_LOOK)

    def forget(self, value: str) -> bytes:
        """Forget the lease of a value, and return its owner, with which it can be deleted."""
        held: bytes = self._held.pop(value, b"")
        return held

    def release(self, value: str) -> None:
        """Let others take the lease of a value."""
        if owner := self.forget(value):
            self._client.send(partial(_delete, value, owner))


TURN_SECONDS = 10.0
"""How long a turn lasts that is not renewed: so long others wait for a process that died."""

_LONGEST_WAIT = 120.0  # after that a process goes on, whoever has the turn

_KEPT_EVERY, _ASKED_EVERY = 3.0, 0.5


@asynccontextmanager
async def turn(client: RedisClient, lease: str, owner: bytes) -> AsyncGenerator[None]:
    """Hold a lease for the block, once no other process holds it.

    If Redis does not answer, or after two minutes, the block begins without it.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_LONGEST_WAIT):
            await _have_turn(client, lease, owner)
    keeping = asyncio.create_task(_keep(client, lease, owner))
    try:
        yield
    finally:
        await cancel((keeping,))
        client.send(partial(_delete_lease, lease, owner))


async def _have_turn(client: RedisClient, lease: str, owner: bytes) -> None:
    async def take(redis: Redis) -> bool:
        return bool(await redis.set(lease, owner, nx=True, px=int(TURN_SECONDS * 1000)))

    with suppress(Unavailable):
        while True:
            if await client.ask(take):
                return
            await asyncio.sleep(_ASKED_EVERY)


async def _keep(client: RedisClient, lease: str, owner: bytes) -> None:
    async def renew(redis: Redis) -> None:
        await RENEW.run(redis, (lease,), owner, int(TURN_SECONDS * 1000))

    while True:
        await asyncio.sleep(_KEPT_EVERY)
        client.send(renew)


def lease_of(value: str) -> str:
    """Return the key of a value's lease."""
    return f"{value}:lease"


async def _try_acquire(value: str, owner: bytes, seen: bytes, redis: Redis) -> Answer:
    return await LEAD.run(redis, (value, lease_of(value)), owner, int(LEASE_SECONDS * 1000), seen)


async def _delete(value: str, owner: bytes, redis: Redis) -> None:
    await _delete_lease(lease_of(value), owner, redis)


async def _delete_lease(lease: str, owner: bytes, redis: Redis) -> None:
    await DROP.run(redis, (lease,), owner)
