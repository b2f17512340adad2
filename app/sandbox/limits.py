"""Clever's rate limit: so many requests in a fixed minute for each token, told in the headers of every answer."""

from collections.abc import Callable
from dataclasses import dataclass, field

WINDOW_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a window after a request; `reset` is the Unix time at which the next one begins."""

    allowed: bool
    headers: dict[str, str]


@dataclass(slots=True)
class RateLimit:
    """Counts the requests of each bucket in the current minute."""

    clock: Callable[[], float]
    used: dict[tuple[str, int], int] = field(default_factory=dict)

    def take(self, bucket: str, limit: int) -> Allowance:
        """Take one request out of a bucket; a limit of 0 is none, and sends no headers."""
        if limit == 0:
            return Allowance(allowed=True, headers={})
        window = self.window
        used = self._count(bucket, window)
        return Allowance(allowed=used <= limit, headers=_headers(bucket, limit, used, window))

    def exhausted(self, bucket: str, limit: int) -> dict[str, str]:
        """Return the headers of a bucket from which nothing is left, whatever is."""
        return _headers(bucket, limit, limit, self.window)

    @property
    def window(self) -> int:
        """The Unix time at which the current window began."""
        return int(self.clock() // WINDOW_SECONDS) * WINDOW_SECONDS

    def _count(self, bucket: str, window: int) -> int:
        self.used = {key: count for key, count in self.used.items() if key[1] == window}
        self.used[bucket, window] = self.used.get((bucket, window), 0) + 1
        return self.used[bucket, window]


def _headers(bucket: str, limit: int, used: int, window: int) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": f"{limit}",
        "X-RateLimit-Remaining": f"{max(limit - used, 0)}",
        "X-RateLimit-Reset": f"{window + WINDOW_SECONDS}",
        "X-RateLimit-Bucket": bucket,
    }
