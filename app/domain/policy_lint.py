"""Mistakes and warnings that need the whole policy file to be seen."""

import json
from collections.abc import Iterator, Sequence

from app.domain.conditions import is_of_request
from app.domain.errors import Mistake
from app.domain.facts import Role
from app.domain.fields import DOCUMENTED, UNREADABLE, label, nearest
from app.domain.policy_schema import (
    OVER,
    PolicyFile,
    Rule,
    Statement,
    Value,
    all_juniors,
    full_names,
    matches,
    plain,
    written_permissions,
)
from app.domain.scopes import CLEVER_TYPES, applies_in
from app.domain.text import normal


def without_effect(file: PolicyFile) -> Iterator[str]:
    """Yield a warning for each part of the file that has no effect."""
    named = full_names(file)
    for role in Role:
        gives = [given_by(statement, file, named) for statement in file.statements(role)]
        for position, statement in enumerate(file.statements(role)):
            path = f"roles.{role}[{position}]"
            yield from (f"{path}{warning}" for warning in _without_effect_in(statement, file, named))
            if (other := _covering(file.statements(role), gives, position)) is not None:
                yield f"{path} adds nothing: roles.{role}[{other}] gives all of it without a condition"
    yield from _seniority_without_effect(file, named)
    staff_reach_schools = any(each.over == "schools" for each in file.statements(Role.STAFF))
    if file.schools.unconfirmed == "drop" and not (staff_reach_schools or Role.STAFF in all_juniors(file)):
        yield "schools.unconfirmed has no effect: no statement of staff stands over schools"
    yield from _calendar_without_effect(file)


def _calendar_without_effect(file: PolicyFile) -> Iterator[str]:
    of_terms = file.sections.terms == "current"
    reading = [file.district.paused] + ([file.sections.after] if of_terms else [])
    if _written_read_only(file) and "read_only" not in reading:
        yield "district.read_only has no effect: nothing is read_only"
    for key in ("grace_days", "after"):
        if not of_terms and key in file.sections.model_fields_set:
            yield f"sections.{key} has no effect: terms is any"
    over_sections = any(each.over == "sections" for role in Role for each in file.statements(role))
    if of_terms and not (over_sections or Role.TEACHER in all_juniors(file)):
        yield "sections.terms has no effect: no statement stands over sections"


def _without_effect_in(statement: Statement[str, str], file: PolicyFile, named: frozenset[str]) -> Iterator[str]:
    fitting = [given_by(statement.model_copy(update={"allow": (name,)}), file, named) for name in statement.allow]
    for entry, names in enumerate(fitting if any(fitting) else ()):
        if not names:
            yield f".allow[{entry}]: {statement.allow[entry]} stands for nothing that applies over {statement.over}"
    if file.rule is Rule.MINIMUM and reads_request(statement):
        yield " has no effect: rule minimum leaves out statements whose conditions read the request"
    for key in statement.when:
        if set(map(_compared, statement.when[key])) <= set(map(_compared, statement.unless.get(key, ()))):
            yield f" never holds: whatever its when wants of {key}, its unless rules out"


def _covering(statements: Sequence[Statement[str, str]], gives: Sequence[frozenset[str]], position: int) -> int | None:
    """Return the position of an unconditional statement that gives everything that this one gives, or None."""
    statement, own = statements[position], gives[position]
    conditional = statement.when or statement.unless
    for other, each in enumerate(statements):
        plain_there = each.over == statement.over and not (each.when or each.unless)
        # Of two equal statements the first counts.
        wider = own < gives[other] or (own == gives[other] and (conditional or other < position))
        if own and plain_there and wider:
            return other
    return None


def _seniority_without_effect(file: PolicyFile, named: frozenset[str]) -> Iterator[str]:
    if file.superset and file.rule is not Rule.SUPERSET:
        yield f"superset has no effect: the rule is {file.rule}"
        return
    for senior, juniors in file.superset.items():
        if not juniors:
            yield f"superset.{senior} has no effect: no junior is named"
        for place, junior in enumerate(juniors):
            counting = (
                one.over != "self" and not reads_request(one) and given_by(one, file, named)
                for one in file.statements(junior)
            )
            if not any(counting) and not file.superset.get(junior):
                yield f"superset.{senior}[{place}] has no effect: no statement of {junior} gives a senior anything"


def given_by(statement: Statement[str, str], file: PolicyFile, named: frozenset[str]) -> frozenset[str]:
    """Return the permissions of a statement that apply in its scope, with wildcards expanded to those ``named``."""
    fitting = (match for name in statement.allow for match in matches(plain(name, file), named))
    return frozenset(name for name in fitting if applies_in(name, OVER[statement.over]))


def reads_request(statement: Statement[str, str]) -> bool:
    """Whether a statement's conditions read the request."""
    return any(is_of_request(key) for key in (*statement.when, *statement.unless))


def _compared(value: Value) -> tuple[str, object]:
    """Return a value in the form in which conditions compare it; for Python true equals 1."""
    if isinstance(value, str):
        return "text", normal(value)
    return "number" if not isinstance(value, bool) else "boolean", value


def mistakes_in(file: PolicyFile) -> Iterator[Mistake]:
    """Yield every mistake in the file as a whole."""
    named = full_names(file)
    for role, position, entry, written in written_permissions(file):
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
    """Yield a warning with its path for each part that is valid and yet seldom meant."""
    named = full_names(file)
    for role in Role:
        for position, statement in enumerate(file.statements(role)):
            path = f"roles.{role}[{position}]"
            if not given_by(statement, file, named):
                yield f"{path} says nothing: none of its permissions applies over {statement.over}"
            elif role is Role.TEACHER and _spreads_over_schools(statement, file.rule):
                yield f"{path} reaches schools that are merely taught at: rule {file.rule} gives staff rights there"
            yield from (f"{path}: {warning}" for warning in _odd_conditions(statement))
            if role is Role.CONTACT and {"type", "relationship"} & statement.unless.keys():
                yield f"{path}: an unless lets contacts of all other types pass: name those that you trust in a when"
    yield from without_effect(file)


def _odd_conditions(statement: Statement[str, str]) -> Iterator[str]:
    """Yield the values of conditions that compare differently than their author may expect."""
    for conditions in (statement.when, statement.unless):
        for key, values in conditions.items():
            for value in values:
                of_kind = _odd_in_request(value) if is_of_request(key) else _odd_in_field(key, value)
                if odd := _odd_blank(value) or of_kind:
                    written = repr(value) if isinstance(value, str) else json.dumps(value)
                    yield f"{odd[0]} {written} for {key}{odd[1] if conditions is statement.when else odd[-1]}"


def _odd_blank(value: Value) -> tuple[str, ...] | None:
    if isinstance(value, str) and value and not normal(value):
        return "nothing shows of", ': it stands for what is absent, as "" does'
    return None


def _odd_in_request(value: Value) -> tuple[str, ...] | None:
    if isinstance(value, str) and normal(value) in _NO_BOOLEANS:
        return "in YAML 1.2", " is text, which never equals true or false"
    return None


def _odd_in_field(key: str, value: Value) -> tuple[str, ...] | None:
    """Return the warning about a value of a field: the part before the value, that after it, and that in an unless."""
    if not isinstance(value, str):
        in_unless = ", so that an unless rules nobody out by it: text is written in quotes"
        return "no user has", ", so that a when never holds for it", in_unless
    if "*" in value:
        return "the * in", " stands for itself: there are no patterns"
    if key in _LABELS and UNREADABLE in label(value):
        in_unless = f", so that an unless rules out every {key} that is no label"
        return "no user has", ", so that a when never holds for it", in_unless
    if key in DOCUMENTED and normal(value) not in DOCUMENTED[key] | {""}:
        meant = f"; did you mean {near}?" if (near := nearest(key, value)) else ""
        return "Clever documents no", f": it counts only where a district writes it so{meant}"
    return None


_NO_BOOLEANS = frozenset({"yes", "no", "on", "off", "true", "false"})

_LABELS = frozenset({"relationship", "type"})


def _spreads_over_schools(statement: Statement[str, str], rule: Rule) -> bool:
    return statement.over == "schools" and rule in (Rule.SUPERSET, Rule.MAXIMUM) and not reads_request(statement)


def expansions(file: PolicyFile) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield each wildcard of the file: its path, the wildcard, and the permissions that it expands to, sorted."""
    named = full_names(file)
    for role, position, entry, name in written_permissions(file):
        if "*" in name:
            scope = OVER[file.statements(role)[position].over]
            fitting = (match for match in matches(plain(name, file), named) if applies_in(match, scope))
            yield Mistake(("roles", role.value, position, "allow", entry), "").where, name, tuple(sorted(fitting))
    for entry, name in enumerate(_written_read_only(file)):
        if "*" in name:
            yield f"district.read_only[{entry}]", name, tuple(sorted(matches(plain(name, file), named)))


def _written_read_only(file: PolicyFile) -> tuple[str, ...]:
    """Return ``read_only`` if the file sets it; the default cannot be a mistake of the file."""
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
