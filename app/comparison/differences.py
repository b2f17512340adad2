"""Who gains and who loses permissions between two states, and why. Pure: facts and policies in, differences out."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from app.domain.calendar import ALWAYS, DistrictStatus
from app.domain.evaluation import Access, access_of
from app.domain.facts import Facts, Role
from app.domain.ids import DistrictId, UserId
from app.domain.places import Location, Place
from app.domain.policy import Policy
from app.domain.policy_schema import Rule
from app.domain.rules import AppliedClause, applied_clauses
from app.domain.scopes import Scope


class Reason(StrEnum):
    """Why a permission is gained or lost."""

    POLICY = "policy"
    """The policy differs; the same facts give another answer."""
    MERGED_ROLE = "merged_role"
    """A role that was not held before: the user's accounts are one now."""
    SUPERSET = "superset"
    """The rule carries a role's permissions to places of another role."""
    ROLE_GONE = "role_gone"
    """The role that gave it is not held any more, or not in this role context."""
    PLACE_NEW = "place_new"
    """The same role is held at one more school, section or student."""
    PLACE_GONE = "place_gone"
    """The same role is no longer held at that school, section or student."""
    ROLE_FIELDS = "role_fields"
    """What Clever says of the role differs: a title, a department, a staff role or a relationship."""


class State(NamedTuple):
    """What a user may do, by facts and a policy.

    Attributes:
        facts: what is known of the user; None if there is no such user or account.
        policy: the policy in force.
        role: a role context; None for all roles.
        status: what the calendar of the district means.
    """

    facts: Facts | None
    policy: Policy
    role: Role | None = None
    status: DistrictStatus = ALWAYS


class Change(NamedTuple):
    """A permission that is gained or lost at places of one scope, for one reason.

    Attributes:
        permission: its full name.
        scope: the kind of place.
        places: their ids, sorted; for ``self`` the user, for ``district`` the district.
        schools: the schools in which they lie, sorted, as far as they are known.
        reason: why.
        detail: the reason as a sentence.
        conditional: whether a request must meet a condition.
    """

    permission: str
    scope: Scope
    places: tuple[str, ...]
    schools: tuple[str, ...]
    reason: Reason
    detail: str
    conditional: bool = False


Changes: TypeAlias = tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class OldAccount:
    """An account from before API 3.0: an id of its own, and one role."""

    id: str
    role: Role


@dataclass(frozen=True, slots=True)
class Difference:
    """What changes for one user, or for one of their old accounts.

    Attributes:
        user: the user's id of API 3.0; None for an old account that belongs to no user any more.
        account: the old account that is compared; None if there was none, or if only policies are compared.
        roles: the roles held afterwards, the most senior first.
        gained: what may be done afterwards and not before.
        lost: what could be done before and not afterwards.
    """

    user: UserId | None
    account: OldAccount | None
    roles: tuple[Role, ...]
    gained: Changes
    lost: Changes


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences of a whole district.

    Attributes:
        district: the district.
        before: what was before, in words, such as ``API v2.1, policy 3f2a91c0``.
        after: what comes afterwards, in words.
        compared: how many users or old accounts were looked at.
        differences: those for whom something changes, the greatest losses first.
    """

    district: DistrictId
    before: str
    after: str
    compared: int
    differences: Sequence[Difference]


class _Held(NamedTuple):
    """A permission at a place; one that a request's condition limits is another than one that always holds."""

    permission: str
    place: Place
    condition: str = ""


LocationOf = Callable[[Place], Location]
"""Returns every place in which a place lies, itself included, as far as is known."""


def compare(user: UserId, before: State, after: State, location_of: LocationOf) -> tuple[Changes, Changes]:
    """Return what a user gains and what they lose from one state to another.

    A permission that is held at a school is held in its sections, too: it is no loss if it goes from the section to the
    school. A change of both policy and facts is told in two steps: first the policy changes over the facts of before,
    then the facts do.

    Args:
        user: the id under which both states are compared, since old accounts have ids of their own.
        before: the state to start from.
        after: the state to come to.
        location_of: knows in which schools the sections and students of both states lie.

    Returns:
        What is gained, and what is lost; each at the widest places alone.
    """
    old, new = _access(user, before), _access(user, after)
    had, has = _held(old), _held(new)
    gained = _widest(_beyond(has, had, location_of), location_of)
    lost = _widest(_beyond(had, has, location_of), location_of)
    if not gained and not lost:
        return (), ()
    same_policy = before.policy is after.policy and before.status == after.status
    crossed = old if same_policy else _access(user, before._replace(policy=after.policy, status=after.status))
    still, step = _held(crossed), _Step(after.policy.rule, _roles(crossed, after.policy), _roles(new, after.policy))

    def gain(held: _Held) -> _Why:
        at = location_of(held.place)
        return _BY_POLICY if _giving(held, still, at) else _why_gained(step, held, at, _giving(held, has, at))

    def loss(held: _Held) -> _Why:
        at = location_of(held.place)
        giving = _giving(held, still, at)
        return _why_lost(step, held, at, giving) if giving else _BY_POLICY

    gains, losses = ((each, gain(each)) for each in gained), ((each, loss(each)) for each in lost)
    return _changes(gains, location_of), _changes(losses, location_of)


def by_loss(differences: Iterable[Difference]) -> list[Difference]:
    """Sort differences: the greatest losses first, then the greatest gains."""

    def size(changes: Iterable[Change]) -> int:
        return sum(len(change.places) for change in changes)

    return sorted(
        differences, key=lambda each: (-size(each.lost), -size(each.gained), each.user or "", str(each.account))
    )


_OF_EVERY_ROLE = frozenset({Scope.SELF, Scope.DISTRICT})
_SOME_ROLE: frozenset[Role] = frozenset({Role.STAFF})  # whichever: it stands for "held"

_Why: TypeAlias = tuple[Reason, str]
_BY_POLICY: _Why = (Reason.POLICY, "The policy says otherwise.")


def _access(user: UserId, state: State) -> Access | None:
    if state.facts is None or (state.role is not None and state.role not in state.facts.held()):
        return None
    return access_of(replace(state.facts, user=user), state.policy, state.role, state.status)


def _held(access: Access | None) -> dict[_Held, frozenset[Role]]:
    """Return each permission at each place, with the roles that give it there."""
    if access is None:
        return {}
    held: dict[_Held, set[Role]] = defaultdict(set)
    for place, by_role in access.holdings.items():
        for role, names in by_role.items():
            for name in names:
                held[_Held(name, place)].add(role)
    for given in access.conditional:
        for place in given.places:
            for name in given.clause.permissions:
                held[_Held(name, place, repr(given.clause.condition))].add(given.role)
    return {each: frozenset(roles) for each, roles in held.items()}


class _Roles(NamedTuple):
    """The roles of an access, the clauses that apply to them, and the places at which they are held."""

    held: frozenset[Role]
    given: tuple[AppliedClause, ...]
    places: Mapping[Role, frozenset[Place]]

    def states(self, role: Role, permission: str, at: Location) -> bool:
        """Tell whether a statement of the role itself gives the permission at one of the places."""
        return any(
            each.role is role and permission in each.clause.permissions and not at.isdisjoint(each.places)
            for each in self.given
        )

    def reaches(self, role: Role, place: Place) -> bool:
        """Tell whether the role is held at the place; at user and district every role is."""
        return place[0] in _OF_EVERY_ROLE or place in self.places[role]


class _Step(NamedTuple):
    """From one user's facts to others, under one policy."""

    rule: Rule
    before: _Roles
    after: _Roles


def _roles(access: Access | None, policy: Policy) -> _Roles:
    if access is None:
        return _Roles(frozenset(), (), {})
    roles = tuple(each for each in access.facts.roles if access.role in (None, each.role))
    places = {
        each.role: frozenset(
            (scope, one) for standing in each.standings for scope, ids in standing.places for one in ids
        )
        for each in roles
    }
    return _Roles(frozenset(places), tuple(applied_clauses(replace(access.facts, roles=roles), policy)), places)


def _why_gained(step: _Step, held: _Held, at: Location, giving: frozenset[Role]) -> _Why:
    own = sorted(role for role in giving if step.after.states(role, held.permission, at))
    if not own:
        return Reason.SUPERSET, f"The rule {step.rule} carries what {min(giving)} may do to this place."
    known = [role for role in own if role in step.before.held]
    if not known:
        return Reason.MERGED_ROLE, f"The role {own[0]} gives it, which was not held before."
    if not any(step.before.reaches(role, held.place) for role in known):
        return Reason.PLACE_NEW, f"The role {known[0]} was not held there before."
    return Reason.ROLE_FIELDS, f"Clever says something else of the role {known[0]}."


def _why_lost(step: _Step, held: _Held, at: Location, giving: frozenset[Role]) -> _Why:
    own = sorted(role for role in giving if step.before.states(role, held.permission, at))
    left = [role for role in own or sorted(giving) if role in step.after.held]
    if not left:
        return Reason.ROLE_GONE, f"The role {min(own or giving)} gave it, which is not held any more."
    if any(step.after.states(role, held.permission, at) for role in left):
        return Reason.MERGED_ROLE, f"The rule {step.rule} withholds it from whoever holds all these roles."
    if not own:
        return Reason.SUPERSET, f"The rule {step.rule} no longer carries what {left[0]} may do to this place."
    if not any(step.after.reaches(role, held.place) for role in left):
        return Reason.PLACE_GONE, f"The role {left[0]} is no longer held there."
    return Reason.ROLE_FIELDS, f"Clever says something else of the role {left[0]}."


def _beyond(found: Iterable[_Held], known: Mapping[_Held, frozenset[Role]], location_of: LocationOf) -> set[_Held]:
    """Return what is held nowhere in what is known, neither at the place nor at one in which it lies."""
    return {each for each in found if each not in known and not _giving(each, known, location_of(each.place))}


def _widest(found: set[_Held], location_of: LocationOf) -> set[_Held]:
    """Return what is not held at a wider place anyway."""
    by: Mapping[_Held, frozenset[Role]] = dict.fromkeys(found, _SOME_ROLE)
    return {each for each in found if not _giving(each, by, location_of(each.place) - {each.place})}


def _giving(held: _Held, by: Mapping[_Held, frozenset[Role]], at: Location) -> frozenset[Role]:
    """Return the roles that give a permission at one of the places; what always holds covers conditions."""
    conditions = {"", held.condition}
    return frozenset().union(
        *(by.get(_Held(held.permission, place, condition), ()) for place in at for condition in conditions)
    )


def _changes(found: Iterable[tuple[_Held, _Why]], location_of: LocationOf) -> Changes:
    alike: dict[tuple[str, Scope, Reason, str, bool], list[str]] = defaultdict(list)
    for held, (reason, detail) in found:
        scope, place = held.place
        alike[held.permission, scope, reason, detail, bool(held.condition)].append(place)
    changes = (
        Change(
            permission, scope, tuple(sorted(set(ids))), _schools(scope, ids, location_of), reason, detail, conditional
        )
        for (permission, scope, reason, detail, conditional), ids in alike.items()
    )
    return tuple(sorted(changes))


def _schools(scope: Scope, ids: Iterable[str], location_of: LocationOf) -> tuple[str, ...]:
    places = {place for one in ids for place in location_of((scope, one))}
    return tuple(sorted(one for kind, one in places if kind is Scope.SCHOOL))
