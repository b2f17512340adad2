"""What one replica reads of Clever's events, the others have from a stream, which is bounded and signed."""

import asyncio

import pytest

from app.cache.redis_events import MOST_ENTRIES
from app.domain.events import Change, Event, Kind, Passage
from app.domain.ids import DistrictId, UserId
from app.domain.snapshot import Found
from app.telemetry import metrics
from tests.cache.conftest import NOW, Replica, Wall, replicas
from tests.valkey import Valkey

NORTH, SOUTH = DistrictId("north"), DistrictId("south")


def passage(number: int) -> Passage:
    gone = Event(f"{number}", Kind.USER, Change.DELETED, f"user {number}", previous=(UserId("ann"),))
    return Passage(f"{number - 1}", f"{number}", (gone,))


def refused() -> float:
    return metrics.REGISTRY.get_sample_value("rosterguard_shared_lookups_total", {"outcome": "refused"}) or 0


async def put(replica: Replica, *numbers: int, at: float = NOW) -> None:
    """Pass on, and wait until that has happened."""
    events = replica.shared.events
    events.put(NORTH, [passage(number) for number in numbers], Found(f"{numbers[-1]}", at))
    for _ in range(1000):
        if await events.polled(NORTH) == Found(f"{numbers[-1]}", at):
            return
    raise AssertionError("it was not put")


async def test_what_one_passes_on_the_other_reads_in_order_and_each_once(pair: list[Replica]) -> None:
    here, there = pair
    begin = await there.shared.events.end(NORTH)
    assert begin is not None
    await put(here, 1, 2)
    read = await there.shared.events.read(NORTH, begin)
    assert read is not None
    position, passages = read
    assert passages == [passage(1), passage(2)]
    assert await there.shared.events.read(NORTH, position) == (position, [])
    assert await there.shared.events.polled(NORTH) == Found("2", NOW)
    assert await there.shared.events.end(NORTH) == position
    assert (await there.shared.events.polled(SOUTH), await there.shared.events.end(SOUTH)) == (None, "0-0")


async def test_whoever_waits_is_woken_by_what_another_passes_on_and_by_nothing_else(pair: list[Replica]) -> None:
    here, there = pair
    waiting = asyncio.create_task(there.shared.events.wait(NORTH, 60))
    elsewhere = asyncio.create_task(there.shared.events.wait(SOUTH, 60))
    own = asyncio.create_task(here.shared.events.wait(NORTH, 60))
    await put(here, 1)
    await waiting
    assert not elsewhere.done()
    assert not own.done()
    assert there.dropped == []
    for each in (elsewhere, own):
        each.cancel()
    await there.shared.events.wait(NORTH, 0)


async def test_one_asks_clever_while_the_other_waits_for_it(pair: list[Replica]) -> None:
    here, there = pair
    assert await here.shared.events.lead(NORTH)
    waiting = asyncio.create_task(there.shared.events.lead(NORTH))
    for _ in range(20):
        # By the time of these answers it has found that another leads.
        await there.shared.events.polled(NORTH)
    await put(here, 1)
    assert not await waiting
    assert await there.shared.events.lead(NORTH)
    there.shared.events.give_up(NORTH)
    assert await here.shared.events.lead(NORTH)


async def test_a_stream_does_not_grow_without_end(pair: list[Replica], redis: Valkey) -> None:
    here, _ = pair
    for number in range(1, 2 * MOST_ENTRIES, 16):
        await put(here, *range(number, number + 16), at=NOW + number / 1000)
    (stream,) = (name for name in redis.names() if redis.do("TYPE", name) == b"stream")
    assert MOST_ENTRIES <= redis.do("XLEN", stream) < 1.5 * MOST_ENTRIES
    assert redis.do("TTL", stream) > 0


async def test_what_others_put_there_is_not_believed(pair: list[Replica], redis: Valkey) -> None:
    here, there = pair
    await put(here, 1)
    before = refused()
    (stream,) = (name for name in redis.names() if redis.do("TYPE", name) == b"stream")
    redis.do("XADD", stream, "*", "e", b"1" * 60)
    assert await there.shared.events.read(NORTH, "0-0") is None
    for value in redis.names():
        if redis.do("TYPE", value) == b"string":
            redis.do("SET", value, b"1" * 60)
    assert await there.shared.events.polled(NORTH) is None
    assert refused() == before + 2


@pytest.mark.parametrize("spoilt", ["another kind of value", "the largest id"])
async def test_a_stream_to_which_nothing_can_be_added_any_more_is_begun_anew(
    pair: list[Replica], redis: Valkey, spoilt: str
) -> None:
    here, there = pair
    await put(here, 1)
    begin = await there.shared.events.end(NORTH)
    assert begin is not None
    [stream] = [name for name in redis.names() if redis.do("TYPE", name) == b"stream"]
    if spoilt == "the largest id":
        redis.do("XADD", stream, f"{2**64 - 1}-{2**64 - 1}", "e", "made up")
    else:
        redis.do("DEL", stream)
        redis.do("SET", stream, "made up")
    await put(here, 2)
    read = await there.shared.events.read(NORTH, begin)
    assert read is not None
    assert read[1] == [passage(2)]


async def test_without_redis_each_is_alone(redis: Valkey) -> None:
    async with replicas(1, "redis://127.0.0.1:1", Wall()) as (alone,):
        events = alone.shared.events
        events.put(NORTH, [passage(1)], Found("1", NOW))
        assert await events.lead(NORTH)
        assert (await events.polled(NORTH), await events.end(NORTH), await events.read(NORTH, "0-0")) == (None,) * 3


@pytest.mark.parametrize("ahead", [-1, 60])
async def test_a_clock_that_is_ahead_is_not_believed(redis: Valkey, ahead: float) -> None:
    async with replicas(1, redis.url, Wall(NOW + ahead)) as (here,), replicas(1, redis.url, Wall()) as (there,):
        await put(here, 1, at=NOW + ahead)
        assert (await there.shared.events.polled(NORTH) is None) is (ahead > 0)
