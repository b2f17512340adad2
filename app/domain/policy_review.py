"""What is wrong, odd or worth knowing about a policy file as a whole."""

from collections.abc import Iterator

from app.domain.conditions import is_of_request
from app.domain.errors import Mistake
from app.domain.facts import Role
from app.domain.fields import DOCUMENTED, UNREADABLE, label, nearest
from app.domain.policy_effects import asks, given_by, without_effect
from app.domain.policy_file import PolicyFile, Rule, Statement, Value
from app.domain.policy_names import OVER, all_juniors, matches, named_in_full, names_of, plain
from app.domain.scopes import CLEVER_TYPES, applies_in
from app.domain.text import normal


def mistakes_in(file: PolicyFile) -> Iterator[Mistake]:
    """Yield every mistake that shows only when the file is looked at as a whole."""
    named = named_in_full(file)
    for role, position, entry, written in names_of(file):
        path = ("roles", role.value, position, "allow", entry)
        name, over = plain(written, file), file.statements(role)[position].over
        if "*" not in name and not applies_in(name, OVER[over]):
            yield Mistake(path, f"{name} says nothing over {over}: a {name.partition(':')[0]} does not lie there")
        yield from _matchless(path, name, named)
    for entry, written in enumerate(_written_read_only(file)):
        yield from _matchless(("district", "read_only", entry), plain(written, file), named)
    for alias in file.aliases:
        if alias in CLEVER_TYPES:
            yield Mistake(("aliases", alias), f"{alias} is a type of Clever's: it cannot stand for another")
    yield from _seniority_mistakes(file)


def warnings(file: PolicyFile) -> Iterator[str]:
    """Yield what is allowed in a policy and yet seldom meant, with the path of each."""
    named = named_in_full(file)
    for role in Role:
        for position, statement in enumerate(file.statements(role)):
            path = f"roles.{role}[{position}]"
            if not given_by(statement, file, named):
                yield f"{path} says nothing: none of its permissions applies over {statement.over}"
            elif role is Role.TEACHER and _spreads_over_schools(statement, file.rule):
                yield f"{path} reaches schools that are merely taught at: rule {file.rule} gives staff rights there"
            yield from (f"{path}: {odd}" for odd in _odd_conditions(statement))
            if role is Role.CONTACT and {"type", "relationship"} & statement.unless.keys():
                yield f"{path}: whatever else a district calls a contact passes an unless: name the trusted in a when"
    yield from without_effect(file)


def _odd_conditions(statement: Statement[str, str]) -> Iterator[str]:
    """Yield the values of conditions that compare otherwise than whoever wrote them may think."""
    for conditions in (statement.when, statement.unless):
        for key, values in conditions.items():
            for value in values:
                if odd := _odd_in_request(value) if is_of_request(key) else _odd_in_field(key, value):
                    yield f"{odd[0]} {value!r} for {key}{odd[1]}"


def _odd_in_request(value: Value) -> tuple[str, str] | None:
    if isinstance(value, str) and normal(value) in _NO_BOOLEANS:
        return "in YAML 1.2", " is text, which never equals true or false"
    return None


def _odd_in_field(key: str, value: Value) -> tuple[str, str] | None:
    """Fields are text, some of few words that Clever documents; of others only what looks like a label is kept."""
    if not isinstance(value, str) or (key in _LABELS and UNREADABLE in label(value)):
        return "no user has", ", so that a when never holds for it"
    if key in DOCUMENTED and normal(value) not in DOCUMENTED[key] | {""}:
        meant = f"; did you mean {near}?" if (near := nearest(key, value)) else ""
        return "Clever documents no", f": it holds where a district itself writes so{meant}"
    return None


_NO_BOOLEANS = frozenset({"yes", "no", "on", "off"})
_LABELS = frozenset({"relationship", "type"})


def _spreads_over_schools(statement: Statement[str, str], rule: Rule) -> bool:
    return statement.over == "schools" and rule in (Rule.SUPERSET, Rule.MAXIMUM) and not asks(statement)


def expansions(file: PolicyFile) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield each wildcard of the file: its path, itself, and the permissions that it stands for there, sorted."""
    named = named_in_full(file)
    for role, position, entry, name in names_of(file):
        if "*" in name:
            scope = OVER[file.statements(role)[position].over]
            fitting = (match for match in matches(plain(name, file), named) if applies_in(match, scope))
            yield Mistake(("roles", role.value, position, "allow", entry), "").where, name, tuple(sorted(fitting))
    for entry, name in enumerate(_written_read_only(file)):
        if "*" in name:
            yield f"district.read_only[{entry}]", name, tuple(sorted(matches(plain(name, file), named)))


def _written_read_only(file: PolicyFile) -> tuple[str, ...]:
    """Return what is left under read_only where the file says so; our own default cannot be the file's mistake."""
    return file.district.read_only if "read_only" in file.district.model_fields_set else ()


def _matchless(path: tuple[str | int, ...], name: str, named: frozenset[str]) -> Iterator[Mistake]:
    if not matches(name, named):
        yield Mistake(path, f"{name} matches no permission that the policy names in full")


def _seniority_mistakes(file: PolicyFile) -> Iterator[Mistake]:
    juniors = all_juniors(file)
    if file.rule is Rule.SUPERSET and not juniors:
        yield Mistake(("superset",), "rule: superset needs to know which role is senior to which")
    for senior, below in juniors.items():
        if senior in below:
            yield Mistake(("superset", senior.value), f"{senior} stands above itself: a circle")
