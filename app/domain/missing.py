"""Why a permission is not held: which roles the policy gives it to, and what of it the user lacks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from app.domain import wording
from app.domain.access import Access, access_of
from app.domain.conditions import Asked
from app.domain.facts import HeldRole, Role, Standing
from app.domain.places import Location
from app.domain.policy import Clause, Policy
from app.domain.policy_file import Rule
from app.domain.rules import at_large, given_to, stood_on
from app.domain.scopes import Scope, applies_in
from app.domain.spread import Spread, spread_of


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
