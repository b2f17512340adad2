"""Where a resource lies: the places that hold it, from itself to its district."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import DistrictId, SchoolId, SectionId
from app.domain.scopes import Scope

Place = tuple[Scope, str]
"""A kind of place and its id."""

Location = frozenset[Place]
"""Every place in which something lies; a grant on any one of them covers it."""


@dataclass(frozen=True, slots=True)
class Section:
    """What Clever says of one section, cut down to where it lies and who stands in it.

    Attributes:
        school: the school of the section itself, which need not be that of its people; None where Clever names none.
        students: ids of those enrolled, sorted; some may not be shared with this application.
        teachers: ids of those who teach it, sorted.
    """

    id: SectionId
    district: DistrictId
    school: SchoolId | None
    students: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ()


def location_of_district(district: DistrictId) -> Location:
    """Return where a district lies: in itself."""
    return frozenset({(Scope.DISTRICT, district)})


def location_of_school(school: str, district: DistrictId) -> Location:
    """Return where a school lies: in its district."""
    return frozenset({(Scope.SCHOOL, school), (Scope.DISTRICT, district)})


def location_of_section(section: Section) -> Location:
    """Return where a section lies: in its own school, whatever the schools of its people, and in its district."""
    schools = {(Scope.SCHOOL, section.school)} if section.school else set()
    return frozenset({(Scope.SECTION, section.id), *schools, (Scope.DISTRICT, section.district)})


def location_of_student(facts: Facts) -> Location:
    """Return where a student lies: in their sections, in the schools of those and their own, and in their district."""
    enrolled = _standings(facts, Role.STUDENT)
    places = {(scope, place) for standing in enrolled for scope, ids in standing.places for place in ids}
    schools = {(Scope.SCHOOL, school) for standing in enrolled for school in standing.section_schools}
    return frozenset({(Scope.STUDENT, facts.user), *places, *schools, (Scope.DISTRICT, facts.district)})


def location_of_user(facts: Facts) -> Location:
    """Return where a user lies: with themselves, and in their district."""
    return frozenset({(Scope.SELF, facts.user), (Scope.DISTRICT, facts.district)})


def location_of_named(
    district: DistrictId,
    *,
    section: Section | None = None,
    school: SchoolId | None = None,
    student: Facts | None = None,
    user: Facts | None = None,
) -> Location | None:
    """Return where a thing of the application's lies that is said to lie in all the places given, or None.

    None is returned where they do not fit together as Clever has them: a section lies in its school, a student stands
    in section and school, and a user has to do with each of the others. That they fit says only that they do not
    contradict one another, and gives nothing: whatever is allowed on a thing that lies in several places is allowed on
    one that lies in one of them alone. A student's other sections and schools count only where the student is named
    alone.

    A user has to do with

    - all of the district that they are a district admin of;
    - a student who they are, whom they are a contact of or with whom they stand in a section, and what is named of that
      student's; a section with a student whom they are a contact of;
    - the sections and schools that they stand in, and the sections and students of a school that they work at.
    """
    there: Location = frozenset().union(
        location_of_section(section) if section else (), location_of_school(school, district) if school else ()
    )
    if section and school and section.school != school:
        return None
    if student and not _learns_in(student, section, school):
        return None
    if user and not _has_to_do(user, _Named(district, section, school, student)):
        return None
    if student:
        there |= {(Scope.STUDENT, student.user)} if there or user else location_of_student(student)
    if user:
        there |= location_of_user(user)
    return there | location_of_district(district)


def with_sections(person: Facts, sections: Iterable[Section]) -> Facts:
    """Return facts that lack sections completed by those of these in which the person teaches or learns."""
    every = tuple(sections)
    return replace(person, roles=tuple(_in_sections(held, person.user, every) for held in person.roles))


def _in_sections(held: HeldRole, user: str, sections: Iterable[Section]) -> HeldRole:
    if held.role not in {Role.TEACHER, Role.STUDENT}:
        return held
    stood_in = [each for each in sections if user in (each.teachers if held.role is Role.TEACHER else each.students)]
    if not stood_in:
        return held
    ids = tuple(sorted(section.id for section in stood_in))
    schools = tuple(sorted({section.school for section in stood_in if section.school}))
    standings = (
        replace(standing, places=(*standing.places, (Scope.SECTION, ids)), section_schools=schools)
        for standing in held.standings
    )
    return replace(held, standings=tuple(standings))


class _Named(NamedTuple):
    """What a user is named beside."""

    district: DistrictId
    section: Section | None
    school: SchoolId | None
    student: Facts | None


def _learns_in(student: Facts, section: Section | None, school: SchoolId | None) -> bool:
    sections, schools = _stands_in(student, Role.STUDENT)
    return (not section or section.id in sections) and (not school or school in schools)


def _has_to_do(user: Facts, named: _Named) -> bool:
    if any(named.district in standing.ids(Scope.DISTRICT) for standing in _standings(user, Role.DISTRICT_ADMIN)):
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
        # A contact stands in no section, nor in a school.
        return not named.student and not theirs.isdisjoint(named.section.students)
    return not named.school or named.school in schools | at_work


def _stands_in(person: Facts, *roles: Role) -> tuple[set[str], set[str]]:
    """Return the sections that somebody stands in, and the schools of these and their own."""
    standings = _standings(person, *roles)
    sections = {section for each in standings for section in each.ids(Scope.SECTION)}
    return sections, {school for each in standings for school in (*each.ids(Scope.SCHOOL), *each.section_schools)}


def _standings(person: Facts, *roles: Role) -> list[Standing]:
    return [standing for held in person.roles if held.role in roles for standing in held.standings]
