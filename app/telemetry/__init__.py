"""What operators see: logs, metrics, traces and the log of decisions.

No names, emails, tokens or free text ever get here; ids of people stand in the log of decisions alone.
"""

from app.telemetry.events import (
    breaker_closed,
    breaker_opened,
    odd_data,
    policy_refused,
    policy_taken,
    reading_refused,
    unreadable,
)

__all__ = [
    "breaker_closed",
    "breaker_opened",
    "odd_data",
    "policy_refused",
    "policy_taken",
    "reading_refused",
    "unreadable",
]
