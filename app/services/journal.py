"""What the journal is told of a decision: ids that are well-formed, words that are known, nothing else that was said.

A text that is no id, a permission that the policy does not name and the id of something that is not Clever's are left
out: they may be anything.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from app.domain.decision import Reason
from app.domain.errors import RoleNotHeld, UserUnknown
from app.domain.facts import Role
from app.domain.policy import Policy
from app.domain.reading import Reading, staleness_of
from app.domain.scopes import CLEVER_TYPES
from app.services.locating import Entity
from app.services.ports import NO_JOURNAL, Context
from app.services.reading import Demand
from app.telemetry.decisions import Decided


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
    """What was answered: see ``telemetry.decisions.Decided``; and the readings that it rests on."""

    answer: bool | str | int
    reason: str | None = None
    readings: Sequence[Reading[Any]] = ()


def told(context: Context, demand: Demand, asked: Asked, answered: Answered) -> None:
    """Tell the journal of a decision, if there is one."""
    if context.journal is not NO_JOURNAL:
        context.journal.decided(
            _decided(context, asked, answered), caller=demand.caller.name, alone=not demand.one_of_many
        )


def told_refusal(context: Context, demand: Demand, asked: Asked, error: RoleNotHeld | UserUnknown) -> None:
    """Tell the journal that nothing was told of a user: there is none such, or not in that role."""
    reason = Reason.ROLE_NOT_HELD if isinstance(error, RoleNotHeld) else Reason.UNKNOWN_SUBJECT
    told(context, demand, asked, Answered(answer=False, reason=reason))


def _decided(context: Context, asked: Asked, answered: Answered) -> Decided:
    age, stale = _freshness(context, answered.readings)
    return Decided(
        kind=asked.kind,
        revision=context.policy.revision,
        answer=answered.answer,
        district=_id(context, asked.district),
        user=_id(context, asked.user),
        role=asked.role if isinstance(asked.role, str) and asked.role in _ROLES else None,
        permission=asked.permission if asked.permission in context.policy.named else None,
        resource=_resource(context, asked.resource),
        reason=answered.reason,
        age=age,
        stale=stale,
    )


_ROLES = frozenset(Role)


def _freshness(context: Context, readings: Sequence[Reading[Any]]) -> tuple[int | None, str | None]:
    if not readings:
        return None, None
    # Nearly always it is one, and fresh.
    began = readings[0].began if len(readings) == 1 else min(reading.began for reading in readings)
    stale = staleness_of(readings) if any(reading.stale for reading in readings) else None
    return int(context.clock() - began), stale.reason if stale else None


def _id(context: Context, said: object) -> str | None:
    return said if isinstance(said, str) and context.id_shape.fits(said) else None


def _resource(context: Context, resource: Entity | None) -> tuple[str, str | None] | None:
    if resource is None:
        return None
    kind = context.policy.type_of(resource.type)
    if kind in CLEVER_TYPES:
        return kind, _id(context, resource.id)
    return (kind, None) if _is_named(context.policy, kind) else None


def _is_named(policy: Policy, kind: str) -> bool:
    return any(permission.startswith(f"{kind}:") for permission in policy.named)
