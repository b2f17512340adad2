"""What operators see: logs, metrics, traces and the decision log.

No names, emails, tokens or free text ever get here; ids of people appear in the decision log alone.
"""

from app.telemetry.events import (
    Event,
    breaker_closed,
    breaker_opened,
    district_unfollowed,
    district_without_events,
    list_restarted,
    load_delayed,
    load_ended,
    load_started,
    log_event,
    odd_data,
    odd_events,
    policy_refused,
    policy_taken,
    read_refused,
    unreadable,
)

__all__ = [
    "Event",
    "breaker_closed",
    "breaker_opened",
    "district_unfollowed",
    "district_without_events",
    "list_restarted",
    "load_delayed",
    "load_ended",
    "load_started",
    "log_event",
    "odd_data",
    "odd_events",
    "policy_refused",
    "policy_taken",
    "read_refused",
    "unreadable",
]
