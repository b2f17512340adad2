"""The policy as the engine reads it: validated, with wildcards expanded and seniority resolved."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.domain.conditions import RequestCondition, is_of_request
from app.domain.errors import PolicyMistakes
from app.domain.facts import Role, Standing
from app.domain.fields import has, may_have
from app.domain.policy_lint import given_by, mistakes_in, warnings
from app.domain.policy_schema import OVER, PolicyFile, Rule, Values, all_juniors, full_names, matches, plain
from app.domain.scopes import Scope, applies_in
from app.domain.text import normal

FIRST_SCOPE: Mapping[Role, Scope] = {
    Role.DISTRICT_ADMIN: Scope.DISTRICT,
    Role.STAFF: Scope.SCHOOL,
    Role.TEACHER: Scope.SECTION,
    Role.STUDENT: Scope.SECTION,
    Role.CONTACT: Scope.STUDENT,
}
"""What a senior role always reaches: otherwise a condition on one statement would gate all that its level gives."""

Conditions = tuple[tuple[str, frozenset[str]], ...]


@dataclass(frozen=True, slots=True)
class Clause:
    """A statement of the policy with its wildcards expanded, limited to permissions that apply in its scope.

    Attributes:
        path: its path in the file, such as ``roles.staff[1]``.
        scope: the kind of place that it applies to.
        permissions: full names only, with Clever's types in place of aliases; never empty.
        when: for each field, it must have one of these values, which are in normal form; "" matches an absent field.
        unless: for each field, it must have none of these values.
        condition: the condition on the request, if the statement has one.
    """

    path: str
    scope: Scope
    permissions: frozenset[str]
    when: Conditions = ()
    unless: Conditions = ()
    condition: RequestCondition | None = None

    def holds(self, standing: Standing) -> bool:
        """Whether the conditions on the role hold for a standing."""
        if not self.when and not self.unless:
            return True
        return all(has(standing.values(field), wanted) for field, wanted in self.when) and not any(
            may_have(field, standing.values(field), unwanted) for field, unwanted in self.unless
        )

    @property
    def unconditional(self) -> bool:
        """Whether it applies to everyone in the role, whatever the request."""
        return not (self.when or self.unless or self.condition)

    @property
    def ruled(self) -> bool:
        """Whether the rule combines it with others; not those over self or on a request's condition."""
        return self.scope is not Scope.SELF and self.condition is None


@dataclass(frozen=True, slots=True)
class Policy:
    """A valid policy.

    Attributes:
        file: the policy as written.
        revision: eight hex digits that change with the policy's content, though not with its layout or comments.
        clauses: the clauses of each role that has any.
        juniors: under ``rule: superset`` each senior's juniors, direct and indirect; else empty.
        permissions: every permission that the policy names without a wildcard.
        permissions_in: for each scope, those of them that apply there.
        roles_reaching: for each scope, the roles to which the policy may give something at a place where they stand.
        read_only: those of them that are left under ``read_only``.
        needs_terms: whether permissions depend on the terms of sections.
        needs_calendar: whether they depend on the calendar of the district, its terms included.
        warnings: a sentence for each part that is valid and yet seldom meant.
    """

    file: PolicyFile
    revision: str
    clauses: Mapping[Role, tuple[Clause, ...]]
    juniors: Mapping[Role, frozenset[Role]]
    permissions: frozenset[str]
    permissions_in: Mapping[Scope, frozenset[str]]
    roles_reaching: Mapping[Scope, tuple[Role, ...]]
    read_only: frozenset[str] = frozenset()
    needs_terms: bool = False
    needs_calendar: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def rule(self) -> Rule:
        """The rule by which the roles of one user combine."""
        return self.file.rule

    @property
    def drops_unconfirmed_schools(self) -> bool:
        """Whether an administered school counts only if Clever's list of the user's schools has it."""
        return self.file.schools.unconfirmed == "drop"

    def type_of(self, written: str) -> str:
        """Return Clever's type for an alias, and any other type as it is."""
        return self.file.aliases.get(written, written)


def policy_of(file: PolicyFile) -> Policy:
    """Return the policy of a file; raises ``PolicyMistakes`` with every mistake in the file as a whole."""
    if mistakes := tuple(mistakes_in(file)):
        raise PolicyMistakes(mistakes)
    named, states, by_term = full_names(file), file.district, file.sections.terms == "current"
    clauses = {role: some for role in Role if (some := tuple(_clauses(file, role, named)))}
    juniors = all_juniors(file) if file.rule is Rule.SUPERSET else {}
    return Policy(
        file=file,
        revision=_revision(file),
        clauses=clauses,
        juniors=juniors,
        permissions=named,
        permissions_in={scope: frozenset(name for name in named if applies_in(name, scope)) for scope in Scope},
        roles_reaching={scope: tuple(_reaching(scope, clauses, juniors)) for scope in Scope},
        read_only=frozenset[str]().union(*(matches(plain(name, file), named) for name in file.district.read_only)),
        needs_terms=by_term,
        needs_calendar=by_term or states.paused != "allow" or states.before_launch != "allow",
        warnings=tuple(warnings(file)),
    )


def _reaching(
    scope: Scope, clauses: Mapping[Role, Sequence[Clause]], juniors: Mapping[Role, frozenset[Role]]
) -> Iterator[Role]:
    for role in Role:
        is_over = any(clause.scope is scope for clause in clauses.get(role, ()))
        if is_over or (role in juniors and FIRST_SCOPE[role] is scope):
            yield role


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
    # Every field of a role is text, and a number or a boolean never equals a text.
    return tuple(
        (field, frozenset(normal(value) for value in values if isinstance(value, str)))
        for field, values in sorted(conditions.items())
        if not is_of_request(field)
    )


def _asks(when: Mapping[str, Values], unless: Mapping[str, Values]) -> RequestCondition | None:
    condition = RequestCondition(
        *(tuple((key, values) for key, values in sorted(each.items()) if is_of_request(key)) for each in (when, unless))
    )
    return condition if condition.when or condition.unless else None
