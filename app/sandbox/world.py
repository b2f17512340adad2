"""The sandbox's districts, generated from a seed: equal seeds give equal bytes.

Each district has the people of the named cases and a generated population. Generated people never join the sections of
named cases, so a case is the same in a district of any size.
"""

import math
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import count, cycle, islice
from typing import NamedTuple, TypeAlias, TypeVar

from app.sandbox.curriculum import SUBJECTS, USUAL_DAY, courses_of, resources_of, term_of_section, terms_of
from app.sandbox.records import RESERVED_NUMBERS, Course, District, Ids, Resource, School, Section, Term, User, person
from app.sandbox.scenarios import Case, Cast, cast_of

R = TypeVar("R", School, Term, Course, Resource, Section, User)


@dataclass(frozen=True)
class World:
    """All districts, and the named cases; those of the second district are named `…_in_district_2`, and so on."""

    seed: int
    districts: Sequence[District]
    cases: Mapping[str, Case]


@dataclass(frozen=True, slots=True)
class Headcount:
    """The size of a generated population; ``sections`` is the least number of them.

    ``contacts`` is None for one of every fourth student.
    """

    schools: int
    teachers: int
    students: int
    sections: int
    contacts: int | None


@dataclass(frozen=True, slots=True)
class Population:
    """The schools, sections and users of a population, each by ascending id."""

    schools: list[School]
    sections: list[Section]
    users: list[User]


def generate(  # noqa: PLR0913  (each is a size of the world, with a default)
    *,
    seed: int = 7,
    schools: int = 3,
    teachers: int = 40,
    students: int = 600,
    sections: int = 0,
    contacts: int | None = None,
    districts: int = 1,
    today: date = USUAL_DAY,
) -> World:
    """Generate a world; sizes are per district, and include the named cases.

    Lessons follow from the number of students; if they are fewer than ``sections``, electives are added. Every fourth
    student has a contact, unless it is said how many ``contacts`` there are. Terms lie around ``today``.
    """
    casts = [(number, cast_of(Ids(seed, number))) for number in range(1, districts + 1)]
    wanted = Headcount(schools, teachers, students, sections, contacts)
    made = tuple(_district(number, cast, _beside(cast, wanted), today) for number, cast in casts)
    return World(seed, made, dict(_named(casts)))


def _beside(cast: Cast, wanted: Headcount) -> Headcount:
    """Return the size of the population to generate beside the named cases, with at least one teacher."""
    return Headcount(
        schools=max(wanted.schools - len(cast.schools), 0),
        teachers=max(wanted.teachers - _holders(cast, "teacher"), 1),
        students=max(wanted.students - _holders(cast, "student"), 0),
        sections=max(wanted.sections - len(cast.sections), 0),
        contacts=None if wanted.contacts is None else max(wanted.contacts - _holders(cast, "contact"), 0),
    )


def _holders(cast: Cast, role: str) -> int:
    return sum(user.roles.get(role) is not None for user in cast.users)


def _district(number: int, cast: Cast, size: Headcount, today: date) -> District:
    others, courses = population_of(cast.ids, cast.schools, size), courses_of(cast.ids)
    return District(
        id=cast.ids.of("district", 0),
        number=number,
        contact=cast.ids.of("district contact", 0),
        schools=_by_id(cast.schools + others.schools),
        sections=_by_id(cast.sections + others.sections),
        users=_by_id(cast.users + others.users),
        terms=_by_id(terms_of(cast.ids, today)),
        courses=_by_id(courses),
        resources=_by_id(resources_of(cast.ids, courses)),
    )


def _by_id(records: Sequence[R]) -> Mapping[str, R]:
    return {record.id: record for record in records}


def _named(casts: Sequence[tuple[int, Cast]]) -> Iterator[tuple[str, Case]]:
    for number, cast in casts:
        for name, case in cast.cases.items():
            yield (name if number == 1 else f"{name}_in_district_{number}"), case


COHORT = 25
"""The number of students who have all their lessons together."""

STUDENTS_PER_CLUB = 200
CLUB_MEMBERS = 5
CO_TAUGHT = 0.1
TEACHERS_PER_STAFF = 10
STUDENTS_PER_CONTACT = 4

_Roles: TypeAlias = dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class _Enlisted:
    """The ids of the teachers and students of sections, and of the schools where these lie."""

    campus: list[str]
    teachers: list[str]
    students: list[str]


class _Lesson(NamedTuple):
    subject: str
    name: str
    school: str
    teachers: tuple[str, ...]
    students: tuple[str, ...]


def population_of(ids: Ids, cast_schools: Sequence[School], size: Headcount) -> Population:
    """Generate people and sections for the schools of the named cases and for new ones."""
    schools = [*_schools(ids, size.schools)]
    enlisted = _Enlisted(
        campus=[school.id for school in (*cast_schools, *schools)],
        teachers=[ids.of("user", RESERVED_NUMBERS + index) for index in range(size.teachers)],
        students=[ids.of("user", RESERVED_NUMBERS + size.teachers + index) for index in range(size.students)],
    )
    sections = [*_sections(ids, enlisted, size.sections)]
    places = _schools_of(sections)
    # In the order of ids: teachers were numbered first, then students.
    roles = (*_teachers(enlisted, places), *_students(enlisted, places), *_others(enlisted, size.contacts))
    return Population(
        schools, sections, [person(ids, RESERVED_NUMBERS + index, held) for index, held in enumerate(roles)]
    )


def _schools(ids: Ids, schools: int) -> Iterator[School]:
    for number in range(RESERVED_NUMBERS, RESERVED_NUMBERS + schools):
        yield School(ids.of("school", number), ids.of("district", 0), number, f"School {number}")


def _sections(ids: Ids, enlisted: _Enlisted, at_least: int) -> Iterator[Section]:
    draw = random.Random(f"{ids.seed}/{ids.district}")
    lessons = (*_lessons(draw, enlisted), *_clubs(draw, enlisted))
    electives = _electives(random.Random(f"{ids.seed}/{ids.district}/electives"), enlisted, at_least - len(lessons))
    courses = {course.name: course.id for course in courses_of(ids)}
    for number, one in enumerate((*lessons, *electives), RESERVED_NUMBERS):
        yield Section(
            id=ids.of("section", number),
            district=ids.of("district", 0),
            number=number,
            name=one.name,
            school=one.school,
            teacher=one.teachers[0],
            teachers=one.teachers,
            students=one.students,
            term=term_of_section(ids, number),
            course=courses.get(one.subject),
            subject=SUBJECTS.get(one.subject, "other"),
        )


def _lessons(draw: random.Random, enlisted: _Enlisted) -> Iterator[_Lesson]:
    campus, teachers, students = enlisted.campus, enlisted.teachers, enlisted.students
    turn: Mapping[str, Iterator[int]] = defaultdict(count)
    for cohort, start in enumerate(range(0, len(students), COHORT)):
        learners, school = tuple(students[start : start + COHORT]), _home(campus, cohort)
        colleagues = teachers[cohort % len(campus) :: len(campus)] or teachers
        for subject in SUBJECTS:
            primary = colleagues[next(turn[school]) % len(colleagues)]
            helpers = [draw.choice(colleagues)] if draw.random() < CO_TAUGHT else []
            yield _Lesson(subject, f"{subject} {cohort}", school, tuple(dict.fromkeys((primary, *helpers))), learners)


def _clubs(draw: random.Random, enlisted: _Enlisted) -> Iterator[_Lesson]:
    """Yield lessons for students of several schools, so that some have sections at two."""
    for club in range(len(enlisted.students) // STUDENTS_PER_CLUB):
        members = tuple(sorted(draw.sample(enlisted.students, CLUB_MEMBERS)))
        teacher = draw.choice(enlisted.teachers)
        yield _Lesson("Robotics Club", f"Robotics Club {club}", draw.choice(enlisted.campus), (teacher,), members)


def _electives(draw: random.Random, enlisted: _Enlisted, count: int) -> Iterator[_Lesson]:
    """Generate more lessons of cohorts, at their own schools."""
    for elective in range(count if enlisted.students else 0):
        cohort = draw.randrange(math.ceil(len(enlisted.students) / COHORT))
        learners = tuple(enlisted.students[cohort * COHORT : (cohort + 1) * COHORT])
        teacher = draw.choice(enlisted.teachers)
        yield _Lesson("Elective", f"Elective {elective}", _home(enlisted.campus, cohort), (teacher,), learners)


def _home(campus: Sequence[str], index: int) -> str:
    return campus[index % len(campus)]


def _schools_of(sections: Sequence[Section]) -> Mapping[str, tuple[str, ...]]:
    places: dict[str, set[str]] = defaultdict(set)
    for section in sections:
        for one in (*section.taught_by, *section.students):
            places[one].add(section.school)
    return {one: tuple(sorted(schools)) for one, schools in places.items()}


def _teachers(enlisted: _Enlisted, places: Mapping[str, tuple[str, ...]]) -> Iterator[_Roles]:
    for index, teacher in enumerate(enlisted.teachers):
        school = _home(enlisted.campus, index)
        roles: _Roles = {"teacher": {"school": school, "schools": places.get(teacher, ())}}
        if index % TEACHERS_PER_STAFF == 0:
            roles["staff"] = _staff(school, "SchoolTechLead", "Department Head", "Academics")
        yield roles


def _students(enlisted: _Enlisted, places: Mapping[str, tuple[str, ...]]) -> Iterator[_Roles]:
    for index, student in enumerate(enlisted.students):
        yield {"student": {"school": _home(enlisted.campus, index // COHORT), "schools": places[student]}}


def _others(enlisted: _Enlisted, contacts: int | None) -> Iterator[_Roles]:
    for school in enlisted.campus:
        yield {"staff": _staff(school, "PortalOnly", "Principal", "Administration")}
        yield {"staff": _staff(school, "PortalOnly", "School Nurse", "Health")}
    yield {"district_admin": {"title": "Data Coordinator"}}
    usual = enlisted.students[::STUDENTS_PER_CONTACT]
    for student in usual if contacts is None else islice(cycle(enlisted.students), contacts):
        entry = {"student": student, "relationship": "Parent", "type": "Parent/Guardian"}
        yield {"contact": {"student_relationships": (entry,)}}


def _staff(school: str, role: str, title: str, department: str) -> dict[str, object]:
    return {"schools": (school,), "roles": (role,), "title": title, "department": department}
