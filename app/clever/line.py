"""What is known of the way of each token to Clever: what is left of its rate limit, and whether anybody answers."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from cachetools import LRUCache

from app.clever.breaker import Breaker
from app.clever.budget import Budget
from app.clever.exchange import Head
from app.domain.errors import CleverError, CleverFailed, CleverLimited, CleverTimedOut, CleverUnreachable

MOST_LINES = 20_000
"""Tokens of which something is known; there are fewer districts in the country."""

_DOWN = (CleverFailed, CleverUnreachable, CleverTimedOut)


@dataclass(frozen=True, slots=True)
class Line:
    """The way of one token to Clever."""

    budget: Budget
    breaker: Breaker

    def heard(self, head: Head) -> None:
        """Take in how an answer begins."""
        if head.rate is not None:
            self.budget.told(head.rate)

    def note(self, error: CleverError | None, *, probe: bool = False, is_telling: bool = True) -> None:
        """Take in how an exchange ended.

        Args:
            error: what it ended in, or None where it went well.
            probe: whether it was the breaker's probe.
            is_telling: whether a failure says that Clever is down, and not merely that nobody waited for it.
        """
        if isinstance(error, CleverLimited):
            self.budget.refused(error.retry_after)
        if not isinstance(error, _DOWN):
            # Whatever else it is, it is a sign of life.
            self.breaker.answered()
        elif is_telling:
            self.breaker.failed(probe=probe)


@dataclass(frozen=True, slots=True)
class Lines:
    """The ways of all tokens.

    Attributes:
        clock: seconds that only go forward.
        caller_share: the part of a token's window that one caller may use.
        jitter: spreads what would otherwise happen in step, from 0 up to 1.
    """

    clock: Callable[[], float]
    caller_share: float = 0.5
    jitter: Callable[[], float] = random.random
    _lines: LRUCache[str, Line] = field(default_factory=lambda: LRUCache(MOST_LINES), repr=False)

    def of(self, authorization: str) -> Line:
        """Return what is known of the way of those who ask with this header."""
        line = self._lines.get(authorization)
        if line is None:
            line = Line(Budget(self.clock, self.caller_share), Breaker(self.clock, self.jitter))
            self._lines[authorization] = line
        return line
