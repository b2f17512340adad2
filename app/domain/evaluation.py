"""Evaluation: from a user's facts and a policy to everything that the user may do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.domain.errors import RoleNotHeld
from app.domain.facts import Facts, Role
from app.domain.grants import ConditionalGrant, Grant, PermissionSet
from app.domain.places import Place
from app.domain.policy import Policy
from app.domain.policy_schema import Rule
from app.domain.rules import NOTHING, AppliedClause, Holdings, Names, applied_clauses, combine
from app.domain.scopes import Scope


@dataclass(frozen=True, slots=True)
class Access:
    """What a user, or a user in one role, may do under one policy.

    Attributes:
        facts: the user's facts.
        role: the role context; None for all roles.
        holdings: for each place, the permissions that each role gives there, whatever the request.
        at: for each place, all permissions held there, whatever the request.
        conditional: the clauses that apply if a request meets their condition.
        anywhere: the permissions held at any place, with or without a condition.
    """

    facts: Facts
    role: Role | None
    holdings: Holdings
    at: Mapping[Place, Names]
    conditional: tuple[AppliedClause, ...]
    anywhere: Names


def access_of(facts: Facts, policy: Policy, role: Role | None = None) -> Access:
    """Evaluate what a user may do.

    Args:
        facts: the user's facts, complete.
        policy: the policy in force.
        role: a role context: the user without their other roles, limited to what they hold with all of them.

    Raises:
        RoleNotHeld: the user does not hold ``role``.
    """
    if role is None:
        return _access(facts, policy)
    held = facts.held()
    if role not in held:
        raise RoleNotHeld(role, sorted(held))
    alone = Facts(facts.user, facts.district, tuple(each for each in facts.roles if each.role is role))
    whole = _access(facts, policy)
    part = _access(alone, policy)
    return _access_with(facts, role, _cut_down(part.holdings, whole.at), part.conditional)


def _access(facts: Facts, policy: Policy) -> Access:
    given = tuple(applied_clauses(facts, policy))
    # Under rule minimum every role has to give a permission, and a conditional clause gives it only at times.
    conditional = () if policy.rule is Rule.MINIMUM else given
    conditional = tuple(each for each in conditional if each.clause.condition and each.places)
    return _access_with(facts, None, combine(facts, policy, given), conditional)


def _access_with(facts: Facts, role: Role | None, holdings: Holdings, conditional: tuple[AppliedClause, ...]) -> Access:
    at = {place: NOTHING.union(*by_role.values()) for place, by_role in holdings.items()}
    anywhere = NOTHING.union(*at.values(), *(given.clause.permissions for given in conditional))
    return Access(facts, role, holdings, at, conditional, anywhere)


def _cut_down(part: Holdings, whole: Mapping[Place, Names]) -> Holdings:
    return {
        place: kept
        for place, by_role in part.items()
        if (kept := {role: some for role, gives in by_role.items() if (some := gives & whole.get(place, NOTHING))})
    }


_RANK = {scope: rank for rank, scope in enumerate(Scope)}


def permission_set(facts: Facts, policy: Policy, role: Role | None = None) -> PermissionSet:
    """Evaluate a user's permission set; arguments and errors are those of ``access_of``."""
    return permission_set_of(access_of(facts, policy, role), policy)


def permission_set_of(access: Access, policy: Policy) -> PermissionSet:
    """Return an access as a permission set, the form of answers."""
    return PermissionSet(
        user=access.facts.user,
        district=access.facts.district,
        role=access.role,
        roles=tuple(sorted(access.facts.held())),
        grants=tuple(_grants(access)),
        conditional=tuple(_conditional(access)),
        rule=policy.rule,
        revision=policy.revision,
    )


def _grants(access: Access) -> Iterator[Grant]:
    """Merge places where the same roles give the same permissions into one grant, in the order of answers."""
    alike: dict[tuple[Scope, Names, frozenset[Role]], list[str]] = {}
    for (scope, place), by_role in access.holdings.items():
        alike.setdefault((scope, access.at[scope, place], frozenset(by_role)), []).append(place)
    for (scope, names, via), ids in sorted(alike.items(), key=lambda item: (_RANK[item[0][0]], sorted(item[1]))):
        yield Grant(scope, tuple(sorted(ids)), tuple(sorted(names)), tuple(sorted(via)))


def _conditional(access: Access) -> Iterator[ConditionalGrant]:
    """Merge permissions with equal conditions into grants in the same way."""
    # By repr, because for Python a condition on 1 equals one on true.
    conditions = {repr(condition): condition for given in access.conditional if (condition := given.clause.condition)}
    roles: dict[tuple[Scope, Names, str], dict[str, set[Role]]] = {}
    for given in access.conditional:
        by_place = roles.setdefault((given.clause.scope, given.clause.permissions, repr(given.clause.condition)), {})
        for _, place in given.places:
            by_place.setdefault(place, set()).add(given.role)
    grants = (
        ConditionalGrant(
            scope,
            tuple(sorted(place for place, giving in by_place.items() if giving == via)),
            tuple(sorted(names)),
            tuple(sorted(via)),
            conditions[condition],
        )
        for (scope, names, condition), by_place in roles.items()
        for via in {frozenset(giving) for giving in by_place.values()}
    )
    yield from sorted(grants, key=lambda each: (_RANK[each.scope], each.ids, each.permissions, repr(each.condition)))
