"""How much of a token's rate limit is left, who may still use it, and how many requests may be under way at once.

All that a process knows of the limit is what the headers of Clever's answers say, since other processes use the same
token: 1200 requests in a fixed minute (dev.clever.com/docs/error-messages).
"""

import asyncio
import math
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

from app.domain.errors import CallerOverspent, CleverError, CleverLimited
from app.domain.read_context import OWN, ReadContext, Urgency
from app.telemetry import metrics

WINDOW_SECONDS = 60


"""How long a window of the limit is; Clever counts requests by the minute."""


Fields = Mapping[bytes, bytes]


"""The headers of an answer by their names in lower case; httpx's own take as long to look into as a request to send."""


_ENTRY = re.compile(rb"([0-9]{1,12})\s*(?:;.*)?")  # what stands behind a semicolon tells how long a window is


_BETWEEN_DATES = re.compile(rb"(?<=GMT)\s*,|(?<=[0-9])\s*,")  # a date has a comma of its own, after the day's name


_LONGEST_DATE = 40


_MOST_BUCKETS = 8


_LONG_AGO = 86_400  # seconds; where a window seems to have ended before that, a gateway counts from now, as Envoy does


_SAME_WINDOW_SECONDS = 1  # by which the end of one window differs where it is told in whole seconds from now


@dataclass(frozen=True, slots=True)
class Rate:
    """How much is left of one bucket.

    Attributes:
        limit: requests in a window, at least 1; it tells the bucket from others.
        left: requests that are left of it.
        reset: when the next window begins, in Unix seconds of Clever's clock; it names the window.
        seconds: until then, from 0 to ``WINDOW_SECONDS``.
    """

    limit: int
    left: int
    reset: int
    seconds: float


def fields_of(token_states: Iterable[tuple[bytes, bytes]]) -> Fields:
    """Return the header lines of an answer by name; those of one name are one list."""
    fields: dict[bytes, bytes] = {}
    for written, value in token_states:
        name = written.lower()
        fields[name] = fields[name] + b"," + value if name in fields else value
    return fields


def rates_of(fields: Fields, wall: Callable[[], float]) -> tuple[Rate, ...]:
    """Return what an answer says of each bucket, the one with the fewest requests left first.

    Entries belong together by their places. Where that cannot be, since there are more of one header than of another or
    one is no number, they are taken for one bucket that is as small as any of them could be.

    Args:
        fields: the headers of the answer.
        wall: tells Unix seconds, where the answer does not tell what Clever's clock says.

    Returns:
        A bucket for each limit, of very many the first; none where the answer does not say all of any.
    """
    if b"x-ratelimit-limit" not in fields:
        return ()
    limits, left = (_numbers(fields, b"x-ratelimit-" + name) for name in (b"limit", b"remaining"))
    columns = limits, left, _resets(fields, wall)
    buckets = _paired(*columns) or _as_one(*columns)
    now = _now(fields, wall) if buckets else 0
    return tuple(
        Rate(limit, left, reset, min(max(reset - now, 0), WINDOW_SECONDS))
        for limit, (left, reset) in sorted(buckets.items(), key=lambda bucket: bucket[1])[:_MOST_BUCKETS]
    )


def wait_of(fields: Fields, wall: Callable[[], float], *, limited: bool) -> int | None:
    """Return after how many seconds an answer says to ask again, from 1 to ``WINDOW_SECONDS``, or None.

    Args:
        fields: the headers of the answer.
        wall: as in ``rates_of``.
        limited: whether the limit is why; of any other refusal the end of the window says nothing.
    """
    told = _retry_after(fields, wall)
    rates = rates_of(fields, wall) if limited else ()
    used_up = [rate.seconds for rate in rates if rate.left == 0]
    if used_up:
        again: float | None = max(used_up)
    elif limited and not (rates and told is not None):
        again = rates[0].seconds if rates else _until_reset(fields, wall, told)
    else:
        # Of Clever's buckets none is used up: somebody before it refuses, who says for how long.
        again = told
    return None if again is None else min(max(math.ceil(again), 1), WINDOW_SECONDS)


Buckets = dict[int, tuple[int, int]]


"""What is left and when the window ends, by limit."""


def _paired(limits: Sequence[int | None], left: Sequence[int | None], resets: Sequence[int | None]) -> Buckets:
    """Return the buckets whose entries stand at the same places; none where any entry has no place among them."""
    buckets: Buckets = {}
    if not len(limits) == len(left) == len(resets):
        return {}
    for limit, remaining, reset in zip(limits, left, resets, strict=True):
        # More left than there is to use says that the entries stand in another order than the limits.
        if limit is None or remaining is None or reset is None or (remaining > limit and len(limits) > 1):
            return {}
        if limit:
            found = min(remaining, limit), reset
            buckets[limit] = min(buckets.get(limit, found), found)
    return buckets


def _as_one(*columns: Sequence[int | None]) -> Buckets:
    """Return one bucket for entries that do not belong together: the smallest, and the last to be filled again."""
    limits, left, resets = ([number for number in column if number is not None] for column in columns)
    limits = [limit for limit in limits if limit]
    if not (limits and left and resets):
        return {}
    return {min(limits): (min(*left, *limits), max(resets))}


def _resets(fields: Fields, wall: Callable[[], float]) -> list[int | None]:
    """Return when windows end, in Unix seconds."""
    entries = _numbers(fields, b"x-ratelimit-reset")
    now = math.ceil(_now(fields, wall)) if entries else 0
    return [now + entry if entry is not None and entry < now - _LONG_AGO else entry for entry in entries]


def _until_reset(fields: Fields, wall: Callable[[], float], otherwise: float | None) -> float | None:
    resets = [reset for reset in _resets(fields, wall) if reset is not None]
    return max(resets) - _now(fields, wall) if resets else otherwise


def _retry_after(fields: Fields, wall: Callable[[], float]) -> float | None:
    """Return the longest that anybody on the way says to wait."""
    waits: list[float] = []
    for written in _BETWEEN_DATES.split(fields.get(b"retry-after", b"")):
        if (seconds := _number(written)) is not None:
            waits.append(seconds)
        elif (date := _unix(written.strip())) is not None:
            waits.append(date - _now(fields, wall))
    return max(waits, default=None)


def _now(fields: Fields, wall: Callable[[], float]) -> float:
    # Clever's clock and ours may differ by more than a window. Its date lacks the fraction of the second, so that a
    # window seems to last up to a second longer than it does, and never shorter; so does the earliest of several.
    written = _BETWEEN_DATES.split(fields.get(b"date", b""))
    dates = [date for each in written if (date := _unix(each.strip())) is not None]
    return min(dates) if dates else wall()


def _numbers(fields: Fields, name: bytes) -> list[int | None]:
    """Return the entries of a list of numbers, None for one that is none; empty ones do not count."""
    return [_number(entry) for entry in fields.get(name, b"").split(b",") if entry.strip()]


def _number(entry: bytes) -> int | None:
    number = _ENTRY.fullmatch(entry.strip())
    return int(number[1]) if number else None


@lru_cache(maxsize=8)
def _unix(date: bytes) -> float | None:
    if not 0 < len(date) <= _LONGEST_DATE:
        return None
    try:
        parsed = parsedate_to_datetime(date.decode("ascii", "replace"))
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


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

    def turned(self, now: float, running: int) -> "_Window":
        """Return the window that follows, of which nothing is used; what is under way may still count for it."""
        ends, spent = now + WINDOW_SECONDS, Counter[bytes]()
        return replace(self, left=self.limit, ends=ends, own=running, spent=spent, supposed=True)

    def take_in(self, rate: Rate, now: float, running: int) -> bool:
        """Take in what an answer says, unless it is of an earlier window."""
        # Whose end lies that far off is not over: it lasts longer than the minute that it was taken for.
        is_near = abs(rate.reset - self.reset) <= _SAME_WINDOW_SECONDS
        is_the_same = is_near and (not self.supposed or rate.seconds >= WINDOW_SECONDS)
        if is_the_same:
            self.supposed = False
            self.left, self.ends = min(self.left, rate.left), min(self.ends, now + rate.seconds)
        elif rate.reset > self.reset or (self.supposed and rate.reset != self.reset):
            if not self.supposed:
                self.own, self.spent = running, Counter()
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

    async def enter(self, read_context: ReadContext) -> None:
        """Begin a request as soon as there is room among one's own, or raise why there will be none.

        Raises:
            CleverLimited: what is left of the window is used up, or kept for the more urgent.
            CallerOverspent: the caller has had their share of the window.
        """
        while (refusal := self.refusal(read_context)) is None and not self.room():
            await self._some_return()
        if refusal is not None:
            # Whoever does not take the room leaves it to the next, who may have to hear the same.
            self._wake()
            metrics.withheld(refusal.word)
            raise refusal
        self.begin(read_context)

    def refusal(self, read_context: ReadContext) -> CleverError | None:
        """Return why there is no request left for this errand, with the seconds to the window's end, or None."""
        now = self._clock()
        if now < self._shut_until:
            return _used_up(self._shut_until - now)
        self._turn(now)
        refusals = [
            refusal for each in self._windows.values() if (refusal := self._refusal_of(each, read_context, now))
        ]
        return max(refusals, key=lambda refusal: refusal.retry_after, default=None)

    def unaffordable(self, read_context: ReadContext, requests: int) -> CleverError | None:
        """Return why there are not so many requests left where a whole window has them, or None."""
        now = self._clock()
        self._turn(now)
        for window in self._windows.values():
            in_all = (
                min(1 - _RESERVED[read_context.urgency], self._caller_share if _is_charged(read_context) else 1)
                * window.limit
            )
            refusal = self._refusal_of(window, read_context, now, requests) if requests <= in_all else None
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

    def begin(self, read_context: ReadContext) -> None:
        """Note that a request is sent."""
        self._under_way += 1
        self._own += 1
        for window in self._windows.values():
            window.own += 1
        if _is_charged(read_context):
            self._spent[read_context.caller] += 1
            for window in self._windows.values():
                window.spent[read_context.caller] += 1

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

    def _refusal_of(
        self, window: _Window, read_context: ReadContext, now: float, requests: int = 1
    ) -> CleverError | None:
        further = requests - 1
        usable, limit, ends = window.left - self._under_way - further, window.limit, window.ends
        if usable <= max(limit * _RESERVED[read_context.urgency], _left_to_others(window)):
            is_used_up = usable <= 0 or read_context.urgency is Urgency.COLD
            return _used_up(ends - now) if is_used_up else _reserved(ends - now)
        if _is_charged(read_context) and window.spent[read_context.caller] + further >= limit * self._caller_share:
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


def _is_charged(read_context: ReadContext) -> bool:
    # By identity: a caller without a credential, where none is asked for, has the same empty digest.
    return read_context is not OWN


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
