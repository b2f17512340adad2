"""Commands to Redis, which has a few milliseconds to answer; after that the service goes on without it."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import Any, TypeVar

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ReadOnlyError, RedisError, ResponseError
from redis.maint_notifications import MaintNotificationsConfig

from app.telemetry import Event, log_event, metrics
from app.waiting import Backoff, cancel, start

SLOW_IN_A_ROW = 5
"""After so many timeouts in a row Redis counts as down; a single one may be this process's own fault."""

_SAME_MOMENT = 0.01

_FIRST_PAUSE, _LONGEST_PAUSE, _JITTERED = 1.0, 5.0, 0.2

_RECOVERED_SECONDS = 10.0  # if Redis fails again before that, it had not recovered

_LOGGED_AGAIN = 60.0


class Health:
    """Knows whether Redis is up.

    It counts as down until a probe succeeds, and again once it is lost or too often slow. The next probe comes after
    one second, later ones after up to five, each a little earlier at random, so that replicas do not probe in step.
    """

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        """Take what draws the jitter of the pauses between probes, from 0 up to 1."""
        self._pauses = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, _JITTERED, jitter)
        self._known, self._down = asyncio.Event(), asyncio.Event()
        self._timeouts = 0
        self._auth_failed = self._down_is_logged = False
        self._down_logged_at = self._error_at = self._timeout_at = -_LOGGED_AGAIN

    def is_up(self) -> bool:
        """Tell whether Redis may be asked."""
        return self._known.is_set() and not self._down.is_set()

    @property
    def state(self) -> str:
        """Its state, in one fixed word: ``ok``, ``not_asked``, ``unreachable`` or ``failing``.

        ``failing`` is a Redis that answered with an error in the last minute, or that refuses the user or password.
        """
        if self._auth_failed:
            return "failing"
        if not self.is_up():
            return "unreachable" if self._known.is_set() else "not_asked"
        return "failing" if self._error_at > _now() - _LOGGED_AGAIN else "ok"

    async def wait(self, seconds: float) -> None:
        """Wait until it is known whether Redis is up, for so many seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._known.wait()

    def record_answer(self) -> None:
        """Record an answer in time."""
        self._timeouts = 0

    def record_timeout(self) -> None:
        """Record that an answer did not come in time; several at the same moment count as one."""
        if _now() - self._timeout_at >= _SAME_MOMENT:
            self._timeouts, self._timeout_at = self._timeouts + 1, _now()
        if self._timeouts >= SLOW_IN_A_ROW:
            self.record_lost()

    def record_error(self) -> None:
        """Record that Redis answered with an error, such as that it is full."""
        if self._error_at <= _now() - _LOGGED_AGAIN:
            message = "Redis answers with errors: what it does not take is not shared"
            log_event(Event.REDIS_ERROR, logging.WARNING, message)
        self._error_at = _now()

    def record_auth_failure(self) -> None:
        """Record that Redis refuses the user or password."""
        if not self._auth_failed:
            self._auth_failed = self._down_is_logged = True
            self._down_logged_at = _now()
            message = "Redis refuses the user or password: this process goes on with its own cache alone"
            log_event(Event.REDIS_AUTH_FAILED, logging.WARNING, message)
        self._record_down()

    def record_lost(self) -> None:
        """Record that Redis cannot be reached, or does not answer."""
        self._auth_failed = False
        self._record_down()

    async def keep_probing(self, probe: Callable[[], Awaitable[bool]]) -> None:
        """Probe whenever Redis is down, until cancelled."""
        while True:
            if await probe():
                self._record_up()
                since = _now()
                await self._down.wait()
                if _now() - since > _RECOVERED_SECONDS:
                    self._pauses.reset()
            else:
                self._record_down()
            await asyncio.sleep(self._pauses.next())

    def _record_up(self) -> None:
        self._timeouts, self._auth_failed = 0, False
        self._known.set()
        self._down.clear()
        if self._down_is_logged:
            self._down_is_logged = False
            log_event(Event.REDIS_RECOVERED, logging.INFO, "Redis is back")

    def _record_down(self) -> None:
        if self._down.is_set():
            return
        self._known.set()
        self._down.set()
        # If it comes and goes, that is logged once a minute.
        if self._down_logged_at <= _now() - _LOGGED_AGAIN:
            self._down_logged_at, self._down_is_logged = _now(), True
            message = "Redis cannot be reached: this process goes on with its own cache alone"
            log_event(Event.REDIS_UNREACHABLE, logging.WARNING, message)


def _now() -> float:
    return asyncio.get_running_loop().time()


T = TypeVar("T")

Command = Callable[[Redis], Awaitable[T]]

LONGEST = 0.25
"""After so many seconds a command is cancelled, and its connection closed; its caller has long gone on."""

CONNECTING = 1.0
"""How many seconds it may take to connect; at its start the service waits as long for the first connection."""

CONNECTIONS = 8

MOST_AT_ONCE = 256

MOST_QUEUED = 256
"""How many commands may be queued that nobody waits for; they use half of the connections at most."""

_LATE = 0.002  # no timer is later, where the process has nothing else to do

_MOST_WAITS = 5


class Unavailable(Exception):
    """Redis did not answer in time, or with an error (outcome ``error``), or was not asked (``skipped``)."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def redis_at(url: str) -> Redis:
    """Return a client that retries nothing; nothing is connected yet."""
    pool = ConnectionPool.from_url(
        url,
        # What every Redis, Valkey and proxy speaks; nothing here needs the newer protocol, or notices of maintenance.
        protocol=2,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        driver_info=None,
        # By default it would retry ten times, for some seconds.
        retry=Retry(NoBackoff(), 0),
        socket_timeout=None,
        socket_connect_timeout=CONNECTING,
        max_connections=CONNECTIONS + 1,  # one listens
    )
    return Redis.from_pool(pool)


class RedisClient:
    """Sends commands to Redis, and records its health.

    When a caller has waited long enough it goes on, and so does the command: to cancel it would close its connection,
    and while connecting takes longer than callers wait there would never be one.
    """

    def __init__(self, redis: Redis, health: Health, timeout: float) -> None:
        """Take the client, which is closed at the end, and how many seconds a caller waits."""
        self.redis = redis
        self._health = health
        self._timeout = timeout
        self._room = asyncio.Semaphore(CONNECTIONS)
        self._background_room = asyncio.Semaphore(CONNECTIONS // 2)
        self._awaited: set[asyncio.Task[Any]] = set()
        self._background: set[asyncio.Task[Any]] = set()
        self._fast_at = -inf

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Stay connected until the end of the block; there, queued commands are finished or cancelled."""
        probing = asyncio.create_task(self._health.keep_probing(self._is_well))
        try:
            await self._health.wait(CONNECTING)
            yield
            if self._background:
                await asyncio.wait(self._background, timeout=LONGEST)
        finally:
            await cancel((probing, *self._awaited, *self._background))
            await self.redis.aclose()

    async def ask(self, command: Command[T]) -> T:
        """Return the result of ``command``, or raise ``Unavailable``, within milliseconds.

        That is the timeout given; some five times as much where this process is so busy that it may be its own fault.
        """
        if not self._health.is_up() or len(self._awaited) >= MOST_AT_ONCE:
            raise Unavailable("skipped")
        return await self._in_time(start(self._done(command), self._awaited))

    def send(self, command: Command[None]) -> None:
        """Run ``command`` in the background; if that is not possible or fails, it is dropped and counted."""
        if self._health.is_up() and len(self._background) < MOST_QUEUED:
            start(self._done_in_background(command), self._background)
        else:
            metrics.SHARED_DROPPED.inc()

    def check(self) -> None:
        """Find out in the background whether Redis still answers."""
        if self._health.is_up():
            start(self._done(_ping), self._awaited)

    async def _in_time(self, task: asyncio.Task[T]) -> T:
        loop = asyncio.get_running_loop()
        for _ in range(_MOST_WAITS):
            began = loop.time()
            if (await asyncio.wait({task}, timeout=self._timeout))[0]:
                answer = task.result()
                self._health.record_answer()
                return answer
            # If this process is busy, its timers are late, or other commands are answered fast: then Redis is not slow.
            if loop.time() - began < self._timeout + _LATE and self._fast_at < began:
                self._health.record_timeout()
                break
        raise Unavailable("error")

    async def _done(self, command: Command[T], within: float = LONGEST) -> T:
        try:
            async with asyncio.timeout(max(within, self._timeout)), self._room:
                return await self._timed(command)
        except ResponseError as error:
            # A server that has become a replica is the wrong one by now, and its name may lead to another. Before
            # Redis 7 a script that fails for this says so among other words.
            lost = isinstance(error, ReadOnlyError) or "READONLY" in str(error)
            (self._health.record_lost if lost else self._health.record_error)()
            raise Unavailable("error") from error
        except TimeoutError as error:
            self._health.record_timeout()
            raise Unavailable("error") from error
        except AuthenticationError as error:
            self._health.record_auth_failure()
            raise Unavailable("error") from error
        except (RedisError, OSError) as error:
            self._health.record_lost()
            raise Unavailable("error") from error

    async def _timed(self, command: Command[T]) -> T:
        loop = asyncio.get_running_loop()
        began = loop.time()
        answer = await command(self.redis)
        if loop.time() - began < self._timeout:
            self._fast_at = loop.time()
        return answer

    async def _done_in_background(self, command: Command[None]) -> None:
        async with self._background_room:
            try:
                await self._done(command)
            except Unavailable:
                metrics.SHARED_DROPPED.inc()

    async def _is_well(self) -> bool:
        """Whether Redis answers in time over a new connection: its name may have another address by now."""
        with suppress(Unavailable, RedisError, OSError):
            await self.redis.connection_pool.disconnect(inuse_connections=False)
            await self._done(_ping, CONNECTING)
            await self._in_time(start(self._done(_ping), self._awaited))
            return True
        return False


async def _ping(redis: Redis) -> None:
    await redis.ping()
