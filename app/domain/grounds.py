"""Why a permission is held: which statement gives it at which place, and the fact at Clever that it rests on."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from app.domain.access import Access
from app.domain.conditions import Asked, RequestCondition
from app.domain.facts import Role
from app.domain.places import Location, Place
from app.domain.policy import Policy
from app.domain.policy_file import Rule
from app.domain.scopes import Scope
from app.domain.spread import Spread, spread_of
from app.domain.wording import nearness, standing_in


class How(StrEnum):
    """How a role comes to give a permission at a place."""

    STATEMENT = "statement"
    LEVEL = "level"
    MAXIMUM = "maximum"


@dataclass(frozen=True, slots=True)
class Ground:
    """One way in which a permission is held at a place.

    Attributes:
        role: the role that gives it.
        scope: the kind of place.
        id: the place.
        statements: the paths in the policy of those that name the permission; under a level also the juniors'.
        how: by a statement of the role's own over that place, by its level under ``superset``, or by ``maximum``.
        through: the held role that reaches the place: the role itself, or one on whose places it counts as well.
        fact: what it rests on, in words: ``teaches this section``.
        asks: what a request has to say for it, None where it holds whatever is asked.
    """

    role: Role
    scope: Scope
    id: str
    statements: tuple[str, ...]
    how: How
    through: Role
    fact: str
    asks: RequestCondition | None = None


def grounds_of(access: Access, policy: Policy, permission: str, location: Location, asked: Asked) -> tuple[Ground, ...]:
    """Return every ground on which ``permission`` is held on something, from the nearest place outwards."""
    spread = spread_of(access, policy)
    return tuple(
        ground
        for place in sorted(location, key=lambda each: (nearness(each[0]), each[1]))
        for ground in (
            *_plain(access, spread, permission, place, location),
            *_conditional(access, permission, place, location, asked),
        )
    )


def _plain(access: Access, spread: Spread, permission: str, place: Place, location: Location) -> Iterator[Ground]:
    """Yield what is given on no request's condition: by statements over the very place, then by what a rule carries."""
    by_role = access.holdings.get(place, {})
    giving = [role for role in Role if permission in by_role.get(role, ())]
    own = {role: _own(spread, role, permission, place) for role in giving}
    for role in giving:
        if own[role]:
            yield Ground(role, *place, own[role], How.STATEMENT, role, standing_in(role, place, location))
    for role in giving:
        if not own[role]:
            yield _carried(spread, role, permission, place, location)


def _own(spread: Spread, role: Role, permission: str, place: Place) -> tuple[str, ...]:
    given = (each for each in spread.given if each.role is role and place in each.places and not each.clause.asks)
    return tuple(each.clause.path for each in given if permission in each.clause.permissions)


def _carried(spread: Spread, role: Role, permission: str, place: Place, location: Location) -> Ground:
    """Return the ground of a role that gives a permission past the places of its own statements."""
    how = How.MAXIMUM if spread.policy.rule is Rule.MAXIMUM else How.LEVEL
    through = next(held.role for held in spread.reachers(role) if spread.reaches(held, place))
    fact = standing_in(through, place, location)
    return Ground(role, *place, spread.statements(role, permission), how, through, fact)


def _conditional(access: Access, permission: str, place: Place, location: Location, asked: Asked) -> Iterator[Ground]:
    for given in access.conditional:
        role, clause = given.role, given.clause
        if clause.asks and permission in clause.permissions and place in given.places and clause.asks.holds(asked):
            fact = standing_in(role, place, location)
            yield Ground(role, *place, (clause.path,), How.STATEMENT, role, fact, clause.asks)
