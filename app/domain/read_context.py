"""The caller, urgency and deadline of a fetch: they decide which fetch waits when requests are scarce."""

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
    LOAD = "load"
    """Nobody waits, and it is a page of a whole district: large, and slow."""


@dataclass(frozen=True, slots=True)
class ReadContext:
    """The context of a fetch.

    Attributes:
        caller: the digest of the caller whose share of requests it uses; empty for the service itself.
        urgency: who waits for it.
        until: its deadline, in seconds of the event loop's clock; None for the reader's own deadline.
    """

    caller: bytes = b""
    urgency: Urgency = Urgency.COLD
    until: float | None = None


OWN = ReadContext()
"""The context of the service's own reads, such as the list of connected districts."""
