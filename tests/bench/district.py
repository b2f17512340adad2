"""A whole district: what its load takes beside a bare reading of the same pages, and what it answers then, how fast.

The pages are at hand in memory, so that neither side waits for the sandbox to make them. Answers are timed by a client
on the processor that does not serve; wherever two of them are compared, as many requests were in flight.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import httpx

from tests.bench.cast import path_of, written
from tests.bench.cores import ASKING, processor_seconds
from tests.bench.latency import Answered, answers, for_seconds, request
from tests.bench.lists import first_page, next_page
from tests.bench.processes import (
    CREDENTIAL,
    Served,
    bare_reader,
    module,
    sandbox,
    service,
    serving,
    settings,
    until_ready,
)
from tests.bench.reads import CREDENTIAL as OF_CLEVER
from tests.chaos.report import Figure, at_most, quantile, told

SIZE = {"schools": 100, "teachers": 7_800, "students": 100_000, "sections": 25_000, "contacts": 0}
"""With two staff at each school that is 8,000 teachers and staff. Contacts add a request for each 10,000 of them."""
EVERYONE, STAFF = "everyone", "staff"
LISTS = ("schools", "sections", "users")
"""What is read of a district to load everyone."""
SEARCH = "/access/v1/search/subject"

ASKED, SEARCHED, CACHED, PARTS = 10_000, 1_000, 1_000, 10
IN_FLIGHT = 32
IDLE_SECONDS, SLICE_SECONDS = 3.0, 0.5
ROUNDS = 3

MOST_REQUESTS = {EVERYONE: 20, STAFF: 10}
MOST_MB = {EVERYONE: 150, STAFF: 40}
_MB = 1_000_000
_LOADED_WITHIN = 300
_FORGET_MOST = "5"  # sets VmHWM to what is resident now; see proc_pid_clear_refs(5)
_LOOK = 0.1

Reader = Callable[[Sequence[str]], str]


class Load(NamedTuple):
    """A load.

    Attributes:
        began: when, in Unix seconds.
        ended: likewise.
        processor: seconds of the processor while it lasted.
        users: how many were loaded.
    """

    began: float
    ended: float
    processor: float
    users: int

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began

    def during(self, answered: Sequence[Answered]) -> list[float]:
        """Return how many milliseconds those answers took that were waited for while it lasted."""
        return [each.ms for each in answered if each.at > self.began and each.at - each.ms / 1000 < self.ended]


class Loaded:
    """A service that loads the one district of a sandbox."""

    def __init__(self, served: Served, district: str) -> None:
        self._served = served
        self._path = f"/v1/districts/{district}/load"

    def load(self, meanwhile: Callable[[], object] = lambda: time.sleep(_LOOK)) -> Load:
        """Load the district, and do something again and again until it is loaded."""
        until, worked = time.monotonic() + _LOADED_WITHIN, processor_seconds(self._served.pid)
        with self._served.asking() as asking:
            asking.post(self._path).raise_for_status()
            while True:
                meanwhile()
                said = asking.get(self._path).raise_for_status().json()
                if said["status"] == "failed" or time.monotonic() > until:
                    raise RuntimeError(f"the district was not loaded: {said['last_error'] or said['status']}")
                if said["ended_at"] is not None:
                    taken = processor_seconds(self._served.pid) - worked
                    return Load(_unix(said["started_at"]), _unix(said["ended_at"]), taken, said["records"]["users"])


def main() -> Iterator[Figure]:
    """Measure, and yield what was reached."""
    with sandbox(**SIZE) as clever:
        world = _world(clever)
        with service(settings(clever, **_loading(STAFF))) as ours:
            until_ready(ours)
            yield from _first_load(ours, clever, world, STAFF)
        with service(settings(clever, **_loading(EVERYONE))) as ours:
            until_ready(ours)
            empty = memory(ours.pid, "VmRSS")
            yield from _first_load(ours, clever, world, EVERYONE)
            yield from _load_again(ours, world, empty)
            yield from _questions(ours, clever, world)
        with (
            serving(module("remembered", clever.url), cores=(ASKING,)) as pages,
            bare_reader("lists", pages.url) as bare,
            service(settings(pages, **_loading(EVERYONE))) as ours,
        ):
            until_ready(ours)
            yield from _load_time(Loaded(ours, world.district), bare)
            yield from _meanwhile(ours, world)


class _World(NamedTuple):
    district: str
    users: Sequence[str]
    sections: Sequence[str]


def _world(clever: Served) -> _World:
    """Return the district, ids of its users, the teachers first, and ids of its sections."""
    with httpx.Client(base_url=clever.url, headers=OF_CLEVER, timeout=60) as client:
        teachers, users, sections = (_read(client, each) for each in ("users?role=teacher", "users", "sections"))
    ids = dict.fromkeys(each["id"] for each in (*teachers, *users))
    return _World(
        sections[0]["district"], [*ids][:ASKED], [each["id"] for each in sections[:: len(sections) // SEARCHED]]
    )


def _read(client: httpx.Client, of: str) -> list[dict[str, Any]]:
    at: str | None = first_page(of)
    records = []
    while at is not None:
        page = client.get(at).raise_for_status().json()
        records += [entry["data"] for entry in page["data"]]
        at = next_page(page)
    return records


def _loading(whom: str) -> dict[str, str]:
    # Nothing happens in the district; to look for events now and then would only be counted.
    return {"ROSTERGUARD_LOAD_WHOM": whom, "ROSTERGUARD_EVENTS_SECONDS": "300"}


def _first_load(ours: Served, clever: Served, world: _World, whom: str) -> Iterator[Figure]:
    """Load a district in a process that knows nothing yet."""
    empty = memory(ours.pid, "VmRSS")
    _forget_requests(clever)
    load = Loaded(ours, world.district).load()
    # Once it is loaded the service asks whether there are newer events.
    requests = sum(_requests(clever, but="/events").values()) + 1
    yield at_most(f"requests to Clever to load {load.users:,} users, {whom}", requests, MOST_REQUESTS[whom])
    taken, most = memory(ours.pid, "VmRSS") - empty, memory(ours.pid, "VmHWM") - empty
    yield at_most(f"resident beyond the empty process, {whom}", taken / _MB, MOST_MB[whom], " MB")
    yield told(f"… at most while it was loaded, {whom}", most / _MB, " MB")
    if whom is EVERYONE:
        yield told("resident beyond the empty process, for each user", taken / load.users, " bytes")


def _load_again(ours: Served, world: _World, empty: int) -> Iterator[Figure]:
    """Load a loaded district once more, as happens each day: for a while the old one and the new one are held."""
    Path(f"/proc/{ours.pid}/clear_refs").write_text(_FORGET_MOST, encoding="ascii")
    load = Loaded(ours, world.district).load()
    after, most = (memory(ours.pid, what) - empty for what in ("VmRSS", "VmHWM"))
    yield at_most(f"resident after {load.users:,} users were loaded again", after / _MB, MOST_MB[EVERYONE], " MB")
    yield told("… at most while they were", most / _MB, " MB")


def memory(pid: int, what: str) -> int:
    """Return bytes of memory of a process, by the name that Linux has for them; see proc_pid_status(5)."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{what}:"))


def _forget_requests(clever: Served) -> None:
    httpx.delete(f"{clever.url}/_sandbox/requests", timeout=60).raise_for_status()


def _requests(clever: Served, but: str) -> dict[str, int]:
    """Return how many requests Clever has had, by path, but for paths that end so."""
    counted: dict[str, int] = httpx.get(f"{clever.url}/_sandbox/requests", timeout=60).json()["requests"]
    return {path: times for path, times in counted.items() if not path.endswith(but)}


def _questions(ours: Served, clever: Served, world: _World) -> Iterator[Figure]:
    """Ask about users whom nobody has asked about yet, about the same once more, and who may view sections."""
    sets = [request("GET", path_of(user), CREDENTIAL) for user in world.users]
    searches = [request("POST", SEARCH, CREDENTIAL, written(viewers_of(section))) for section in world.sections]
    _forget_requests(clever)
    times = []
    for number in range(PARTS):
        some = sets[number::PARTS]
        times.append([_p50(answers(ours.url, each, IN_FLIGHT)) for each in (some, some, searches[number::PARTS])])
    requests = sum(_requests(clever, but="/events").values())
    yield at_most(f"requests to Clever for {len(sets):,} users and {len(searches):,} searches", requests, 0)
    yield told(f"a cached permission set, {IN_FLIGHT} in flight (p50)", median(cached for _, cached, _ in times), " ms")
    first = median(first / cached for first, cached, _ in times)
    yield at_most(f"the first one of each of {len(sets):,} users / a cached one (p50)", first, 3)
    search = median(search / cached for _, cached, search in times)
    yield at_most("who may view a section / a cached permission set (p50)", search, 5)


def viewers_of(section: str) -> dict[str, Any]:
    """Ask who may view a section, as the standard has it."""
    return {
        "subject": {"type": "user"},
        "action": {"name": "view"},
        "resource": {"type": "section", "id": section},
    }


def _p50(answered: Sequence[Answered]) -> float:
    return median(each.ms for each in answered)


def _load_time(ours: Loaded, bare: Reader) -> Iterator[Figure]:
    """Load, and read the same pages into nothing, by turns; each does both once before that."""
    ours.load()
    bare(LISTS)
    both = []
    for number in range(ROUNDS):
        if number % 2:
            theirs, mine = json.loads(bare(LISTS)), ours.load()
        else:
            mine, theirs = ours.load(), json.loads(bare(LISTS))
        both.append((mine, theirs))
    load, reading = both[0]
    yield told(
        f"a bare reading of the same {reading['pages']:.0f} pages", median(bare["seconds"] for _, bare in both), " s"
    )
    yield told("a load", median(load.seconds for load, _ in both), " s")
    yield at_most("a load / a bare reading", median(load.seconds / bare["seconds"] for load, bare in both), 3)
    of_processor = median(load.processor / bare["processor"] for load, bare in both)
    yield at_most("processor time of a load / of a bare reading", of_processor, 3)
    of_user = min(load.processor for load, _ in both) / load.users
    yield told("processor time of a load, for each user", of_user * 1e6, " µs")


def _meanwhile(ours: Served, world: _World) -> Iterator[Figure]:
    """Ask about cached users while nothing else happens, and while the district is loaded, by turns."""
    sets = [request("GET", path_of(user), CREDENTIAL) for user in world.users[:CACHED]]
    answers(ours.url, sets, IN_FLIGHT)
    for in_flight, rounds in ((IN_FLIGHT, 1), (1, ROUNDS)):
        both = []
        for _ in range(rounds):
            idle = [each.ms for each in answers(ours.url, for_seconds(IDLE_SECONDS, cycle(sets)), in_flight)]
            taken = list[Answered]()
            load = Loaded(ours, world.district).load(partial(_ask_a_while, ours, sets, in_flight, taken))
            both.append((quantile(idle, 0.99), quantile(load.during(taken), 0.99)))
        alone, meanwhile = (median(each) for each in zip(*both, strict=True))
        yield told(f"a cached permission set, {in_flight} in flight (p99)", alone, " ms")
        yield told(f"… while the district is loaded, {in_flight} in flight (p99)", meanwhile, " ms")
        ratio = median(busy / idle for idle, busy in both)
        yield at_most(f"… while the district is loaded / while it is not, {in_flight} in flight (p99)", ratio, 3)


def _ask_a_while(ours: Served, sets: Sequence[bytes], in_flight: int, taken: list[Answered]) -> None:
    taken += answers(ours.url, for_seconds(SLICE_SECONDS, cycle(sets)), in_flight)


def _unix(said: str) -> float:
    return datetime.fromisoformat(said).timestamp()
