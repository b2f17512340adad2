"""Replicas that share a Redis, each with a note of what it was asked to drop."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from app.cache.redis import SharedCache
from app.domain.facts import Facts
from app.domain.ids import DistrictId, UserId
from app.domain.serialization import PackedFacts, packed
from tests.planted import SECRET
from tests.valkey import Valkey, valkey

KEEP_SECONDS = 300
ANN = "north/ann"
NOW = 1_700_000_000.0


def facts(user: str = "ann") -> PackedFacts:
    """Facts that differ from others by whom they are of."""
    return packed(Facts(UserId(user), DistrictId("north")))


@dataclass
class Wall:
    """Unix seconds that stand still until they are moved."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Replica:
    """One of those that share."""

    shared: SharedCache
    wall: Wall
    dropped: list[tuple[str, float]] = field(default_factory=list)


Replicas = Callable[..., AsyncIterator[list[Replica]]]


@asynccontextmanager
async def replicas(
    number: int, url: str, wall: Wall, secret: str = SECRET, patience: float = 1.0
) -> AsyncIterator[list[Replica]]:
    """Run so many replicas, which wait for Redis for as long as a busy machine may need."""
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(number):
            shared = SharedCache(url, secret=secret.encode(), keep_seconds=KEEP_SECONDS, timeout=patience, wall=wall)
            made.append(replica := Replica(shared, wall))

            def drop(key: str, at: float, replica: Replica = replica) -> None:
                replica.dropped.append((key, at))

            await stack.enter_async_context(shared.open(drop))
        yield made


@pytest.fixture(scope="session")
def running_redis() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


@pytest.fixture
def redis(running_redis: Valkey) -> Valkey:
    """A Redis with nothing in it."""
    running_redis.client.flushall()
    return running_redis


@pytest.fixture
async def pair(redis: Valkey) -> AsyncIterator[list[Replica]]:
    """Two replicas, here and there."""
    async with replicas(2, redis.url, Wall()) as both:
        yield both
