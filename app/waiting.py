"""Waiting for others, and letting them go first.

Deadlines, one call for many who wait, limits that are fair, growing pauses, a circuit breaker, and long work done a
piece at a time.
"""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from app.domain.errors import CleverTimedOut

T = TypeVar("T")


@asynccontextmanager
async def deadline(until: float | None) -> AsyncGenerator[None]:
    """Cancel the block at ``until``, in seconds of the event loop's clock, and raise ``CleverTimedOut``."""
    if until is not None and asyncio.get_running_loop().time() >= until:
        raise _too_late()
    try:
        async with asyncio.timeout_at(until):
            yield
    except TimeoutError as error:
        raise _too_late() from error


def _too_late() -> CleverTimedOut:
    return CleverTimedOut("Clever was not read within the time that a request may take")


def start(coroutine: Coroutine[Any, Any, T], among: set[asyncio.Task[Any]]) -> asyncio.Task[T]:
    """Start a task, and keep it in ``among`` until it is over; nobody has to await it."""
    task = asyncio.create_task(coroutine)
    among.add(task)

    def over(_: asyncio.Task[T]) -> None:
        among.discard(task)
        # Otherwise asyncio would complain that a failure was never looked at.
        if not task.cancelled():
            task.exception()

    task.add_done_callback(over)
    return task


async def cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks, and wait until they are over."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class SingleFlight(Generic[T]):
    """A call that is made once for all who wait for it.

    It goes on when those who wait give up, since others may join.
    """

    def __init__(
        self, call: Callable[[], Coroutine[object, None, T]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take what to call, and a clock of seconds that only go forward."""
        self._call = call
        self._clock = clock
        self._began = 0.0
        self._task: asyncio.Task[T] | None = None
        self._running: set[asyncio.Task[T]] = set()

    async def join(self, *, within: float = 0) -> T:
        """Join the call in progress, or take the outcome of the last one if it began less than ``within`` seconds ago.

        Otherwise start a call. Failures are shared like results.
        """
        task = self._task
        if task is None or task.cancelled() or (task.done() and self._clock() - self._began >= within):
            task = self._task = start(self._call(), self._running)
            self._began = self._clock()
        return await asyncio.shield(task)

    def is_over(self) -> bool:
        """Tell whether no call is in progress."""
        return not self._running

    async def aclose(self) -> None:
        """Cancel the call in progress."""
        await cancel(self._running)


class FairLimit:
    """Limits how many do something at once: so many in all, and half as many of one caller."""

    def __init__(self, most: int) -> None:
        """Let ``most`` do it at once."""
        self._most = most
        self._most_of_one = max(1, most // 2)
        self._of_each: Counter[bytes] = Counter()

    def is_full_for(self, caller: bytes) -> bool:
        """Tell whether a caller, told apart by a digest, may not do it now."""
        return self._of_each.total() >= self._most or self._of_each[caller] >= self._most_of_one

    def is_unused(self) -> bool:
        """Tell whether nobody does it."""
        return not self._of_each

    @contextmanager
    def used_by(self, caller: bytes) -> Generator[None]:
        """Count a caller in for the block."""
        self._of_each[caller] += 1
        try:
            yield
        finally:
            self._of_each[caller] -= 1
            if not self._of_each[caller]:
                del self._of_each[caller]


@dataclass(slots=True)
class Backoff:
    """Pauses between tries, in seconds, each twice as long as the one before.

    Attributes:
        first: the first pause.
        longest: what no pause is longer than.
        jittered: the part of a pause by which it is shortened at most, so that replicas do not try in step.
        jitter: draws how much of that, from 0 up to 1.
    """

    first: float
    longest: float
    jittered: float = 0.0
    jitter: Callable[[], float] = random.random
    _pause: float = field(init=False)

    def __post_init__(self) -> None:
        self.reset()

    def next(self) -> float:
        """Return the next pause."""
        pause, self._pause = self._pause, min(2 * self._pause, self.longest)
        return pause * (1 - self.jittered * self.jitter())

    def reset(self) -> None:
        """Begin with the first pause again."""
        self._pause = self.first


MOST_FAILURES = 5
"""How many failures in a row open a circuit breaker."""

FIRST_PAUSE, LONGEST_PAUSE = 1, 5
"""Seconds until the first probe, and between two at most; each pause is twice as long as the one before."""

_QUIET_SECONDS = 60
_JITTERED = 0.2


class CircuitBreaker:
    """Stops requests for a moment after several failures in a row, or when the other side asks for a pause.

    While the circuit is open no request is allowed. A probe that nobody waits for finds out whether all is well again;
    if it fails, the next pause is longer. Any other failure while the circuit is open is of a request that was sent
    before it opened, and changes nothing.

    After a minute without requests, the next request is sent as a test, and others are rejected until it ends. While
    the other side wants a pause, not even a probe is sent.
    """

    def __init__(self, clock: Callable[[], float], jitter: Callable[[], float] = random.random) -> None:
        """Take a clock of seconds that only go forward, and what draws the jitter of the pauses, from 0 up to 1."""
        self._clock = clock
        self._backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE, _JITTERED, jitter)
        self._failures = 0
        self._is_open = False
        self._probe_at = 0.0
        self._paused_until = -math.inf
        self._last_request = 0.0
        self._is_probing = False

    def is_open(self) -> bool:
        """Tell whether the circuit is open because of failures."""
        return self._is_open

    def is_paused(self) -> bool:
        """Tell whether the other side has asked for a pause that is not over."""
        return self._clock() < self._paused_until

    def allows(self) -> bool:
        """Tell whether requests may be sent."""
        return not self.is_open() and not self.is_paused()

    def rejects(self) -> bool:
        """Whether a request made now is certain to be rejected; records that one was made."""
        now = self._clock()
        is_due = now >= self._probe_at or now - self._last_request > _QUIET_SECONDS
        if self.allows() or (is_due and not self.is_paused() and not self._is_probing):
            return False
        self._last_request = now
        return True

    def starts_test(self) -> bool:
        """Whether this request is to be sent as the test, which ends with ``probe_ended``; records that it was made."""
        now = self._clock()
        was_quiet, self._last_request = now - self._last_request > _QUIET_SECONDS, now
        return was_quiet and self._starts()

    def starts_probe(self) -> bool:
        """Tell whether a probe is due and none is in progress; the caller then sends one, and calls ``probe_ended``."""
        return self._clock() >= self._probe_at and self._starts()

    def retry_after(self) -> int:
        """Return after how many seconds, at least 1, it may help to ask again."""
        until = max(self._probe_at if self.is_open() else -math.inf, self._paused_until)
        return max(1, math.ceil(until - self._clock()))

    def pause(self, seconds: float) -> None:
        """Note that the other side asked for a pause."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def record_success(self) -> None:
        """Note an answer to any request."""
        self._failures, self._is_open = 0, False
        self._backoff.reset()

    def record_failure(self, *, probe: bool = False) -> None:
        """Note a failure; ``probe`` tells whether it is that of the probe or test."""
        self._failures += 1
        if self.is_open() and not probe:
            return
        if self._failures >= MOST_FAILURES:
            self._is_open, self._last_request = True, self._clock()
            self._probe_at = self._last_request + self._backoff.next()

    def probe_ended(self) -> None:
        """Note that the probe or the test is over, however it ended."""
        self._is_probing = False

    def _starts(self) -> bool:
        if not self.is_open() or self.is_paused() or self._is_probing:
            return False
        self._is_probing = True
        return True


STRETCH_SECONDS = 0.0001


@dataclass(slots=True)
class Stretches:
    """Long work of many small steps, done a fraction of a millisecond at a time.

    Attributes:
        clock: seconds that only go forward.
    """

    clock: Callable[[], float] = time.perf_counter
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    async def give_way(self) -> None:
        """Let other tasks run, unless they have done so just now."""
        if self.clock() - self._began >= STRETCH_SECONDS:
            await others_first()
            self._began = self.clock()


AT_A_STRETCH = 50
"""After how many rounds of a long loop other tasks run: after about a millisecond."""

_FREED_AT_A_STRETCH = 500


async def give_way(place: int) -> None:
    """Let other tasks run now and then, in a loop that may be long; ``place`` counts its rounds."""
    if place % AT_A_STRETCH == AT_A_STRETCH - 1:
        await others_first()


async def others_first() -> None:
    """Let all other tasks run; of those who wait here, only one goes on in each round of the event loop."""
    async with _lock(_TURNS):
        await asyncio.sleep(0)


async def let_go_of(things: list[T]) -> None:
    """Empty a long list a part at a time: to free ten thousand questions at once would block the event loop."""
    while things:
        del things[-_FREED_AT_A_STRETCH:]
        await others_first()


def one_at_a_time() -> asyncio.Lock:
    """Return the lock to hold during work that takes much memory, so that it is done by one request at a time."""
    return _lock(_LARGE)


_Locks = WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]
_TURNS: _Locks = WeakKeyDictionary()
_LARGE: _Locks = WeakKeyDictionary()


def _lock(locks: _Locks) -> asyncio.Lock:
    return locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
