"""The policy as the engine reads it: checked as a whole, wildcards expanded, seniority worked out."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.domain.conditions import RequestCondition, is_of_request
from app.domain.errors import PolicyMistakes
from app.domain.facts import Role, Standing
from app.domain.fields import has, may_have
from app.domain.policy_lint import given_by, mistakes_in, warnings
from app.domain.policy_schema import OVER, PolicyFile, Rule, Values, all_juniors, named_in_full
from app.domain.scopes import Scope, applies_in
from app.domain.text import normal

FIRST_SCOPE: Mapping[Role, Scope] = {
    Role.DISTRICT_ADMIN: Scope.DISTRICT,
    Role.STAFF: Scope.SCHOOL,
    Role.TEACHER: Scope.SECTION,
    Role.STUDENT: Scope.SECTION,
    Role.CONTACT: Scope.STUDENT,
}
"""What a senior role reaches whatever its statements say, lest a condition on one of them gate its whole level."""

Conditions = tuple[tuple[str, frozenset[str]], ...]


@dataclass(frozen=True, slots=True)
class Clause:
    """A statement of the policy with its wildcards expanded and cut down to what can apply over its places.

    Attributes:
        path: where it stands in the file, such as ``roles.staff[1]``.
        scope: the kind of place it stands over.
        permissions: full names only, with Clever's types for aliases; never empty.
        when: for each field the values, in their normal form, of which it must have one; "" means none at all.
        unless: for each field the values likewise of which it must have none.
        asks: what a request has to say, where the conditions read it.
    """

    path: str
    scope: Scope
    permissions: frozenset[str]
    when: Conditions = ()
    unless: Conditions = ()
    asks: RequestCondition | None = None

    def holds(self, standing: Standing) -> bool:
        """Tell whether the conditions on the role hold for ``standing``."""
        return all(has(standing.values(field), wanted) for field, wanted in self.when) and not any(
            may_have(field, standing.values(field), unwanted) for field, unwanted in self.unless
        )

    @property
    def unconditional(self) -> bool:
        """Whether it holds for everyone in the role, whatever they ask."""
        return not (self.when or self.unless or self.asks)

    @property
    def ruled(self) -> bool:
        """Whether the rules combine it with others: what is over self or reads the request keeps to its places."""
        return self.scope is not Scope.SELF and self.asks is None


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that can be used.

    Attributes:
        file: what was written.
        revision: eight hex digits that change with what was written, though not with its layout or comments.
        clauses: what each role allows; a role without any is missing.
        juniors: under ``rule: superset`` each senior's juniors and theirs, as far as that goes; else empty.
        named: every permission that the policy names in full.
        inside: for each kind of place, those of them that say something there.
        odd: a sentence for each thing that is allowed and yet seldom meant.
    """

    file: PolicyFile
    revision: str
    clauses: Mapping[Role, tuple[Clause, ...]]
    juniors: Mapping[Role, frozenset[Role]]
    named: frozenset[str]
    inside: Mapping[Scope, frozenset[str]]
    odd: tuple[str, ...] = ()

    @property
    def rule(self) -> Rule:
        """How the roles of one user combine."""
        return self.file.rule

    @property
    def drops_unconfirmed_schools(self) -> bool:
        """Whether an administered school counts only if Clever's list of the user's schools has it too."""
        return self.file.schools.unconfirmed == "drop"

    def type_of(self, written: str) -> str:
        """Return Clever's type for an alias, and any other type as it is."""
        return self.file.aliases.get(written, written)


def policy_of(file: PolicyFile) -> Policy:
    """Make the policy of a file, or raise ``PolicyMistakes`` with everything that is wrong with it as a whole."""
    if mistakes := tuple(mistakes_in(file)):
        raise PolicyMistakes(mistakes)
    named = named_in_full(file)
    return Policy(
        file=file,
        revision=_revision(file),
        clauses={role: clauses for role in Role if (clauses := tuple(_clauses(file, role, named)))},
        juniors=all_juniors(file) if file.rule is Rule.SUPERSET else {},
        named=named,
        inside={scope: frozenset(name for name in named if applies_in(name, scope)) for scope in Scope},
        odd=tuple(warnings(file)),
    )


def _revision(file: PolicyFile) -> str:
    canonical = json.dumps(file.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]


def _clauses(file: PolicyFile, role: Role, named: frozenset[str]) -> Iterator[Clause]:
    for position, statement in enumerate(file.statements(role)):
        scope = OVER[statement.over]
        permissions = given_by(statement, file, named)
        if permissions:
            yield Clause(
                f"roles.{role}[{position}]",
                scope,
                permissions,
                _texts(statement.when),
                _texts(statement.unless),
                _asks(statement.when, statement.unless),
            )


def _texts(conditions: Mapping[str, Values]) -> Conditions:
    # Every field of a role is text: a number or a boolean is never compared as text, so it can match none of them.
    return tuple(
        (field, frozenset(normal(value) for value in values if isinstance(value, str)))
        for field, values in sorted(conditions.items())
        if not is_of_request(field)
    )


def _asks(when: Mapping[str, Values], unless: Mapping[str, Values]) -> RequestCondition | None:
    asks = RequestCondition(
        *(tuple((key, values) for key, values in sorted(each.items()) if is_of_request(key)) for each in (when, unless))
    )
    return asks if asks.when or asks.unless else None
