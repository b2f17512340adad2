"""The world of the sandbox: districts that follow from a seed, the same to the byte every time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from app.sandbox.ids import Ids
from app.sandbox.population import Headcount, Population, population_of
from app.sandbox.records import District, School, Section, User
from app.sandbox.scenarios import Case, Cast, cast_of

R = TypeVar("R", School, Section, User)


@dataclass(frozen=True)
class World:
    """All districts, and the named cases: those of the second district are called `…_in_district_2`, and so on."""

    seed: int
    districts: Sequence[District]
    cases: Mapping[str, Case]


def generate(*, seed: int = 7, schools: int = 3, teachers: int = 40, students: int = 600, districts: int = 1) -> World:
    """Generate a world; sizes are per district, and one too small for the named cases is raised to what they need."""
    told = [(number, cast_of(Ids(seed, number))) for number in range(1, districts + 1)]
    asked = Headcount(schools, teachers, students)
    made = tuple(_district(number, cast, _beside(cast, asked)) for number, cast in told)
    return World(seed, made, dict(_named(told)))


def _beside(cast: Cast, asked: Headcount) -> Headcount:
    """Count who is left to generate; somebody has to teach those whom the cast does not."""
    return Headcount(
        schools=max(asked.schools - len(cast.schools), 0),
        teachers=max(asked.teachers - _holders(cast, "teacher"), 1),
        students=max(asked.students - _holders(cast, "student"), 0),
    )


def _holders(cast: Cast, role: str) -> int:
    return sum(user.roles.get(role) is not None for user in cast.users)


def _district(number: int, cast: Cast, size: Headcount) -> District:
    others: Population = population_of(cast.ids, cast.schools, size)
    return District(
        id=cast.ids.of("district", 0),
        number=number,
        contact=cast.ids.of("district contact", 0),
        schools=_by_id(cast.schools + others.schools),
        sections=_by_id(cast.sections + others.sections),
        users=_by_id(cast.users + others.users),
    )


def _by_id(records: Sequence[R]) -> Mapping[str, R]:
    return {record.id: record for record in records}


def _named(told: Sequence[tuple[int, Cast]]) -> Iterator[tuple[str, Case]]:
    for number, cast in told:
        for name, case in cast.cases.items():
            yield (name if number == 1 else f"{name}_in_district_{number}"), case
