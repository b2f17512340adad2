"""`make capacity`: what districts and their users cost in requests to Clever, processors, memory and Redis.

It is worked out by `plan` from what `make bench` wrote beside this file: for some sizes up to all of Clever, or for as
many districts and users as are named.
"""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from tests.bench.assumptions import Assumptions, Measured, Size
from tests.bench.capacity_report import report
from tests.bench.plan import planned

FIGURES = Path(__file__).parent / "figures.json"

_USER = "a cached user of 6 sections and 2 schools"
CHOSEN: Mapping[str, tuple[str, str, float]] = {
    "questions": ("hot", "ours, with a proxy's head: requests a second", 1),
    "cold": ("redis", "processor time of a user who is read for all", 1e-3),
    "found": ("redis", "processor time of a user who is found in Redis", 1e-3),
    "process": ("memory", "… with none of them, by what they take", 1 << 20),
    "beyond": ("memory", f"{_USER}, beyond that, of 100,000 more: resident", 1),
    "rendered": ("memory", f"rendered answer of {_USER}", 1),
    "redis_cold": ("redis", "processor time of a user who is read for all, of Redis", 1e-3),
    "redis_found": ("redis", "processor time of a user who is found in Redis, of Redis", 1e-3),
    "redis_user": ("redis", "memory of Redis for a user", 1),
    "load_user": ("district", "processor time of a load, for each user", 1e-6),
    "loaded_user": ("district", "resident beyond the empty process, for each user", 1),
}
"""Of each figure that is needed: its part, its words, and its unit in seconds or bytes."""

_SCHOOLS, _STUDENTS, _LARGEST = 100_000, 25_000_000, 1_000_000
_SCHOOLS_A_DISTRICT, _ADULTS_A_STUDENT = 7.5, 0.12
SIZES = (
    Size("1 district of 1,000", 1, 1_000, 1_000),
    Size("10 of 5,000", 10, 50_000, 5_000),
    Size("100 of 10,000", 100, 1_000_000, 10_000),
    Size("1,000 of 10,000", 1_000, 10_000_000, 10_000),
    Size("all of Clever", round(_SCHOOLS / _SCHOOLS_A_DISTRICT), round(_STUDENTS * (1 + _ADULTS_A_STUDENT)), _LARGEST),
)
_READS = "requests for a user: 3; what decisions ask about, up to one a section and fresh time, is not counted"
_ALL_OF_CLEVER = (
    f"all of Clever: {_SCHOOLS:,} schools and {_STUDENTS:,} students; {_SCHOOLS_A_DISTRICT} schools a district, "
    f"{_ADULTS_A_STUDENT} teachers and staff a student, {_LARGEST:,} users in the largest district"
)


class Missing(Exception):
    """A figure that is needed and was not measured."""


def measured_in(parts: Mapping[str, Sequence[Mapping[str, Any]]]) -> Measured:
    """Return what a plan needs of the figures that `make bench` writes; raises ``Missing``."""
    found = {}
    for name, (part, words, unit) in CHOSEN.items():
        reached = next((each["reached"] for each in parts.get(part, ()) if each["what"] == words), None)
        if reached is None:
            raise Missing(f"the part {part} has no figure “{words}”: measure with make bench")
        found[name] = reached * unit
    return Measured(**found)


def _read(arguments: Sequence[str]) -> Namespace:
    parser = ArgumentParser(prog="python -m tests.bench.capacity", description=__doc__)
    parser.add_argument("--figures", type=Path, default=FIGURES, help="the file with what was measured")
    parser.add_argument("--districts", type=int, default=1, help="how many districts")
    parser.add_argument("--users", type=int, help="how many users they have in all")
    parser.add_argument("--largest", type=int, help="how many users the largest of them has, where they are not alike")
    for each in fields(Assumptions):
        name = f"--{each.name.replace('_', '-')}"
        parser.add_argument(name, type=type(each.default), default=each.default, help=each.metadata["is"])
    said = parser.parse_args(arguments)
    if mistake := _mistake(said):
        parser.error(mistake)
    return said


def _mistake(said: Namespace) -> str:
    if not (0 < said.active <= 1 and 0 <= said.headroom < 1):
        return "--active is above 0 and at most 1, --headroom at least 0 and below 1"
    if min(getattr(said, each.name) for each in fields(Assumptions) if each.name != "headroom") <= 0:
        return "what is assumed is above 0"
    if said.users is None:
        return "--districts and --largest go with --users" if said.districts != 1 or said.largest else ""
    largest, others = said.largest or said.users / said.districts if said.districts > 0 else 0, said.districts - 1
    is_possible = others >= 0 and said.users >= said.districts and largest * said.districts >= said.users
    return "" if is_possible and largest <= said.users - others else "districts cannot have so many users"


def _sizes(said: Namespace) -> Sequence[Size]:
    if said.users is None:
        return SIZES
    largest = said.largest or said.users / said.districts
    return [Size(f"{said.districts:,} of {said.users:,} in all", said.districts, said.users, largest)]


def main(arguments: Sequence[str]) -> int:
    """Print the report, and return the exit code: 2 where a figure is not there."""
    said = _read(arguments)
    try:
        measured = json.loads(said.figures.read_text(encoding="utf-8"))
        known = measured_in(measured["figures"])
    except FileNotFoundError:
        print("nothing has been measured yet: measure with make bench", file=sys.stderr)
        return 2
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 2
    given = Assumptions(**{each.name: getattr(said, each.name) for each in fields(Assumptions)})
    plans = [planned(size, given, known) for size in _sizes(said)]
    source = f"{measured['machine']}, {measured['date']}"
    print(report(plans, given, known, source, _READS, *(() if said.users else (_ALL_OF_CLEVER,))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
