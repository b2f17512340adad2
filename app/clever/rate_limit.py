"""The rate limit of a token: how much of it is left, who may still use it, and how many requests may run at once.

Clever allows 1200 requests in a fixed minute (dev.clever.com/docs/error-messages). Other processes use the same token,
so what is left is known from the headers of Clever's responses alone.
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
"""How long a window of the limit lasts; Clever counts requests by the minute."""

Fields = Mapping[bytes, bytes]
"""The headers of a response by name in lower case; a look into httpx's own takes as long as to send a request."""

_ENTRY = re.compile(rb"([0-9]{1,12})\s*(?:;.*)?")  # behind the semicolon is how long a window lasts

_BETWEEN_DATES = re.compile(rb"(?<=GMT)\s*,|(?<=[0-9])\s*,")  # a date has a comma of its own, behind the weekday

_LONGEST_DATE = 40

_MOST_BUCKETS = 8

_LONG_AGO = 86_400  # seconds; where a window seems to have ended before that, a gateway counts from now, as Envoy does

_SAME_WINDOW_SECONDS = 1  # by which the end of one window differs where responses give it in whole seconds from now


@dataclass(frozen=True, slots=True)
class Rate:
    """How much is left of one bucket.

    Attributes:
        limit: requests in a window, at least 1; it identifies the bucket.
        left: requests that are left.
        reset: when the next window begins, in Unix seconds of Clever's clock; it identifies the window.
        seconds: until then, from 0 to ``WINDOW_SECONDS``.
    """

    limit: int
    left: int
    reset: int
    seconds: float


def fields_of(headers: Iterable[tuple[bytes, bytes]]) -> Fields:
    """Return the headers of a response by name; several of one name are joined to a list."""
    fields: dict[bytes, bytes] = {}
    for written, value in headers:
        name = written.lower()
        fields[name] = fields[name] + b"," + value if name in fields else value
    return fields


def rates_of(fields: Fields, wall: Callable[[], float]) -> tuple[Rate, ...]:
    """Return what a response says of each bucket, the one with the fewest requests left first.

    The n-th entries of the headers belong together. Where they cannot, since one header has more entries or an entry is
    no number, all are taken for one bucket that is as small as any of them could be.

    Args:
        fields: the headers of the response.
        wall: returns Unix seconds, for responses that do not say what time it is at Clever.

    Returns:
        A bucket for each limit, eight at most; none if the response does not say everything about any.
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
    """Return after how many seconds a response says to ask again, from 1 to ``WINDOW_SECONDS``, or None.

    Args:
        fields: the headers of the response.
        wall: as in ``rates_of``.
        limited: whether the rate limit is the reason; otherwise the end of the window does not matter.
    """
    wait = _retry_after(fields, wall)
    if limited:
        rates, resets = rates_of(fields, wall), [reset for reset in _resets(fields, wall) if reset is not None]
        if used_up := [rate.seconds for rate in rates if rate.left == 0]:
            wait = max(used_up)
        elif not rates and resets:
            wait = max(resets) - _now(fields, wall)
        elif rates and wait is None:
            wait = rates[0].seconds
        # Else no bucket of Clever is used up: a gateway in front of it refuses, and says for how long.
    return None if wait is None else min(max(math.ceil(wait), 1), WINDOW_SECONDS)


Buckets = dict[int, tuple[int, int]]
"""By limit: what is left, and when the window ends."""


def _paired(limits: Sequence[int | None], left: Sequence[int | None], resets: Sequence[int | None]) -> Buckets:
    """Return the buckets whose entries are at the same positions; none if the entries do not fit together."""
    buckets: Buckets = {}
    if not len(limits) == len(left) == len(resets):
        return {}
    for limit, remaining, reset in zip(limits, left, resets, strict=True):
        # More left than the limit means that the entries are in another order than the limits.
        if limit is None or remaining is None or reset is None or (remaining > limit and len(limits) > 1):
            return {}
        if limit:
            found = min(remaining, limit), reset
            buckets[limit] = min(buckets.get(limit, found), found)
    return buckets


def _as_one(*columns: Sequence[int | None]) -> Buckets:
    """Return one bucket for entries that do not fit together: the smallest limit, and the last reset."""
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


def _retry_after(fields: Fields, wall: Callable[[], float]) -> float | None:
    """Return the longest of the waits that Clever and any gateway ask for."""
    waits: list[float] = []
    for written in _BETWEEN_DATES.split(fields.get(b"retry-after", b"")):
        if (seconds := _number(written)) is not None:
            waits.append(seconds)
        elif (date := _unix(written.strip())) is not None:
            waits.append(date - _now(fields, wall))
    return max(waits, default=None)


def _now(fields: Fields, wall: Callable[[], float]) -> float:
    # Clever's clock and ours may differ by more than a window. Its date has whole seconds, so a window seems to last up
    # to a second longer than it does, and never less; for the same reason the earliest of several dates counts.
    written = _BETWEEN_DATES.split(fields.get(b"date", b""))
    dates = [date for each in written if (date := _unix(each.strip())) is not None]
    return min(dates) if dates else wall()


def _numbers(fields: Fields, name: bytes) -> list[int | None]:
    """Return the entries of a list of numbers, None for one that is not a number; empty entries are skipped."""
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
    Urgency.LOAD: 0.5,
}
"""Which part of the limit is kept for more urgent requests."""

# A replica learns of the others' requests from the responses to its own, so half of what was left may be gone by now.
# If each runs a sixteenth of that at once, eight replicas together still do not exceed what is left.
_AT_ONCE = 16  # this part of what is left may run at once; so many requests are left alone where others use the token

_MOST_WINDOWS = 16  # of one token; more buckets would be nonsense

_RECENT_SECONDS = 1.0

_WITHOUT_RECENT = 8  # requests at once when the last response is so old that others may have used up what was left

_USED_UP = "Clever's limit of requests a minute is used up for this token"

_KEPT = "what is left of Clever's limit of requests a minute is kept for more urgent questions"

_OVERSPENT = "this caller has used up its share of the requests to Clever of this minute"

_TOO_FEW = "what is left of the requests to Clever of this minute does not suffice for all that is asked"

Sent = Counter[bytes | None]
"""How many requests this process has sent, by the caller whose share they use; None for its own."""


@dataclass(slots=True)
class _Window:
    """The window of one bucket.

    Attributes:
        limit: how many requests it allows.
        left: how many are left.
        reset: when the next window begins by Clever's clock; it identifies the window.
        ends: the same by our clock.
        updated: when a response last reported it, by our clock.
        sent: what this process has sent in it.
        is_assumed: whether no response has reported it yet, and it only must have begun, since the one before is over.
    """

    limit: int
    left: int
    reset: int
    ends: float
    updated: float
    sent: Sent
    is_assumed: bool = False

    def next(self, now: float, running: int) -> "_Window":
        """Return the next, unused window; requests that are still running may count in it."""
        return replace(self, left=self.limit, ends=now + WINDOW_SECONDS, sent=Sent({None: running}), is_assumed=True)

    def update(self, rate: Rate, now: float, running: int) -> bool:
        """Take in what a response says, and return True; return False if it is about an earlier window."""
        # A window that ends so late is not over: it lasts longer than the minute that it was taken for.
        is_near = abs(rate.reset - self.reset) <= _SAME_WINDOW_SECONDS
        if is_near and (not self.is_assumed or rate.seconds >= WINDOW_SECONDS):
            self.left, self.ends = min(self.left, rate.left), min(self.ends, now + rate.seconds)
        elif rate.reset > self.reset or (self.is_assumed and rate.reset != self.reset):
            if not self.is_assumed:
                self.sent = Sent({None: running})
            self.left, self.reset, self.ends = rate.left, rate.reset, now + rate.seconds
        else:
            return False
        self.is_assumed, self.updated = False, now
        return True

    def left_to_others(self) -> float:
        """Return how many requests of a window this process leaves to others who use the token."""
        are_there_others = self.limit - self.left > self.sent.total()
        return min(_AT_ONCE, self.limit / 4) if are_there_others else 0


class Budget:
    """The requests that are left of one token's rate limit; if there are several buckets, the tightest counts.

    Nothing is held back before Clever has named a limit. What each caller has caused is counted by this process alone,
    since Clever knows nothing of callers: with several replicas a caller has a share at each.
    """

    def __init__(self, clock: Callable[[], float], caller_share: float = 0.5) -> None:
        """Take a clock of seconds that only go forward, and which part of a window one caller may use."""
        self._clock = clock
        self._caller_share = caller_share
        self._windows: dict[int, _Window] = {}
        self._updated = -math.inf
        self._paused_until = -math.inf
        self._running = 0
        self._sent = Sent()
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self, read_context: ReadContext) -> None:
        """Wait until another request may run, and count it; raises if none will be left for it.

        Raises:
            CleverLimited: the window is used up, or the rest is kept for more urgent requests.
            CallerOverspent: the caller has used up its share of the window.
        """
        while (refusal := self.refusal(read_context)) is None and not self.room():
            await self._wait_for_room()
        if refusal is not None:
            # The next one in the queue has to be woken: it may be refused, too.
            self._wake()
            metrics.record_withheld(refusal.outcome)
            raise refusal
        self.begin(read_context)

    def refusal(self, read_context: ReadContext) -> CleverError | None:
        """Return the error if no request is left in this read context, with the seconds until some are, else None."""
        now = self._clock()
        if now < self._paused_until:
            return CleverLimited(_USED_UP, retry_after=_whole(self._paused_until - now))
        self._begin_next_windows(now)
        refusals = [
            refusal for each in self._windows.values() if (refusal := self._refusal_of(each, read_context, now))
        ]
        return max(refusals, key=lambda refusal: refusal.retry_after, default=None)

    def unaffordable(self, read_context: ReadContext, requests: int) -> CleverError | None:
        """Return the error if so many requests are not left now, though a whole window has them; else None."""
        now = self._clock()
        self._begin_next_windows(now)
        usable = 1 - _RESERVED[read_context.urgency]
        if _payer(read_context) is not None:
            usable = min(usable, self._caller_share)
        for window in self._windows.values():
            fits = requests <= usable * window.limit
            if fits and (refusal := self._refusal_of(window, read_context, now, requests)) is not None:
                metrics.record_withheld(refusal.outcome)
                return type(refusal)(_TOO_FEW, retry_after=refusal.retry_after)
        return None

    def left(self) -> float:
        """Return which part of the window is left, from 0 to 1."""
        now = self._clock()
        self._begin_next_windows(now)
        if now < self._paused_until:
            return 0.0
        return min((max(0, each.left - self._running) / each.limit for each in self._windows.values()), default=1.0)

    def room(self) -> int:
        """Return how many more requests may run at once."""
        if not self._windows:
            return 1
        most = max(1, min(each.left for each in self._windows.values()) // _AT_ONCE)
        if self._clock() - self._updated > _RECENT_SECONDS:
            most = min(most, _WITHOUT_RECENT)
        return max(0, most - self._running)

    def begin(self, read_context: ReadContext) -> None:
        """Count a request that is sent."""
        self._running += 1
        payer = _payer(read_context)
        self._sent[payer] += 1
        for window in self._windows.values():
            window.sent[payer] += 1

    def end(self) -> None:
        """Note that a request has ended, however it did."""
        self._running -= 1
        self._wake()

    def record_rates(self, *rates: Rate) -> None:
        """Take in what a response says of each bucket; responses may arrive in another order than they were sent."""
        now = self._clock()
        self._begin_next_windows(now)
        for rate in rates:
            window = self._windows.get(rate.limit)
            if window is None:
                if len(self._windows) >= _MOST_WINDOWS:
                    del self._windows[min(self._windows, key=lambda limit: self._windows[limit].updated)]
                # What was sent before any response, or counted for other buckets, may count for this one, too.
                self._windows[rate.limit] = _Window(
                    rate.limit, rate.left, rate.reset, now + rate.seconds, now, self._sent.copy()
                )
            elif not window.update(rate, now, self._running):
                continue
            self._updated = now
        self._wake()

    def pause(self, seconds: int) -> None:
        """Note for how many seconds requests are refused because of a rate limit.

        It may be a gateway that refuses, with a limit of its own, so this says nothing about what is left of Clever's.
        """
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def _refusal_of(
        self, window: _Window, read_context: ReadContext, now: float, requests: int = 1
    ) -> CleverError | None:
        further, payer = requests - 1, _payer(read_context)
        usable, retry_after = window.left - self._running - further, _whole(window.ends - now)
        if usable <= max(window.limit * _RESERVED[read_context.urgency], window.left_to_others()):
            is_used_up = usable <= 0 or read_context.urgency is Urgency.COLD
            return CleverLimited(_USED_UP if is_used_up else _KEPT, retry_after=retry_after)
        if payer is not None and window.sent[payer] + further >= window.limit * self._caller_share:
            return CallerOverspent(_OVERSPENT, retry_after=retry_after)
        return None

    def _begin_next_windows(self, now: float) -> None:
        """Replace each window that is over by the next one, of which nothing is used."""
        for limit, window in [*self._windows.items()]:
            if now >= window.ends:
                self._sent = Sent({None: self._running})
                # A bucket that later responses did not mention may not exist any more.
                if window.updated < self._updated:
                    del self._windows[limit]
                else:
                    self._windows[limit] = window.next(now, self._running)

    async def _wait_for_room(self) -> None:
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


def _payer(read_context: ReadContext) -> bytes | None:
    # By identity: a caller without a credential, where none is asked for, has the same empty digest.
    return None if read_context is OWN else read_context.caller


def _whole(seconds: float) -> int:
    return max(1, math.ceil(seconds))
