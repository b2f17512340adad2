"""What operators see: logs. No names, emails, tokens or free text ever get here."""

import logging
from collections.abc import Mapping, Sequence

_log = logging.getLogger("rosterguard")


def odd_data(counts: Mapping[str, int]) -> None:
    """Tell that Clever sent data which grants nothing: how often, by kind of oddity."""
    if counts:
        _log.info("odd data from Clever: %s", ", ".join(f"{kind}={times}" for kind, times in sorted(counts.items())))


def answered(method: str, route: str, status: int, seconds: float) -> None:
    """Tell that a request was answered: its route, such as ``/v1/users/{user_id}/roles``, and never its path."""
    _log.info("%s %s %s %.1f ms", method, route, status, seconds * 1000)


def policy_taken(revision: str) -> None:
    """Tell that answers rest on a policy file from now on, by the revision of what it says."""
    _log.info("the policy file is in force: revision %s", revision)


def policy_refused(mistakes: Sequence[str]) -> None:
    """Tell that a policy file cannot be used, and each mistake in it: a policy is about roles and not about people."""
    _log.error("the policy file cannot be used: %s", "; ".join(mistakes))
