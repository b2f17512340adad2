"""One call at a time, however many wait for it."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """A call that many may want at once and that is made once for all of them.

    It goes on when those who wait give up, since others may come.
    """

    def __init__(
        self, call: Callable[[], Coroutine[object, None, T]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._call = call
        self._clock = clock
        self._began = 0.0
        self._task: asyncio.Task[T] | None = None

    async def join(self, *, within: float = 0) -> T:
        """Wait for the call under way, or take how the last one ended if it began less than ``within`` seconds ago.

        Failures are shared like results.
        """
        task = self._task
        if task is None or task.cancelled() or (task.done() and self._clock() - self._began >= within):
            task = self._task = asyncio.create_task(self._call())
            task.add_done_callback(_retrieve)
            self._began = self._clock()
        return await asyncio.shield(task)

    def is_over(self) -> bool:
        """Tell whether no call is under way."""
        return self._task is None or self._task.done()

    async def aclose(self) -> None:
        """Break off the call under way."""
        if self._task is not None and self._task.cancel():
            with suppress(asyncio.CancelledError):
                await self._task


def _retrieve(task: asyncio.Task[T]) -> None:
    # Where nobody waits any more, asyncio would otherwise complain that the failure was never looked at.
    if not task.cancelled():
        task.exception()
