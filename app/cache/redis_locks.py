"""Who reads for all replicas: whoever takes the lease, and the others wait a moment for what he puts."""

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

QUIET_SECONDS = 15.0


_FIRST_PAUSE, _LONGEST_PAUSE, _JITTERED = 0.5, 5.0, 0.5


@dataclass(slots=True)
class Invalidations:
    """Listens to a channel; where the connection is lost it is made anew, and what was said meanwhile is missed.

    Attributes:
        redis: the client, which is not closed.
        channel: the name of the channel.
        take: gets each message.
        ended: is called when the connection has been lost.
        quiet: for how many seconds nothing may be heard, before it is asked whether anybody is still there.
        jitter: spreads new tries, from 0 up to 1.
    """

    redis: Redis
    channel: str
    take: Callable[[bytes], None]
    ended: Callable[[], None]
    quiet: float = QUIET_SECONDS
    jitter: Callable[[], float] = random.random
    _tried: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator[None]:
        """Listen until the end of the block, which begins when that has been tried or takes too long."""
        listening = asyncio.create_task(self._keep_listening())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(CONNECTING):
                    await self._tried.wait()
            yield
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _keep_listening(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            began = asyncio.get_running_loop().time()
            with suppress(RedisError, OSError):
                async with self.redis.pubsub() as channel:
                    await self._listen(channel)
            self.ended()
            self._tried.set()
            lasted = asyncio.get_running_loop().time() - began > _LONGEST_PAUSE
            await asyncio.sleep(pause * (1 - _JITTERED * self.jitter()))
            pause = _FIRST_PAUSE if lasted else min(2 * pause, _LONGEST_PAUSE)

    async def _listen(self, channel: PubSub) -> None:
        async with asyncio.timeout(CONNECTING):
            await channel.subscribe(self.channel)
        while message := await self._next(channel):
            if message["type"] == "subscribe":
                self._tried.set()
            elif message["type"] == "message":
                self.take(message["data"])

    async def _next(self, channel: PubSub) -> Any:
        """Return what is heard next, or None where nobody is there any more."""
        # The library connects anew by itself, without a time of its own.
        async with asyncio.timeout(self.quiet + 3 * CONNECTING):
            message = await channel.get_message(timeout=self.quiet)
            if message is None:
                await channel.ping()
                message = await channel.get_message(timeout=CONNECTING)
        return message


Answer = bytes | int | None


class Script:
    """A script, which Redis knows by its hash once it has been sent."""

    def __init__(self, text: str) -> None:
        """Take the text in Lua."""
        self._text = text
        self._hash = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, redis: Redis, keys: tuple[str, ...], *given: str | bytes | int) -> Answer:
        """Run it, sending it where Redis does not know it, as after a restart; raises ``RedisError``."""
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


"""Puts a value unless a newer one is there, which is returned; gives up the lease, and announces what has changed.

Where there is no room for it the older one goes all the same, for it is no longer true."""


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


"""Takes the lease where nobody has it and no other value has been put since: 1, else the time of the value there.

One that lasts longer than leases do is none of ours."""


DROP = Script("""\
-- KEYS: any. ARGV: what has to be there
local there = redis.pcall('GET', KEYS[1])
if type(there) == 'string' and there == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
""")


"""Deletes what is there only if it is still this: a lease of one's own, or a value that was found to be forged."""


LEASE_SECONDS = 2.0


"""How long a lease lasts that nobody gives up: for so long others wait for one who dies, or whose Clever dawdles."""


_MOST_LEASES = 10_000


_FIRST_LOOK, _LAST_LOOK, _LONGER = 0.01, 0.1, 1.5  # seconds between two looks, by how much they grow


_FIRST = b"-"


_TAKEN = 1


class Leases:
    """The leases that this process holds, or may hold; each is gone by itself soon."""

    def __init__(
        self, link: RedisClient, owner: Callable[[], bytes], jitter: Callable[[], float] = random.random
    ) -> None:
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
