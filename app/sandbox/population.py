"""Everybody beside the cast: as many schools, teachers and students as asked for, at random but from the seed.

Nobody here ever joins a section of the cast, so a named case is the same in a district of any size.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple, TypeAlias

from app.sandbox.ids import CAST_ROOM, Ids
from app.sandbox.records import School, Section, User, person

COHORT = 25
"""Students who have all their lessons together."""

SUBJECTS = ("Math", "English", "Science", "History", "Music")
STUDENTS_PER_CLUB = 200
CLUB_MEMBERS = 5
CO_TAUGHT = 0.1
TEACHERS_PER_STAFF = 10
STUDENTS_PER_CONTACT = 4


_Roles: TypeAlias = dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Headcount:
    """How many people and schools a population has, the cast not counted."""

    schools: int
    teachers: int
    students: int


@dataclass(frozen=True, slots=True)
class _Enlisted:
    """The ids of everybody who has a place in sections, and of the schools where these may lie."""

    campus: list[str]
    teachers: list[str]
    students: list[str]


class _Lesson(NamedTuple):
    name: str
    school: str
    teachers: tuple[str, ...]
    students: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Population:
    """The schools, sections and users of a population, each by id in ascending order."""

    schools: list[School]
    sections: list[Section]
    users: list[User]


def population_of(ids: Ids, cast_schools: Sequence[School], size: Headcount) -> Population:
    """Fill the schools of the cast and new ones with people."""
    schools = [*_schools(ids, size.schools)]
    enlisted = _Enlisted(
        campus=[school.id for school in (*cast_schools, *schools)],
        teachers=[ids.of("user", CAST_ROOM + index) for index in range(size.teachers)],
        students=[ids.of("user", CAST_ROOM + size.teachers + index) for index in range(size.students)],
    )
    sections = [*_sections(ids, enlisted)]
    places = _schools_of(sections)
    # In the order of their ids: `_Enlisted` gave the numbers to teachers first, then to students.
    roles = (*_teachers(enlisted, places), *_students(enlisted, places), *_others(enlisted))
    return Population(schools, sections, [person(ids, CAST_ROOM + index, held) for index, held in enumerate(roles)])


def _schools(ids: Ids, schools: int) -> Iterator[School]:
    for number in range(CAST_ROOM, CAST_ROOM + schools):
        yield School(ids.of("school", number), ids.of("district", 0), number, f"School {number}")


def _sections(ids: Ids, enlisted: _Enlisted) -> Iterator[Section]:
    draw = random.Random(f"{ids.seed}/{ids.district}")
    lessons = (*_lessons(draw, enlisted), *_clubs(draw, enlisted))
    for number, one in enumerate(lessons, CAST_ROOM):
        section, district = ids.of("section", number), ids.of("district", 0)
        yield Section(section, district, number, one.name, one.school, one.teachers[0], one.teachers, one.students)


def _lessons(draw: random.Random, enlisted: _Enlisted) -> Iterator[_Lesson]:
    campus, teachers, students = enlisted.campus, enlisted.teachers, enlisted.students
    turn: Mapping[str, Iterator[int]] = defaultdict(count)
    for cohort, start in enumerate(range(0, len(students), COHORT)):
        learners, school = tuple(students[start : start + COHORT]), _home(campus, cohort)
        colleagues = teachers[cohort % len(campus) :: len(campus)] or teachers
        for subject in SUBJECTS:
            primary = colleagues[next(turn[school]) % len(colleagues)]
            helpers = [draw.choice(colleagues)] if draw.random() < CO_TAUGHT else []
            yield _Lesson(f"{subject} {cohort}", school, tuple(dict.fromkeys((primary, *helpers))), learners)


def _clubs(draw: random.Random, enlisted: _Enlisted) -> Iterator[_Lesson]:
    """Gather students of any school at one, so that some have sections at two."""
    for club in range(len(enlisted.students) // STUDENTS_PER_CLUB):
        members = tuple(sorted(draw.sample(enlisted.students, CLUB_MEMBERS)))
        teacher = draw.choice(enlisted.teachers)
        yield _Lesson(f"Robotics Club {club}", draw.choice(enlisted.campus), (teacher,), members)


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


def _others(enlisted: _Enlisted) -> Iterator[_Roles]:
    for school in enlisted.campus:
        yield {"staff": _staff(school, "PortalOnly", "Principal", "Administration")}
        yield {"staff": _staff(school, "PortalOnly", "School Nurse", "Health")}
    yield {"district_admin": {"title": "Data Coordinator"}}
    for student in enlisted.students[::STUDENTS_PER_CONTACT]:
        entry = {"student": student, "relationship": "Parent", "type": "Parent/Guardian"}
        yield {"contact": {"student_relationships": (entry,)}}


def _staff(school: str, role: str, title: str, department: str) -> dict[str, object]:
    return {"schools": (school,), "roles": (role,), "title": title, "department": department}
