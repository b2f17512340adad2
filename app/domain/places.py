"""Locations: the places in which a resource lies, from itself to its district."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from app.domain.facts import Facts, HeldRole, Role, SectionOf, Standing, standings_by_term
from app.domain.ids import DistrictId, SchoolId, SectionId
from app.domain.scopes import Scope

# By name, for on Python 3.11 to look a member up costs as much as to make the place.
_DISTRICT, _SCHOOL, _SECTION = Scope.DISTRICT, Scope.SCHOOL, Scope.SECTION

Place = tuple[Scope, str]
"""A scope and an id."""

Location = frozenset[Place]
"""Every place in which a resource lies; a grant on any one of them covers it."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section: where it lies, and who is in it.

    Attributes:
        school: the section's own school, which need not be that of its people; None if Clever names none.
        students: ids of the enrolled students, sorted; some may not be shared with this application.
        teachers: ids of its teachers, sorted.
        term: the id of its term; None if Clever names none.
    """

    id: SectionId
    district: DistrictId
    school: SchoolId | None
    students: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ()
    term: str | None = None


def location_of_district(district: DistrictId) -> Location:
    """Return where a district lies: in itself."""
    return frozenset({(_DISTRICT, district)})


def location_of_school(school: str, district: DistrictId) -> Location:
    """Return where a school lies: in its district."""
    return frozenset({(_SCHOOL, school), (_DISTRICT, district)})


def location_of_section(section: Section) -> Location:
    """Return where a section lies: in itself, its own school, whatever the schools of its people, and its district."""
    here = ((_SECTION, section.id), (_DISTRICT, section.district))
    return frozenset((*here, (_SCHOOL, section.school)) if section.school else here)


def location_of_student(facts: Facts) -> Location:
    """Return where a student lies: in their sections, in the schools of those and their own, and in their district."""
    enrolled = _standings(facts, Role.STUDENT)
    places = {(scope, place) for standing in enrolled for scope, ids in standing.places for place in ids}
    schools = {(_SCHOOL, school) for standing in enrolled for school in standing.section_schools}
    return frozenset({(Scope.STUDENT, facts.user), *places, *schools, (_DISTRICT, facts.district)})


def location_of_user(facts: Facts) -> Location:
    """Return where a user lies: with themselves, and in their district."""
    return frozenset({(Scope.SELF, facts.user), (_DISTRICT, facts.district)})


def location_of_resource(
    district: DistrictId,
    *,
    section: Section | None = None,
    school: SchoolId | None = None,
    student: Facts | None = None,
    user: Facts | None = None,
) -> Location | None:
    """Return the location of an application's resource that lies in all the given places, or None if they contradict.

    Places fit together if Clever's data relates them: a section lies in its school, a student is in the section and at
    the school, and a user is related to each of the others. Naming several places gives no extra rights: whatever is
    allowed then is also allowed on a resource in one of the places alone. A student's other sections and schools count
    only if the student is the only place named.

    A user is related to

    - everything in the district that they are a district admin of;
    - a student who is the user, has the user as a contact, or shares a section with them, and that student's places;
      a section with a student whose contact the user is;
    - their own sections and schools, and the sections and students of a school where they work.
    """
    there: Location = frozenset().union(
        location_of_section(section) if section else (), location_of_school(school, district) if school else ()
    )
    if section and school and section.school != school:
        return None
    if student and not _learns_in(student, section, school):
        return None
    if user and not _is_related(user, _Named(district, section, school, student)):
        return None
    if student:
        there |= {(Scope.STUDENT, student.user)} if there or user else location_of_student(student)
    if user:
        there |= location_of_user(user)
    return there | location_of_district(district)


def schools_of(person: Facts, *roles: Role) -> set[str]:
    """Return somebody's own schools and those of the sections they stand in, in some of their roles."""
    return {school for each in _standings(person, *roles) for school in (*each.ids(_SCHOOL), *each.section_schools)}


def with_sections(person: Facts, sections: Iterable[Section]) -> Facts:
    """Return facts without sections, completed by those of ``sections`` in which the person teaches or learns."""
    every = tuple(sections)
    return replace(person, roles=tuple(_in_sections(held, person.user, every) for held in person.roles))


def _in_sections(held: HeldRole, user: str, sections: Iterable[Section]) -> HeldRole:
    if held.role not in {Role.TEACHER, Role.STUDENT}:
        return held
    stood_in = [each for each in sections if user in (each.teachers if held.role is Role.TEACHER else each.students)]
    if not stood_in:
        return held
    found = [SectionOf(section.id, section.school, section.term) for section in stood_in]
    return replace(held, standings=standings_by_term(held.standings[0], found))


class _Named(NamedTuple):
    """The places named together with a user."""

    district: DistrictId
    section: Section | None
    school: SchoolId | None
    student: Facts | None


def _learns_in(student: Facts, section: Section | None, school: SchoolId | None) -> bool:
    sections, schools = _stands_in(student, Role.STUDENT)
    return (not section or section.id in sections) and (not school or school in schools)


def _is_related(user: Facts, named: _Named) -> bool:
    if any(named.district in standing.ids(_DISTRICT) for standing in _standings(user, Role.DISTRICT_ADMIN)):
        return True
    theirs = {student for standing in _standings(user, Role.CONTACT) for student in standing.ids(Scope.STUDENT)}
    if named.student and named.student.user in {user.user, *theirs}:
        return True
    sections, schools = _stands_in(user, Role.TEACHER, Role.STUDENT)
    _, at_work = _stands_in(user, Role.TEACHER, Role.STAFF)
    if named.student:
        learning_in, learning_at = _stands_in(named.student, Role.STUDENT)
        if sections.isdisjoint(learning_in) and at_work.isdisjoint(learning_at):
            return False
    if named.section and named.section.id not in sections and named.section.school not in at_work:
        # A contact is in no section and at no school.
        return not named.student and not theirs.isdisjoint(named.section.students)
    return not named.school or named.school in schools | at_work


def _stands_in(person: Facts, *roles: Role) -> tuple[set[str], set[str]]:
    """Return a person's sections, and their schools together with those of the sections."""
    sections = {section for each in _standings(person, *roles) for section in each.ids(_SECTION)}
    return sections, schools_of(person, *roles)


def _standings(person: Facts, *roles: Role) -> list[Standing]:
    return [standing for held in person.roles if held.role in roles for standing in held.standings]
