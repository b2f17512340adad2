"""How a rule carries permissions past the places of their own statements: a senior's level, and the maximum."""

from dataclasses import dataclass

from app.domain.access import Access
from app.domain.facts import EMPLOYEES, Facts, HeldRole, Role
from app.domain.places import Place
from app.domain.policy import FIRST_SCOPE, Policy
from app.domain.policy_file import Rule
from app.domain.rules import Given, at_large, given_to, stood_on
from app.domain.scopes import Scope


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
