"""A Redis that is slow, full, read-only, gone or locked costs a moment at most, and nobody an error."""

import asyncio
import logging
import time

import pytest
from pydantic import SecretStr

from app import main
from app.cache.redis_client import LONGEST, MOST_QUEUED, Health
from app.domain.events import Passage
from app.domain.ids import DistrictId
from app.domain.serialization import PackedFacts
from app.domain.snapshot import Found
from app.settings import Settings, SettingsMistakes
from app.telemetry.metrics import REGISTRY
from tests.cache.conftest import ANN, NOW, Replica, Wall, facts, replicas
from tests.planted import SECRET
from tests.valkey import Valkey, valkey
from tests.waiting import eventually, turn


def counted(metric: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"rosterguard_shared_{metric}_total", labels) or 0


async def finds(replica: Replica) -> Found[PackedFacts] | None:
    return await replica.shared.find(ANN)


async def test_one_that_is_not_there_is_not_asked_until_it_is(caplog: pytest.LogCaptureFixture) -> None:
    wall = Wall()
    caplog.set_level(logging.INFO, logger="rosterguard")
    with valkey(password="not to be told", started=False) as redis:
        async with replicas(1, redis.url, wall) as [replica]:
            skipped, dropped = counted("lookups", outcome="skipped"), counted("dropped")
            assert (await finds(replica), await replica.shared.lead(ANN, None)) == (None, True)
            replica.shared.put(ANN, facts(), NOW)
            assert (counted("lookups", outcome="skipped"), counted("dropped")) == (skipped + 1, dropped + 1)
            assert replica.shared.state() == "unreachable"
            redis.start()
            await eventually(lambda: replica.shared.state() == "ok")
            replica.shared.put(ANN, facts(), NOW)
            await eventually(redis.texts)
            assert await finds(replica) == Found(facts(), NOW)
    assert [record.getMessage() for record in caplog.records] == [
        "Redis cannot be reached: this process goes on with its own cache alone",
        "Redis is back",
    ]


@pytest.mark.parametrize(
    ("credential", "let_in"), [("", ("default", "nopass")), ("another:one@", ("another", "on", ">one"))]
)
async def test_one_that_does_not_let_us_in_is_as_if_it_were_gone_and_is_told_apart_from_that(
    credential: str, let_in: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    wall = Wall()
    with valkey(password="not to be told") as redis:
        async with replicas(1, f"redis://{credential}127.0.0.1:{redis.port}", wall) as [replica]:
            assert (await finds(replica), replica.shared.state()) == (None, "failing")
            redis.do("ACL", "SETUSER", *let_in, "~*", "&*", "+@all")
            await eventually(lambda: replica.shared.state() == "ok")
    assert caplog.messages == ["Redis refuses the user or password: this process goes on with its own cache alone"]


async def test_one_that_is_killed_and_started_again_is_shared_again() -> None:
    wall = Wall()
    with valkey() as redis:
        async with replicas(2, redis.url, wall) as [here, there]:
            here.shared.put(ANN, facts(), NOW)
            await eventually(redis.texts)
            redis.kill()
            assert [await finds(there) for _ in range(3)] == [None, None, None]
            await eventually(lambda: there.shared.state() == "unreachable")
            redis.start()
            await eventually(lambda: (here.shared.state(), there.shared.state()) == ("ok", "ok"))
            await eventually(lambda: _listeners(redis) == 2)
            here.shared.forget(ANN, NOW + 1)
            await eventually(lambda: there.dropped)
            assert there.dropped == [(ANN, NOW + 1)]


def _listeners(redis: Valkey) -> int:
    channels = redis.do("PUBSUB", "CHANNELS")
    return sum(number for _, number in redis.client.pubsub_numsub(*channels)) if channels else 0


async def test_one_that_stalls_is_waited_for_a_moment_and_then_no_more() -> None:
    wall = Wall()
    with valkey() as redis:
        async with replicas(1, redis.url, wall, patience=0.01) as [replica]:
            redis.stall()
            found = [await finds(replica) for _ in range(10)]
            assert found == [None] * 10
            await eventually(lambda: replica.shared.state() == "unreachable")
            skipped = counted("lookups", outcome="skipped")
            assert await finds(replica) is None
            assert counted("lookups", outcome="skipped") == skipped + 1
            redis.go_on()
            await eventually(lambda: replica.shared.state() == "ok")


async def test_one_slow_moment_does_not_end_the_asking_however_many_wait_in_it() -> None:
    health = Health()

    async def is_well() -> bool:
        return True

    probing = asyncio.create_task(health.keep_probing(is_well))
    await health.wait(1)
    for _ in range(20):
        health.record_timeout()
    assert health.is_up()
    probing.cancel()


async def test_a_process_that_is_busy_itself_does_not_take_redis_for_lost(redis: Valkey) -> None:
    wall = Wall()
    async with replicas(1, redis.url, wall) as [replica]:
        replica.shared.put(ANN, facts(), NOW)
        await eventually(redis.texts)
    async with replicas(1, redis.url, wall, patience=0.01) as [replica]:
        await eventually(lambda: replica.shared.state() == "ok")
        for _ in range(3):
            asking = asyncio.create_task(finds(replica))
            await turn()
            time.sleep(LONGEST + 0.05)  # noqa: ASYNC251 -- whatever keeps the loop busy
            await asking
        assert replica.shared.state() == "ok"


async def test_one_that_is_full_answers_what_it_has() -> None:
    wall = Wall()
    with valkey() as redis:
        async with replicas(1, redis.url, wall) as [replica]:
            replica.shared.put(ANN, facts(), NOW)
            await eventually(redis.texts)
            redis.client.config_set("maxmemory", "1")
            dropped = counted("dropped")
            replica.shared.put("north/ben", facts("ben"), NOW)
            await eventually(lambda: counted("dropped") == dropped + 1)
            assert await finds(replica) == Found(facts(), NOW)
            assert await replica.shared.lead(ANN, None)
            assert replica.shared.state() == "failing"


@pytest.mark.parametrize("gone", [True, False])
async def test_one_that_is_full_keeps_nothing_that_is_no_longer_true(*, gone: bool) -> None:
    wall = Wall()
    with valkey() as redis:
        async with replicas(2, redis.url, wall) as [here, there]:
            here.shared.put(ANN, facts(), NOW - 1)
            await eventually(redis.texts)
            redis.client.config_set("maxmemory", "1")
            if gone:
                here.shared.forget(ANN, NOW)
            else:
                here.shared.put(ANN, facts("newer"), NOW)
            await eventually(lambda: there.dropped)
            assert (await finds(there), there.dropped) == (None, [(ANN, NOW)])


async def test_one_that_has_become_read_only_is_connected_to_anew() -> None:
    wall = Wall()
    with valkey() as redis:
        async with replicas(1, redis.url, wall) as [replica]:
            redis.do("REPLICAOF", "127.0.0.1", "1")
            dropped = counted("dropped")
            replica.shared.put(ANN, facts(), NOW)
            await eventually(lambda: counted("dropped") == dropped + 1)
            redis.do("REPLICAOF", "NO", "ONE")
            await eventually(lambda: replica.shared.state() == "ok")
            replica.shared.put(ANN, facts(), NOW)
            await eventually(redis.texts)


async def test_a_user_of_few_rights_and_with_special_characters_gets_in(redis: Valkey) -> None:
    wall = Wall()
    snapshot, changing = ("get", "getrange", "pttl"), ("set", "del", "evalsha", "eval")
    streams = ("xadd", "xrange", "xrevrange", "expire")
    commands = (*snapshot, *changing, *streams, "publish", "subscribe", "ping", "select")
    rights = ("resetchannels", "~rosterguard:*", "&rosterguard:*", *(f"+{command}" for command in commands))
    redis.do("ACL", "SETUSER", "roster", "on", ">p@ss/w:rd", *rights)
    url = redis.url.replace("://", "://roster:p%40ss%2Fw%3Ard@") + "/2"
    async with replicas(2, url, wall) as [here, there]:
        assert await here.shared.lead(ANN, None)
        here.shared.forget(ANN, NOW)
        await eventually(lambda: there.dropped)
        events, north = there.shared.events, DistrictId("north")
        waiting = asyncio.create_task(events.wait(north, 60))
        here.shared.events.put(north, [Passage("one", "two")], Found("two", NOW))
        await waiting
        assert await events.read(north, "0-0") == (await events.end(north), [Passage("one", "two")])
        assert (await here.shared.find(ANN), here.shared.state()) == (None, "ok")


def test_where_the_client_is_not_installed_the_start_ends_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "find_spec", lambda _name: None)
    settings = Settings(clever_token=SecretStr("t"), secret=SecretStr(SECRET), redis_url=SecretStr("redis://[::1]"))
    with pytest.raises(SettingsMistakes, match=r"install rosterguard\[redis\]"):
        main.create_app(settings, no_auth=True)


async def test_past_so_many_at_once_what_is_put_is_dropped_and_counted(redis: Valkey) -> None:
    wall = Wall()
    async with replicas(1, redis.url, wall) as [replica]:
        dropped = counted("dropped")
        for user in range(MOST_QUEUED + 3):
            replica.shared.put(f"north/{user}", facts(), NOW)
        assert counted("dropped") == dropped + 3
        await eventually(lambda: redis.client.dbsize() == MOST_QUEUED)


async def test_what_waits_to_be_put_is_put_before_the_end(redis: Valkey) -> None:
    wall = Wall()
    async with replicas(1, redis.url, wall) as [replica]:
        replica.shared.put(ANN, facts(), NOW)
    assert len(redis.texts()) == 2


async def test_the_end_waits_for_nobody_who_stalls() -> None:
    wall = Wall()
    with valkey() as redis:
        async with replicas(1, redis.url, wall) as [replica]:
            redis.stall()
            replica.shared.put(ANN, facts(), NOW)
        assert replica.shared.state() in {"ok", "unreachable"}
