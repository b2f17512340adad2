"""Access: everything that one user may do, in the form in which questions are decided."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.domain.errors import RoleNotHeld
from app.domain.facts import Facts, Role
from app.domain.grants import ConditionalGrant, Grant, PermissionSet
from app.domain.places import Place
from app.domain.policy import Policy
from app.domain.policy_schema import Rule
from app.domain.rules import NOTHING, Given, Holdings, Names, combined, given_to
from app.domain.scopes import Scope


@dataclass(frozen=True, slots=True)
class Access:
    """What a user, or a user in one role, may do under one policy.

    Attributes:
        facts: what it rests on.
        role: the role context, None for the whole user.
        holdings: for each place, what each role gives there without any condition.
        at: for each place, all that is given there without any condition.
        conditional: what is given where a request meets a condition.
        anywhere: the permissions that are held at some place, be it on a condition.
    """

    facts: Facts
    role: Role | None
    holdings: Holdings
    at: Mapping[Place, Names]
    conditional: tuple[Given, ...]
    anywhere: Names


def access_of(facts: Facts, policy: Policy, role: Role | None = None) -> Access:
    """Work out what a user may do.

    Args:
        facts: what Clever says of the user, complete.
        policy: the policy in force.
        role: a role context: the same user with every other role struck out, cut down to what they hold as a whole.

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
    return _made(facts, role, _cut_down(part.holdings, whole.at), part.conditional)


def _access(facts: Facts, policy: Policy) -> Access:
    given = tuple(given_to(facts, policy))
    # The rule that keeps to what every role gives has no room for what a role gives at times.
    asking = () if policy.rule is Rule.MINIMUM else tuple(each for each in given if each.clause.asks and each.places)
    return _made(facts, None, combined(facts, policy, given), asking)


def _made(facts: Facts, role: Role | None, holdings: Holdings, conditional: tuple[Given, ...]) -> Access:
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
    """Work out everything that a user may do, and where; ``role`` and what is raised are those of ``access_of``."""
    return set_of(access_of(facts, policy, role), policy)


def set_of(access: Access, policy: Policy) -> PermissionSet:
    """Put an access into the form in which it is answered."""
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
    """Put the places where the same roles give the same permissions into one grant, in the order of answers."""
    alike: dict[tuple[Scope, Names, frozenset[Role]], list[str]] = {}
    for (scope, place), by_role in access.holdings.items():
        alike.setdefault((scope, access.at[scope, place], frozenset(by_role)), []).append(place)
    for (scope, names, via), ids in sorted(alike.items(), key=lambda item: (_RANK[item[0][0]], sorted(item[1]))):
        yield Grant(scope, tuple(sorted(ids)), tuple(sorted(names)), tuple(sorted(via)))


def _conditional(access: Access) -> Iterator[ConditionalGrant]:
    """Put what is given on the same condition into grants likewise."""
    # Told apart by what is written, for Python takes a condition on 1 for the same as one on true.
    conditions = {repr(asks): asks for given in access.conditional if (asks := given.clause.asks)}
    roles: dict[tuple[Scope, Names, str], dict[str, set[Role]]] = {}
    for given in access.conditional:
        by_place = roles.setdefault((given.clause.scope, given.clause.permissions, repr(given.clause.asks)), {})
        for _, place in given.places:
            by_place.setdefault(place, set()).add(given.role)
    grants = (
        ConditionalGrant(
            scope,
            tuple(sorted(place for place, giving in by_place.items() if giving == via)),
            tuple(sorted(names)),
            tuple(sorted(via)),
            conditions[asks],
        )
        for (scope, names, asks), by_place in roles.items()
        for via in {frozenset(giving) for giving in by_place.values()}
    )
    yield from sorted(grants, key=lambda grant: (_RANK[grant.scope], grant.ids, grant.permissions, repr(grant.asks)))
