"""What is known of the way of each token to Clever: what is left of its rate limit, and whether anybody answers."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from cachetools import LRUCache

from app import telemetry
from app.clever.breaker import Breaker
from app.clever.budget import Budget
from app.clever.exchange import Head
from app.domain.errors import CleverCrowded, CleverError, CleverFailed, CleverLimited, CleverTimedOut, CleverUnreachable

MOST_LINES = 20_000
"""Tokens of which something is known; there are fewer districts in the country."""

_DOWN = (CleverFailed, CleverUnreachable, CleverTimedOut)


@dataclass(slots=True)
class Line:
    """The way of one token to Clever.

    Attributes:
        test: is over when the request is that tests whether Clever is still down; None where none is under way.
    """

    budget: Budget
    breaker: Breaker
    test: asyncio.Future[None] | None = None

    def heard(self, head: Head) -> None:
        """Take in how an answer begins."""
        if head.rates:
            self.budget.told(*head.rates)
        if head.told is not None and head.status != HTTPStatus.TOO_MANY_REQUESTS:
            self.breaker.shut(head.told)

    def note(self, error: CleverError | None, *, probe: bool = False, is_telling: bool = True) -> None:
        """Take in how an exchange ended.

        Args:
            error: what it ended in, or None where it went well.
            probe: whether it was the breaker's probe or test.
            is_telling: whether a failure says that Clever is down, and not merely that nobody waited for it.
        """
        if isinstance(error, CleverCrowded):
            # Clever was not asked.
            return
        was_open = self.breaker.is_open()
        if isinstance(error, CleverLimited):
            self.budget.refused(error.retry_after)
        if not isinstance(error, _DOWN):
            # Whatever else it is, it is a sign of life.
            self.breaker.answered()
        elif is_telling:
            self.breaker.failed(probe=probe)
        if self.breaker.is_open() is not was_open:
            (telemetry.breaker_closed if was_open else telemetry.breaker_opened)()


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

    def budget_left(self) -> float:
        """Return what is left of the limit, from 0 to 1, of the token that has least left."""
        return min((line.budget.left() for line in self._lines.values()), default=1.0)

    def breakers_open(self) -> int:
        """Return with how many tokens Clever is not asked for a moment."""
        return sum(line.breaker.is_open() for line in self._lines.values())
