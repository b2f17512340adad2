"""What of a decision goes into the decision log: well-formed ids, known words, and nothing else that a caller wrote.

A text that is not an id, a permission that the policy does not name, and the id of a thing that is not Clever's are
left out: they may be anything.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from app.domain.decision import Reason
from app.domain.errors import RoleNotHeld, UserUnknown
from app.domain.facts import Role
from app.domain.ids import DistrictId
from app.domain.policy import Policy
from app.domain.question import Entity, Question, district_named, is_user, permission_asked
from app.domain.scopes import CLEVER_TYPES
from app.domain.snapshot import Snapshot, staleness_of
from app.roster.freshness import Freshness
from app.services.decision_point import NO_DECISION_LOG, DecisionPoint
from app.telemetry.decision_log import About, Decided


class Asked(msgspec.Struct, frozen=True, gc=False):
    """What was asked, as the caller wrote it.

    Attributes:
        kind: ``permissions``, ``roles``, ``explanation``, ``evaluation`` or ``search``.
        district: None where the caller left it open.
        resource: on what; for a search of subjects or actions the given one.
    """

    kind: str
    user: str | None = None
    district: object = None
    role: object = None
    permission: str | None = None
    resource: Entity | None = None


class Answered(msgspec.Struct, frozen=True, gc=False):
    """The answer: see ``telemetry.decision_log.Decided``; and the snapshots behind it."""

    answer: bool | str | int
    reason: str | None = None
    snapshots: Sequence[Snapshot[Any]] = ()


def asked_in(policy: Policy, question: Question, kind: str, district: DistrictId | None = None) -> Asked:
    """Return what a question asks."""
    return Asked(
        kind,
        question.subject.id if is_user(policy, question.subject) else None,
        district or district_named(policy, question.subject.properties),
        question.context.get("role_context"),
        permission_asked(policy, question.action.name, question.resource.type),
        question.resource,
    )


def log_decision(pdp: DecisionPoint, freshness: Freshness, asked: Asked, answered: Answered) -> None:
    """Log a decision, if there is a decision log."""
    if pdp.decision_log is not NO_DECISION_LOG:
        about = about_of(pdp, asked, are_ids=bool(answered.snapshots))
        log_decisions(pdp, freshness, [decided(pdp, about, asked.resource, answered)])


def log_decisions(pdp: DecisionPoint, freshness: Freshness, decisions: Sequence[Decided]) -> None:
    """Log decisions of one request."""
    pdp.decision_log.log(decisions, caller=freshness.caller.name, alone=not freshness.one_of_many)


def log_refusal(pdp: DecisionPoint, freshness: Freshness, asked: Asked, error: RoleNotHeld | UserUnknown) -> None:
    """Log that a user was refused: they are unknown, or do not hold the role."""
    reason = Reason.ROLE_NOT_HELD if isinstance(error, RoleNotHeld) else Reason.UNKNOWN_SUBJECT
    log_decision(pdp, freshness, asked, Answered(answer=False, reason=reason))


def about_of(pdp: DecisionPoint, asked: Asked, *, are_ids: bool) -> About:
    """Return a question as the log has it; ``are_ids`` says that user and district are known to be ids."""
    user, district, role, permission = asked.user, asked.district, asked.role, asked.permission
    if not are_ids:
        user, district = _id(pdp, user), _id(pdp, district)
    return About(
        asked.kind,
        pdp.policy.revision,
        district if isinstance(district, str) else None,
        user,
        role if isinstance(role, str) and role in _ROLES else None,
        permission if permission in pdp.policy.permissions else None,
    )


def decided(pdp: DecisionPoint, about: About, resource: Entity | None, answered: Answered) -> Decided:
    """Return a decision as the log has it."""
    snapshots = answered.snapshots
    age = pdp.roster.age_of(*snapshots) if snapshots else None
    staleness = staleness_of(snapshots)
    stale = None if staleness is None else staleness.reason
    what = None if resource is None else _resource(pdp, resource)
    return Decided(about, answered.answer, what, answered.reason, age, stale)


_ROLES = frozenset(Role)


def _id(pdp: DecisionPoint, said: object) -> str | None:
    return said if isinstance(said, str) and pdp.roster.id_shape.fits(said) else None


def _resource(pdp: DecisionPoint, resource: Entity) -> tuple[str, str | None] | None:
    kind = pdp.policy.type_of(resource.type)
    if kind in CLEVER_TYPES:
        return kind, _id(pdp, resource.id)
    return (kind, None) if _is_named(pdp.policy, kind) else None


def _is_named(policy: Policy, kind: str) -> bool:
    return any(permission.startswith(f"{kind}:") for permission in policy.permissions)
