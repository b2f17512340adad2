"""Two replicas follow a district: one of them asks Clever, and what it reads changes the answers of both at once."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from app.cache.redis import SharedCache
from tests.cache.conftest import KEEP_SECONDS
from tests.conftest import Sandbox
from tests.following import Replica, following
from tests.planted import SECRET
from tests.valkey import Valkey
from tests.waiting import eventually

EVENTS = "/v3.1/events"


@asynccontextmanager
async def pair_of(sandbox: Sandbox, url: str, seconds: float) -> AsyncIterator[tuple[Replica, Replica]]:
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(2):
            shared = SharedCache(url, secret=SECRET.encode(), keep_seconds=KEEP_SECONDS, timeout=1, wall=time.time)
            await stack.enter_async_context(shared.open(lambda _key, _at: None))
            made.append(await stack.enter_async_context(following(sandbox, time.monotonic, time.time, shared, seconds)))
        yield made[0], made[1]


async def test_what_one_reads_both_apply_and_one_asks_for_both(sandbox: Sandbox, redis: Valkey) -> None:
    async with pair_of(sandbox, redis.url, 0.05) as (here, there):
        await here.load()
        await there.load()
        for seed in range(3):
            here.change_at_random(seed)
            assert await here.caught_up() == await here.contents()
            assert await there.caught_up() == await here.contents()
        sandbox.requests.clear()
        began = time.monotonic()
        await eventually(lambda: sandbox.requests[EVENTS] >= 10)
        # Each alone would ask twenty times a second.
        assert sandbox.requests[EVENTS] / (time.monotonic() - began) < 30
        assert not here.again
        assert not there.again


async def test_an_event_that_one_has_seen_is_applied_by_the_other_at_once(sandbox: Sandbox, redis: Valkey) -> None:
    async with pair_of(sandbox, redis.url, 1.0) as (here, there):
        await here.load()
        await there.load()
        here.change_at_random(1, changes=3)
        newest = here.newest()
        await eventually(lambda: here.has_applied(newest) or there.has_applied(newest))
        seen = time.monotonic()
        await eventually(lambda: here.has_applied(newest) and there.has_applied(newest))
        assert time.monotonic() - seen < 0.5
        await eventually(lambda: here.followed.district and there.followed.district)
        assert await here.caught_up() == await there.caught_up()


@pytest.mark.parametrize("trouble", ["flushed", "killed", "stream gone"])
async def test_where_the_stream_has_a_gap_clever_is_asked(sandbox: Sandbox, redis: Valkey, trouble: str) -> None:
    async with pair_of(sandbox, redis.url, 0.05) as (here, there):
        await here.load()
        await there.load()
        here.change_at_random(1)
        if trouble == "killed":
            redis.kill()
        elif trouble == "flushed":
            redis.client.flushall()
        here.change_at_random(2)
        if trouble == "stream gone":
            for name in redis.names():
                if redis.do("TYPE", name) == b"stream":
                    redis.do("DEL", name)
        here.change_at_random(3)
        try:
            assert await here.caught_up() == await there.caught_up() == await here.contents()
        finally:
            if trouble == "killed":
                redis.start()
        assert not here.again
        assert not there.again
