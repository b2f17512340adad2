"""What replicas tell one another through a channel of Redis."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from app.cache.link import CONNECTING

QUIET_SECONDS = 15.0

_FIRST_PAUSE, _LONGEST_PAUSE, _JITTERED = 0.5, 5.0, 0.5


@dataclass(slots=True)
class Announcements:
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
