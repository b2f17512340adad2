"""What Redis costs: a user whom another process has read, beside one in memory; its end; and how soon events arrive."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import cycle, islice
from statistics import median
from threading import Thread
from typing import Any

import httpx

from app.sandbox.world import generate
from tests.bench.cast import path_of
from tests.bench.cores import ASKING, SERVING, processor_seconds
from tests.bench.processes import Served, sandbox, service, settings, until_ready
from tests.chaos.report import Figure, at_most, told
from tests.valkey import Valkey, valkey

SIZE: dict[str, Any] = {"schools": 20, "teachers": 700, "students": 9_000}
USERS, WARM = 300, 50
IN_MID_RUN, ASKED_MEANWHILE = 200, 1_500
CHANGED = 15

_LOOK = 0.1


def main() -> Iterator[Figure]:
    """Measure, and yield what was reached."""
    teachers = [user.id for user in generate(**SIZE).districts[0].users_in_role["teacher"]][: USERS + WARM]
    with sandbox(**SIZE) as clever, valkey() as redis:
        shared = settings(clever, ROSTERGUARD_REDIS_URL=redis.url)
        with service(shared, cores=(ASKING,)) as other, service(shared, cores=(SERVING,)) as ours:
            until_ready(other)
            until_ready(ours)
            yield from _hits(other, ours, redis, teachers)
            yield from _ended(ours, redis, teachers)
    with sandbox(**SIZE) as clever, valkey() as redis:
        following = settings(clever, ROSTERGUARD_REDIS_URL=redis.url, ROSTERGUARD_EVENTS_SECONDS="1")
        with service(following, cores=(ASKING,)) as other, service(following, cores=(SERVING,)) as ours:
            until_ready(other)
            until_ready(ours)
            yield from _changes(clever, (other, ours), teachers)


def _changes(clever: Served, replicas: Sequence[Served], users: Sequence[str]) -> Iterator[Figure]:
    """Delete users at Clever one by one, and see how long after the first replica the other answers by that."""
    with httpx.Client(base_url=clever.url, timeout=60) as changing, ExitStack() as stack:
        asking = [stack.enter_context(each.asking()) for each in replicas]
        district = f"/v1/districts/{asking[0].get('/v1/districts').json()['districts'][0]['district']}"
        asking[0].post(f"{district}/load").raise_for_status()
        for each in asking:
            while each.get(district).raise_for_status().json()["mode"] != "following":
                time.sleep(_LOOK)
        apart = []
        for user in users[:CHANGED]:
            changing.delete(f"/_sandbox/users/{user}").raise_for_status()
            gone: dict[httpx.Client, float] = {}
            while len(gone) < len(asking):
                for each in asking:
                    if each not in gone and each.get(path_of(user)).status_code == httpx.codes.NOT_FOUND:
                        gone[each] = time.perf_counter()
            first, last = sorted(gone.values())
            apart.append((last - first) * 1000)
    yield at_most("an event that one replica has seen, until the other answers by it (p50)", median(apart), 50, " ms")


def _hits(other: Served, ours: Served, redis: Valkey, users: Sequence[str]) -> Iterator[Figure]:
    """Have another process read users; then ask ours, which finds them in Redis, and once more from its memory."""
    with other.asking() as snapshot, ours.asking() as asking:
        for user in users[:WARM]:
            snapshot.get(path_of(user)).raise_for_status()
            asking.get(path_of(user)).raise_for_status()
        before, taken = _memory(redis), _Taken(other, redis)
        for user in users[WARM:]:
            snapshot.get(path_of(user)).raise_for_status()
        yield from taken.told_of("a user who is read for all")
        yield told("memory of Redis for a user", (_memory(redis) - before) / len(users[WARM:]), " bytes")
        taken = _Taken(ours, redis)
        far = [_milliseconds(asking, user) for user in users[WARM:]]
        yield from taken.told_of("a user who is found in Redis")
        near = [_milliseconds(asking, user) for user in users[WARM:]]
    assert len(redis.names()) >= len(users)
    values = [len(text) for text in redis.texts()]
    yield told("a value and its name in Redis", sum(values) / len(redis.names()), " bytes")
    yield told("a user in memory (p50)", median(near), " ms")
    yield at_most("a user in Redis, beyond that (p50)", median(far) - median(near), 1, " ms")


class _Taken:
    """Processor time of a service and of Redis, from when this is made, for each of the users."""

    def __init__(self, service: Served, redis: Valkey) -> None:
        self._pids = {"": service.pid, ", of Redis": redis.client.info("server")["process_id"]}
        self._began = {whose: processor_seconds(pid) for whose, pid in self._pids.items()}

    def told_of(self, user: str) -> Iterator[Figure]:
        for whose, pid in self._pids.items():
            taken = (processor_seconds(pid) - self._began[whose]) / USERS
            yield told(f"processor time of {user}{whose}", taken * 1000, " ms")


def _memory(redis: Valkey) -> int:
    used: int = redis.client.info("memory")["used_memory"]
    return used


def _milliseconds(client: httpx.Client, user: str) -> float:
    began = time.perf_counter()
    client.get(path_of(user)).raise_for_status()
    return (time.perf_counter() - began) * 1000


def _ended(ours: Served, redis: Valkey, users: Sequence[str]) -> Iterator[Figure]:
    """Kill Redis while users are asked for, every tenth of whom has to be read anew."""
    statuses: Counter[int] = Counter()
    ending = Thread(target=redis.kill)
    with ours.asking() as asking:
        for number, user in enumerate(islice(cycle(users), ASKED_MEANWHILE)):
            if number == IN_MID_RUN:
                ending.start()
            anew = {} if number % 10 else {"Cache-Control": "max-age=0"}
            statuses[asking.get(path_of(user), headers=anew).status_code] += 1
    ending.join()
    yield told("requests while Redis is killed", statuses.total())
    yield at_most("of which failed", statuses.total() - statuses[200], 0)
