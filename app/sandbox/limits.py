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
        window = int(self.clock() // WINDOW_SECONDS)
        used = self._count(bucket, window)
        headers = {
            "X-RateLimit-Limit": f"{limit}",
            "X-RateLimit-Remaining": f"{max(limit - used, 0)}",
            "X-RateLimit-Reset": f"{(window + 1) * WINDOW_SECONDS}",
            "X-RateLimit-Bucket": bucket,
        }
        return Allowance(allowed=used <= limit, headers=headers)

    def _count(self, bucket: str, window: int) -> int:
        self.used = {key: count for key, count in self.used.items() if key[1] == window}
        self.used[bucket, window] = self.used.get((bucket, window), 0) + 1
        return self.used[bucket, window]
