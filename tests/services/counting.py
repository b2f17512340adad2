"""A fake of Clever that counts and can be held back, and the one question that is asked of it."""

import asyncio
from dataclasses import dataclass, field
from typing import cast

from app.cache.memory import MemoryCache
from app.domain.errors import CleverCircuitOpen
from app.domain.facts import Facts
from app.domain.ids import DistrictId, IdShape, UserId
from app.domain.policy import Policy
from app.domain.read_context import ReadContext
from app.domain.serialization import PackedFacts
from app.domain.snapshot import Snapshot
from app.main import default_policy
from app.policy_files.yaml import read_policy
from app.roster.concurrency import ReadSlots
from app.roster.context import Clever, CleverState, Context, Deadlines
from app.roster.freshness import Freshness, reading_of
from tests.conftest import MovedClock

ANN, NORTH = UserId("ann"), DistrictId("north")
POLICY = read_policy(default_policy())
DROPPING = read_policy(default_policy() + "\nschools: {unconfirmed: drop}\n")


@dataclass
class CountingClever:
    """A Clever that knows one user, counts its readings, and answers when it is let."""

    snapshots: int = 0
    errands: list[ReadContext] = field(default_factory=list)
    error: Exception | None = None
    bar: CleverCircuitOpen | None = None
    facts_given: Facts = field(default_factory=lambda: Facts(ANN, NORTH))
    let: asyncio.Event = field(default_factory=asyncio.Event)

    def circuit_open(self, district: DistrictId) -> CleverCircuitOpen | None:
        assert district == NORTH
        return self.bar

    def known_districts(self) -> frozenset[DistrictId] | None:
        return frozenset({NORTH})

    async def districts(self) -> frozenset[DistrictId]:
        return frozenset({NORTH})

    async def facts(
        self, user: UserId, district: DistrictId, read_context: ReadContext, *, confirm_schools: bool
    ) -> Facts:
        assert (user, district) == (ANN, NORTH)
        self.errands.append(read_context)
        self.snapshots += 1
        await self.let.wait()
        if self.error:
            raise self.error
        return self.facts_given

    def state(self) -> CleverState:
        raise NotImplementedError


@dataclass
class OneByOne(CountingClever):
    """A Clever whose fetches end as the test says, in any order."""

    ends: list[asyncio.Future[Facts]] = field(default_factory=list)

    async def facts(
        self, user: UserId, district: DistrictId, read_context: ReadContext, *, confirm_schools: bool
    ) -> Facts:
        self.snapshots += 1
        self.ends.append(asyncio.get_running_loop().create_future())
        return await self.ends[-1]


@dataclass
class Asked:
    """A context over a counting Clever, and the one question of these tests."""

    clever: CountingClever
    clock: MovedClock
    context: Context

    async def snapshot(self, freshness: Freshness | None = None) -> Snapshot[PackedFacts]:
        return await reading_of(self.context, ANN, NORTH, freshness or Freshness())

    def reading_under_way(self, freshness: Freshness | None = None) -> asyncio.Task[Snapshot[PackedFacts]]:
        return asyncio.create_task(self.snapshot(freshness))


def context_over(clever: CountingClever, clock: MovedClock, policy: Policy = POLICY) -> Context:
    """Make a context whose only Clever is one that counts."""
    return Context(
        clever=cast(Clever, clever),  # the other questions are not asked here
        users=MemoryCache(most=10, keep_seconds=3600, clock=clock),
        places=MemoryCache(most=10, keep_seconds=3600, clock=clock),
        gone=MemoryCache(most=10, keep_seconds=10, clock=clock),
        outdated=MemoryCache(most=10, keep_seconds=3600, clock=clock),
        wall=lambda: 1_700_000_000.0 + clock(),
        clock=clock,
        policy=policy,
        id_shape=IdShape(),
        fresh_seconds=300,
        stale_seconds=3600,
        deadlines=Deadlines(slow=60),
        read_slots=ReadSlots(),
        secret=b"",
        reasons=True,
        jitter=lambda: 0.0,
    )
