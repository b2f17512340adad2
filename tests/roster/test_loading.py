"""A district is loaded page by page, goes on where it stopped, and answers once all of it is there."""

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any, NamedTuple

import pytest

from app.clever.client import CleverClient
from app.domain.calendar import Calendar
from app.domain.errors import CleverError, CleverUnreachable
from app.domain.facts import Facts, Role
from app.domain.ids import DistrictId, UserId
from app.domain.scopes import Scope
from app.roster.district import District, Whom
from app.roster.loading import MOST_TRIES, Loading, LoadStatus, NoOthers, Progress
from app.roster.store import Store
from app.sandbox.faults import Fault, Faults
from app.waiting import cancel
from tests.clever_client import client_of
from tests.conftest import MovedClock, Sandbox
from tests.rosters import roster_over
from tests.waiting import eventually, settled

LIMIT = 50
TRIES = 4  # of one request to Clever, before it counts as failed


HERE = DistrictId("d" * 24)


class Listed(NamedTuple):
    """A page of a list."""

    records: Sequence[Any] = ()
    cursor: str | None = None


class Scripted(CleverClient):
    """A Clever that has no schools and sections, and sends these pages of users in turn, or fails."""

    connected: frozenset[DistrictId] = frozenset({HERE})

    def __init__(self, pages: Iterable[Listed | CleverError]) -> None:
        self.pages = iter(pages)

    def known_districts(self) -> frozenset[DistrictId]:
        return self.connected

    async def newest_event(self, *_: object) -> str | None:
        return None

    async def calendar(self, *_: object, **__: object) -> Calendar:
        return Calendar()

    async def school_page(self, *_: object) -> Any:
        return Listed()

    async def section_page(self, *_: object) -> Any:
        return Listed()

    async def people_page(
        self, _district: object, _role: object, _context: object, take: Callable[[Facts], object], *_: object
    ) -> Any:
        page = next(self.pages)
        if isinstance(page, CleverError):
            raise page
        for facts in page.records:
            take(facts)
        return page._replace(records=[facts.user for facts in page.records])


async def at_once(_seconds: float) -> None:
    await asyncio.sleep(0)


def loads_of(clever: CleverClient, store: Store, whom: Whom = Whom.EVERYONE) -> Loading:
    """The loads of a process that answers from a store, without pauses, and follows nothing."""

    async def hand_over(district: District, _event: str | None) -> None:
        store.put_district(district)

    async def take_back(district: DistrictId) -> None:
        store.drop_district(district)

    return Loading(clever=clever, store=store, whom=whom, hand_over=hand_over, take_back=take_back, sleep=at_once)


@asynccontextmanager
async def process(sandbox: Sandbox, clock: MovedClock, whom: Whom = Whom.EVERYONE) -> AsyncIterator[Loading]:
    """The loads of a process, with pages of fifty records and without pauses."""
    async with client_of(sandbox.url, clock=clock, bulk_limit=LIMIT) as client:
        loads = loads_of(client, roster_over(client, clock).store, whom)
        try:
            yield loads
        finally:
            await loads.aclose()


async def ended(loads: Loading, district: str) -> Progress:
    loads.start(DistrictId(district))
    return await loads.finish(DistrictId(district))


async def loaded(sandbox: Sandbox, clock: MovedClock, whom: Whom = Whom.EVERYONE) -> tuple[Progress, District]:
    async with process(sandbox, clock, whom) as loads:
        progress = await ended(loads, sandbox.district)
        district = loads.store.district(sandbox.district)
    assert district is not None
    return progress, district


def fault(sandbox: Sandbox, **given: object) -> None:
    sandbox.app.state.faults.put(Faults(faults=(Fault.model_validate(given),)))


def pages_of(records: int) -> int:
    return -(-records // LIMIT)


def requests_for(sandbox: Sandbox, path: str) -> int:
    return sandbox.requests[f"/v3.1/{path}"]


ALONE = ("the district of the token", "the newest event", "the record of the district", "the terms")


async def test_everybody_every_section_and_every_school_is_loaded(sandbox: Sandbox, clock: MovedClock) -> None:
    progress, district = await loaded(sandbox, clock)
    there, everywhere = sandbox.world.districts[0], (Scope.DISTRICT, sandbox.district)
    assert district.people(everywhere) == [*there.users]
    assert district.sections(everywhere) == [*there.sections]
    assert district.schools() == [*there.schools]
    assert (progress.status, progress.failures, progress.restarts) == (LoadStatus.LOADED, 0, 0)
    assert progress.records == {
        "schools": len(there.schools),
        "sections": len(there.sections),
        "users": len(there.users),
    }
    assert progress.pages == sum(map(pages_of, progress.records.values()))
    assert sum(sandbox.requests.values()) == progress.pages + len(ALONE)


async def test_of_staff_alone_no_students_are_read(sandbox: Sandbox, clock: MovedClock) -> None:
    _, district = await loaded(sandbox, clock, Whom.STAFF)
    there = sandbox.world.districts[0]
    employees = {user.id for user in there.users.values() if {"teacher", "staff", "district_admin"} & set(user.roles)}
    assert set(district.people((Scope.DISTRICT, there.id))) <= employees
    by_role = [len(there.users_in_role[role]) for role in ("district_admin", "staff", "teacher")]
    assert requests_for(sandbox, "users") == sum(map(pages_of, by_role))
    assert district.counts()[Role.TEACHER] == len(there.users_in_role["teacher"])


async def test_after_a_failure_it_goes_on_at_the_page_where_it_stopped(sandbox: Sandbox, clock: MovedClock) -> None:
    fault(sandbox, path="*/users", kind="status", status=500, script=[None, None, *[True] * TRIES])
    progress, district = await loaded(sandbox, clock)
    assert len(district.people((Scope.DISTRICT, sandbox.district))) == len(sandbox.world.districts[0].users)
    assert (progress.status, progress.restarts, progress.last_error) == (LoadStatus.LOADED, 0, "failing")
    assert progress.failures == 1
    assert requests_for(sandbox, "users") == pages_of(progress.records["users"]) + TRIES


@pytest.mark.parametrize("kind", ["repeated", "shifted", "loop", "gone", "dangling", "astray"])
@pytest.mark.parametrize("records", ["users", "sections"])
async def test_a_list_that_repeats_or_leads_astray_is_begun_again(
    sandbox: Sandbox, clock: MovedClock, kind: str, records: str
) -> None:
    fault(sandbox, path=f"*/{records}", kind=kind, page="later", times=1)
    progress, district = await loaded(sandbox, clock)
    assert (progress.status, progress.restarts) == (LoadStatus.LOADED, 1)
    assert progress.records[records] == len(getattr(sandbox.world.districts[0], records))
    assert len(district.people((Scope.DISTRICT, sandbox.district))) == len(sandbox.world.districts[0].users)


async def test_a_page_with_more_records_than_asked_for_is_read_again(sandbox: Sandbox, clock: MovedClock) -> None:
    fault(sandbox, path="*/users", kind="doubled", page="later", times=1)
    progress, _ = await loaded(sandbox, clock)
    assert (progress.status, progress.failures, progress.restarts) == (LoadStatus.LOADED, 1, 0)
    assert progress.records["users"] == len(sandbox.world.districts[0].users)


async def test_who_is_gone_when_a_list_is_begun_again_is_not_held(clock: MovedClock) -> None:
    ada, ben = Facts(UserId("a" * 24), HERE), Facts(UserId("b" * 24), HERE)
    clever = Scripted([Listed((ada, ben), "2"), Listed((ben,)), Listed((ben,))])
    store = roster_over(clever, clock).store
    loads = loads_of(clever, store)
    loads.start(HERE)
    assert (await loads.finish(HERE)).restarts == 1
    district = loads.store.district(HERE)
    assert district is not None
    assert district.people((Scope.DISTRICT, HERE)) == [ben.user]


@pytest.mark.parametrize(("status", "outcome"), [(401, "token_refused"), (403, "forbidden"), (404, "incomplete")])
async def test_a_load_that_clever_refuses_is_given_up(
    sandbox: Sandbox, clock: MovedClock, status: int, outcome: str
) -> None:
    async with process(sandbox, clock) as loads:
        await loads.clever.districts()
        fault(sandbox, path="*/sections", kind="status", status=status)
        progress = await ended(loads, sandbox.district)
        assert (progress.status, progress.last_error) == (LoadStatus.FAILED, outcome)
        assert loads.store.district(sandbox.district) is None


@pytest.mark.parametrize(
    ("pages", "outcome"),
    [
        ([CleverUnreachable("Clever cannot be reached")], "unreachable"),
        ([Listed((Facts(UserId("a" * 24), HERE),), "2")] * 2, "garbled"),
    ],
)
async def test_a_load_that_never_succeeds_leaves_room_for_those_of_other_districts(
    clock: MovedClock, pages: Sequence[Listed | CleverError], outcome: str
) -> None:
    clever = Scripted(cycle(pages))
    store = roster_over(clever, clock).store
    loads = loads_of(clever, store)
    loads.start(HERE)
    progress = await loads.finish(HERE)
    assert (progress.status, progress.last_error) == (LoadStatus.FAILED, outcome)
    assert progress.failures + progress.restarts == MOST_TRIES - 1
    assert store.district(HERE) is None


async def test_a_district_that_is_not_connected_is_not_loaded(sandbox: Sandbox, clock: MovedClock) -> None:
    async with process(sandbox, clock) as loads:
        progress = await ended(loads, "e" * 24)
    assert (progress.status, progress.last_error) == (LoadStatus.FAILED, "not_connected")


async def test_without_events_a_district_is_loaded_all_the_same(sandbox: Sandbox, clock: MovedClock) -> None:
    fault(sandbox, path="*/events", kind="status", status=403)
    progress, _ = await loaded(sandbox, clock)
    assert (progress.status, progress.last_error) == (LoadStatus.LOADED, None)


class Announced(NoOthers):
    """The turns of a process that notes what it tells others to load."""

    def __init__(self) -> None:
        self.districts: list[DistrictId] = []

    def announce_load(self, district: DistrictId) -> None:
        self.districts.append(district)


async def test_others_are_told_of_a_load_once_and_one_that_began_before_ours_is_nothing_new(
    sandbox: Sandbox, clock: MovedClock
) -> None:
    async with process(sandbox, clock) as loads:
        district, others = DistrictId(sandbox.district), Announced()
        loads.turns = others
        asked_at = loads.store.wall()
        first = loads.start_everywhere(district)
        assert loads.start_everywhere(district) is first
        assert others.districts == [district]
        await loads.finish(district)
        loads.start_unless_newer(district, asked_at)
        assert loads.progress(district) is first
        loads.start_unless_newer(district, asked_at + 1)
        assert loads.progress(district) is not first
        assert (await loads.finish(district)).status is LoadStatus.LOADED


@pytest.mark.parametrize(
    "broken", [{"kind": "status", "status": 500}, {"kind": "wrong_shape"}], ids=["failing", "malformed"]
)
async def test_terms_that_cannot_be_read_are_left_to_whoever_needs_them(
    sandbox: Sandbox, clock: MovedClock, broken: dict[str, Any]
) -> None:
    fault(sandbox, path="*/terms", **broken)
    progress, district = await loaded(sandbox, clock)
    assert (progress.status, district.calendar()) == (LoadStatus.LOADED, None)
    assert district.people((Scope.DISTRICT, sandbox.district)) == [*sandbox.world.districts[0].users]


async def test_a_load_in_progress_is_not_begun_again(sandbox: Sandbox, clock: MovedClock) -> None:
    async with process(sandbox, clock) as loads:
        first = loads.start(DistrictId(sandbox.district))
        assert await ended(loads, sandbox.district) is first
        assert requests_for(sandbox, "schools") == pages_of(len(sandbox.world.districts[0].schools))
        assert loads.start(DistrictId(sandbox.district)) is not first


async def test_the_districts_of_the_settings_are_loaded_as_soon_as_they_are_known(
    sandbox: Sandbox, clock: MovedClock
) -> None:
    async with process(sandbox, clock) as loads:
        keeping = asyncio.create_task(loads.keep_loaded(None))
        await loads.clever.districts()
        await eventually(lambda: loads.store.district(sandbox.district))
        await cancel((keeping,))
    assert requests_for(sandbox, "schools") == pages_of(len(sandbox.world.districts[0].schools))


async def test_a_district_that_disconnects_is_dropped_from_memory_and_loaded_again_once_it_is_back(
    clock: MovedClock,
) -> None:
    clever = Scripted(cycle([Listed((Facts(UserId("a" * 24), HERE),))]))
    loads = loads_of(clever, roster_over(clever, clock).store)
    keeping = asyncio.create_task(loads.keep_loaded(None))
    await settled(lambda: loads.store.district(HERE))
    district = weakref.ref(loads.store.district(HERE))
    clever.connected = frozenset()
    await settled(lambda: loads.store.district(HERE) is None)
    assert (district(), loads.progress(HERE).status) == (None, LoadStatus.NOT_STARTED)
    clever.connected = frozenset({HERE})
    await settled(lambda: loads.store.district(HERE))
    await cancel((keeping,))


async def test_the_load_of_a_district_that_disconnects_is_broken_off(clock: MovedClock) -> None:
    clever = Scripted(cycle([CleverUnreachable("Clever cannot be reached")]))
    loads = loads_of(clever, roster_over(clever, clock).store)
    progress = loads.start(HERE)
    await settled(lambda: progress.failures)
    clever.connected = frozenset()
    keeping = asyncio.create_task(loads.keep_loaded(None))
    await settled(progress.is_over)
    assert progress.last_error == "broken_off"
    await cancel((keeping,))


async def test_whatever_asks_for_a_load_while_the_process_ends_begins_none(clock: MovedClock) -> None:
    clever = Scripted(cycle([CleverUnreachable("Clever cannot be reached")]))
    loads = loads_of(clever, roster_over(clever, clock).store)
    progress = loads.start(HERE)
    await settled(lambda: progress.failures)
    await loads.aclose()
    assert loads.start(HERE) is progress
    assert (progress.status, progress.last_error) == (LoadStatus.FAILED, "broken_off")


def test_when_a_load_may_end_is_told_by_what_is_done() -> None:
    progress = Progress(DistrictId("d" * 24), Whom.STAFF, LoadStatus.LOADING, began=1000.0)
    assert progress.estimated_end(1010.0) is None
    progress.records["sections"], progress.expected = 250, 1000
    assert progress.estimated_end(1010.0) == 1040.0
    progress.status = LoadStatus.LOADED
    assert progress.estimated_end(1010.0) is None
