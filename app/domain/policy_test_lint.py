"""Mistakes in a policy test as a whole: questions that no request can ask, and data that Clever cannot send."""

from collections.abc import Iterator, Mapping

from app.domain.decision import SCOPE_OF
from app.domain.errors import Mistake
from app.domain.facts import Role
from app.domain.fields import DOCUMENTED, nearest, spellings
from app.domain.places import location_of_student
from app.domain.policy import Policy
from app.domain.policy_test_places import known_person, known_section
from app.domain.policy_test_schema import CaseFile, Resource, RoleFacts
from app.domain.scopes import CLEVER_TYPES
from app.domain.text import normal

Path = tuple[str | int, ...]

_HOLDS: Mapping[str, tuple[str, ...]] = {
    "district": (),
    "school": ("district",),
    "section": ("district", "school"),
    "student": ("district", "school", "section"),
    "user": ("district",),
}
"""The other kinds of place in which a resource of each of Clever's types lies."""


def mistakes_in(case: CaseFile, policy: Policy) -> Iterator[Mistake]:
    """Yield every mistake in a case as a whole and with its policy."""
    yield from _undocumented(("facts", "roles"), case.facts.roles, case, policy)
    for user, roles in case.people.items():
        if user == case.facts.user:
            yield Mistake(("people", user), "this is the user whose facts stand above")
        yield from _undocumented(("people", user), roles, case, policy)
    terms = case.facts.calendar.terms if case.facts.calendar else {}
    for named, section in case.sections.items():
        if section.term is not None and section.term not in terms:
            yield Mistake(("sections", named, "term"), "the calendar under facts names no such term")
    for number, question in enumerate(case.questions or ()):
        path: Path = ("questions", number)
        if "role_context" in question.context:
            yield Mistake((*path, "context", "role_context"), "say it as the question's role")
        resource, kind = question.resource, policy.type_of(question.resource.type)
        of_kind = _of_clevers(kind, resource, case) if kind in CLEVER_TYPES else _of_the_applications(resource, policy)
        yield from (Mistake((*path, "resource", *each.path), each.message) for each in of_kind)


def _of_clevers(kind: str, resource: Resource, case: CaseFile) -> Iterator[Mistake]:
    """Yield places that Clever cannot give a resource of one of its types."""
    own = (resource.id,) if resource.id else getattr(resource.places, kind)
    for other in SCOPE_OF:
        named = getattr(resource.places, other)
        if other != kind and other not in _HOLDS[kind] and named:
            yield Mistake(("in", other), f"a {kind} lies in no {other}")
        elif len(named) > 1 and (kind != "student" or other in (kind, "district")):
            yield Mistake(("in", other), f"a {kind} lies in one {other}")
        elif other == kind and named and named != own:
            yield Mistake(("in", other), f"this is another {kind} than the one asked about")
    section = known_section(own[0], case) if own and kind == "section" else None
    if section and resource.places.school and resource.places.school != (section.school,):
        yield Mistake(("in", "school"), "the case names another school for it under sections")
    student = known_person(own[0], case) if own and kind == "student" else None
    if student:
        there = location_of_student(student)
        for other in ("school", "section"):
            if any((SCOPE_OF[other], place) not in there for place in getattr(resource.places, other)):
                yield Mistake(("in", other), "the case says something else of this student under people or facts")


def _of_the_applications(resource: Resource, policy: Policy) -> Iterator[Mistake]:
    """Yield places that a request cannot give a resource of the application's.

    For a request the service looks up the place that a property names; in a case such a resource would lie nowhere.
    """
    places = resource.places
    for key, value in resource.properties.items():
        if (kind := policy.type_of(key)) not in CLEVER_TYPES:
            continue
        if not resource.says_where:
            message = f"properties only feed conditions here: say with in: {{{kind}: …}} where this lies"
            yield Mistake(("properties", key), message)
        elif value is not None and value not in getattr(places, kind):
            yield Mistake(
                ("properties", key), f"in a request this property says where it lies, but in names no such {kind}"
            )
    for kind in SCOPE_OF:
        if len(getattr(places, kind)) > 1 and not (kind in ("school", "section") and _of_one_student(resource)):
            yield Mistake(
                ("in", kind), f"a request names one {kind}; only for one student, named alone, can there be several"
            )
    yield from _read_by_conditions(resource, policy)


def _of_one_student(resource: Resource) -> bool:
    return len(resource.places.student) == 1 and not resource.places.user


def _read_by_conditions(resource: Resource, policy: Policy) -> Iterator[Mistake]:
    read = {
        key.partition(".")[2]
        for clauses in policy.clauses.values()
        for clause in clauses
        if clause.condition
        for key in clause.condition.keys
        if key.startswith("resource.")
    }
    for key in sorted(read - resource.properties.keys()):
        if (kind := policy.type_of(key)) in CLEVER_TYPES and len(getattr(resource.places, kind)) == 1:
            message = f"a condition reads resource.{key}: say it in properties, too, as a request would"
            yield Mistake(("in", kind), message)


def _undocumented(path: Path, roles: RoleFacts, case: CaseFile, policy: Policy) -> Iterator[Mistake]:
    """Yield values that neither Clever documents nor the policy names: they are usually misspelt."""
    for entry, value in enumerate(roles.staff.roles if roles.staff else ()):
        yield from _unless_known((*path, "staff", "roles", entry), value, case, _named(policy, Role.STAFF, "roles"))
    for entry, each in enumerate(roles.contact or ()):
        for field, value in (("type", each.type), ("relationship", each.relationship)):
            yield from _unless_known((*path, "contact", entry, field), value, case, _named(policy, Role.CONTACT, field))


def _named(policy: Policy, role: Role, field: str) -> frozenset[str]:
    conditions = (each for statement in policy.file.statements(role) for each in (statement.when, statement.unless))
    values = (value for each in conditions for value in each.get(field, ()))
    return frozenset(normal(value) for value in values if isinstance(value, str))


def _unless_known(path: Path, value: str, case: CaseFile, named: frozenset[str]) -> Iterator[Mistake]:
    field = "roles" if "roles" in path[-2:] else str(path[-1])
    meant = named | {normal(each) for each in case.undocumented}
    if normal(value) and normal(value) not in DOCUMENTED[field] | meant:
        near = f" (did you mean {found}?)" if (found := nearest(field, value)) else ""
        message = f"Clever documents no {value!r}{near}, and no condition of the policy names it. Documented are "
        message += f"{', '.join(spellings(field))}; if you mean another value, list it under undocumented"
        yield Mistake(path, message)
