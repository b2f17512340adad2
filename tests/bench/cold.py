"""The cold path: what a user who is not cached costs, beside the three reads of Clever that it is made of.

Sandbox, service and a bare reader are processes of their own; some users are read by the one, then by the other.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from statistics import median
from typing import Any

import httpx

from app.sandbox.world import World, generate
from tests.bench.cast import path_of
from tests.bench.cores import processor_seconds
from tests.bench.processes import Served, bare_reader, sandbox, service, settings, until_ready
from tests.bench.reads import CREDENTIAL, paths_of
from tests.chaos.report import Figure, at_most, told

SIZE: dict[str, Any] = {"schools": 20, "teachers": 700, "students": 9_000}
ROUNDS, USERS_A_ROUND = 7, 60
WARM = 60
LATE_MS, LATE_USERS = 50, 40

_Reader = Callable[[Sequence[str]], str]


def main() -> Iterator[Figure]:
    """Measure, and yield what was reached."""
    teachers = iter(_teachers(generate(**SIZE)))
    with sandbox(**SIZE) as clever, service(settings(clever)) as ours, bare_reader("reads", clever.url) as bare:
        until_ready(ours)
        yield from _processor_time(ours, bare, teachers)
        yield from _latency(clever, ours, teachers)


def _teachers(world: World) -> Sequence[str]:
    """Return the teachers who hold no other role; most teach some five sections of 25 students."""
    district = world.districts[0]
    return [user.id for user in district.users_in_role["teacher"] if set(user.roles) == {"teacher"}]


def _processor_time(ours: Served, bare: _Reader, teachers: Iterator[str]) -> Iterator[Figure]:
    with ours.asking() as asking:

        def taken(users: Sequence[str]) -> float:
            began = processor_seconds(ours.pid)
            for user in users:
                asking.get(path_of(user)).raise_for_status()
            return processor_seconds(ours.pid) - began

        def taken_bare(users: Sequence[str]) -> float:
            return float(bare(users))

        first = [*islice(teachers, WARM)]
        taken(first)
        taken_bare(first)
        both = []
        for number in range(ROUNDS):
            users = [*islice(teachers, USERS_A_ROUND)]
            order = (taken_bare, taken) if number % 2 else (taken, taken_bare)
            by_reader = {read: read(users) for read in order}
            both.append((by_reader[taken], by_reader[taken_bare]))
    mine, theirs = (median(each) / USERS_A_ROUND * 1000 for each in zip(*both, strict=True))
    yield told("processor time of three bare reads", theirs, " ms")
    yield told("processor time of a cold user", mine, " ms")
    yield at_most("processor time of a cold user / of three bare reads", median(a / b for a, b in both), 1.4)


def _latency(clever: Served, ours: Served, teachers: Iterator[str]) -> Iterator[Figure]:
    """Time cold users, and each of their reads alone, with Clever far away."""
    reads: list[tuple[float, ...]] = []
    sets: list[float] = []
    with httpx.Client(base_url=clever.url, headers=CREDENTIAL) as direct, ours.asking() as asking:
        direct.put("/_sandbox/limits", json={"delay_ms": LATE_MS}).raise_for_status()
        for user in islice(teachers, LATE_USERS):
            reads.append(tuple(_milliseconds(direct, path) for path in paths_of(user)))
            sets.append(_milliseconds(asking, path_of(user)))
    slowest = max(median(each) for each in zip(*reads, strict=True))
    yield told(f"slowest of the three reads, Clever {LATE_MS} ms away (p50)", slowest, " ms")
    yield told(f"cold permission set, Clever {LATE_MS} ms away (p50)", median(sets), " ms")
    yield at_most("cold permission set / the slowest of the three reads (p50)", median(sets) / slowest, 1.2)


def _milliseconds(client: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    client.get(path).raise_for_status()
    return (time.perf_counter() - began) * 1000
