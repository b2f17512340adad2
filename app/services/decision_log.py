"""What the decision log gets of a decision: well-formed ids and known words, and nothing else that a caller wrote.

A text that is not an id, a permission that the policy does not name, and the id of a thing that is not Clever's are
left out: they may be anything.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

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
from app.telemetry.decision_log import Decided


class Asked(NamedTuple):
    """What was asked, as the caller wrote it.

    Attributes:
        kind: ``permissions``, ``roles``, ``explanation``, ``evaluation`` or ``search``.
        district: None where the caller left it open.
        resource: on what; of a search the one that is given.
    """

    kind: str
    user: str | None = None
    district: object = None
    role: object = None
    permission: str | None = None
    resource: Entity | None = None


class Answered(NamedTuple):
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
        pdp.decision_log.decided(
            _decided(pdp, asked, answered), caller=freshness.caller.name, alone=not freshness.one_of_many
        )


def log_refusal(pdp: DecisionPoint, freshness: Freshness, asked: Asked, error: RoleNotHeld | UserUnknown) -> None:
    """Log that a user was refused: they are unknown, or do not hold the role."""
    reason = Reason.ROLE_NOT_HELD if isinstance(error, RoleNotHeld) else Reason.UNKNOWN_SUBJECT
    log_decision(pdp, freshness, asked, Answered(answer=False, reason=reason))


def _decided(pdp: DecisionPoint, asked: Asked, answered: Answered) -> Decided:
    kind, user, district, role, permission, resource = asked
    answer, reason, snapshots = answered
    age = stale = None
    if snapshots:
        age = pdp.roster.age_of(*snapshots)
        staleness = staleness_of(snapshots)
        stale = None if staleness is None else staleness.reason
    else:
        # Where there is a snapshot both are ids, for it was found by them.
        user, district = _id(pdp, user), _id(pdp, district)
    return Decided(
        kind,
        pdp.policy.revision,
        answer,
        district if isinstance(district, str) else None,
        user,
        role if isinstance(role, str) and role in _ROLES else None,
        permission if permission in pdp.policy.permissions else None,
        None if resource is None else _resource(pdp, resource),
        reason,
        age,
        stale,
    )


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
