"""Who asked how much: requests by token and by window of the rate limit, and those that went over the limit."""

from collections import Counter
from dataclasses import dataclass, field

Counts = Counter[tuple[str, int]]


@dataclass(slots=True)
class Tally:
    """Counts by token and by the Unix time at which the window began.

    Every request counts, also one that a fault struck; a 429 that was a fault is none that the limit `refused`.
    """

    asked: Counts = field(default_factory=Counter)
    refused: Counts = field(default_factory=Counter)

    def told(self) -> dict[str, object]:
        """Return the counts: `refused` of all, and for each of the `tokens` in all and by window."""
        tokens = {token: self._of(token) for token in dict.fromkeys(token for token, _ in self.asked)}
        return {"refused": self.refused.total(), "tokens": tokens}

    def _of(self, token: str) -> dict[str, object]:
        windows = [
            {"start": start, "requests": count, "refused": self.refused[token, start]}
            for (one, start), count in self.asked.items()
            if one == token
        ]
        refused = sum(count for (one, _), count in self.refused.items() if one == token)
        requests = sum(count for (one, _), count in self.asked.items() if one == token)
        return {"requests": requests, "refused": refused, "windows": windows}
