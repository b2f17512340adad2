"""What replicas share through a real Redis: the newest facts, one reading at a time, and what is outdated."""

import asyncio
from collections.abc import Callable

import pytest
from redis.client import PubSub

from app.cache.signing import CONTENT_AT, Signer
from app.domain import serialization
from app.domain.serialization import PackedFacts
from app.domain.snapshot import Found
from app.telemetry.metrics import REGISTRY
from tests.cache.conftest import ANN, KEEP_SECONDS, NOW, Replica, Wall, facts, replicas
from tests.planted import SECRET
from tests.valkey import Valkey
from tests.waiting import eventually

CHANNEL = "rosterguard:outdated:*"


def the_key(redis: Valkey) -> bytes:
    [key] = redis.names()
    return key


def the_value(redis: Valkey) -> bytes:
    value = redis.client.get(the_key(redis))
    assert isinstance(value, bytes)
    return value


async def put(replica: Replica, redis: Valkey, said: PackedFacts, at: float = NOW) -> None:
    """Have facts put, and wait until they are there."""
    replica.shared.put(ANN, said, at)
    await eventually(lambda: any(text.endswith(said) for text in redis.texts()))


def refused() -> float:
    return REGISTRY.get_sample_value("rosterguard_shared_lookups_total", {"outcome": "refused"}) or 0


async def test_where_the_clock_of_another_is_ahead_nothing_is_of_the_future(pair: list[Replica], redis: Valkey) -> None:
    here, there = pair
    await put(here, redis, facts(), NOW + 4)
    assert await there.shared.find(ANN) == Found(facts(), NOW)


async def test_an_older_reading_never_replaces_a_newer_one_and_is_dropped_by_who_put_it(
    pair: list[Replica], redis: Valkey
) -> None:
    here, there = pair
    await put(here, redis, facts("newer"), NOW)
    there.shared.put(ANN, facts("older"), NOW - 1)
    await eventually(lambda: there.dropped)
    assert there.dropped == [(ANN, NOW)]
    assert await there.shared.find(ANN) == Found(facts("newer"), NOW)


async def test_a_change_is_carried_to_the_others_and_not_to_who_read_it(pair: list[Replica], redis: Valkey) -> None:
    here, there = pair
    await put(here, redis, facts("before"), NOW - 9)
    await put(here, redis, facts("after"), NOW)
    await eventually(lambda: there.dropped)
    assert (here.dropped, there.dropped) == ([], [(ANN, NOW)])


async def test_the_same_facts_again_are_news_to_nobody(pair: list[Replica], redis: Valkey) -> None:
    here, there = pair
    await put(here, redis, facts(), NOW - 9)
    before = the_value(redis)
    here.shared.put(ANN, facts(), NOW)
    await eventually(lambda: the_value(redis) != before)
    await put(here, redis, facts("other"), NOW + 1)
    await eventually(lambda: there.dropped)
    assert there.dropped == [(ANN, NOW + 1)]


async def test_who_is_gone_is_dropped_everywhere_and_not_brought_back_by_an_older_reading(
    pair: list[Replica], redis: Valkey
) -> None:
    here, there = pair
    await put(here, redis, facts(), NOW - 9)
    here.shared.forget(ANN, NOW - 2)
    await eventually(lambda: there.dropped)
    there.shared.put(ANN, facts(), NOW - 3)
    await eventually(lambda: len(there.dropped) > 1)
    assert there.dropped == [(ANN, NOW - 2), (ANN, NOW - 2)]
    assert await there.shared.find(ANN) is None
    await put(there, redis, facts("returned"), NOW - 1)
    assert await here.shared.find(ANN) == Found(facts("returned"), NOW - 1)


async def test_readings_are_kept_from_when_they_began(pair: list[Replica], redis: Valkey) -> None:
    await put(pair[0], redis, facts(), NOW - 100)
    left = redis.client.pttl(the_key(redis))
    assert isinstance(left, int)
    assert 190_000 < left <= (KEEP_SECONDS - 100) * 1000 + 1
    pair[0].shared.put("north/ben", facts("ben"), NOW - KEEP_SECONDS)
    await put(pair[0], redis, facts(), NOW)
    assert len(redis.texts()) == 2


Forgery = Callable[[bytes], bytes]

FORGERIES: dict[str, Forgery] = {
    "one bit": lambda value: value[:-1] + bytes([value[-1] ^ 1]),
    "a later time": lambda value: value[:1] + b"%016d" % int((NOW + 4) * 1_000_000) + value[17:],
    "a time far ahead": lambda value: value[:1] + b"9" * 16 + value[17:],
    "no number as a time": lambda value: value[:1] + b"0x7fffffffffffff" + value[17:],
    "infinity as a time": lambda value: value[:1] + b"inf             " + value[17:],
    "another format": lambda value: b"2" + value[1:],
    "cut short": lambda value: value[:20],
    "nothing": lambda _value: b"",
    "another secret": lambda value: Signer(b"a secret of theirs", "facts in Redis").signed(
        ANN, value[CONTENT_AT:], NOW
    ),
    "another user": lambda value: Signer(SECRET.encode(), "facts in Redis").signed(
        "north/ben", value[CONTENT_AT:], NOW
    ),
    "far ahead": lambda value: Signer(SECRET.encode(), "facts in Redis").signed(ANN, value[CONTENT_AT:], NOW + 6),
}


@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES)
async def test_a_forged_value_is_as_if_it_were_not_there(pair: list[Replica], redis: Valkey, forged: Forgery) -> None:
    here, there = pair
    await put(here, redis, facts(), NOW - 10)
    before = refused()
    redis.client.set(the_key(redis), forged(the_value(redis)))
    assert await there.shared.find(ANN) is None
    assert refused() == before + 1
    await put(there, redis, facts("again"), NOW)
    assert await here.shared.find(ANN) == Found(facts("again"), NOW)


@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES)
async def test_a_forged_value_keeps_no_reading_from_being_put(
    pair: list[Replica], redis: Valkey, forged: Forgery
) -> None:
    here, there = pair
    await put(here, redis, facts(), NOW - 10)
    redis.client.set(the_key(redis), forged(the_value(redis)))
    await put(there, redis, facts("again"), NOW)
    assert (await here.shared.find(ANN), there.dropped) == (Found(facts("again"), NOW), [])


async def test_what_stood_there_once_is_of_no_use_when_it_is_brought_back(pair: list[Replica], redis: Valkey) -> None:
    wall = pair[0].wall
    here, there = pair
    await put(here, redis, facts("admin"), NOW)
    once = the_value(redis)
    wall.now += KEEP_SECONDS + 1
    redis.client.set(the_key(redis), once)
    assert await there.shared.find(ANN) is None
    await put(there, redis, facts(), wall.now)
    assert await here.shared.find(ANN) == Found(facts(), wall.now)


async def test_a_value_moved_to_another_user_is_not_theirs(pair: list[Replica], redis: Valkey) -> None:
    here, there = pair
    await put(here, redis, facts("admin"), NOW)
    admin = the_key(redis)
    here.shared.put("north/ben", facts("ben"), NOW)
    await eventually(lambda: len(redis.texts()) == 4)
    [ben] = {key for key in redis.names() if key != admin}
    redis.do("COPY", admin, ben, "REPLACE")
    assert await there.shared.find("north/ben") is None


async def test_something_else_under_a_key_costs_nothing_but_itself(pair: list[Replica], redis: Valkey) -> None:
    here, there = pair
    await put(here, redis, facts(), NOW - 1)
    key = the_key(redis)
    redis.client.delete(key)
    redis.client.lpush(key, "anything")
    assert await there.shared.find(ANN) is None
    assert await there.shared.lead(ANN, None)
    await put(there, redis, facts(), NOW)
    assert await here.shared.find(ANN) == Found(facts(), NOW)


async def test_what_is_forged_or_said_again_later_drops_nothing(pair: list[Replica], redis: Valkey) -> None:
    wall = pair[0].wall
    here, there = pair
    with PubSub(redis.client.connection_pool) as overheard:
        overheard.psubscribe(CHANNEL)
        overheard.get_message(timeout=1)
        await put(here, redis, facts("before"), NOW - 9)
        await put(here, redis, facts("after"), NOW)
        await eventually(lambda: there.dropped)
        message = overheard.get_message(timeout=1)
        assert message is not None
    for forged in (b"", b"garbage", message["data"][:-1], message["data"] + b"0"):
        redis.client.publish(message["channel"], forged)
    wall.now += KEEP_SECONDS + 1
    redis.client.publish(message["channel"], message["data"])
    here.shared.forget("north/ben", wall.now)
    await eventually(lambda: len(there.dropped) > 1)
    assert there.dropped == [(ANN, NOW), ("north/ben", wall.now)]


async def test_replicas_with_another_secret_share_the_redis_and_nothing_else(redis: Valkey) -> None:
    wall = Wall()
    async with replicas(1, redis.url, wall) as [ours], replicas(1, redis.url, wall, "another secret") as [theirs]:
        await put(ours, redis, facts(), NOW)
        assert await theirs.shared.find(ANN) is None
        theirs.shared.forget(ANN, NOW + 1)
        await eventually(lambda: len(redis.texts()) == 4)
        assert await ours.shared.find(ANN) == Found(facts(), NOW)
        assert ours.dropped == []


async def test_nothing_in_redis_names_a_user_but_the_facts(pair: list[Replica], redis: Valkey) -> None:
    await put(pair[0], redis, facts(), NOW)
    assert await pair[0].shared.lead(ANN, None)
    keys = redis.names()
    assert [key for key in keys if b"ann" in key or b"north" in key] == []
    assert len(keys) == 2


async def test_one_leads_and_the_others_wait_for_what_is_put(pair: list[Replica], redis: Valkey) -> None:
    here, there = pair
    assert await here.shared.lead(ANN, None)
    waiting = asyncio.create_task(there.shared.lead(ANN, None))
    await asyncio.wait({waiting}, timeout=0.05)
    assert not waiting.done()
    here.shared.put(ANN, facts(), NOW)
    assert not await waiting
    assert await there.shared.find(ANN) == Found(facts(), NOW)


async def test_who_leads_already_does_not_wait_for_themselves(pair: list[Replica]) -> None:
    here, there = pair
    async with asyncio.timeout(1):
        assert [await here.shared.lead(ANN, None) for _ in range(2)] == [True, True]
    here.shared.give_up(ANN)
    assert await there.shared.lead(ANN, None)


async def test_whoever_waits_leads_once_the_leader_gives_up(pair: list[Replica], redis: Valkey) -> None:
    here, there = pair
    assert await here.shared.lead(ANN, None)
    waiting = asyncio.create_task(there.shared.lead(ANN, None))
    await asyncio.wait({waiting}, timeout=0.05)
    here.shared.give_up(ANN)
    assert await waiting


async def test_a_leader_who_dies_is_waited_for_no_longer_than_the_lease_lasts(
    pair: list[Replica], redis: Valkey
) -> None:
    here, there = pair
    assert await here.shared.lead(ANN, None)
    left = redis.client.pttl(the_key(redis))
    assert isinstance(left, int)
    assert 0 < left <= 2_000
    redis.client.delete(the_key(redis))
    assert await there.shared.lead(ANN, None)


@pytest.mark.parametrize("forged", [("SET", "forged"), ("LPUSH", "forged"), ("SET", "forged", "PX", "999999")])
async def test_a_lease_that_lasts_longer_than_leases_do_is_nobodys(
    forged: tuple[str, ...], pair: list[Replica], redis: Valkey
) -> None:
    here, there = pair
    assert await here.shared.lead(ANN, None)
    command, *said = forged
    lease = the_key(redis).decode()
    redis.do("DEL", lease)
    redis.do(command, lease, *said)
    assert await there.shared.lead(ANN, asyncio.get_running_loop().time() + 30)
    there.shared.put(ANN, facts(), NOW)
    await eventually(lambda: redis.client.exists(lease) == 0)
    assert await here.shared.find(ANN) == (facts(), NOW)


async def test_nobody_waits_past_when_the_answer_has_to_be_there(pair: list[Replica]) -> None:
    here, there = pair
    assert await here.shared.lead(ANN, None)
    assert await there.shared.lead(ANN, asyncio.get_running_loop().time() + 0.02)


async def test_nobody_gives_up_the_lease_of_another(pair: list[Replica], redis: Valkey) -> None:
    here, there = pair
    assert await here.shared.lead(ANN, None)
    lease = the_key(redis)
    there.shared.give_up(ANN)
    there.shared.put(ANN, facts(), NOW)
    await eventually(lambda: len(redis.names()) == 2)
    assert redis.client.exists(lease) == 1
    here.shared.forget(ANN, NOW)
    await eventually(lambda: redis.client.exists(lease) == 0)


async def test_what_an_older_version_has_put_is_not_used(pair: list[Replica], redis: Valkey) -> None:
    """It left out of facts what Clever does not document, so that an `unless` might pass."""
    here, there = pair
    await put(here, redis, facts())
    name = the_key(redis)
    version = f":{serialization.FORMAT}".encode()
    assert name.startswith(b"rosterguard:1." + version[1:])
    redis.client.rename(name, name.replace(b"1." + version[1:] + b":", b"1.1:", 1))
    assert await there.shared.find(ANN) is None
