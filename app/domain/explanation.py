"""An explanation: why a permission is held or not, in terms of the policy and of what Clever says."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from app.domain import wording
from app.domain.conditions import Asked, RequestCondition
from app.domain.decision import Reason, decided
from app.domain.evaluation import Access, access_of
from app.domain.facts import EMPLOYEES, Facts, HeldRole, Role, Standing
from app.domain.places import Location, Place
from app.domain.policy import FIRST_SCOPE, Clause, Policy
from app.domain.policy_schema import Rule
from app.domain.rules import Given, at_large, given_to, stood_on
from app.domain.scopes import Scope, applies_in
from app.domain.wording import nearness, standing_in


@dataclass(frozen=True, slots=True)
class Spread:
    """What the rule has to carry for one user.

    Attributes:
        facts: of the user, cut down to the role context.
        policy: the policy in force.
        given: the statements that apply to the user, whether the rules combine them or not.
    """

    facts: Facts
    policy: Policy
    given: tuple[Given, ...]

    def carries(self, role: Role) -> bool:
        """Tell whether what ``role`` gives holds on more than the places of its own statements."""
        return self.policy.rule is Rule.MAXIMUM or role in self.policy.juniors

    def statements(self, role: Role, permission: str) -> tuple[str, ...]:
        """Return the paths of the statements by which ``role`` gives ``permission`` elsewhere, its own first."""
        own = [each.clause for each in self._ruled(role) if at_large(each)]
        met = {each.clause.path for each in self.given}
        juniors = self.policy.juniors.get(role, frozenset())
        level = (clause for junior in Role if junior in juniors for clause in self.policy.clauses.get(junior, ()))
        counting = (each for each in level if each.ruled and (each.unconditional or each.path in met))
        return tuple(clause.path for clause in (*own, *counting) if permission in clause.permissions)

    def reachers(self, role: Role) -> tuple[HeldRole, ...]:
        """Return the held roles on whose places ``role`` gives what it gives, itself first where it is one of them."""
        with_juniors = {role, *self.policy.juniors.get(role, ())}
        lending = EMPLOYEES if self.policy.rule is Rule.MAXIMUM else with_juniors
        reaching = (each for each in self.facts.roles if each.role in lending)
        return tuple(sorted(reaching, key=lambda each: each.role is not role))

    def scopes(self, held: HeldRole) -> tuple[Scope, ...]:
        """Return the kinds of place that ``held`` reaches under the rule."""
        first = [FIRST_SCOPE[held.role]] if held.role in self.policy.juniors else []
        return tuple(dict.fromkeys((*first, *(each.clause.scope for each in self._ruled(held.role)))))

    def reaches(self, held: HeldRole, place: Place) -> bool:
        """Tell whether ``place`` is one of those that ``held`` reaches under the rule."""
        if any(place in each.places for each in self._ruled(held.role)):
            return True
        return held.role in self.policy.juniors and any(
            place in stood_on(standing, FIRST_SCOPE[held.role], self.facts, self.policy) for standing in held.standings
        )

    def _ruled(self, role: Role) -> tuple[Given, ...]:
        return tuple(each for each in self.given if each.role is role and each.clause.ruled)


def spread_of(access: Access, policy: Policy) -> Spread:
    """Return how the rule of ``policy`` carries what the user of ``access`` holds, in their role context."""
    whole = access.facts
    seen = tuple(each for each in whole.roles if access.role in (None, each.role))
    facts = Facts(whole.user, whole.district, seen)
    return Spread(facts, policy, tuple(given_to(facts, policy)))


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


class Lack(StrEnum):
    """What kind of thing is missing; the list is published and only grows."""

    REACH = "reach"
    UNCONFIRMED = "unconfirmed"
    CONDITION = "condition"
    REQUEST = "request"
    RULE = "rule"
    CONTEXT = "context"
    ROLE = "role"


_AFTER = {Lack.RULE: 1, Lack.CONTEXT: 2, Lack.ROLE: 3}
"""What comes after that which a held role lacks."""


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing for want of which a permission is not held.

    Attributes:
        lack: the kind of thing.
        role: the role that lacks it, or that is itself missing.
        statements: the paths in the policy of those that would give the permission then.
        detail: what is missing, in words.
        scope: the kind of place that the statements stand over, where that matters.
    """

    lack: Lack
    role: Role
    statements: tuple[str, ...]
    detail: str
    scope: Scope | None = None


def missing_in(
    access: Access, policy: Policy, permission: str, location: Location, asked: Asked
) -> tuple[Missing, ...]:
    """Return what is missing for ``permission``: of roles held, from the nearest place outwards; then roles not held.

    Args:
        access: what the user may do; not this, there.
        policy: the policy behind it.
        permission: one that the policy names.
        location: every place in which the thing lies.
        asked: what the request says.
    """
    denial = _Denial(access, policy, permission, location, asked, spread_of(access, policy))
    return tuple(sorted(_merged(denial.lacks()), key=_order))


def _merged(lacks: Iterable[Missing]) -> Iterator[Missing]:
    """Put together what differs in its statements alone."""
    statements: dict[Missing, dict[str, None]] = {}
    for each in lacks:
        statements.setdefault(replace(each, statements=()), {}).update(dict.fromkeys(each.statements))
    return (replace(each, statements=tuple(paths)) for each, paths in statements.items())


def _order(missing: Missing) -> tuple[int, int]:
    return _AFTER.get(missing.lack, 0), wording.nearness(missing.scope) if missing.scope else 0


@dataclass(frozen=True, slots=True)
class _Denial:
    access: Access
    policy: Policy
    permission: str
    location: Location
    asked: Asked
    spread: Spread

    def lacks(self) -> Iterator[Missing]:
        """Yield what each role lacks that could give the permission."""
        held = {each.role: each for each in self.access.facts.roles}
        for role in Role:
            own = tuple(each for each in self.policy.clauses.get(role, ()) if self.permission in each.permissions)
            level = self.spread.statements(role, self.permission)
            statements = tuple(dict.fromkeys((*(each.path for each in own), *level)))
            if not statements:
                continue
            if role not in held:
                yield Missing(Lack.ROLE, role, statements, wording.not_shared(role))
            elif self.access.role not in (None, role):
                yield Missing(Lack.CONTEXT, role, statements, self._left_out(role))
            else:
                yield from self._of_held(held[role], own, level)
        if self.policy.rule is Rule.MINIMUM:
            yield from self._of_minimum()

    def _of_held(self, held: HeldRole, own: tuple[Clause, ...], level: tuple[str, ...]) -> Iterator[Missing]:
        for clause in own:
            yield from self._of_reach(held, clause.scope, (clause.path,))
            yield from self._of_conditions(held, clause)
        if level and self.spread.carries(held.role):
            for reaching in self.spread.reachers(held.role):
                for scope in self.spread.scopes(reaching):
                    if applies_in(self.permission, scope):
                        yield from self._of_reach(reaching, scope, level)

    def _of_reach(self, held: HeldRole, scope: Scope, statements: tuple[str, ...]) -> Iterator[Missing]:
        near = self._near(held, scope)
        if not near:
            detail = wording.standing_elsewhere(held, scope, self.location)
            yield Missing(Lack.REACH, held.role, statements, detail, scope)
        elif not any(self._counts(standing, scope) for standing in near):
            place = next(each for each in near[0].ids(scope) if (scope, each) in self.location)
            detail = f"{wording.standing_in(held.role, (scope, place), self.location)}, but Clever's own list of the "
            detail += "user's schools does not confirm it, and the policy drops such schools"
            yield Missing(Lack.UNCONFIRMED, held.role, statements, detail, scope)

    def _of_conditions(self, held: HeldRole, clause: Clause) -> Iterator[Missing]:
        near = self._near(held, clause.scope)
        meeting = [standing for standing in near or held.standings if clause.holds(standing)]
        if not meeting:
            for standing in near or held.standings:
                for detail in self._not_met(held.role, clause, standing):
                    yield Missing(Lack.CONDITION, held.role, (clause.path,), detail, clause.scope)
        elif clause.asks and any(self._counts(standing, clause.scope) for standing in meeting):
            lack, detail = Lack.REQUEST, f"{wording.named(held.role)} only where {wording.condition(clause.asks)}"
            if self.policy.rule is Rule.MINIMUM:
                lack, detail = Lack.RULE, f"{detail}, and under rule: minimum no such statement counts"
            elif not any(self.asked.get(key) is not None for key, _ in (*clause.asks.when, *clause.asks.unless)):
                detail += ", of which this question says nothing"
            else:
                detail += wording.not_comparable(
                    {key: self.asked.get(key) for key in clause.asks.not_comparable(self.asked)}
                )
            yield Missing(lack, held.role, (clause.path,), detail, clause.scope)

    def _not_met(self, role: Role, clause: Clause, standing: Standing) -> Iterator[str]:
        """Tell each condition that fails, with the values as the policy writes them."""
        statements = enumerate(self.policy.file.statements(role))
        written = next(each for position, each in statements if f"roles.{role}[{position}]" == clause.path)
        for wanted in clause.when:
            if not replace(clause, when=(wanted,), unless=()).holds(standing):
                yield wording.not_met(role, wanted[0], standing, written.when[wanted[0]])
        for unwanted in clause.unless:
            if not replace(clause, when=(), unless=(unwanted,)).holds(standing):
                yield wording.ruled_out(role, unwanted[0], standing, written.unless[unwanted[0]])

    def _of_minimum(self) -> Iterator[Missing]:
        """Yield the held roles that keep the others from giving it."""
        ruled = (each for each in given_to(self.access.facts, self.policy) if each.clause.ruled)
        giving = [each for each in ruled if self.permission in each.clause.permissions]
        somewhere, at_all = ({each.role for each in some} for some in (giving, filter(at_large, giving)))
        for role in self.access.facts.held() if giving else ():
            if role not in at_all:
                how = "does so for some students only" if role in somewhere else "does not"
                detail = f"under rule: minimum every held role has to give it, and {wording.named(role)} {how}"
                yield Missing(Lack.RULE, role, (), detail)

    def _left_out(self, role: Role) -> str:
        whole = access_of(self.access.facts, self.policy).holdings
        gives = any(self.permission in whole.get(place, {}).get(role, ()) for place in self.location)
        verb = "gives it here" if gives else "was left out"
        asked = self.access.role or role
        return f"{wording.named(role)} {verb}{', but' if gives else ':'} only {wording.named(asked)} was asked about"

    def _near(self, held: HeldRole, scope: Scope) -> list[Standing]:
        """Return the standings that touch the location, be the place confirmed or not."""
        if scope is Scope.SELF:
            return list(held.standings) if (scope, self.access.facts.user) in self.location else []
        return [each for each in held.standings if any((scope, place) in self.location for place in each.ids(scope))]

    def _counts(self, standing: Standing, scope: Scope) -> bool:
        return any(place in self.location for place in stood_on(standing, scope, self.access.facts, self.policy))


_REFUSALS: Mapping[Reason, str] = {
    Reason.UNKNOWN_ACTION: "the policy names no such permission",
    Reason.NOT_APPLICABLE: "it says nothing inside the places named",
    Reason.UNKNOWN_RESOURCE: "no such place is shared with this application",
    Reason.PLACES_DISAGREE: "the places named are not all there, or do not fit together at Clever",
}
"""Why a question comes to nothing whoever the user is."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether a permission is held on something, and why.

    Attributes:
        reason: the decision, as a check would give it.
        grounds: what gives it, from the nearest place outwards; none where it is not held.
        missing: what would have to be there; none where it is held, or where the question itself comes to nothing.
        summary: all of it in one sentence.
    """

    reason: Reason
    grounds: tuple[Ground, ...]
    missing: tuple[Missing, ...]
    summary: str

    @property
    def held(self) -> bool:
        """Whether the permission is held."""
        return self.reason is Reason.GRANTED


def explained(
    access: Access, policy: Policy, permission: str, location: Location, asked: Asked | None = None
) -> Explanation:
    """Explain whether a permission is held on something.

    Args:
        access: what the user may do, in the role context that was asked for.
        policy: the policy that it was worked out by.
        permission: ``type:action``, one that the policy names, with Clever's type for an alias.
        location: every place in which the thing lies.
        asked: what the request says, for conditions that read it.
    """
    asked = asked or {}
    reason = decided(access, permission, location, asked)
    context = f" as {wording.named(access.role)}" if access.role else ""
    if reason is Reason.GRANTED:
        grounds = grounds_of(access, policy, permission, location, asked)
        return Explanation(reason, grounds, (), _sentence(f"{permission} is held{context}", map(_told, grounds)))
    missing = missing_in(access, policy, permission, location, asked)
    return Explanation(reason, (), missing, _sentence(f"{permission} is not held{context}", _lacking(missing)))


def refused(permission: str, reason: Reason) -> Explanation:
    """Explain why a question comes to nothing whoever the user is: one of four reasons, from ``UNKNOWN_ACTION`` on."""
    return Explanation(reason, (), (), _sentence(f"{permission} is not held", iter((_REFUSALS[reason],))))


def _sentence(opening: str, parts: Iterator[str]) -> str:
    return f"{opening}: {'; '.join(dict.fromkeys(parts))}."


def _told(ground: Ground) -> str:
    by = " and ".join(ground.statements)
    if ground.how is How.LEVEL:
        by += f" by the level of {wording.named(ground.role)}"
    if ground.how is How.MAXIMUM:
        by += " by rule: maximum"
    if ground.asks:
        by += f" where {wording.condition(ground.asks)}"
    return f"{ground.fact} ({by})"


def _lacking(missing: tuple[Missing, ...]) -> Iterator[str]:
    yield from (each.detail for each in missing if each.lack is not Lack.ROLE)
    absent = [each.role for each in missing if each.lack is Lack.ROLE]
    if absent:
        yield wording.none_shared(absent)
