"""What a cached user takes in memory, and how long the garbage collector pauses over a hundred thousand of them."""

import json
import subprocess
from collections.abc import Iterator, Mapping

from tests.bench.cores import ASKING, SERVING, pinned
from tests.bench.filling import WARM
from tests.bench.people import SCHOOLS, SECTIONS
from tests.bench.processes import HOUSE, module
from tests.chaos.report import Figure, at_most, told
from tests.conftest import CLEAN

USERS = 100_000
TRACED = USERS // 8
"""Tracing is slow. An eighth leaves hash tables about as full as all of them do, for these double in size."""

_MIB = 1024 * 1024

MOST_BYTES, MOST_MS = 900, 100


def main() -> Iterator[Figure]:
    """Measure, on both processors at once, and yield what was reached."""
    with _filling(SERVING, USERS) as resident, _filling(ASKING, TRACED, "traced") as traced:
        yield from _figures(_told(resident), _told(traced))


def _filling(core: int, *said: object) -> "subprocess.Popen[str]":
    command = pinned(module("filling", *said), core)
    return subprocess.Popen(command, cwd=HOUSE, env=CLEAN, stdout=subprocess.PIPE, text=True)


def _told(process: "subprocess.Popen[str]") -> Mapping[str, float]:
    said: Mapping[str, float] = json.loads(process.communicate()[0])
    return said


def _figures(resident: Mapping[str, float], traced: Mapping[str, float]) -> Iterator[Figure]:
    user = f"a cached user of {SECTIONS} sections and {SCHOOLS} schools"
    yield told(f"resident with {WARM:,} of them, which fill all that is bounded", resident["before"] / _MIB, " MiB")
    base = resident["before"] - WARM * (resident["beyond"] + resident["rendered"])
    yield told("… with none of them, by what they take", base / _MIB, " MiB")
    yield told(f"rendered answer of {user}", resident["rendered"], " bytes")
    yield at_most(f"{user}, beyond that, of {USERS:,} more: resident", resident["beyond"], MOST_BYTES, " bytes")
    yield at_most(f"{user}, beyond that, of {TRACED:,} more: traced", traced["beyond"], MOST_BYTES, " bytes")
    yield at_most(f"longest pause of the collector while these {USERS:,} come", resident["filling_ms"], MOST_MS, " ms")
    yield at_most("pause of a full collection afterwards", resident["full_ms"], MOST_MS, " ms")
