"""A loaded district is kept true by Clever's events, whatever becomes of them on the way."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from app.clever.client import CleverClient, connect
from app.domain.ids import DistrictId, IdShape
from app.domain.read_context import OWN
from app.domain.scopes import Scope
from app.roster.changes import TooOld
from app.roster.district import AsOf, District, Whom
from app.roster.following import Followed, Following, Mode
from app.sandbox.faults import Faults
from app.telemetry import metrics
from tests.conftest import TOKEN, MovedClock, Sandbox
from tests.waiting import eventually

SOON = 0.01


async def loaded(clever: CleverClient, district: DistrictId, clock: MovedClock) -> tuple[District, str | None]:
    """Load a district list by list, after asking for the newest event."""
    newest, made = await clever.newest_event(district, OWN), District(district, Whom.EVERYONE, AsOf(clock(), 0))
    place = (Scope.DISTRICT, district)
    for section in await clever.sections(place, district, OWN):
        made.put_section(section)
    for school in await clever.schools(district, OWN):
        made.put_school(school)
    for facts in await clever.people(place, district, None, OWN):
        made.put_person(facts)
    return made, newest


@dataclass
class Service:
    """A process that follows the first district of the sandbox, and notes what it is told to do."""

    clever: CleverClient
    sandbox: Sandbox
    clock: MovedClock
    following: Following = field(init=False)
    published: list[District] = field(default_factory=list)
    again: list[DistrictId] = field(default_factory=list)
    calendars: list[DistrictId] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.following = Following(
            clever=self.clever,
            publish=self.published.append,
            calendar_changed=self.calendars.append,
            clock=self.clock,
            wall=lambda: 1_000_000.0,
            seconds=SOON,
            fresh_seconds=SOON * 3 / 2,
            load_again=self.again.append,
        )

    @property
    def district(self) -> DistrictId:
        return DistrictId(self.sandbox.district)

    @property
    def followed(self) -> Followed:
        followed = self.following.followed(self.district)
        assert followed is not None
        return followed

    async def load(self) -> None:
        await self.following.take(*await loaded(self.clever, self.district, self.clock))

    async def contents(self) -> list[bytes]:
        """Return what a district loaded right now holds."""
        self.sandbox.app.state.faults.clear()
        return [*(await loaded(self.clever, self.district, self.clock))[0].contents()]

    def newest(self) -> str:
        events = self.sandbox.app.state.world.events[self.district].kept()
        newest: str = events[-1].id
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


def counted(outcome: str) -> float:
    return metrics.REGISTRY.get_sample_value("rosterguard_clever_events_total", {"outcome": outcome}) or 0


@asynccontextmanager
async def followed(sandbox: Sandbox, clock: MovedClock) -> AsyncIterator[Service]:
    clever = connect(
        url=sandbox.url,
        version="v3.1",
        auth_url=sandbox.url,
        token=TOKEN,
        client_id=None,
        client_secret=None,
        id_shape=IdShape(),
    )
    made = Service(clever, sandbox, clock)
    try:
        yield made
    finally:
        await made.following.aclose()
        await clever.aclose()


async def test_a_followed_district_equals_one_that_is_loaded_afresh(sandbox: Sandbox, clock: MovedClock) -> None:
    async with followed(sandbox, clock) as service:
        await service.load()
        for seed in range(3):
            service.change_at_random(seed)
            assert await service.caught_up() == await service.contents()
        assert service.followed.mode is Mode.FOLLOWING
        assert len(service.published) == 1


async def test_what_changes_during_the_load_is_applied_before_the_district_answers(
    sandbox: Sandbox, clock: MovedClock
) -> None:
    async with followed(sandbox, clock) as service:
        district, newest = await loaded(service.clever, service.district, service.clock)
        service.change_at_random(7)
        await service.following.take(district, newest)
        assert [*district.contents()] == await service.contents()
        assert service.published == [district]


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("doubled", "repeated"),
        ("disordered", "disordered"),
        ("skipped", "late"),
        ("holes", "unclear"),
        ("other_district", "foreign"),
    ],
)
async def test_whatever_is_wrong_with_events_is_counted_and_healed(
    sandbox: Sandbox, clock: MovedClock, kind: str, outcome: str
) -> None:
    async with followed(sandbox, clock) as service:
        before, load = counted(outcome), await loaded(service.clever, service.district, service.clock)
        service.break_events(kind, times=1)
        service.change_at_random(3, changes=5)
        await service.following.take(*load)
        await eventually(lambda: counted(outcome) > before)
        assert await service.caught_up() == await service.contents()
        assert not service.again


@pytest.mark.parametrize(
    ("kind", "changes", "reason"), [("other_district", 100, "flawed"), ("holes", 100, "unclear"), ("status", 1, "lost")]
)
async def test_a_district_is_loaded_again_where_too_much_is_wrong(
    sandbox: Sandbox, clock: MovedClock, kind: str, changes: int, reason: str
) -> None:
    async with followed(sandbox, clock) as service:
        load = await loaded(service.clever, service.district, service.clock)
        service.break_events(kind, **({"status": 400} if kind == "status" else {}))
        service.change_at_random(3, changes=changes)
        await service.following.take(*load)
        await eventually(lambda: service.again)
        assert (service.followed.last_error, service.published) == (reason, [])
        service.sandbox.app.state.faults.clear()
        await service.load()
        assert (service.followed.last_error, service.followed.mode) == (None, Mode.FOLLOWING)


async def test_a_lost_place_in_the_events_has_the_district_loaded_again(sandbox: Sandbox, clock: MovedClock) -> None:
    async with followed(sandbox, clock) as service:
        await service.load()
        service.sandbox.app.state.world.reset()
        service.change_at_random(1, changes=1)
        await eventually(lambda: service.again)
        # What was known goes on answering, and grows old.
        assert service.followed.last_error == "lost"
        assert service.followed.district is not None


async def test_events_that_are_of_no_known_type_are_skipped(sandbox: Sandbox, clock: MovedClock) -> None:
    async with followed(sandbox, clock) as service:
        await service.load()
        before = counted("unknown")
        service.break_events("unknown_type")
        service.change_at_random(3, changes=5)
        await eventually(lambda: service.has_applied(service.newest()))
        assert counted("unknown") > before
        assert not service.again


async def test_without_events_the_district_is_loaded_again_after_a_while_and_says_so(
    sandbox: Sandbox, clock: MovedClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with followed(sandbox, clock) as service:
        world = service.sandbox.app.state.world
        monkeypatch.setattr(world, "events_enabled", False)
        world.reset()
        await service.load()
        assert (service.followed.mode, service.followed.changes.upto) == (Mode.LOADED, None)
        assert "district_without_events" in [vars(record).get("event") for record in caplog.records]
        await eventually(lambda: len(service.again) > 1)


async def test_while_clever_fails_what_is_known_grows_old_and_says_why(sandbox: Sandbox, clock: MovedClock) -> None:
    async with followed(sandbox, clock) as service:
        await service.load()
        service.break_events("status", status=503)
        await eventually(lambda: service.followed.last_error == "failing")
        service.clock.move(50)
        assert service.following.lag_seconds(service.district) == 50
        service.sandbox.app.state.faults.clear()
        await eventually(lambda: service.followed.last_error is None)
        await eventually(lambda: service.following.lag_seconds(service.district) == 0)


async def test_a_gap_of_over_thirty_days_has_the_district_loaded_again(sandbox: Sandbox, clock: MovedClock) -> None:
    async with followed(sandbox, clock) as service:
        await service.load()
        service.break_events("status", status=503)
        service.clock.move(31 * 86_400)
        await eventually(lambda: service.followed.last_error == "gap")


async def test_a_district_is_loaded_again_once_a_day(sandbox: Sandbox, clock: MovedClock) -> None:
    async with followed(sandbox, clock) as service:
        await service.load()
        service.clock.move(86_401)
        await eventually(lambda: service.again)
        assert service.followed.mode is Mode.FOLLOWING


async def test_events_say_whose_permissions_may_have_changed(sandbox: Sandbox, clock: MovedClock) -> None:
    async with followed(sandbox, clock) as service:
        await service.load()
        began = str(service.followed.changes.upto)
        world = service.sandbox.app.state.world
        (section,) = (each for each in world.districts[service.district].all_sections if each.number == 1)
        newcomer = service.sandbox.user("co_teacher")
        world.change("sections", section.id, teachers=(newcomer,))
        await service.caught_up()
        changed = service.followed.changes.since(began)
        assert changed.upto == service.newest()
        assert {newcomer, *section.taught_by} <= {*changed.users}
        assert service.followed.changes.since(changed.upto).users == ()


async def test_what_changes_the_calendar_may_change_everybody(sandbox: Sandbox, clock: MovedClock) -> None:
    async with followed(sandbox, clock) as service:
        await service.load()
        began, known = str(service.followed.changes.upto), len(service.calendars)
        service.sandbox.app.state.world.change_district(service.district, state="paused")
        await eventually(lambda: len(service.calendars) > known)
        with pytest.raises(TooOld) as raised:
            service.followed.changes.since(began)
        assert raised.value.upto == service.newest()
