"""On whose account Clever is asked, how urgently, and until when: what decides who gives way where there is little."""

from dataclasses import dataclass
from enum import StrEnum


class Urgency(StrEnum):
    """Who waits for a reading, the most urgent first."""

    COLD = "cold"
    """Somebody waits, and nothing older could answer."""
    HELD = "held"
    """Somebody waits, and an older reading could answer."""
    BULK = "bulk"
    """A batch or a search waits, for this among many."""
    RENEWAL = "renewal"
    """Nobody waits: what answers is still fresh."""


@dataclass(frozen=True, slots=True)
class ReadContext:
    """What a reading is for.

    Attributes:
        caller: who is charged for what it costs, by the digest that stands for them; empty for the service itself.
        urgency: who waits for it.
        until: when it has to be over, in seconds of the event loop's clock; None leaves it to whoever reads.
    """

    caller: bytes = b""
    urgency: Urgency = Urgency.COLD
    until: float | None = None


OWN = ReadContext()
"""What the service asks of its own accord, such as which districts are connected."""
