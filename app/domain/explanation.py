"""Explanations: why a user holds a permission or not, in terms of the policy and the user's facts."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from app.domain import wording
from app.domain.calendar import ALWAYS, DistrictStatus, Term
from app.domain.conditions import RequestCondition, RequestValues
from app.domain.decision import Reason, decide
from app.domain.evaluation import Access, access_of
from app.domain.facts import EMPLOYEES, Facts, HeldRole, Role, Standing
from app.domain.places import Location, Place
from app.domain.policy import FIRST_SCOPE, Clause, Policy
from app.domain.policy_schema import Rule
from app.domain.rules import AppliedClause, applied_clauses, at_large, reached_places
from app.domain.scopes import Scope, applies_in
from app.domain.wording import nearness, standing_in


@dataclass(frozen=True, slots=True)
class _RuleReach:
    """How the rule extends a user's roles beyond the places of their own statements.

    Attributes:
        facts: the user's facts, limited to the role context.
        given: the clauses that apply to the user.
    """

    facts: Facts
    policy: Policy
    given: tuple[AppliedClause, ...]

    def carries(self, role: Role) -> bool:
        """Whether a role's permissions hold at more than the places of its own statements."""
        return self.policy.rule is Rule.MAXIMUM or role in self.policy.juniors

    def statements(self, role: Role, permission: str) -> tuple[str, ...]:
        """Return the paths of the statements by which a role gives a permission elsewhere, its own first."""
        own = [each.clause for each in self._ruled(role) if at_large(each)]
        met = {each.clause.path for each in self.given}
        juniors = self.policy.juniors.get(role, frozenset())
        level = (clause for junior in Role if junior in juniors for clause in self.policy.clauses.get(junior, ()))
        counting = (each for each in level if each.ruled and (each.unconditional or each.path in met))
        return tuple(clause.path for clause in (*own, *counting) if permission in clause.permissions)

    def reaching_roles(self, role: Role) -> tuple[HeldRole, ...]:
        """Return the held roles at whose places a role's permissions hold, the role itself first."""
        with_juniors = {role, *self.policy.juniors.get(role, ())}
        lending = EMPLOYEES if self.policy.rule is Rule.MAXIMUM else with_juniors
        reaching = (each for each in self.facts.roles if each.role in lending)
        return tuple(sorted(reaching, key=lambda each: each.role is not role))

    def scopes(self, held: HeldRole) -> tuple[Scope, ...]:
        """Return the scopes that a held role reaches under the rule."""
        first = [FIRST_SCOPE[held.role]] if held.role in self.policy.juniors else []
        return tuple(dict.fromkeys((*first, *(each.clause.scope for each in self._ruled(held.role)))))

    def reaches(self, held: HeldRole, place: Place) -> bool:
        """Whether a held role reaches a place under the rule."""
        if any(place in each.places for each in self._ruled(held.role)):
            return True
        return held.role in self.policy.juniors and any(
            place in reached_places(standing, FIRST_SCOPE[held.role], self.facts, self.policy)
            for standing in held.standings
        )

    def _ruled(self, role: Role) -> tuple[AppliedClause, ...]:
        return tuple(each for each in self.given if each.role is role and each.clause.ruled)


def _reach_of(access: Access, policy: Policy) -> _RuleReach:
    facts = replace(access.facts, roles=tuple(each for each in access.facts.roles if access.role in (None, each.role)))
    return _RuleReach(facts, policy, tuple(applied_clauses(facts, policy)))


class How(StrEnum):
    """By which part of the policy a role gives a permission at a place."""

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
        statements: the policy paths of the statements that give it; for a level, those of juniors too.
        how: by the role's own statement over the place, by its level under ``superset``, or by ``maximum``.
        through: the held role that reaches the place, usually ``role`` itself.
        fact: the fact behind it, in words: ``teaches this section``.
        condition: the condition on the request; None if there is none.
    """

    role: Role
    scope: Scope
    id: str
    statements: tuple[str, ...]
    how: How
    through: Role
    fact: str
    condition: RequestCondition | None = None


def _grounds(
    access: Access, policy: Policy, permission: str, location: Location, request: RequestValues
) -> Iterator[Ground]:
    reach = _reach_of(access, policy)
    for place in sorted(location, key=lambda each: (nearness(each[0]), each[1])):
        yield from _plain(access, reach, permission, place, location)
        yield from _conditional(access, permission, place, location, request)


def _plain(access: Access, reach: _RuleReach, permission: str, place: Place, location: Location) -> Iterator[Ground]:
    """Yield the grounds that do not depend on the request: statements over the place first, then those of the rule."""
    by_role = access.holdings.get(place, {})
    giving = [role for role in Role if permission in by_role.get(role, ())]
    own = {role: _own(reach, role, permission, place) for role in giving}
    for role in giving:
        if own[role]:
            yield Ground(role, *place, own[role], How.STATEMENT, role, standing_in(role, place, location))
    for role in giving:
        if not own[role]:
            yield _carried(reach, role, permission, place, location)


def _own(reach: _RuleReach, role: Role, permission: str, place: Place) -> tuple[str, ...]:
    given = (each for each in reach.given if each.role is role and place in each.places and not each.clause.condition)
    return tuple(each.clause.path for each in given if permission in each.clause.permissions)


def _carried(reach: _RuleReach, role: Role, permission: str, place: Place, location: Location) -> Ground:
    """Return the ground of a role that gives a permission beyond the places of its own statements."""
    how = How.MAXIMUM if reach.policy.rule is Rule.MAXIMUM else How.LEVEL
    through = next(held.role for held in reach.reaching_roles(role) if reach.reaches(held, place))
    fact = standing_in(through, place, location)
    return Ground(role, *place, reach.statements(role, permission), how, through, fact)


def _conditional(
    access: Access, permission: str, place: Place, location: Location, request: RequestValues
) -> Iterator[Ground]:
    for given in access.conditional:
        role, clause = given.role, given.clause
        if (
            clause.condition
            and permission in clause.permissions
            and place in given.places
            and clause.condition.holds(request)
        ):
            fact = standing_in(role, place, location)
            yield Ground(role, *place, (clause.path,), How.STATEMENT, role, fact, clause.condition)


class Lack(StrEnum):
    """What is missing for a permission. Published: values may be added, never removed."""

    REACH = "reach"
    UNCONFIRMED = "unconfirmed"
    CONDITION = "condition"
    REQUEST = "request"
    RULE = "rule"
    CONTEXT = "context"
    ROLE = "role"
    DISTRICT = "district"
    TERM = "term"


_RANK = {Lack.DISTRICT: -1, Lack.RULE: 1, Lack.CONTEXT: 2, Lack.ROLE: 3}
"""The order of these, before or after what a held role lacks."""


@dataclass(frozen=True, slots=True)
class Missing:
    """One reason why a permission is not held.

    Attributes:
        lack: what is missing.
        role: the role that lacks it, or that is itself missing.
        statements: the policy paths of the statements that would give the permission otherwise.
        detail: what is missing, in words.
        scope: the scope of the statements, if it matters.
    """

    lack: Lack
    role: Role
    statements: tuple[str, ...]
    detail: str
    scope: Scope | None = None


def _merged(lacks: Iterable[Missing]) -> Iterator[Missing]:
    """Merge reasons that differ in their statements alone."""
    statements: dict[Missing, dict[str, None]] = {}
    for each in lacks:
        statements.setdefault(replace(each, statements=()), {}).update(dict.fromkeys(each.statements))
    return (replace(each, statements=tuple(paths)) for each, paths in statements.items())


def _order(missing: Missing) -> tuple[int, int]:
    return _RANK.get(missing.lack, 0), wording.nearness(missing.scope) if missing.scope else 0


@dataclass(frozen=True, slots=True)
class _Denial:
    access: Access
    policy: Policy
    permission: str
    location: Location
    request: RequestValues
    reach: _RuleReach

    def lacks(self) -> Iterator[Missing]:
        """Yield what each role lacks that can give the permission."""
        held = {each.role: each for each in self.access.facts.roles}
        for role in Role:
            statements = self._statements(role)
            if not statements:
                continue
            if role not in held:
                yield Missing(Lack.ROLE, role, statements, wording.not_shared(role))
            elif self.access.role not in (None, role):
                yield Missing(Lack.CONTEXT, role, statements, self._left_out(role))
            else:
                yield from self._of_held(held[role])
        if self.policy.rule is Rule.MINIMUM:
            yield from self._of_minimum()

    def by_calendar(self, reason: Reason, status: DistrictStatus) -> Iterator[Missing]:
        """Yield what the calendar of the district takes, and what is missing beside it."""
        terms = _terms(self.access.facts, self.policy, status)
        if reason in (Reason.TERM_ENDED, Reason.TERM_NOT_BEGUN):
            for each in _grounds(self.access, self.policy, self.permission, self.location, self.request):
                detail = f"{each.fact}, but {wording.out_of_term(terms[each.id], status, self.policy.file.sections)}"
                yield Missing(Lack.TERM, each.role, each.statements, detail, each.scope)
            return
        detail = wording.district_limits(status)
        for held in self.reach.facts.roles:
            if statements := self._statements(held.role):
                yield Missing(Lack.DISTRICT, held.role, statements, detail)
        if decide(self.access, self.permission, self.location, self.request) is not Reason.GRANTED:
            yield from self.lacks()

    def _own(self, role: Role) -> tuple[Clause, ...]:
        return tuple(each for each in self.policy.clauses.get(role, ()) if self.permission in each.permissions)

    def _statements(self, role: Role) -> tuple[str, ...]:
        """Return the paths of all statements by which a role can give the permission."""
        own = (each.path for each in self._own(role))
        return tuple(dict.fromkeys((*own, *self.reach.statements(role, self.permission))))

    def _of_held(self, held: HeldRole) -> Iterator[Missing]:
        own, level = self._own(held.role), self.reach.statements(held.role, self.permission)
        for clause in own:
            yield from self._of_reach(held, clause.scope, (clause.path,))
            yield from self._of_conditions(held, clause)
        if level and self.reach.carries(held.role):
            for reaching in self.reach.reaching_roles(held.role):
                for scope in self.reach.scopes(reaching):
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
        elif clause.condition and any(self._counts(standing, clause.scope) for standing in meeting):
            lack, detail = Lack.REQUEST, f"{wording.named(held.role)} only where {wording.condition(clause.condition)}"
            if self.policy.rule is Rule.MINIMUM:
                lack, detail = Lack.RULE, f"{detail}, and under rule: minimum no such statement counts"
            elif all(self.request.get(key) is None for key in clause.condition.keys):
                detail += ", of which this question says nothing"
            else:
                detail += wording.not_comparable(
                    {key: self.request.get(key) for key in clause.condition.not_comparable(self.request)}
                )
            yield Missing(lack, held.role, (clause.path,), detail, clause.scope)

    def _not_met(self, role: Role, clause: Clause, standing: Standing) -> Iterator[str]:
        """Yield each condition that fails, with the values as the policy writes them."""
        statements = enumerate(self.policy.file.statements(role))
        written = next(each for position, each in statements if f"roles.{role}[{position}]" == clause.path)
        for wanted in clause.when:
            if not replace(clause, when=(wanted,), unless=()).holds(standing):
                yield wording.not_met(role, wanted[0], standing, written.when[wanted[0]])
        for unwanted in clause.unless:
            if not replace(clause, when=(), unless=(unwanted,)).holds(standing):
                yield wording.ruled_out(role, unwanted[0], standing, written.unless[unwanted[0]])

    def _of_minimum(self) -> Iterator[Missing]:
        """Yield the held roles that do not give the permission, which rule minimum requires of all."""
        ruled = (each for each in applied_clauses(self.access.facts, self.policy) if each.clause.ruled)
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
        request = self.access.role or role
        return f"{wording.named(role)} {verb}{', but' if gives else ':'} only {wording.named(request)} was asked about"

    def _near(self, held: HeldRole, scope: Scope) -> list[Standing]:
        """Return the standings with a place in the location, confirmed or not."""
        if scope is Scope.SELF:
            return list(held.standings) if (scope, self.access.facts.user) in self.location else []
        return [each for each in held.standings if any((scope, place) in self.location for place in each.ids(scope))]

    def _counts(self, standing: Standing, scope: Scope) -> bool:
        return any(place in self.location for place in reached_places(standing, scope, self.access.facts, self.policy))


_BY_CALENDAR = frozenset(
    {Reason.DISTRICT_PAUSED, Reason.DISTRICT_NOT_LAUNCHED, Reason.TERM_ENDED, Reason.TERM_NOT_BEGUN}
)


def _terms(facts: Facts, policy: Policy, status: DistrictStatus) -> Mapping[str, Term]:
    """Return the terms of a user's sections that the policy looks at, by the ids of the sections."""
    standings = (each for held in facts.roles for each in held.standings) if policy.needs_terms else ()
    named = ((section, each.term) for each in standings if each.term for section in each.ids(Scope.SECTION))
    return {section: term for section, of in named if (term := status.calendar.term(of))}


def _with_term(ground: Ground, terms: Mapping[str, Term], status: DistrictStatus) -> Ground:
    if ground.scope is not Scope.SECTION or ground.id not in terms:
        return ground
    return replace(ground, fact=f"{ground.fact}{wording.in_term(terms[ground.id], status)}")


_REFUSALS: Mapping[Reason, str] = {
    Reason.UNKNOWN_ACTION: "the policy names no such permission",
    Reason.NOT_APPLICABLE: "it says nothing inside the places named",
    Reason.UNKNOWN_RESOURCE: "no such place is shared with this application",
    Reason.PLACES_DISAGREE: "the places named are not all there, or do not fit together at Clever",
}
"""Why a permission is denied to every user."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether a permission is held on a resource, and why.

    Attributes:
        reason: the reason of the decision, the same as for an evaluation.
        grounds: why it is held, from the nearest place outwards.
        missing: what the user lacks; empty if the permission is held, or is denied to every user.
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


def explanation_of(  # noqa: PLR0913 -- a question with all that its answer depends on
    access: Access,
    policy: Policy,
    permission: str,
    location: Location,
    request: RequestValues | None = None,
    *,
    status: DistrictStatus = ALWAYS,
) -> Explanation:
    """Explain whether a permission is held on a resource.

    Args:
        access: what the user may do, in the role context of the question.
        policy: the policy of ``access``.
        permission: ``type:action``, named by the policy, with Clever's type in place of an alias.
        location: every place in which the resource lies.
        request: the request's values, for conditions that read them.
        status: the status of the district by which ``access`` was worked out.
    """
    request = request or {}
    reason = decide(access, permission, location, request)
    context = f" as {wording.named(access.role)}" if access.role else ""
    if reason is Reason.GRANTED:
        terms = _terms(access.facts, policy, status)
        found = _grounds(access, policy, permission, location, request)
        grounds = tuple(_with_term(each, terms, status) for each in found)
        return Explanation(reason, grounds, (), _sentence(f"{permission} is held{context}", map(_described, grounds)))
    whole = access if access.limits is None else access.limits.without
    denial = _Denial(whole, policy, permission, location, request, _reach_of(whole, policy))
    lacks = denial.by_calendar(reason, status) if reason in _BY_CALENDAR else denial.lacks()
    missing = tuple(sorted(_merged(lacks), key=_order))
    return Explanation(reason, (), missing, _sentence(f"{permission} is not held{context}", _lacking(missing)))


def explanation_of_denial(permission: str, reason: Reason) -> Explanation:
    """Explain a denial that holds for every user; ``reason`` is a key of ``_REFUSALS``."""
    return Explanation(reason, (), (), _sentence(f"{permission} is not held", iter((_REFUSALS[reason],))))


def _sentence(opening: str, parts: Iterator[str]) -> str:
    return f"{opening}: {'; '.join(dict.fromkeys(parts))}."


def _described(ground: Ground) -> str:
    by = " and ".join(ground.statements)
    if ground.how is How.LEVEL:
        by += f" by the level of {wording.named(ground.role)}"
    if ground.how is How.MAXIMUM:
        by += " by rule: maximum"
    if ground.condition:
        by += f" where {wording.condition(ground.condition)}"
    return f"{ground.fact} ({by})"


def _lacking(missing: tuple[Missing, ...]) -> Iterator[str]:
    yield from (each.detail for each in missing if each.lack is not Lack.ROLE)
    absent = [each.role for each in missing if each.lack is Lack.ROLE]
    if absent:
        yield wording.none_shared(absent)
