"""The four rules by which the roles of one user combine, a function each. They know no role by name."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from app.domain.facts import EMPLOYEES, Facts, HeldRole, Role, Standing
from app.domain.places import Place
from app.domain.policy import FIRST_SCOPE, Clause, Policy
from app.domain.policy_schema import Rule
from app.domain.scopes import Scope

Names = frozenset[str]
Holdings = dict[Place, dict[Role, Names]]
"""For each place, the permissions that each role gives there."""

NOTHING: Names = frozenset()


@dataclass(frozen=True, slots=True)
class AppliedClause:
    """A clause that applies to a user, with the role that it is of and the user's places in its scope."""

    role: Role
    clause: Clause
    places: tuple[Place, ...]


def applied_clauses(facts: Facts, policy: Policy) -> Iterator[AppliedClause]:
    """Yield the clauses whose conditions on the role the user meets, with the places where they apply."""
    for held in facts.roles:
        for clause in policy.clauses.get(held.role, ()):
            standings = [standing for standing in held.standings if clause.holds(standing)]
            if standings:
                places = chain.from_iterable(reached_places(each, clause.scope, facts, policy) for each in standings)
                yield AppliedClause(held.role, clause, tuple(dict.fromkeys(places)))


def combine(facts: Facts, policy: Policy, given: Iterable[AppliedClause]) -> Holdings:
    """Return what each role gives at each place under the policy's rule, limited to permissions that apply there.

    Clauses over self keep to their own places under every rule; clauses with a condition on the request are left out.
    """
    given = tuple(given)
    holdings = _RULES[policy.rule](facts, policy, tuple(each for each in given if each.clause.ruled))
    for each in given:
        if each.clause.scope is Scope.SELF and each.clause.condition is None:
            _add(holdings, each.places, each.role, each.clause.permissions)
    return holdings


def _scoped(_facts: Facts, _policy: Policy, given: Iterable[AppliedClause]) -> Holdings:
    """Each statement gives its permissions over its own places."""
    holdings: Holdings = {}
    for each in given:
        _add(holdings, each.places, each.role, each.clause.permissions)
    return holdings


def _superset(facts: Facts, policy: Policy, given: tuple[AppliedClause, ...]) -> Holdings:
    """As scoped; and a senior's level (its own and its juniors' permissions) holds at all places of both."""
    holdings = _scoped(facts, policy, given)
    if policy.juniors.keys().isdisjoint(facts.held()):
        return holdings
    names, reach = _names(given), _reach(given)
    for held in facts.roles:
        if held.role in policy.juniors:
            reach.setdefault(held.role, set()).update(_places(held, FIRST_SCOPE[held.role], facts, policy))
    for held in facts.roles:
        juniors = policy.juniors.get(held.role)
        if juniors:
            level = names.get(held.role, NOTHING).union(
                *(names.get(junior, NOTHING) for junior in juniors),
                *(_unconditional(policy, junior) for junior in juniors),
            )
            places = set().union(*(reach.get(role, ()) for role in (held.role, *juniors)))
            _spread(holdings, places, {held.role: level}, policy)
    return holdings


def _maximum(facts: Facts, policy: Policy, given: tuple[AppliedClause, ...]) -> Holdings:
    """As scoped; and every permission that a held role gives at large holds at all places of employees' roles."""
    holdings = _scoped(facts, policy, given)
    reach = set().union(*(places for role, places in _reach(given).items() if role in EMPLOYEES))
    _spread(holdings, reach, _names(filter(at_large, given)), policy)
    return holdings


def _minimum(facts: Facts, policy: Policy, given: tuple[AppliedClause, ...]) -> Holdings:
    """As scoped, limited to permissions that every other held role gives at large."""
    names = _names(filter(at_large, given))
    common = {
        role: policy.permissions.intersection(
            *(names.get(other, NOTHING) for other in facts.held() if other is not role)
        )
        for role in facts.held()
    }
    return {
        place: kept
        for place, by_role in _scoped(facts, policy, given).items()
        if (kept := {role: some for role, gives in by_role.items() if (some := gives & common[role])})
    }


_RULES: Mapping[Rule, Callable[[Facts, Policy, tuple[AppliedClause, ...]], Holdings]] = {
    Rule.SCOPED: _scoped,
    Rule.SUPERSET: _superset,
    Rule.MAXIMUM: _maximum,
    Rule.MINIMUM: _minimum,
}


def at_large(given: AppliedClause) -> bool:
    """Whether a clause holds for its role as a whole, not just for some relationships of a contact."""
    return given.role in EMPLOYEES or given.clause.unconditional


def _places(held: HeldRole, scope: Scope, facts: Facts, policy: Policy) -> Iterator[Place]:
    return chain.from_iterable(reached_places(standing, scope, facts, policy) for standing in held.standings)


def reached_places(standing: Standing, scope: Scope, facts: Facts, policy: Policy) -> list[Place]:
    """Return the places of one scope that a standing reaches, without schools that the policy drops."""
    if scope is Scope.SELF:
        return [(scope, facts.user)]
    ids = standing.ids(scope)
    if scope is Scope.SCHOOL and policy.drops_unconfirmed_schools:
        unconfirmed = ids if standing.unconfirmed is None else standing.unconfirmed
        ids = tuple(place for place in ids if place not in unconfirmed)
    return [(scope, place) for place in ids]


def _names(given: Iterable[AppliedClause]) -> dict[Role, Names]:
    names: dict[Role, Names] = {}
    for each in given:
        names[each.role] = names.get(each.role, NOTHING) | each.clause.permissions
    return names


def _reach(given: Iterable[AppliedClause]) -> dict[Role, set[Place]]:
    reach: dict[Role, set[Place]] = {}
    for each in given:
        reach.setdefault(each.role, set()).update(each.places)
    return reach


def _unconditional(policy: Policy, role: Role) -> Names:
    clauses = policy.clauses.get(role, ())
    return NOTHING.union(*(clause.permissions for clause in clauses if clause.unconditional and clause.ruled))


def _spread(holdings: Holdings, places: Iterable[Place], names: Mapping[Role, Names], policy: Policy) -> None:
    """Give each role's permissions at every place where they apply."""
    within = {
        scope: {role: some & inside for role, some in names.items()} for scope, inside in policy.permissions_in.items()
    }
    for place in places:
        for role, some in within[place[0]].items():
            if some:
                _add(holdings, (place,), role, some)


def _add(holdings: Holdings, places: Iterable[Place], role: Role, names: Names) -> None:
    for place in places:
        by_role = holdings.setdefault(place, {})
        held = by_role.get(role)
        # One and the same set at many places is hashed once.
        by_role[role] = names if held is None or held <= names else held | names
