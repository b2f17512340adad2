"""Replicas that follow the first district of a sandbox by its events, and what they know by then."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from app.cache.redis import SharedCache
from app.clever.client import CleverClient
from app.domain.ids import DistrictId
from app.domain.read_context import OWN
from app.domain.scopes import Scope
from app.roster.changes import TooOld
from app.roster.district import AsOf, District, Whom
from app.roster.following import Followed, Following
from app.sandbox.faults import Faults
from tests.clever_client import client_of
from tests.conftest import Sandbox
from tests.waiting import eventually

SOON = 0.01


async def loaded(clever: CleverClient, district: DistrictId, as_of: AsOf) -> tuple[District, str | None]:
    """Load a district list by list, after asking for the newest event."""
    newest, made = await clever.newest_event(district, OWN), District(district, Whom.EVERYONE, as_of)
    place = (Scope.DISTRICT, district)
    for section in await clever.sections(place, district, OWN):
        made.put_section(section)
    for school in await clever.schools(district, OWN):
        made.put_school(school)
    for facts in await clever.people(place, district, None, OWN):
        made.put_person(facts)
    made.put_calendar(await clever.calendar(district, OWN, with_terms=True))
    return made, newest


@dataclass
class Replica:
    """A process that follows a district, and notes what it is told to do."""

    clever: CleverClient
    sandbox: Sandbox
    following: Following = field(init=False)
    published: list[District] = field(default_factory=list)
    withdrawn: list[DistrictId] = field(default_factory=list)
    again: list[DistrictId] = field(default_factory=list)
    calendars: list[DistrictId] = field(default_factory=list)

    @property
    def district(self) -> DistrictId:
        return DistrictId(self.sandbox.district)

    @property
    def followed(self) -> Followed:
        followed = self.following.followed(self.district)
        assert followed is not None
        return followed

    def is_loaded(self) -> bool:
        followed = self.following.followed(self.district)
        return followed is not None and followed.district is not None

    def as_of(self) -> AsOf:
        return AsOf(self.following.clock(), self.following.wall())

    async def read(self) -> tuple[District, str | None]:
        return await loaded(self.clever, self.district, self.as_of())

    async def load(self) -> None:
        await self.following.take(*await self.read())

    async def contents(self) -> list[bytes]:
        """Return what a district loaded right now holds, without faults."""
        self.sandbox.app.state.faults.clear()
        return [*(await self.read())[0].contents()]

    def newest(self) -> str:
        newest: str = self.sandbox.app.state.world.events[self.district].kept()[-1].id
        return newest

    def has_applied(self, event: str) -> bool:
        try:
            return bool(self.followed.changes.since(event))
        except TooOld:
            return False

    async def caught_up(self) -> list[bytes]:
        """Return what the followed district holds once all events have been applied."""
        await eventually(lambda: self.has_applied(self.newest()))
        assert self.followed.district is not None
        return [*self.followed.district.contents()]

    def change_at_random(self, seed: int, changes: int = 100) -> None:
        self.sandbox.app.state.world.change_at_random(self.district, seed=seed, changes=changes, sync=20)

    def break_events(self, kind: str, **more: object) -> None:
        fault = {"path": "/v3.1/events", "kind": kind, **more}
        self.sandbox.app.state.faults.put(Faults.model_validate({"seed": 1, "faults": [fault]}))


@asynccontextmanager
async def following(
    sandbox: Sandbox,
    clock: Callable[[], float],
    wall: Callable[[], float] = lambda: 1_000_000.0,
    shared: SharedCache | None = None,
    seconds: float = SOON,
) -> AsyncIterator[Replica]:
    """Run a replica, which asks for events every few milliseconds; load the district to begin."""
    async with client_of(sandbox.url) as clever:
        replica = Replica(clever, sandbox)
        replica.following = Following(
            clever=clever,
            publish=replica.published.append,
            withdraw=replica.withdrawn.append,
            calendar_changed=replica.calendars.append,
            clock=clock,
            wall=wall,
            seconds=seconds,
            fresh_seconds=SOON * 3 / 2,
            stream=None if shared is None else shared.events,
            load_again=replica.again.append,
        )
        try:
            yield replica
        finally:
            await replica.following.aclose()
