"""What the words of a policy file stand for: aliases, wildcards, places and seniority."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from app.domain.facts import Role
from app.domain.policy_file import PolicyFile
from app.domain.scopes import Scope

OVER: Mapping[str, Scope] = {
    "district": Scope.DISTRICT,
    "schools": Scope.SCHOOL,
    "sections": Scope.SECTION,
    "students": Scope.STUDENT,
    "self": Scope.SELF,
}


def plain(name: str, file: PolicyFile) -> str:
    """Return a permission with Clever's own type in place of an alias."""
    kind, _, action = name.partition(":")
    return f"{file.aliases.get(kind, kind)}:{action}"


def names_of(file: PolicyFile) -> Iterator[tuple[Role, int, int, str]]:
    """Yield each permission as written, with its role, the position of its statement, and its own in that."""
    for role in Role:
        for position, statement in enumerate(file.statements(role)):
            for entry, name in enumerate(statement.allow):
                yield role, position, entry, name


def named_in_full(file: PolicyFile) -> frozenset[str]:
    """Return the permissions that the statements name without a wildcard, with Clever's types for aliases."""
    return frozenset(plain(name, file) for _, _, _, name in names_of(file) if "*" not in name)


def matches(name: str, named: frozenset[str]) -> frozenset[str]:
    """Return the permissions that a name stands for: itself, or for a wildcard whatever of ``named`` it matches."""
    return frozenset(match for match in named if fnmatchcase(match, name)) if "*" in name else frozenset({name})


def all_juniors(file: PolicyFile) -> dict[Role, frozenset[Role]]:
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
