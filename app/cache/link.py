"""The way to Redis: it is given a few milliseconds to answer, and is done without past them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import Any, TypeVar

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ReadOnlyError, RedisError, ResponseError
from redis.maint_notifications import MaintNotificationsConfig

from app.cache.health import Health
from app.telemetry import metrics

T = TypeVar("T")

Command = Callable[[Redis], Awaitable[T]]

LONGEST = 0.25
"""Seconds after which a command is given up, and its connection with it; its caller has long gone on."""

CONNECTING = 1.0
"""Seconds that a connection may take; for as long the service waits for the first one when it starts."""

CONNECTIONS = 8
MOST_AT_ONCE = 256
MOST_BEHIND = 256
"""Commands that nobody waits for, of which half of the connections are kept free."""

_LATE = 0.002  # no timer is later, where the process has nothing else to do
_MOST_WAITS = 5


class Unavailable(Exception):
    """Redis did not answer in time or as it should (``error``), or was not asked (``skipped``)."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def redis_at(url: str) -> Redis:
    """Return a client that tries nothing twice; nothing is connected yet."""
    pool = ConnectionPool.from_url(
        url,
        # What every Redis, Valkey and proxy speaks; nothing here needs the newer protocol, or notices of maintenance.
        protocol=2,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        driver_info=None,
        # By its own it would try ten times, for some seconds.
        retry=Retry(NoBackoff(), 0),
        socket_timeout=None,
        socket_connect_timeout=CONNECTING,
        max_connections=CONNECTIONS + 1,  # one listens
    )
    return Redis.from_pool(pool)


class Link:
    """Asks Redis, and notes how it fares.

    A caller who has waited long enough goes on, and the command does, too: cancelled, it would take its connection
    along, and while connecting takes longer than callers wait there would never be one.
    """

    def __init__(self, redis: Redis, health: Health, patience: float) -> None:
        """Take the client, which is closed at the end, and for how many seconds a caller waits."""
        self.redis = redis
        self._health = health
        self._patience = patience
        self._room = asyncio.Semaphore(CONNECTIONS)
        self._room_behind = asyncio.Semaphore(CONNECTIONS // 2)
        self._waited_for: set[asyncio.Task[Any]] = set()
        self._behind: set[asyncio.Task[Any]] = set()
        self._swift_at = -inf

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Connect, and stay so until the end of the block, where what is under way is done or given up."""
        probing = asyncio.create_task(self._health.keep_probing(self._is_well))
        try:
            await self._health.wait(CONNECTING)
            yield
            if self._behind:
                await asyncio.wait(self._behind, timeout=LONGEST)
        finally:
            tasks = [probing, *self._waited_for, *self._behind]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.redis.aclose()

    async def ask(self, command: Command[T]) -> T:
        """Return what ``command`` comes to, or raise ``Unavailable``, within milliseconds.

        That is the patience given; some five times as much where this process is so busy that it may be its own fault.
        """
        if not self._health.is_up() or len(self._waited_for) >= MOST_AT_ONCE:
            raise Unavailable("skipped")
        return await self._in_time(_begun(self._done(command), self._waited_for))

    def send(self, command: Command[None]) -> None:
        """Have ``command`` done while nobody waits; where that is not possible or fails it is dropped, and counted."""
        if self._health.is_up() and len(self._behind) < MOST_BEHIND:
            _begun(self._done_behind(command), self._behind)
        else:
            metrics.SHARED_DROPPED.inc()

    def check(self) -> None:
        """Find out, while nobody waits, whether Redis is still there."""
        if self._health.is_up():
            _begun(self._done(_ping), self._waited_for)

    async def _in_time(self, task: asyncio.Task[T]) -> T:
        loop = asyncio.get_running_loop()
        for _ in range(_MOST_WAITS):
            began = loop.time()
            if (await asyncio.wait({task}, timeout=self._patience))[0]:
                answer = task.result()
                self._health.answered()
                return answer
            # It may be this process that is busy: then its timers are late, or others are being answered swiftly.
            if loop.time() - began < self._patience + _LATE and self._swift_at < began:
                self._health.dawdled()
                break
        raise Unavailable("error")

    async def _done(self, command: Command[T], within: float = LONGEST) -> T:
        try:
            async with asyncio.timeout(max(within, self._patience)), self._room:
                return await self._timed(command)
        except ResponseError as error:
            # One that has become a replica is the wrong one by now, and its name may lead to another. Before Redis 7
            # a script that fails for it says so among other words.
            lost = isinstance(error, ReadOnlyError) or "READONLY" in str(error)
            (self._health.lost if lost else self._health.refused)()
            raise Unavailable("error") from error
        except TimeoutError as error:
            self._health.dawdled()
            raise Unavailable("error") from error
        except AuthenticationError as error:
            self._health.shut_out()
            raise Unavailable("error") from error
        except (RedisError, OSError) as error:
            self._health.lost()
            raise Unavailable("error") from error

    async def _timed(self, command: Command[T]) -> T:
        loop = asyncio.get_running_loop()
        began = loop.time()
        answer = await command(self.redis)
        if loop.time() - began < self._patience:
            self._swift_at = loop.time()
        return answer

    async def _done_behind(self, command: Command[None]) -> None:
        async with self._room_behind:
            try:
                await self._done(command)
            except Unavailable:
                metrics.SHARED_DROPPED.inc()

    async def _is_well(self) -> bool:
        """Tell whether it answers in time, over a new connection, since its name may lead elsewhere by now."""
        with suppress(Unavailable, RedisError, OSError):
            await self.redis.connection_pool.disconnect(inuse_connections=False)
            await self._done(_ping, CONNECTING)
            await self._in_time(_begun(self._done(_ping), self._waited_for))
            return True
        return False


async def _ping(redis: Redis) -> None:
    await redis.ping()


def _begun(doing: Coroutine[Any, Any, T], among: set[asyncio.Task[Any]]) -> asyncio.Task[T]:
    """Begin something that nobody may look at in the end."""
    task = asyncio.create_task(doing)
    among.add(task)
    task.add_done_callback(among.discard)
    task.add_done_callback(_look)
    return task


def _look(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
