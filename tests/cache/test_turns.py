"""Replicas load a district by turns, and all of them where one was asked to."""

import asyncio
from contextlib import ExitStack
from functools import partial

from app.domain.ids import DistrictId
from tests.cache.conftest import NOW, Wall, replicas
from tests.cache.test_two_services import served
from tests.conftest import MovedClock, Sandbox
from tests.valkey import Valkey
from tests.waiting import eventually

NORTH = DistrictId("north")
NOWHERE = "redis://127.0.0.1:9/0"


def asked_for_turns(redis: Valkey) -> int:
    calls: int = redis.client.info("commandstats").get("cmdstat_set", {"calls": 0})["calls"]
    return calls


async def test_a_replica_waits_until_the_turn_of_another_is_over(redis: Valkey) -> None:
    async with replicas(2, redis.url, Wall()) as (one, other):
        ended: list[str] = []

        async def take_turn() -> None:
            async with other.shared.alone("load/north"):
                ended.append("other")

        async with one.shared.alone("load/north"):
            asked = asked_for_turns(redis)
            waiting = asyncio.create_task(take_turn())
            await eventually(lambda: asked_for_turns(redis) > asked + 1)
            ended.append("one")
        await waiting
    assert ended == ["one", "other"]


async def test_a_turn_ends_by_itself_soon_after_its_process_has_died(redis: Valkey) -> None:
    async with replicas(1, redis.url, Wall()) as (one,), one.shared.alone("load/north"):
        [lease] = redis.client.keys("rosterguard:*:turn")
        assert 0 < redis.client.pttl(lease) <= 10_000
    await eventually(lambda: not redis.client.keys("rosterguard:*:turn"))


async def test_without_redis_every_turn_comes_at_once() -> None:
    async with replicas(1, NOWHERE, Wall()) as (one,), one.shared.alone("load/north"), one.shared.alone("load/north"):
        assert one.shared.state() != "ok"


async def test_all_replicas_but_the_one_that_says_so_are_told_to_load(redis: Valkey) -> None:
    async with replicas(3, redis.url, Wall()) as (one, *others):
        told: list[tuple[int, str, float]] = []
        for number, replica in enumerate((one, *others)):
            replica.shared.on_load(partial(lambda *of_load: told.append(of_load), number))
        one.shared.announce_load(NORTH)
        await eventually(lambda: sorted(told) == [(1, NORTH, NOW), (2, NORTH, NOW)])


async def test_a_district_is_loaded_by_every_replica_of_which_one_was_asked(
    redis: Valkey, sandbox: Sandbox, clock: MovedClock
) -> None:
    with ExitStack() as stack:
        first, second = served(stack, redis, sandbox, clock, patience=1)
        path = f"/v1/districts/{sandbox.district}/load"
        assert first.post(path).status_code == 202
        await eventually(lambda: {each.get(path).json()["status"] for each in (first, second)} == {"loaded"})
        assert sandbox.requests["/v3.1/schools"] == 2
