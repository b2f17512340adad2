"""What is under way: each exchange in a task of its own, so many at once, which goes on when nobody waits for it.

Whoever gives up, for a deadline or since what they wanted failed otherwise, only stops waiting. What an exchange tells
of the rate limit and of Clever's health is heard nonetheless, and its connection is used again.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from app.domain.errors import CleverCrowded
from app.telemetry import metrics

T = TypeVar("T")

MOST_UNDER_WAY = 128
"""Exchanges at once, and so connections in use: more than all readings together make."""

_PATIENCE_SECONDS = 2.0
_MOMENT_SECONDS = 1.0  # in which an exchange that nobody waits for usually ends by itself


class UnderWay:
    """The exchanges under way, ``most`` at once.

    For room an exchange waits for ``patience`` seconds at most. One that nobody waits for any more is broken off after
    another ``moment``, in seconds.
    """

    def __init__(
        self,
        most: int = MOST_UNDER_WAY,
        *,
        patience: float = _PATIENCE_SECONDS,
        moment: float = _MOMENT_SECONDS,
    ) -> None:
        """Begin with none."""
        self._room = asyncio.Semaphore(most)
        self._patience = patience
        self._moment = moment
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def in_progress(self) -> int:
        """How many exchanges are under way."""
        return len(self._tasks)

    async def enter(self) -> None:
        """Wait for room for one more exchange, which ``leave`` gives back.

        Raises:
            CleverCrowded: there was none in time.
        """
        if not self._room.locked():
            await self._room.acquire()
            return
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._patience):
                await self._room.acquire()
        except TimeoutError as error:
            metrics.withheld(CleverCrowded.word)
            raise CleverCrowded(
                "every connection to Clever has been in use for too long; ask again in a moment", retry_after=1
            ) from error
        finally:
            metrics.CONNECTION_SECONDS.observe(time.perf_counter() - began)

    def leave(self) -> None:
        """Give back the room of an exchange."""
        self._room.release()

    async def outcome(self, exchange: Coroutine[Any, Any, T], ended: Callable[[], None]) -> T:
        """Begin an exchange and return what it comes to; ``ended`` is called when it is over, whoever waits."""
        task = asyncio.create_task(exchange)
        self._tasks.add(task)

        def over(_: asyncio.Task[T]) -> None:
            self._tasks.discard(task)
            ended()
            # Where nobody waits any more, asyncio would complain that a failure was never looked at.
            if not task.cancelled():
                task.exception()

        task.add_done_callback(over)
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            asyncio.get_running_loop().call_later(self._moment, task.cancel)
            raise
        return task.result()

    async def aclose(self) -> None:
        """Break off what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
