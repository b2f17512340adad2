"""The policy decision point: what every use case takes as its first argument."""

from collections.abc import Hashable, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from cachetools import LRUCache

from app.domain.errors import RoleNotHeld
from app.domain.evaluation import Access, access_of
from app.domain.facts import Role
from app.domain.policy import Policy
from app.domain.serialization import PackedFacts, unpacked
from app.domain.snapshot import Snapshot
from app.roster.roster import Roster
from app.telemetry.decision_log import Decided

MOST_ACCESSES = 2_000
"""How many users' permissions are kept worked out for decisions: that form is large, and quickly made again."""


class DecisionLog(Protocol):
    """Where decisions are logged."""

    def log(self, decisions: Sequence[Decided], *, caller: str, alone: bool) -> None:
        """Log decisions of one request, the name of who asked, and whether it asked for one and nothing else."""


class _NoDecisionLog:
    def log(self, decisions: Sequence[Decided], *, caller: str, alone: bool) -> None:
        """Log nothing."""


NO_DECISION_LOG: DecisionLog = _NoDecisionLog()
"""A decision log that writes nothing."""


@dataclass(frozen=True, slots=True)
class DecisionPoint:
    """Decides by one policy: another policy in force is another decision point, over the same roster.

    Attributes:
        roster: what is known of Clever's people.
        policy: by which is decided.
        decision_log: where decisions are logged.
        reasons: whether decisions come with their reason.
        secret: from which keys are derived, one for each purpose; the same in every process that shares answers.
        accesses: permissions worked out from facts, by what they depend on beside the policy.
    """

    roster: Roster
    policy: Policy
    decision_log: DecisionLog = NO_DECISION_LOG
    reasons: bool = True
    secret: bytes = b""
    accesses: MutableMapping[Hashable, Access] = field(default_factory=lambda: LRUCache(MOST_ACCESSES))

    def access(self, snapshot: Snapshot[PackedFacts], role: Role | None = None) -> Access:
        """Return what a user may do, or what they may do in one role; raises ``RoleNotHeld``."""
        key = (snapshot.facts, role)
        found = self.accesses.get(key)
        if found is None:
            found = self.accesses[key] = self.access_anew(snapshot, role)
        return found

    def access_anew(self, snapshot: Snapshot[PackedFacts], role: Role | None) -> Access:
        """Work out what ``access`` returns, and do not keep it: for what is answered once."""
        try:
            return access_of(unpacked(snapshot.facts), self.policy, role)
        except RoleNotHeld as error:
            # A role that an older snapshot lacks may be held by now.
            raise RoleNotHeld(error.role, error.held, snapshot.staleness()) from error


def decision_point(
    roster: Roster,
    policy: Policy,
    *,
    decision_log: DecisionLog = NO_DECISION_LOG,
    reasons: bool = True,
    secret: bytes = b"",
) -> DecisionPoint:
    """Put a policy in force over a roster, which reads from then on what this policy needs to know."""
    needs = replace(roster, confirm_schools=policy.drops_unconfirmed_schools)
    return DecisionPoint(needs, policy, decision_log, reasons, secret)
