"""How much of a token's rate limit is left, who may still use it, and how many requests may be under way at once.

All that a process knows of the limit is what the headers of Clever's answers say, since other processes use the same
token: 1200 requests in a fixed minute (dev.clever.com/docs/error-messages).
"""

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

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

_MOST_WINDOWS = 16  # of one token; whoever sends more buckets sends nonsense

_TOO_FEW = "what is left of the requests to Clever of this minute does not suffice for all that is asked"

_NEWS_SECONDS = 1.0
_WITHOUT_NEWS = 8  # requests under way where others may have used up what is left since it was last told


@dataclass(slots=True)
class _Window:
    """The window of one bucket.

    Attributes:
        limit: its requests.
        left: those left of it.
        reset: which window it is, by when the next begins at Clever.
        ends: when that is by our clock.
        told: when an answer last spoke of it, by our clock.
        own: what this process has asked in it.
        spent: what each caller has caused of that.
        supposed: whether no answer spoke of it yet: it must have begun, since the one before is over.
    """

    limit: int
    left: int
    reset: int
    ends: float
    told: float
    own: int
    spent: Counter[bytes]
    supposed: bool = False

    def turned(self, now: float, under_way: int) -> "_Window":
        """Return the window that follows, of which nothing is used; what is under way may still count for it."""
        ends, spent = now + WINDOW_SECONDS, Counter[bytes]()
        return replace(self, left=self.limit, ends=ends, own=under_way, spent=spent, supposed=True)

    def take_in(self, rate: Rate, now: float, under_way: int) -> bool:
        """Take in what an answer says, unless it is of an earlier window."""
        # Whose end lies that far off is not over: it lasts longer than the minute that it was taken for.
        is_the_same = rate.reset == self.reset and (not self.supposed or rate.seconds >= WINDOW_SECONDS)
        if is_the_same:
            self.supposed = False
            self.left, self.ends = min(self.left, rate.left), min(self.ends, now + rate.seconds)
        elif rate.reset > self.reset or (self.supposed and rate.reset != self.reset):
            if not self.supposed:
                self.own, self.spent = under_way, Counter()
            self.left, self.reset, self.supposed = rate.left, rate.reset, False
            self.ends = now + rate.seconds
        else:
            return False
        self.told = now
        return True


class Budget:
    """The requests that are left of one token's window, as far as is known; of the tightest, where there are several.

    Nothing is held back before Clever has told a limit. What a caller has caused is counted by this process alone,
    since the headers tell nothing of callers: with several replicas a caller's share is one of each.
    """

    def __init__(self, clock: Callable[[], float], caller_share: float = 0.5) -> None:
        """Take the clock, seconds that only go forward, and the part of a window that one caller may use."""
        self._clock = clock
        self._caller_share = caller_share
        self._windows: dict[int, _Window] = {}
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
        self._turn(now)
        refusals = [refusal for each in self._windows.values() if (refusal := self._refusal_of(each, errand, now))]
        return max(refusals, key=lambda refusal: refusal.retry_after, default=None)

    def unaffordable(self, errand: Errand, requests: int) -> CleverError | None:
        """Return why there are not so many requests left where a whole window has them, or None."""
        now = self._clock()
        self._turn(now)
        for window in self._windows.values():
            in_all = min(1 - _RESERVED[errand.urgency], self._caller_share if _is_charged(errand) else 1) * window.limit
            refusal = self._refusal_of(window, errand, now, requests) if requests <= in_all else None
            if refusal is not None:
                metrics.withheld(refusal.word)
                return type(refusal)(_TOO_FEW, retry_after=refusal.retry_after)
        return None

    def left(self) -> float:
        """Return what is left of the window, from 0 to 1, as far as is known."""
        now = self._clock()
        self._turn(now)
        if now < self._shut_until:
            return 0.0
        return min((max(0, each.left - self._under_way) / each.limit for each in self._windows.values()), default=1.0)

    def room(self) -> int:
        """Return how many more requests may be under way at once."""
        if not self._windows:
            return 1
        most = max(1, min(each.left for each in self._windows.values()) // _AT_ONCE)
        if self._clock() - self._told > _NEWS_SECONDS:
            most = min(most, _WITHOUT_NEWS)
        return max(0, most - self._under_way)

    def begin(self, errand: Errand) -> None:
        """Note that a request is sent."""
        self._under_way += 1
        self._own += 1
        for window in self._windows.values():
            window.own += 1
        if _is_charged(errand):
            self._spent[errand.caller] += 1
            for window in self._windows.values():
                window.spent[errand.caller] += 1

    def end(self) -> None:
        """Note that a request is over, however it ended."""
        self._under_way -= 1
        self._wake()

    def told(self, *rates: Rate) -> None:
        """Take in what an answer says of each bucket; answers may come in another order than Clever sent them in."""
        now = self._clock()
        self._turn(now)
        for rate in rates:
            window = self._windows.get(rate.limit)
            if window is None:
                if len(self._windows) >= _MOST_WINDOWS:
                    del self._windows[min(self._windows, key=lambda limit: self._windows[limit].told)]
                # What was asked before anything was told, or of other buckets, may count for this one.
                self._windows[rate.limit] = _Window(
                    rate.limit, rate.left, rate.reset, now + rate.seconds, now, self._own, self._spent.copy()
                )
            elif not window.take_in(rate, now, self._under_way):
                continue
            self._told = now
        self._wake()

    def refused(self, seconds: int) -> None:
        """Take in for how long requests are refused because of the limit.

        A gateway may refuse them, too, whose limit is another: what is left of Clever's is what its headers say.
        """
        self._shut_until = max(self._shut_until, self._clock() + seconds)

    def _refusal_of(self, window: _Window, errand: Errand, now: float, requests: int = 1) -> CleverError | None:
        further = requests - 1
        usable, limit, ends = window.left - self._under_way - further, window.limit, window.ends
        if usable <= max(limit * _RESERVED[errand.urgency], _left_to_others(window)):
            is_used_up = usable <= 0 or errand.urgency is Urgency.COLD
            return _used_up(ends - now) if is_used_up else _reserved(ends - now)
        if _is_charged(errand) and window.spent[errand.caller] + further >= limit * self._caller_share:
            return _overspent(ends - now)
        return None

    def _turn(self, now: float) -> None:
        """Where a window is over, suppose that another has begun of which nothing is used."""
        for limit, window in [*self._windows.items()]:
            if now >= window.ends:
                self._own, self._spent = self._under_way, Counter()
                # A bucket of which later answers said nothing may be none any more.
                if window.told < self._told:
                    del self._windows[limit]
                else:
                    self._windows[limit] = window.turned(now, self._under_way)

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


def _left_to_others(window: _Window) -> float:
    are_there_others = window.limit - window.left > window.own
    return min(_AT_ONCE, window.limit / 4) if are_there_others else 0


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
