"""The engine, in process and alone: what a decision and a permission set cost, and what others' engines cost."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

from app.domain.decision import Reason, decide
from app.domain.evaluation import access_of, permission_set
from app.domain.ids import SchoolId, SectionId
from app.domain.places import Location, Section, location_of_section
from app.domain.scopes import Scope
from app.domain.serialization import packed, unpacked
from app.main import default_policy
from app.policy_files.yaml import read_policy
from tests.bench.people import DISTRICT, SECTIONS, teacher
from tests.bench.processes import HOUSE
from tests.bench.repeats import seconds_of
from tests.bench.rivals import APART
from tests.bench.tools import reason_of
from tests.chaos.report import Figure, at_least, at_most, told, unmeasured

MANY_SECTIONS = 500
_POLICY = read_policy(default_policy())
_ME, _ANOTHER = teacher(1), teacher(2)


def main() -> Iterator[Figure]:
    """Measure, and yield what was reached."""
    yield from _decisions()
    yield from _sets()
    yield from _of_others()


def _decisions() -> Iterator[Figure]:
    """Decide on sections at hand, of a user whose access is at hand."""
    access = access_of(_ME, _POLICY)
    allowed, denied = ([*map(_location, _sections_of(number))] for number in (1, 2))

    def per_second(locations: Sequence[Location]) -> float:
        def decide_all() -> None:
            for location in locations:
                decide(access, "section:edit", location, {})

        return len(locations) / seconds_of(decide_all, times=10_000)

    assert {decide(access, "section:edit", each, {}) for each in allowed} == {Reason.GRANTED}
    assert {decide(access, "section:edit", each, {}) for each in denied} == {Reason.NOT_IN_REACH}
    yield at_least("decisions on cached access, half of them denials: a second", per_second(allowed + denied), 1e6)
    yield told("… that are granted: a second", per_second(allowed))
    yield told("… that are denied: a second", per_second(denied))


def _sections_of(number: int) -> Sequence[str]:
    return teacher(number).roles[0].ids(Scope.SECTION)


def _location(section: str) -> Location:
    school = SchoolId(teacher(1).roles[0].ids(Scope.SCHOOL)[0])
    return location_of_section(Section(SectionId(section), DISTRICT, school))


def _sets() -> Iterator[Figure]:
    large = teacher(3, sections=MANY_SECTIONS)
    kept = packed(_ME)
    typical = seconds_of(lambda: permission_set(_ME, _POLICY), times=2_000)
    anew = seconds_of(lambda: permission_set(unpacked(kept), _POLICY), times=2_000)
    huge = seconds_of(lambda: permission_set(large, _POLICY), times=50)
    yield at_most(f"facts to permission set, a teacher of {SECTIONS} sections", typical * 1e6, 50, " µs")
    yield told("… from facts as they are cached", anew * 1e6, " µs")
    yield at_most(f"facts to permission set, a teacher of {MANY_SECTIONS} sections", huge * 1e3, 1, " ms")


def _of_others() -> Iterator[Figure]:
    """Ask others' engines about the same teacher, in a process that has them."""
    question = {"user": _ME.user, "taught": _sections_of(1), "others": _sections_of(2)}
    try:
        process = subprocess.run(
            [*APART, sys.executable, "--quiet", "python", "-m", "tests.bench.rivals"],
            cwd=HOUSE,
            input=json.dumps(question),
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        yield unmeasured("pycasbin and cedarpy: decisions a second", reason_of(error))
        return
    rates: Mapping[str, float] = json.loads(process.stdout)
    for name, rate in rates.items():
        yield told(f"{name}: decisions a second", rate)
