"""That an answer is older than the fresh time: why, and since when it has been true."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Staleness:
    """How stale an answer is.

    Attributes:
        reason: such as ``unreachable``; the words are those of ``CleverError``, and ``slow`` and ``accepted``.
        as_of: when the oldest reading behind the answer began, in Unix seconds.
    """

    reason: str
    as_of: float
