"""A fake of Clever that counts and can be held back, and the one question that is asked of it."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any, cast

from app.domain.calendar import Calendar
from app.domain.errors import CleverCircuitOpen
from app.domain.facts import Facts
from app.domain.ids import DistrictId, UserId
from app.domain.read_context import ReadContext
from app.domain.serialization import PackedFacts
from app.domain.snapshot import Snapshot
from app.roster.freshness import Freshness
from app.roster.ports import Clever, CleverState
from app.roster.roster import Roster
from app.roster.store import Key
from tests.conftest import MovedClock
from tests.rosters import roster_over

ANN, NORTH = UserId("ann"), DistrictId("north")
KEY = Key("user", NORTH, ANN)


@dataclass
class CountingClever:
    """A Clever that knows one user, counts its readings, and answers when it is let."""

    snapshots: int = 0
    errands: list[ReadContext] = field(default_factory=list)
    error: Exception | None = None
    bar: CleverCircuitOpen | None = None
    facts_given: Facts = field(default_factory=lambda: Facts(ANN, NORTH))
    calendar_given: Calendar = field(default_factory=Calendar)
    let: asyncio.Event = field(default_factory=asyncio.Event)

    def circuit_open(self, district: DistrictId) -> CleverCircuitOpen | None:
        assert district == NORTH
        return self.bar

    def known_districts(self) -> frozenset[DistrictId] | None:
        return frozenset({NORTH})

    async def districts(self) -> frozenset[DistrictId]:
        return frozenset({NORTH})

    async def calendar(self, _district: DistrictId, _read_context: ReadContext, *, with_terms: bool) -> Calendar:
        return self.calendar_given

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
    """A roster over a counting Clever, and the one question of these tests."""

    clever: CountingClever
    clock: MovedClock
    roster: Roster

    async def snapshot(self, freshness: Freshness | None = None) -> Snapshot[PackedFacts]:
        return await self.roster.user(NORTH, ANN, freshness or Freshness())

    def reading_under_way(self, freshness: Freshness | None = None) -> asyncio.Task[Snapshot[PackedFacts]]:
        return asyncio.create_task(self.snapshot(freshness))

    def drop_unconfirmed_schools(self) -> None:
        """Put a policy in force that needs Clever's own list of a user's schools."""
        self.roster = replace(self.roster, confirm_schools=True)


def asked_of(clever: CountingClever, clock: MovedClock, **given: Any) -> Asked:
    """Ask a Clever that counts by a roster of which ``tests.rosters`` says what may be ``given``."""
    return Asked(clever, clock, roster_over(cast(Clever, clever), clock, **given))
