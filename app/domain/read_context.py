"""Who a fetch is for, how urgent it is, and until when: this decides who gives way when requests are scarce."""

from dataclasses import dataclass
from enum import StrEnum


class Urgency(StrEnum):
    """Who waits for a fetch, the most urgent first."""

    COLD = "cold"
    """Somebody waits, and no older snapshot could answer."""
    HELD = "held"
    """Somebody waits, and an older snapshot could answer."""
    BULK = "bulk"
    """A batch or a search waits, for this and much else."""
    RENEWAL = "renewal"
    """Nobody waits: the snapshot is still fresh."""


@dataclass(frozen=True, slots=True)
class ReadContext:
    """What a fetch is for.

    Attributes:
        caller: the digest of the caller whose share its requests count for; empty for the service itself.
        urgency: who waits for it.
        until: when it has to be over, in seconds of the event loop's clock; None leaves that to the reader.
    """

    caller: bytes = b""
    urgency: Urgency = Urgency.COLD
    until: float | None = None


OWN = ReadContext()
"""The context of what the service reads for itself, such as which districts are connected."""
