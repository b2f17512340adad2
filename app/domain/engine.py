"""The engine: from facts and a policy to a permission set."""

from collections.abc import Iterator

from app.domain.access import Access, access_of
from app.domain.facts import Facts, Role
from app.domain.grants import ConditionalGrant, Grant, PermissionSet
from app.domain.policy import Policy
from app.domain.rules import Names
from app.domain.scopes import Scope

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
