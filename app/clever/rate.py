"""What the headers of Clever's answers say of its rate limit.

The headers are those of dev.clever.com/docs/error-messages; `Retry-After`, which Clever does not document and a gateway
before it may send, is RFC 9110 section 10.2.3.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

WINDOW_SECONDS = 60
"""How long a window of the limit is; Clever counts requests by the minute."""

Fields = Mapping[bytes, bytes]
"""The headers of an answer by their names in lower case; httpx's own take as long to look into as a request to send."""

_NUMBER = re.compile(rb"\s*([0-9]{1,12})\s*")
_LONGEST_DATE = 40


@dataclass(frozen=True, slots=True)
class Rate:
    """How much of the limit is left.

    Attributes:
        limit: requests in a window, at least 1.
        left: requests that are left of it.
        reset: when the next window begins, in Unix seconds of Clever's clock; it names the window.
        seconds: until then, from 0 to ``WINDOW_SECONDS``.
    """

    limit: int
    left: int
    reset: int
    seconds: float


def rate_of(fields: Fields, wall: Callable[[], float]) -> Rate | None:
    """Return what an answer says of the limit, or None where it does not say all of it.

    Args:
        fields: the headers of the answer.
        wall: tells Unix seconds, where the answer does not tell what Clever's clock says.
    """
    limit, left = _number(fields, b"x-ratelimit-limit"), _number(fields, b"x-ratelimit-remaining")
    reset = _number(fields, b"x-ratelimit-reset")
    if not limit or left is None or reset is None:
        return None
    return Rate(limit, min(left, limit), reset, min(max(reset - _now(fields, wall), 0), WINDOW_SECONDS))


def wait_of(fields: Fields, wall: Callable[[], float], *, limited: bool) -> int | None:
    """Return after how many seconds an answer says to ask again, from 1 to ``WINDOW_SECONDS``, or None.

    Args:
        fields: the headers of the answer.
        wall: as in ``rate_of``.
        limited: whether the limit is why; of any other refusal the end of the window says nothing.
    """
    reset = _number(fields, b"x-ratelimit-reset") if limited else None
    again = reset - _now(fields, wall) if reset is not None else _retry_after(fields, wall)
    return None if again is None else min(max(math.ceil(again), 1), WINDOW_SECONDS)


def _retry_after(fields: Fields, wall: Callable[[], float]) -> float | None:
    if (seconds := _number(fields, b"retry-after")) is not None:
        return seconds
    date = _unix(fields.get(b"retry-after", b""))
    return None if date is None else date - _now(fields, wall)


def _now(fields: Fields, wall: Callable[[], float]) -> float:
    # Clever's clock and ours may differ by more than a window. Its date lacks the fraction of the second, so that a
    # window seems to last up to a second longer than it does, and never shorter.
    date = _unix(fields.get(b"date", b""))
    return wall() if date is None else date


def _number(fields: Fields, name: bytes) -> int | None:
    number = _NUMBER.fullmatch(fields.get(name, b""))
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
