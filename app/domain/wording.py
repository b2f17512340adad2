"""The phrases of explanations: how a user relates to places, and what conditions require."""

import json
from collections.abc import Iterable, Mapping

from app.domain.calendar import Cause, DistrictStatus, Effect, Term, TermState
from app.domain.conditions import RequestCondition
from app.domain.facts import HeldRole, Role, Standing
from app.domain.fields import UNREADABLE
from app.domain.places import Location, Place
from app.domain.policy_schema import Sections, Value
from app.domain.scopes import Scope
from app.domain.text import shown

_STANDS: Mapping[tuple[Role, Scope], str] = {
    (Role.DISTRICT_ADMIN, Scope.DISTRICT): "district admin of",
    (Role.STAFF, Scope.SCHOOL): "staff at",
    (Role.TEACHER, Scope.SECTION): "teaches",
    (Role.TEACHER, Scope.SCHOOL): "teaches at",
    (Role.STUDENT, Scope.SECTION): "is enrolled in",
    (Role.STUDENT, Scope.SCHOOL): "attends",
    (Role.CONTACT, Scope.STUDENT): "is a contact of",
}
_IS = {
    Role.DISTRICT_ADMIN: "a district admin",
    Role.STAFF: "staff",
    Role.TEACHER: "a teacher",
    Role.STUDENT: "a student",
    Role.CONTACT: "a contact",
}
_SHOWN_FIELDS = frozenset({"roles", "title", "department"})
"""The fields that the roles of a user show as well; values of other fields are not repeated."""


def nearness(scope: Scope) -> int:
    """Return the rank of a scope, the nearest first."""
    return -list(Scope).index(scope)


def named(role: Role) -> str:
    """Return a role in plain words."""
    return role.replace("_", " ")


def standing_in(role: Role, place: Place, location: Location) -> str:
    """Return how a user in a role relates to one of the places of ``location``: ``teaches this section``."""
    scope, inner = place[0], _inner(location)
    if scope is inner:
        where = f"this {_called(scope)}"
    elif _count(scope, location) == 1:
        where = f"this {_called(inner)}'s {_called(scope)}"
    else:
        where = f"one of this {_called(inner)}'s {_called(scope)}s"
    return f"{_stands(role, scope)} {where}"


def standing_elsewhere(held: HeldRole, scope: Scope, location: Location) -> str:
    """Return how many places of one scope a role reaches outside ``location``: ``teaches 3 sections, not this one``."""
    if scope is Scope.SELF:
        return f"as {_IS[held.role]}, over themselves only"
    stands, kind, many = _stands(held.role, scope), _called(scope), len(held.ids(scope))
    if not many:
        return f"{stands} no {kind}"
    return f"{stands} {many} {kind}{'' if many == 1 else 's'}, {_contrast(scope, location)}"


def not_shared(role: Role) -> str:
    """Return what an absent role means: the district may not share it with this application."""
    absent = f"no {named(role)} role is shared with this application"
    return f"{absent}: that grants nothing, and does not say that the person is not {_IS[role]}"


def none_shared(roles: Iterable[Role]) -> str:
    """Return the same for several roles, in short."""
    *others, last = map(named, roles)
    absent = f"no {', '.join(others)}{' or ' if others else ''}{last} role is shared with this application"
    return f"{absent}, which grants nothing and does not say that the person has none"


def in_term(term: Term, status: DistrictStatus) -> str:
    """Return in which term a section is: ``, whose term runs from 2026-08-10 through 2026-12-18``."""
    if status.of_term(term.id) is TermState.ENDED:
        return f", whose term ended on {term.end}: it can still be read"
    days = " ".join([*([f"from {term.start}"] if term.start else []), *([f"through {term.end}"] if term.end else [])])
    return f", whose term runs {days}" if days else ""


def out_of_term(term: Term, status: DistrictStatus, sections: Sections) -> str:
    """Return why a section does not count, or only for reading."""
    grace = f"more than {sections.grace_days} day{'' if sections.grace_days == 1 else 's'}"
    if status.of_term(term.id) is TermState.NOT_BEGUN:
        return f"its term begins on {term.start}" + (f", in {grace}" if sections.grace_days else "")
    ended = f"its term ended on {term.end}" + (f", {grace} ago" if sections.grace_days else "")
    return f"{ended}: it can only be read now" if sections.after == "read_only" else ended


def district_limits(status: DistrictStatus) -> str:
    """Return why permissions are taken in the whole district."""
    calendar = status.calendar
    if status.cause is Cause.BEFORE_LAUNCH:
        return f"the district is launched on {calendar.launch_date}, and the policy allows nothing before"
    days = f" from {calendar.pause_start}" if calendar.pause_start else ""
    days += f" until {calendar.pause_end}" if calendar.pause_start and calendar.pause_end else ""
    left = "allows nothing but reading" if status.effect is Effect.READ_ONLY else "allows nothing"
    return f"the district is paused{days}: its data is last year's, and the policy {left} meanwhile"


def not_met(role: Role, field: str, standing: Standing, wanted: tuple[Value, ...]) -> str:
    """Return which value a field lacks."""
    value = " and ".join(standing.readable(field)) or ("unreadable" if standing.values(field) else "absent")
    value = f"{value}, " if field in _SHOWN_FIELDS else ""
    return f"{_of_role(role, field)} {value}not {_either(wanted)}"


def ruled_out(role: Role, field: str, standing: Standing, unwanted: tuple[Value, ...]) -> str:
    """Return which value of a field rules it out."""
    if UNREADABLE in standing.values(field):
        return f"{_of_role(role, field)} unreadable and may be {_either(unwanted)}, which rules it out"
    return f"{_of_role(role, field)} {_either(unwanted)}, which rules it out"


def condition(condition: RequestCondition) -> str:
    """Return what a condition requires of a request: ``resource.status is not archived``."""
    wanted = [f"{key} is {_either(values)}" for key, values in condition.when]
    return " and ".join([*wanted, *(f"{key} is not {_either(values)}" for key, values in condition.unless)])


def not_comparable(values: Mapping[str, object]) -> str:
    """Return which values of a request cannot be compared, by their kind: callers' values are not repeated."""
    kinds = [f"{key} is {_KINDS.get(type(value), 'an object')}" for key, value in values.items()]
    return f", and {' and '.join(kinds)} here, which cannot be compared with that" if kinds else ""


_KINDS: Mapping[type, str] = {
    type(None): "not said",
    bool: "true or false",
    str: "a text",
    int: "a number",
    float: "a number",
    list: "such a list",
}


def _contrast(scope: Scope, location: Location) -> str:
    inner = _inner(location)
    if scope is inner:
        return "not this one"
    if nearness(scope) < nearness(inner):
        return f"not the whole {_called(inner)}"
    there = _count(scope, location)
    if not there:
        return f"and this {_called(inner)} lies in none"
    owner = f"this {_called(inner)}'s"
    return f"{owner} {_called(scope)} is another" if there == 1 else f"none of them {owner}"


def _stands(role: Role, scope: Scope) -> str:
    return "is" if scope is Scope.SELF else _STANDS[role, scope]


def _called(scope: Scope) -> str:
    return "user" if scope is Scope.SELF else scope.value


def _inner(location: Location) -> Scope:
    return min((scope for scope, _ in location), key=nearness)


def _count(scope: Scope, location: Location) -> int:
    return sum(kind is scope for kind, _ in location)


def _of_role(role: Role, field: str) -> str:
    return f"{named(role)} {field} {'are' if field == 'roles' else 'is'}"


def _either(values: Iterable[Value]) -> str:
    *others, last = ((shown(value) or "absent") if isinstance(value, str) else json.dumps(value) for value in values)
    return f"{', '.join(others)} or {last}" if others else last
