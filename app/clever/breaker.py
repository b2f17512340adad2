"""A circuit breaker: after several failures in a row, or when it is asked for, requests stop for a moment."""

import math
import random
from collections.abc import Callable

from app.waiting import Backoff

MOST_FAILURES = 5
"""How many failures in a row open the breaker."""

FIRST_PAUSE, LONGEST_PAUSE = 1, 5
"""Seconds until the first probe, and between two at most; each pause is twice as long as the one before."""

_OLD_SECONDS = 60
_JITTERED = 0.2


class Breaker:
    """Tells whether a request may be sent.

    While the breaker is open, none is. A probe that nobody waits for finds out whether all is well again; if it fails,
    the next pause is longer. Any other failure while the breaker is open is of a request that was sent before it
    opened, and changes nothing.

    If nobody asked for a minute, the next request is the test: it is sent, and the others are turned away until it
    ends. When the other side has said for how long to stay away, not even a probe is sent before.
    """

    def __init__(self, clock: Callable[[], float], jitter: Callable[[], float] = random.random) -> None:
        """Take a clock of seconds that only go forward, and what draws the jitter of the pauses, from 0 up to 1."""
        self._clock = clock
        self._pauses = Backoff(FIRST_PAUSE, LONGEST_PAUSE, _JITTERED, jitter)
        self._failures = 0
        self._is_open = False
        self._probe_at = 0.0
        self._shut_until = -math.inf
        self._met = 0.0
        self._probing = False

    def is_open(self) -> bool:
        """Tell whether the breaker is open because of failures."""
        return self._is_open

    def is_shut(self) -> bool:
        """Tell whether the other side has said to stay away, and the time is not over."""
        return self._clock() < self._shut_until

    def lets_through(self) -> bool:
        """Tell whether requests may be sent."""
        return not self.is_open() and not self.is_shut()

    def turns_away(self) -> bool:
        """Tell whether a request made now is certain to be turned away, and note that one was wanted."""
        now = self._clock()
        is_old, is_due = now - self._met > _OLD_SECONDS, now >= self._probe_at
        if self.lets_through() or not (self.is_shut() or self._probing or not (is_old or is_due)):
            return False
        self._met = now
        return True

    def wants_test(self) -> bool:
        """Tell whether this request is the test, and note that one was wanted; a test ends with ``probed``."""
        now = self._clock()
        is_old, self._met = now - self._met > _OLD_SECONDS, now
        return is_old and self._begins()

    def wants_probe(self) -> bool:
        """Tell whether a probe is due and none is in progress; the caller has to send one then, and call ``probed``."""
        return self._clock() >= self._probe_at and self._begins()

    def retry_after(self) -> int:
        """Return after how many seconds, at least 1, it may help to ask again."""
        until = max(self._probe_at if self.is_open() else -math.inf, self._shut_until)
        return max(1, math.ceil(until - self._clock()))

    def shut(self, seconds: float) -> None:
        """Note that the other side said to stay away for so long."""
        self._shut_until = max(self._shut_until, self._clock() + seconds)

    def answered(self) -> None:
        """Note an answer to any request."""
        self._failures, self._is_open = 0, False
        self._pauses.reset()

    def failed(self, *, probe: bool = False) -> None:
        """Note a failure; ``probe`` tells whether it is that of the probe or test."""
        self._failures += 1
        if self.is_open() and not probe:
            return
        if self._failures >= MOST_FAILURES:
            self._is_open, self._met = True, self._clock()
            self._probe_at = self._met + self._pauses.next()

    def probed(self) -> None:
        """Note that the probe or the test is over, however it ended."""
        self._probing = False

    def _begins(self) -> bool:
        if not self.is_open() or self.is_shut() or self._probing:
            return False
        self._probing = True
        return True
