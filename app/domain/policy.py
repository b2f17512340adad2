"""The policy as the engine reads it: checked as a whole, wildcards expanded, seniority worked out."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from app.domain.errors import Mistake, PolicyMistakes
from app.domain.facts import Role, Standing
from app.domain.policy_file import PolicyFile, Rule, Values
from app.domain.scopes import Scope, applies_in

OVER: Mapping[str, Scope] = {
    "district": Scope.DISTRICT,
    "schools": Scope.SCHOOL,
    "sections": Scope.SECTION,
    "students": Scope.STUDENT,
    "self": Scope.SELF,
}

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
        permissions: full names only, never empty.
        when: for each field the values, casefolded, of which it must have one.
        unless: for each field the values, casefolded, of which it must have none.
    """

    path: str
    scope: Scope
    permissions: frozenset[str]
    when: Conditions = ()
    unless: Conditions = ()

    def holds(self, standing: Standing) -> bool:
        """Tell whether the conditions hold for ``standing``; text is compared without case."""
        return all(_has(standing, *condition) for condition in self.when) and not any(
            _has(standing, *condition) for condition in self.unless
        )

    @property
    def unconditional(self) -> bool:
        """Whether it holds for everyone in the role."""
        return not (self.when or self.unless)


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that can be used.

    Attributes:
        file: what was written.
        revision: eight hex digits that change with what was written, though not with its layout or comments.
        clauses: what each role allows; a role without any is missing.
        juniors: under ``rule: superset`` each senior's juniors and theirs, as far as that goes; else empty.
        inside: for each kind of place, the permissions of the policy that say something there.
    """

    file: PolicyFile
    revision: str
    clauses: Mapping[Role, tuple[Clause, ...]]
    juniors: Mapping[Role, frozenset[Role]]
    inside: Mapping[Scope, frozenset[str]]

    @property
    def rule(self) -> Rule:
        """How the roles of one user combine."""
        return self.file.rule

    @property
    def drops_unconfirmed_schools(self) -> bool:
        """Whether an administered school counts only if Clever's list of the user's schools has it too."""
        return self.file.schools.unconfirmed == "drop"


def policy_of(file: PolicyFile) -> Policy:
    """Make the policy of a file, or raise ``PolicyMistakes`` with everything that is wrong with it as a whole."""
    if mistakes := tuple(_mistakes(file)):
        raise PolicyMistakes(mistakes)
    named = named_in_full(file)
    return Policy(
        file=file,
        revision=_revision(file),
        clauses={role: clauses for role in Role if (clauses := tuple(_clauses(file, role, named)))},
        juniors=_all_juniors(file) if file.rule is Rule.SUPERSET else {},
        inside={scope: frozenset(name for name in named if applies_in(name, scope)) for scope in Scope},
    )


def _revision(file: PolicyFile) -> str:
    canonical = json.dumps(file.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]


def named_in_full(file: PolicyFile) -> frozenset[str]:
    """Return the permissions that the statements name without a wildcard."""
    return frozenset(name for _, _, _, name in _names(file) if "*" not in name)


def expansions(file: PolicyFile) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield each wildcard of the file: its path, itself, and the permissions that it stands for there, sorted."""
    named = named_in_full(file)
    for role, position, entry, name in _names(file):
        if "*" in name:
            scope = OVER[file.statements(role)[position].over]
            fitting = (match for match in _matches(name, named) if applies_in(match, scope))
            yield Mistake(("roles", role.value, position, "allow", entry), "").where, name, tuple(sorted(fitting))
    for entry, name in enumerate(_written_read_only(file)):
        if "*" in name:
            yield f"district.read_only[{entry}]", name, tuple(sorted(_matches(name, named)))


def warnings(file: PolicyFile) -> Iterator[str]:
    """Yield what is allowed in a policy and yet seldom meant, with the path of each."""
    named = named_in_full(file)
    for role in Role:
        counting = {clause.path for clause in _clauses(file, role, named)}
        for position, statement in enumerate(file.statements(role)):
            path = f"roles.{role}[{position}]"
            if path not in counting:
                yield f"{path} says nothing: none of its permissions applies over {statement.over}"
            elif role is Role.TEACHER and statement.over == "schools" and file.rule in (Rule.SUPERSET, Rule.MAXIMUM):
                yield f"{path} reaches schools that are merely taught at: rule {file.rule} gives staff rights there"


def _clauses(file: PolicyFile, role: Role, named: frozenset[str]) -> Iterator[Clause]:
    for position, statement in enumerate(file.statements(role)):
        scope = OVER[statement.over]
        permissions = frozenset(
            match for name in statement.allow for match in _matches(name, named) if applies_in(match, scope)
        )
        if permissions:
            path = f"roles.{role}[{position}]"
            yield Clause(path, scope, permissions, _texts(statement.when), _texts(statement.unless))


def _texts(conditions: Mapping[str, Values]) -> Conditions:
    # Every field of a role is text: a number or a boolean is never compared as text, so it can match none of them.
    return tuple(
        (field, frozenset(value.casefold() for value in values if isinstance(value, str)))
        for field, values in sorted(conditions.items())
    )


def _has(standing: Standing, field: str, wanted: frozenset[str]) -> bool:
    return any(value.casefold() in wanted for value in standing.values(field))


def _matches(name: str, named: frozenset[str]) -> frozenset[str]:
    return frozenset(match for match in named if fnmatchcase(match, name)) if "*" in name else frozenset({name})


def _names(file: PolicyFile) -> Iterator[tuple[Role, int, int, str]]:
    for role in Role:
        for position, statement in enumerate(file.statements(role)):
            for entry, name in enumerate(statement.allow):
                yield role, position, entry, name


def _all_juniors(file: PolicyFile) -> dict[Role, frozenset[Role]]:
    """Follow ``superset`` to its end; a senior in a circle is its own junior."""
    found: dict[Role, frozenset[Role]] = {}
    for senior in file.superset:
        seen: set[Role] = set()
        left = list(file.superset[senior])
        while left:
            junior = left.pop()
            if junior not in seen:
                seen.add(junior)
                left.extend(file.superset.get(junior, ()))
        if seen:
            found[senior] = frozenset(seen)
    return found


def _mistakes(file: PolicyFile) -> Iterator[Mistake]:
    named = named_in_full(file)
    for role, position, entry, name in _names(file):
        path = ("roles", role.value, position, "allow", entry)
        over = file.statements(role)[position].over
        if "*" not in name and not applies_in(name, OVER[over]):
            yield Mistake(path, f"{name} says nothing over {over}: a {name.partition(':')[0]} does not lie there")
        yield from _matchless(path, name, named)
    for entry, name in enumerate(_written_read_only(file)):
        yield from _matchless(("district", "read_only", entry), name, named)
    yield from _seniority_mistakes(file)


def _written_read_only(file: PolicyFile) -> tuple[str, ...]:
    """Return what is left under read_only where the file says so; our own default cannot be the file's mistake."""
    return file.district.read_only if "read_only" in file.district.model_fields_set else ()


def _matchless(path: tuple[str | int, ...], name: str, named: frozenset[str]) -> Iterator[Mistake]:
    if not _matches(name, named):
        yield Mistake(path, f"{name} matches no permission that the policy names in full")


def _seniority_mistakes(file: PolicyFile) -> Iterator[Mistake]:
    juniors = _all_juniors(file)
    if file.rule is Rule.SUPERSET and not juniors:
        yield Mistake(("superset",), "rule: superset needs to know which role is senior to which")
    for senior, below in juniors.items():
        if senior in below:
            yield Mistake(("superset", senior.value), f"{senior} stands above itself: a circle")
