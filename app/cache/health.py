"""Whether Redis is asked at all: where it fails it is left alone for a moment, so that nobody waits for it in vain."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

SLOW_IN_A_ROW = 5
"""Slow moments in a row that end the asking: one alone may be this process's own."""

_MOMENT = 0.01

_LONGEST_PAUSE, _JITTERED = 5.0, 0.2
_LASTING = 10.0  # whoever fails again within that has not recovered
_TOLD_AGAIN = 60.0

_log = logging.getLogger("rosterguard")


class Health:
    """Knows whether Redis is up.

    It is down until a probe succeeds, and again from when it is lost or too often slow; the next probes come after one
    second, and then after up to five, each a little less, so that replicas do not probe in step.
    """

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        """Take what spreads the probes, from 0 up to 1."""
        self._jitter = jitter
        self._up, self._down = asyncio.Event(), asyncio.Event()
        self._slow = 0
        self._known, self._told = asyncio.Event(), False
        self._shut_out = False
        self._lost_at = self._refused_at = self._slow_at = -_TOLD_AGAIN

    def is_up(self) -> bool:
        """Tell whether to ask."""
        return self._up.is_set()

    @property
    def state(self) -> str:
        """How it fares, in one fixed word; ``failing`` is one that in the last minute answered with an error.

        Or one that lets nobody in with this user and password.
        """
        if self._shut_out:
            return "failing"
        if not self.is_up():
            return "unreachable" if self._known.is_set() else "not_asked"
        return "failing" if self._refused_at > _now() - _TOLD_AGAIN else "ok"

    async def wait(self, seconds: float) -> None:
        """Wait until it is known whether it is up, but no longer than so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._known.wait()

    def answered(self) -> None:
        """Note an answer in time."""
        self._slow = 0

    def dawdled(self) -> None:
        """Note that an answer did not come in time; those that many wait for at once count as one."""
        if _now() - self._slow_at >= _MOMENT:
            self._slow, self._slow_at = self._slow + 1, _now()
        if self._slow >= SLOW_IN_A_ROW:
            self.lost()

    def refused(self) -> None:
        """Note that it answered with an error, such as that it is full."""
        if self._refused_at <= _now() - _TOLD_AGAIN:
            _log.warning("Redis answers with errors: what it does not take is not shared")
        self._refused_at = _now()

    def shut_out(self) -> None:
        """Note that it refuses the user or password."""
        if not self._shut_out:
            self._shut_out = self._told = True
            self._lost_at = _now()
            _log.warning("Redis refuses the user or password: this process goes on with its own cache alone")
        self._go_down()

    def lost(self) -> None:
        """Note that it cannot be reached, or does not answer."""
        self._shut_out = False
        self._go_down()

    def _go_down(self) -> None:
        if self.is_up() or not self._known.is_set():
            self._known.set()
            self._up.clear()
            self._down.set()
            self._tell_lost()

    async def keep_probing(self, probe: Callable[[], Awaitable[bool]]) -> None:
        """Probe whenever it is down, until cancelled."""
        pauses = 0
        while True:
            if await probe():
                self._found()
                since = _now()
                await self._down.wait()
                pauses = 0 if _now() - since > _LASTING else pauses
            else:
                self._go_down()
            await asyncio.sleep(min(2.0**pauses, _LONGEST_PAUSE) * (1 - _JITTERED * self._jitter()))
            pauses = min(pauses + 1, 3)

    def _found(self) -> None:
        self._slow, self._shut_out = 0, False
        self._known.set()
        self._down.clear()
        self._up.set()
        if self._told:
            self._told = False
            _log.info("Redis is back")

    def _tell_lost(self) -> None:
        # One that comes and goes is told of once a minute.
        if self._lost_at <= _now() - _TOLD_AGAIN:
            self._lost_at, self._told = _now(), True
            _log.warning("Redis cannot be reached: this process goes on with its own cache alone")


def _now() -> float:
    return asyncio.get_running_loop().time()
