"""What happens beside the requests, told in fixed sentences and counted."""

import logging
from collections.abc import Iterable, Mapping, Sequence

from app.telemetry import metrics

_log = logging.getLogger("rosterguard")


def odd_data(counts: Mapping[str, int]) -> None:
    """Tell that Clever sent data which grants nothing: how often, by kind of oddity."""
    if not counts:
        return
    for kind, times in counts.items():
        metrics.counter(metrics.CLEVER_ODDITIES, kind).inc(times)
    told = ", ".join(f"{kind}={times}" for kind, times in sorted(counts.items()))
    _log.info("odd data from Clever: %s", told, extra={"counts": dict(counts)})


def unreadable(status: int) -> None:
    """Tell that something was refused that is no request yet, or never became one, with this status."""
    metrics.answered("-", "-", status, 0)
    _log.info("refused before it was a request: %s", status, extra={"status": status})


def policy_taken(revision: str, warnings: Iterable[str]) -> None:
    """Tell that answers rest on a policy file from now on, by the revision of what it says; and what is odd in it."""
    _log.info("the policy file is in force: revision %s", revision, extra={"revision": revision})
    for warning in warnings:
        _log.warning("the policy: %s", warning, extra={"revision": revision})


def policy_refused(mistakes: Sequence[str]) -> None:
    """Tell that a policy file cannot be used, and each mistake in it: a policy is about roles and not about people."""
    _log.error("the policy file cannot be used: %s", "; ".join(mistakes), extra={"mistakes": list(mistakes)})


def reading_refused(sentence: str, word: str) -> None:
    """Tell that Clever refuses a token, in the fixed sentence and word of the error."""
    _log.warning("a read was refused: %s", sentence, extra={"outcome": word})


def breaker_opened() -> None:
    """Tell that Clever is not asked for a moment with one token."""
    metrics.CLEVER_BREAKER_OPENED.inc()
    _log.warning("Clever failed several times in a row with one token, and is not asked with it for a moment")


def breaker_closed() -> None:
    """Tell that Clever answers again."""
    _log.info("Clever answers again")
