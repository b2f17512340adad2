"""Waiting for others: until a deadline, once for many who wait, and with pauses that grow from try to try."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from app.domain.errors import CleverTimedOut

T = TypeVar("T")


@asynccontextmanager
async def deadline(until: float | None) -> AsyncGenerator[None]:
    """Break the block off at ``until``, in seconds of the event loop's clock, and raise ``CleverTimedOut``."""
    if until is not None and asyncio.get_running_loop().time() >= until:
        raise _too_late()
    try:
        async with asyncio.timeout_at(until):
            yield
    except TimeoutError as error:
        raise _too_late() from error


def _too_late() -> CleverTimedOut:
    return CleverTimedOut("Clever was not read within the time that a request may take")


class SingleFlight(Generic[T]):
    """A call that many may want at once and that is made once for all of them.

    It goes on when those who wait give up, since others may come.
    """

    def __init__(
        self, call: Callable[[], Coroutine[object, None, T]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take what to call, and a clock of seconds that only go forward."""
        self._call = call
        self._clock = clock
        self._began = 0.0
        self._task: asyncio.Task[T] | None = None

    async def join(self, *, within: float = 0) -> T:
        """Join the call in progress, or take the outcome of the last one if it began less than ``within`` seconds ago.

        Otherwise start a call. Failures are shared like results.
        """
        task = self._task
        if task is None or task.cancelled() or (task.done() and self._clock() - self._began >= within):
            task = self._task = asyncio.create_task(self._call())
            task.add_done_callback(_retrieve)
            self._began = self._clock()
        return await asyncio.shield(task)

    def is_over(self) -> bool:
        """Tell whether no call is in progress."""
        return self._task is None or self._task.done()

    async def aclose(self) -> None:
        """Cancel the call in progress."""
        if self._task is not None and self._task.cancel():
            with suppress(asyncio.CancelledError):
                await self._task


def _retrieve(task: asyncio.Task[T]) -> None:
    # When nobody waits any more, asyncio would complain that the failure was never looked at.
    if not task.cancelled():
        task.exception()


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
