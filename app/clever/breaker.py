"""A circuit breaker: whoever failed several times in a row, or said so, is not asked again for a moment."""

import math
import random
from collections.abc import Callable

MOST_FAILURES = 5
"""Failures in a row that open the breaker."""

LONGEST_PAUSE = 5
"""Seconds between two probes, at most; the first pause is one second, and each later one twice as long."""

_OLD_SECONDS = 60
_JITTERED = 0.2  # the part of a pause by which it is shortened, so that replicas do not probe in step


class Breaker:
    """Knows whether to ask, of one whom many ask.

    While it is open nobody gets through. Not the next request tries whether all is well again, since somebody waits for
    it: a probe does. It counts as failed when it fails, and lengthens the pause; any other failure while the breaker is
    open is of a request that was under way when it opened, and tells nothing new.

    Where nobody asked for a minute, the next request is the test and waits like any other; the rest are turned away
    until it ends. Whoever said for how long to stay away is not even probed before.
    """

    def __init__(self, clock: Callable[[], float], jitter: Callable[[], float] = random.random) -> None:
        """Take the clock, seconds that only go forward, and what spreads the pauses, from 0 up to 1."""
        self._clock = clock
        self._jitter = jitter
        self._failures = 0
        self._pauses = 0
        self._probe_at = 0.0
        self._shut_until = -math.inf
        self._met = 0.0
        self._probing = False

    def is_open(self) -> bool:
        """Tell whether those who ask are turned away, as far as is known without one."""
        return self._pauses > 0

    def is_shut(self) -> bool:
        """Tell whether those who ask are turned away because they were told to stay away."""
        return self._clock() < self._shut_until

    def lets_through(self) -> bool:
        """Tell whether any request may be sent."""
        return not self.is_open() and not self.is_shut()

    def turns_away(self) -> bool:
        """Tell whether whoever asks now is certain to be turned away; that one asks is noted likewise."""
        now = self._clock()
        is_old, is_due = now - self._met > _OLD_SECONDS, now >= self._probe_at
        if self.lets_through() or not (self.is_shut() or self._probing or not (is_old or is_due)):
            return False
        self._met = now
        return True

    def wants_test(self) -> bool:
        """Tell whether the request that asks has to be the test; who is told so has to say when it is over.

        That one asks is noted, since it keeps what is known from growing old.
        """
        now = self._clock()
        is_old, self._met = now - self._met > _OLD_SECONDS, now
        return is_old and self._begins()

    def wants_probe(self) -> bool:
        """Tell whether it is time for a probe and none is under way; who is told so has to send one."""
        return self._clock() >= self._probe_at and self._begins()

    def retry_after(self) -> int:
        """Return the seconds after which asking again may help, at least 1."""
        until = max(self._probe_at if self.is_open() else -math.inf, self._shut_until)
        return max(1, math.ceil(until - self._clock()))

    def shut(self, seconds: float) -> None:
        """Note for how long to stay away."""
        self._shut_until = max(self._shut_until, self._clock() + seconds)

    def answered(self) -> None:
        """Note an answer, whoever got it."""
        self._failures = self._pauses = 0

    def failed(self, *, probe: bool = False) -> None:
        """Note a failure, that of the probe or test or of any other request."""
        self._failures += 1
        if self.is_open() and not probe:
            return
        if self._failures >= MOST_FAILURES:
            pause = min(2**self._pauses, LONGEST_PAUSE) * (1 - _JITTERED * self._jitter())
            self._pauses += 1
            self._met = self._clock()
            self._probe_at = self._met + pause

    def probed(self) -> None:
        """Note that the probe or the test is over, however it ended."""
        self._probing = False

    def _begins(self) -> bool:
        if not self.is_open() or self.is_shut() or self._probing:
            return False
        self._probing = True
        return True
