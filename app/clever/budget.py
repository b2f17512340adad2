"""How much of a token's rate limit is left, who may still use it, and how many requests may be under way at once.

All that a process knows of the limit is what the headers of Clever's answers say, since other processes use the same
token: 1200 requests in a fixed minute (dev.clever.com/docs/error-messages).
"""

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable, Mapping

from app.clever.rate import WINDOW_SECONDS, Rate
from app.domain.errand import OWN, Errand, Urgency
from app.domain.errors import CallerOverspent, CleverError, CleverLimited
from app.telemetry import metrics

_RESERVED: Mapping[Urgency, float] = {
    Urgency.COLD: 0.0,
    Urgency.HELD: 0.05,
    Urgency.BULK: 0.10,
    Urgency.RENEWAL: 0.25,
}
"""The part of the limit that is left to those more urgent."""

# Replicas hear of one another's requests by the answers to their own, so that half of what was last told may be gone.
# With a sixteenth of it under way at each, eight of them together still have no more under way than there is.
_AT_ONCE = 16  # the part of what is left that may be under way, and what nobody touches where others use the token

_NEWS_SECONDS = 1.0
_WITHOUT_NEWS = 8  # requests under way where others may have used up what is left since it was last told


class Budget:
    """The requests that are left of one token's window, as far as is known.

    Nothing is held back before Clever has told a limit. What a caller has caused is counted by this process alone,
    since the headers tell nothing of callers: with several replicas a caller's share is one of each.
    """

    def __init__(self, clock: Callable[[], float], caller_share: float = 0.5) -> None:
        """Take the clock, seconds that only go forward, and the part of a window that one caller may use."""
        self._clock = clock
        self._caller_share = caller_share
        self._limit: int | None = None
        self._left = 0
        self._reset = -1
        self._ends = math.inf
        self._supposed = True
        self._told = -math.inf
        self._shut_until = -math.inf
        self._under_way = 0
        self._own = 0
        self._spent: Counter[bytes] = Counter()
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self, errand: Errand) -> None:
        """Begin a request as soon as there is room among one's own, or raise why there will be none.

        Raises:
            CleverLimited: what is left of the window is used up, or kept for the more urgent.
            CallerOverspent: the caller has had their share of the window.
        """
        while (refusal := self.refusal(errand)) is None and not self.room():
            await self._some_return()
        if refusal is not None:
            # Whoever does not take the room leaves it to the next, who may have to hear the same.
            self._wake()
            metrics.withheld(refusal.word)
            raise refusal
        self.begin(errand)

    def refusal(self, errand: Errand) -> CleverError | None:
        """Return why there is no request left for this errand, with the seconds to the window's end, or None."""
        now = self._clock()
        if now < self._shut_until:
            return _used_up(self._shut_until - now)
        if self._limit is None:
            return None
        self._turn(now)
        usable = self._left - self._under_way
        if usable <= max(self._limit * _RESERVED[errand.urgency], self._left_to_others(self._limit)):
            is_used_up = usable <= 0 or errand.urgency is Urgency.COLD
            return _used_up(self._ends - now) if is_used_up else _reserved(self._ends - now)
        if _is_charged(errand) and self._spent[errand.caller] >= self._limit * self._caller_share:
            return _overspent(self._ends - now)
        return None

    def left(self) -> float:
        """Return what is left of the window, from 0 to 1, as far as is known."""
        if self._limit is None:
            return 1.0
        now = self._clock()
        self._turn(now)
        return 0.0 if now < self._shut_until else max(0, self._left - self._under_way) / self._limit

    def room(self) -> int:
        """Return how many more requests may be under way at once."""
        if self._limit is None:
            return 1
        most = max(1, self._left // _AT_ONCE)
        if self._clock() - self._told > _NEWS_SECONDS:
            most = min(most, _WITHOUT_NEWS)
        return max(0, most - self._under_way)

    def begin(self, errand: Errand) -> None:
        """Note that a request is sent."""
        self._under_way += 1
        self._own += 1
        if _is_charged(errand):
            self._spent[errand.caller] += 1

    def end(self) -> None:
        """Note that a request is over, however it ended."""
        self._under_way -= 1
        self._wake()

    def told(self, rate: Rate) -> None:
        """Take in what an answer says; answers may come in another order than Clever sent them in."""
        now = self._clock()
        if self._limit is not None:
            self._turn(now)
        if rate.reset == self._reset and not self._supposed:
            self._left = min(self._left, rate.left)
            self._ends = min(self._ends, now + rate.seconds)
        elif rate.reset > self._reset or (self._supposed and rate.reset != self._reset):
            self._begin_window(rate, now)
        else:
            return
        self._told = now
        self._wake()

    def refused(self, seconds: int) -> None:
        """Take in for how long requests are refused because of the limit.

        A gateway may refuse them, too, whose limit is another: what is left of Clever's is what its headers say.
        """
        self._shut_until = max(self._shut_until, self._clock() + seconds)

    def _begin_window(self, rate: Rate, now: float) -> None:
        if not self._supposed:
            self._forget()
        self._limit, self._left, self._reset = rate.limit, rate.left, rate.reset
        self._ends, self._supposed = now + rate.seconds, False

    def _turn(self, now: float) -> None:
        """Where the window is over, suppose that another has begun of which nothing is used."""
        if now >= self._ends and self._limit is not None:
            self._left, self._ends, self._supposed = self._limit, now + WINDOW_SECONDS, True
            self._forget()

    def _forget(self) -> None:
        # What is under way may still count for the window that begins.
        self._own = self._under_way
        self._spent.clear()

    def _left_to_others(self, limit: int) -> float:
        are_there_others = limit - self._left > self._own
        return min(_AT_ONCE, limit / 4) if are_there_others else 0

    async def _some_return(self) -> None:
        woken = asyncio.get_running_loop().create_future()
        self._waiting.append(woken)
        try:
            await woken
        except asyncio.CancelledError:
            if woken.done() and not woken.cancelled():
                self._wake()
            raise

    def _wake(self) -> None:
        room = self.room() if self._waiting else 0
        while room > 0 and self._waiting:
            woken = self._waiting.popleft()
            if not woken.done():
                woken.set_result(None)
                room -= 1


def _is_charged(errand: Errand) -> bool:
    # By identity: a caller without a credential, where none is asked for, has the same empty digest.
    return errand is not OWN


def _used_up(seconds: float) -> CleverLimited:
    return CleverLimited("Clever's limit of requests a minute is used up for this token", retry_after=_whole(seconds))


def _reserved(seconds: float) -> CleverLimited:
    return CleverLimited(
        "what is left of Clever's limit of requests a minute is kept for more urgent questions",
        retry_after=_whole(seconds),
    )


def _overspent(seconds: float) -> CallerOverspent:
    return CallerOverspent(
        "this caller has used up its share of the requests to Clever of this minute", retry_after=_whole(seconds)
    )


def _whole(seconds: float) -> int:
    return max(1, math.ceil(seconds))
