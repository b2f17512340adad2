"""What the headers of Clever's answers say of its rate limit.

The headers are those of dev.clever.com/docs/error-messages; `Retry-After`, which Clever does not document and a gateway
before it may send, is RFC 9110 section 10.2.3. Where a gateway limits requests, too, the headers hold an entry for each
bucket, in one line or in several, which is the same (RFC 9110 section 5.3).
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

WINDOW_SECONDS = 60
"""How long a window of the limit is; Clever counts requests by the minute."""

Fields = Mapping[bytes, bytes]
"""The headers of an answer by their names in lower case; httpx's own take as long to look into as a request to send."""

_ENTRY = re.compile(rb"([0-9]{1,12})\s*(?:;.*)?")  # what stands behind a semicolon tells how long a window is
_BETWEEN_DATES = re.compile(rb"(?<=GMT)\s*,|(?<=[0-9])\s*,")  # a date has a comma of its own, after the day's name
_LONGEST_DATE = 40
_MOST_BUCKETS = 8


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


def fields_of(lines: Iterable[tuple[bytes, bytes]]) -> Fields:
    """Return the header lines of an answer by name; those of one name are one list."""
    fields: dict[bytes, bytes] = {}
    for written, value in lines:
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
    columns = [_numbers(fields, b"x-ratelimit-" + name) for name in (b"limit", b"remaining", b"reset")]
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


def _until_reset(fields: Fields, wall: Callable[[], float], otherwise: float | None) -> float | None:
    resets = [reset for reset in _numbers(fields, b"x-ratelimit-reset") if reset is not None]
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
