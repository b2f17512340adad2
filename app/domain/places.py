"""Where a resource lies: the places that hold it, from itself to its district."""

from dataclasses import dataclass

from app.domain.facts import Facts, Role, Standing
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
    """

    id: SectionId
    district: DistrictId
    school: SchoolId | None
    students: tuple[str, ...] = ()


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

    None is returned where they do not fit together as Clever has them: a user named beside a student has to be that
    student, a contact of theirs, or to stand in a section with them. A student's other sections and schools count only
    where the student is named alone.
    """
    there: Location = frozenset().union(
        location_of_section(section) if section else (), location_of_school(school, district) if school else ()
    )
    people = [_standings(student, Role.STUDENT)] if student else []
    people += [_standings(user, *Role)] if user else []
    if section and school and section.school != school:
        return None
    if not all(_any_stands_in(standings, section, school) for standings in people):
        return None
    if student and user and not _have_to_do(student, user):
        return None
    if student:
        there |= {(Scope.STUDENT, student.user)} if there or user else location_of_student(student)
    if user:
        there |= location_of_user(user)
    return there | location_of_district(district)


def _have_to_do(student: Facts, user: Facts) -> bool:
    if user.user == student.user:
        return True
    enrolled = {section for standing in _standings(student, Role.STUDENT) for section in standing.ids(Scope.SECTION)}
    return any(
        student.user in standing.ids(Scope.STUDENT) or not enrolled.isdisjoint(standing.ids(Scope.SECTION))
        for standing in _standings(user, *Role)
    )


def _standings(person: Facts, *roles: Role) -> list[Standing]:
    return [standing for held in person.roles if held.role in roles for standing in held.standings]


def _any_stands_in(standings: list[Standing], section: Section | None, school: SchoolId | None) -> bool:
    if section and not any(section.id in standing.ids(Scope.SECTION) for standing in standings):
        return False
    return not school or any(school in {*each.ids(Scope.SCHOOL), *each.section_schools} for each in standings)
