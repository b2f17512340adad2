"""What is written in a policy and has no effect."""

from collections.abc import Iterator, Sequence

from app.domain.conditions import is_of_request
from app.domain.facts import Role
from app.domain.policy_file import PolicyFile, Rule, Statement, Value
from app.domain.policy_names import OVER, all_juniors, matches, named_in_full, plain
from app.domain.scopes import applies_in
from app.domain.text import normal


def without_effect(file: PolicyFile) -> Iterator[str]:
    """Yield what is written and changes no answer: whoever wrote it takes it for something that it is not."""
    named = named_in_full(file)
    for role in Role:
        gives = [given_by(statement, file, named) for statement in file.statements(role)]
        for position, statement in enumerate(file.statements(role)):
            path = f"roles.{role}[{position}]"
            yield from (f"{path}{odd}" for odd in _without_effect_in(statement, file, named))
            if (other := _covering(file.statements(role), gives, position)) is not None:
                yield f"{path} adds nothing: roles.{role}[{other}] gives all of it, on no condition"
    yield from _seniority_without_effect(file, named)
    staff_reach_schools = any(each.over == "schools" for each in file.statements(Role.STAFF))
    if file.schools.unconfirmed == "drop" and not (staff_reach_schools or Role.STAFF in all_juniors(file)):
        yield "schools.unconfirmed has no effect: no statement of staff stands over schools"
    written = file.district.model_fields_set if "district" in file.model_fields_set else frozenset()
    for key, said, time in (
        ("paused", file.district.paused, "while a district is paused"),
        ("before_launch", file.district.before_launch, "before the launch of a district"),
    ):
        if key in written and said != "allow":
            yield f"district.{key}: {said} has no effect yet: {time} all is allowed as ever"


def _without_effect_in(statement: Statement[str, str], file: PolicyFile, named: frozenset[str]) -> Iterator[str]:
    fitting = [given_by(statement.model_copy(update={"allow": (name,)}), file, named) for name in statement.allow]
    for entry, names in enumerate(fitting if any(fitting) else ()):
        if not names:
            yield f".allow[{entry}]: {statement.allow[entry]} stands for nothing that applies over {statement.over}"
    if file.rule is Rule.MINIMUM and asks(statement):
        yield " counts for nothing: under rule minimum no statement does that reads the request"
    for key in statement.when:
        if set(map(_told, statement.when[key])) <= set(map(_told, statement.unless.get(key, ()))):
            yield f" never holds: whatever its when wants of {key}, its unless rules out"


def _covering(statements: Sequence[Statement[str, str]], gives: Sequence[frozenset[str]], position: int) -> int | None:
    """Return the position of a statement without conditions that gives all that another does, or None."""
    statement, own = statements[position], gives[position]
    conditional = statement.when or statement.unless
    for other, each in enumerate(statements):
        plain_there = each.over == statement.over and not (each.when or each.unless)
        # Of two that are alike the first counts.
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
                one.over != "self" and not asks(one) and given_by(one, file, named) for one in file.statements(junior)
            )
            if not any(counting) and not file.superset.get(junior):
                yield f"superset.{senior}[{place}] has no effect: no statement of {junior} gives a senior anything"


def given_by(statement: Statement[str, str], file: PolicyFile, named: frozenset[str]) -> frozenset[str]:
    """Return what a statement gives: its permissions, wildcards expanded by what is ``named``, that apply there."""
    fitting = (match for name in statement.allow for match in matches(plain(name, file), named))
    return frozenset(name for name in fitting if applies_in(name, OVER[statement.over]))


def asks(statement: Statement[str, str]) -> bool:
    """Tell whether a statement's conditions read the request."""
    return any(is_of_request(key) for key in (*statement.when, *statement.unless))


def _told(value: Value) -> tuple[str, object]:
    """Write a value so that what a condition takes for the same is the same, and true is not 1."""
    if isinstance(value, str):
        return "text", normal(value)
    return "number" if not isinstance(value, bool) else "boolean", value
