"""Evaluation: from a user's facts and a policy to everything that the user may do."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from app.domain.calendar import ALWAYS, DistrictStatus, Effect, TermState
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
        limits: what the district's calendar takes from the user; None if it takes nothing.
    """

    facts: Facts
    role: Role | None
    holdings: Holdings
    at: Mapping[Place, Names]
    conditional: tuple[AppliedClause, ...]
    anywhere: Names
    limits: "Limits | None" = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What the calendar of a district takes from a user.

    Attributes:
        status: what the calendar means.
        allowed: the permissions that are left in the district; None for all.
        sections: those of the user's sections whose term has ended or not begun.
        without: what the user could do without these limits.
    """

    status: DistrictStatus
    allowed: Names | None
    sections: Mapping[Place, TermState]
    without: Access


def access_of(facts: Facts, policy: Policy, role: Role | None = None, status: DistrictStatus = ALWAYS) -> Access:
    """Evaluate what a user may do.

    Args:
        facts: the user's facts, complete.
        policy: the policy in force.
        role: a role context: the user without their other roles, limited to what they hold with all of them.
        status: what the calendar of the user's district means at the time under this policy.

    Raises:
        RoleNotHeld: the user does not hold ``role``.
    """
    access = _in_context(facts, policy, role)
    return access if status is ALWAYS else _limited(access, policy, status)


def _in_context(facts: Facts, policy: Policy, role: Role | None) -> Access:
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


def _access_with(
    facts: Facts,
    role: Role | None,
    holdings: Holdings,
    conditional: tuple[AppliedClause, ...],
    limits: Limits | None = None,
) -> Access:
    at = {place: _together(by_role) for place, by_role in holdings.items()}
    anywhere = NOTHING.union(*{*at.values()}, *(given.clause.permissions for given in conditional))
    return Access(facts, role, holdings, at, conditional, anywhere, limits)


def _together(by_role: Mapping[Role, Names]) -> Names:
    """Return what all roles give at a place; of one role the very same set, which is hashed once for many places."""
    first, *others = by_role.values()
    return first.union(*others) if others else first


def _cut_down(part: Holdings, whole: Mapping[Place, Names]) -> Holdings:
    return {
        place: kept
        for place, by_role in part.items()
        if (kept := {role: some for role, gives in by_role.items() if (some := gives & whole.get(place, NOTHING))})
    }


def _limited(access: Access, policy: Policy, status: DistrictStatus) -> Access:
    """Take from an access what the calendar does not allow."""
    allowed = {Effect.ALLOW: None, Effect.READ_ONLY: policy.read_only, Effect.DENY: NOTHING}[status.effect]
    sections = dict(_sections_out_of_term(access.facts, status))
    if allowed is None and not sections:
        return access
    after_term = policy.read_only if policy.file.sections.after == "read_only" else NOTHING
    left_in = {place: after_term if state is TermState.ENDED else NOTHING for place, state in sections.items()}

    def left(place: Place, names: Names) -> Names:
        names = names if allowed is None else names & allowed
        return names & left_in[place] if place in left_in else names

    holdings = {
        place: kept
        for place, by_role in access.holdings.items()
        if (kept := {role: some for role, names in by_role.items() if (some := left(place, names))})
    }
    conditional = (
        AppliedClause(each.role, replace(each.clause, permissions=names), places)
        for each in access.conditional
        for names, places in _alike((place, left(place, each.clause.permissions)) for place in each.places)
    )
    limits = Limits(status, allowed, sections, access)
    return _access_with(access.facts, access.role, holdings, tuple(conditional), limits)


def _sections_out_of_term(facts: Facts, status: DistrictStatus) -> Iterator[tuple[Place, TermState]]:
    for held in facts.roles:
        for standing in held.standings:
            state = status.of_term(standing.term)
            if state is not None:
                yield from (((Scope.SECTION, section), state) for section in standing.ids(Scope.SECTION))


def _alike(left: Iterable[tuple[Place, Names]]) -> Iterator[tuple[Names, tuple[Place, ...]]]:
    """Group places by the permissions that are left there, without those where there are none."""
    groups: dict[Names, list[Place]] = {}
    for place, names in left:
        if names:
            groups.setdefault(names, []).append(place)
    return ((names, tuple(some)) for names, some in groups.items())


_RANK = {scope: rank for rank, scope in enumerate(Scope)}


def permission_set(
    facts: Facts, policy: Policy, role: Role | None = None, status: DistrictStatus = ALWAYS
) -> PermissionSet:
    """Evaluate a user's permission set; arguments and errors are those of ``access_of``."""
    return permission_set_of(access_of(facts, policy, role, status), policy)


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
    grants = (
        Grant(scope, tuple(sorted(ids)), tuple(sorted(names)), tuple(sorted(via)))
        for (scope, names, via), ids in alike.items()
    )
    yield from sorted(grants, key=lambda each: (_RANK[each.scope], each.ids))


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
