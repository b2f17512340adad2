"""Log events: one way to log what happens beside the requests, each kind under a key that alerts can match."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from app.telemetry import metrics

_log = logging.getLogger("rosterguard")


class Event(StrEnum):
    """The key of each kind of log line that is ours; the README has a table of them."""

    REQUEST = "request"
    DECISION = "decision"
    REQUEST_REJECTED = "request_rejected"
    POLICY_LOADED = "policy_loaded"
    POLICY_WARNING = "policy_warning"
    POLICY_REJECTED = "policy_rejected"
    API_KEYS_LOADED = "api_keys_loaded"
    API_KEYS_REJECTED = "api_keys_rejected"
    OIDC_KEYS_UNAVAILABLE = "oidc_keys_unavailable"
    CLEVER_CONNECT_FAILED = "clever_connect_failed"
    CLEVER_DISTRICTS_FAILED = "clever_districts_failed"
    CLEVER_NO_DISTRICT = "clever_no_district"
    CLEVER_TOKENS_SKIPPED = "clever_tokens_skipped"
    CLEVER_READ_REFUSED = "clever_read_refused"
    CLEVER_CIRCUIT_OPENED = "clever_circuit_opened"
    CLEVER_CIRCUIT_CLOSED = "clever_circuit_closed"
    CLEVER_ODD_DATA = "clever_odd_data"
    CLEVER_ODD_EVENTS = "clever_odd_events"
    DISTRICT_WITHOUT_EVENTS = "district_without_events"
    DISTRICT_UNFOLLOWED = "district_unfollowed"
    DISTRICT_LOAD_STARTED = "district_load_started"
    DISTRICT_LOAD_DELAYED = "district_load_delayed"
    DISTRICT_LIST_RESTARTED = "district_list_restarted"
    DISTRICT_LOADED = "district_loaded"
    DISTRICT_LOAD_FAILED = "district_load_failed"
    REDIS_UNREACHABLE = "redis_unreachable"
    REDIS_AUTH_FAILED = "redis_auth_failed"
    REDIS_ERROR = "redis_error"
    REDIS_RECOVERED = "redis_recovered"
    TRACES_FAILED = "traces_failed"
    TRACES_MISCONFIGURED = "traces_misconfigured"
    UNEXPECTED_ERROR = "unexpected_error"


def log_event(event: Event, level: int, message: str, *values: object, **fields: object) -> None:
    """Log an event.

    Args:
        event: its key.
        level: such as ``logging.WARNING``.
        message: a fixed sentence, with ``%s`` for each of ``values``.
        values: never a name, an email, a token, an id of a person or free text.
        fields: of machine-readable lines, beside the message; the same holds for them.
    """
    _log.log(level, message, *values, extra={"event": event.value, **fields})


def odd_data(counts: Mapping[str, int]) -> None:
    """Count and log data from Clever that grants nothing: how often, by kind of oddity."""
    if not counts:
        return
    for kind, times in counts.items():
        metrics.counter(metrics.CLEVER_ODDITIES, kind).inc(times)
    listed = ", ".join(f"{kind}={times}" for kind, times in sorted(counts.items()))
    log_event(Event.CLEVER_ODD_DATA, logging.INFO, "odd data from Clever: %s", listed, counts=dict(counts))


def odd_events(counts: Mapping[str, int]) -> None:
    """Count events of Clever's by outcome, and log those that could not simply be applied."""
    for outcome, times in counts.items():
        metrics.record_events(outcome, times)
    odd = {outcome: times for outcome, times in sorted(counts.items()) if outcome not in metrics.USUAL_EVENTS}
    if odd:
        listed = ", ".join(f"{outcome}={times}" for outcome, times in odd.items())
        log_event(Event.CLEVER_ODD_EVENTS, logging.INFO, "odd events from Clever: %s", listed, counts=odd)


def district_without_events(seconds: int) -> None:
    """Log that Clever has no events of a district, so that it is loaded again every so many seconds."""
    message = "Clever has no events of a district, which is loaded again every %s seconds"
    log_event(Event.DISTRICT_WITHOUT_EVENTS, logging.WARNING, message, seconds, seconds=seconds)


def district_unfollowed(reason: str) -> None:
    """Log that a district cannot be followed any more, and is loaded again."""
    message = "a district cannot be followed any more and is loaded again: %s"
    log_event(Event.DISTRICT_UNFOLLOWED, logging.WARNING, message, reason, reason=reason)


def unreadable(status: int) -> None:
    """Count and log that bytes which never became a request were answered with this status."""
    metrics.record_request("-", "-", status, 0)
    log_event(Event.REQUEST_REJECTED, logging.INFO, "refused before it was a request: %s", status, status=status)


def policy_taken(revision: str, warnings: Iterable[str]) -> None:
    """Log that answers follow a policy file from now on, by its revision, and each warning about it."""
    message = "the policy file is in force: revision %s"
    log_event(Event.POLICY_LOADED, logging.INFO, message, revision, revision=revision)
    for warning in warnings:
        log_event(Event.POLICY_WARNING, logging.WARNING, "the policy: %s", warning, revision=revision)


def policy_refused(mistakes: Sequence[str]) -> None:
    """Log that a policy file cannot be used, and each mistake in it: a policy names roles and no people."""
    message, listed = "the policy file cannot be used: %s", "; ".join(mistakes)
    log_event(Event.POLICY_REJECTED, logging.ERROR, message, listed, mistakes=list(mistakes))


def read_refused(sentence: str, word: str) -> None:
    """Log that Clever refuses a token, in the fixed sentence and word of the error."""
    log_event(Event.CLEVER_READ_REFUSED, logging.WARNING, "a read was refused: %s", sentence, outcome=word)


def breaker_opened() -> None:
    """Count and log that Clever is not asked with one token for now."""
    metrics.CLEVER_BREAKER_OPENED.inc()
    message = "Clever failed several times in a row with one token, and is not asked with it for a moment"
    log_event(Event.CLEVER_CIRCUIT_OPENED, logging.WARNING, message)


def breaker_closed() -> None:
    """Log that Clever answers again."""
    log_event(Event.CLEVER_CIRCUIT_CLOSED, logging.INFO, "Clever answers again")


def load_started(district: str, whom: str) -> None:
    """Log that a district is being loaded."""
    message = "a district is being loaded: %s, %s"
    log_event(Event.DISTRICT_LOAD_STARTED, logging.INFO, message, district, whom, district=district, whom=whom)


def load_delayed(district: str, outcome: str) -> None:
    """Count and log that a page of a district could not be read, and is tried again, with the error's fixed word."""
    metrics.counter(metrics.LOAD_FAILURES, outcome).inc()
    message = "a page of district %s could not be read and is tried again: %s"
    log_event(
        Event.DISTRICT_LOAD_DELAYED, logging.WARNING, message, district, outcome, district=district, outcome=outcome
    )


def list_restarted(district: str, kind: str, sentence: str) -> None:
    """Count and log that a list of a district is begun again, with the fixed sentence of the error."""
    metrics.counter(metrics.LOAD_RESTARTS, kind).inc()
    message = "the %s of district %s are read from the start again: %s"
    log_event(
        Event.DISTRICT_LIST_RESTARTED, logging.WARNING, message, kind, district, sentence, district=district, list=kind
    )


def load_ended(district: str, records: Mapping[str, int], seconds: float, failure: str | None) -> None:
    """Count and log that a load is over; ``failure`` is the fixed word of what ended it early, None if nothing did."""
    metrics.record_load("loaded" if failure is None else "failed", seconds)
    fields = {"district": district, "seconds": round(seconds, 3), "records": dict(records)}
    if failure is None:
        listed = ", ".join(f"{number} {kind}" for kind, number in records.items())
        message = "district %s is loaded: %s in %.1f s"
        log_event(Event.DISTRICT_LOADED, logging.INFO, message, district, listed, seconds, **fields)
    else:
        message = "the load of district %s was given up: %s"
        log_event(Event.DISTRICT_LOAD_FAILED, logging.ERROR, message, district, failure, outcome=failure, **fields)
