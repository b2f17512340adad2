"""A loaded district is kept true by Clever's events, whatever becomes of them on the way."""

from typing import Any

import pytest

from app.domain.ids import UserId
from app.roster.changes import TooOld
from app.roster.district import District
from app.roster.following import Mode
from app.sandbox import fault_kinds
from app.telemetry import metrics
from tests.conftest import MovedClock, Sandbox
from tests.following import following
from tests.waiting import eventually


def counted(outcome: str) -> float:
    return metrics.REGISTRY.get_sample_value("rosterguard_clever_events_total", {"outcome": outcome}) or 0


async def test_a_followed_district_equals_one_that_is_loaded_afresh(sandbox: Sandbox, clock: MovedClock) -> None:
    async with following(sandbox, clock) as replica:
        await replica.load()
        for seed in range(3):
            replica.change_at_random(seed)
            assert await replica.caught_up() == await replica.contents()
        assert replica.followed.mode is Mode.FOLLOWING
        assert len(replica.published) == 1


async def test_what_changes_during_the_load_is_applied_before_the_district_answers(
    sandbox: Sandbox, clock: MovedClock
) -> None:
    async with following(sandbox, clock) as replica:
        district, newest = await replica.read()
        replica.change_at_random(7)
        await replica.following.take(district, newest)
        assert [*district.contents()] == await replica.contents()
        assert replica.published == [district]


async def test_whoever_changed_during_the_load_is_told_of_as_soon_as_the_district_answers(
    sandbox: Sandbox, clock: MovedClock
) -> None:
    async with following(sandbox, clock) as replica:
        told, load = set[UserId](), await replica.read()
        replica.following.publish = lambda district: setattr(district, "on_change", told.update)
        sandbox.app.state.world.remove("users", sandbox.user("teacher_only"))
        await replica.following.take(*load)
        assert sandbox.user("teacher_only") in told


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
    async with following(sandbox, clock) as replica:
        before, load = counted(outcome), await replica.read()
        replica.break_events(kind, times=1)
        replica.change_at_random(3, changes=5)
        await replica.following.take(*load)
        await eventually(lambda: counted(outcome) > before)
        assert await replica.caught_up() == await replica.contents()
        assert not replica.again


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_section_without_a_term_is_read_again_where_it_had_one_or_others_have(
    sandbox: Sandbox, clock: MovedClock, monkeypatch: pytest.MonkeyPatch, *, is_known: bool
) -> None:
    monkeypatch.setattr(fault_kinds, "HOLES", (("data", "object", "term_id"),))
    async with following(sandbox, clock) as replica:
        world = sandbox.app.state.world
        there = world.districts[replica.district]
        section = next(each for each in there.all_sections if each.term)
        load, before = await replica.read(), counted("holes")
        replica.break_events("holes", times=1)
        if is_known:
            world.change("sections", section.id, name="another")
            changed = section.id
        else:
            fields = {"school": section.school, "teachers": section.taught_by, "term": section.term}
            changed = world.add("sections", None, students=(), **fields)
        await replica.following.take(*load)
        assert await replica.caught_up() == await replica.contents()
        assert replica.followed.district is not None
        held = replica.followed.district.section(changed)
        assert (held and held.term, counted("holes")) == (section.term, before + 1)


@pytest.mark.parametrize(
    ("kind", "changes", "reason"), [("other_district", 100, "flawed"), ("holes", 100, "unclear"), ("status", 1, "lost")]
)
async def test_a_district_is_loaded_again_where_too_much_is_wrong(
    sandbox: Sandbox, clock: MovedClock, kind: str, changes: int, reason: str
) -> None:
    async with following(sandbox, clock) as replica:
        load = await replica.read()
        replica.break_events(kind, **({"status": 400} if kind == "status" else {}))
        replica.change_at_random(3, changes=changes)
        await replica.following.take(*load)
        await eventually(lambda: replica.again)
        assert (replica.followed.last_error, replica.published) == (reason, [])
        replica.sandbox.app.state.faults.clear()
        await replica.load()
        assert (replica.followed.last_error, replica.followed.mode) == (None, Mode.FOLLOWING)


async def test_where_events_are_forbidden_the_district_is_loaded_again_and_goes_by_time(
    sandbox: Sandbox, clock: MovedClock
) -> None:
    async with following(sandbox, clock) as replica:
        await replica.load()
        replica.break_events("status", status=403)
        await eventually(lambda: replica.again)
        assert replica.followed.last_error == "forbidden"
        await replica.following.take(replica.published[-1], None)
        assert replica.followed.mode is Mode.LOADED


async def test_a_lost_place_in_the_events_has_the_district_loaded_again(sandbox: Sandbox, clock: MovedClock) -> None:
    async with following(sandbox, clock) as replica:
        await replica.load()
        replica.sandbox.app.state.world.reset()
        replica.change_at_random(1, changes=1)
        await eventually(lambda: replica.again)
        # What was known goes on answering, and grows old.
        assert replica.followed.last_error == "lost"
        assert replica.followed.district is not None


async def test_events_that_are_of_no_known_type_are_skipped_and_the_district_is_loaded_again_once_in_time(
    sandbox: Sandbox, clock: MovedClock
) -> None:
    async with following(sandbox, clock) as replica:
        await replica.load()
        before = counted("unknown")
        replica.break_events("unknown_type")
        replica.change_at_random(3, changes=5)
        await eventually(lambda: replica.has_applied(replica.newest()))
        assert counted("unknown") > before
        assert not replica.again
        clock.move(1)
        await eventually(lambda: replica.again)
        replica.change_at_random(4, changes=5)
        await eventually(lambda: replica.has_applied(replica.newest()))
        assert replica.again == [replica.district]


async def test_events_whose_types_are_garbled_once_are_read_again_with_the_next(
    sandbox: Sandbox, clock: MovedClock
) -> None:
    async with following(sandbox, clock) as replica:
        await replica.load()
        teacher, before = UserId(sandbox.user("teacher_only")), counted("unknown")
        replica.break_events("unknown_type", times=1)
        sandbox.app.state.world.remove("users", teacher)
        await eventually(lambda: counted("unknown") > before)
        seen = replica.newest()
        await eventually(lambda: teacher in replica.followed.changes.since(seen).users)
        assert await replica.caught_up() == await replica.contents()
        assert not replica.again


async def test_without_events_the_district_is_loaded_again_after_a_while_and_says_so(
    sandbox: Sandbox, clock: MovedClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with following(sandbox, clock) as replica:
        world = replica.sandbox.app.state.world
        monkeypatch.setattr(world, "events_enabled", False)
        world.reset()
        await replica.load()
        assert (replica.followed.mode, replica.followed.changes.upto) == (Mode.LOADED, None)
        assert "district_without_events" in [vars(record).get("event") for record in caplog.records]
        await eventually(lambda: len(replica.again) > 1)


async def test_while_clever_fails_what_is_known_grows_old_and_says_why(sandbox: Sandbox, clock: MovedClock) -> None:
    async with following(sandbox, clock) as replica:
        await replica.load()
        replica.break_events("status", status=503)
        await eventually(lambda: replica.followed.last_error == "failing")
        clock.move(50)
        assert replica.following.lag_seconds(replica.district) == 50
        replica.sandbox.app.state.faults.clear()
        await eventually(lambda: replica.followed.last_error is None)
        await eventually(lambda: replica.following.lag_seconds(replica.district) == 0)


async def test_a_gap_of_over_thirty_days_has_the_district_loaded_again(sandbox: Sandbox, clock: MovedClock) -> None:
    async with following(sandbox, clock) as replica:
        await replica.load()
        replica.break_events("status", status=503)
        clock.move(31 * 86_400)
        await eventually(lambda: replica.followed.last_error == "gap")


async def test_a_district_is_loaded_again_once_a_day(sandbox: Sandbox, clock: MovedClock) -> None:
    async with following(sandbox, clock) as replica:
        await replica.load()
        clock.move(86_401)
        await eventually(lambda: replica.again)
        assert replica.followed.mode is Mode.FOLLOWING


async def test_where_nothing_was_heard_for_an_hour_it_is_looked_whether_events_still_tell_everything(
    sandbox: Sandbox, clock: MovedClock
) -> None:
    teacher, modes = sandbox.user("teacher_only"), list[Mode]()
    async with following(sandbox, clock) as replica:

        async def load() -> District:
            await replica.load()
            modes.append(replica.followed.mode)
            return replica.published[-1]

        await load()
        clock.move(3_601)
        await eventually(lambda: replica.again)
        await load()
        world = replica.sandbox.app.state.world
        world.switch_events(enabled=False)
        world.remove("users", teacher)
        assert (await load()).facts(teacher) is None
        await load()
        world.switch_events(enabled=True)
        world.remove("users", sandbox.user("staff_portal_only"))
        await load()
    assert modes == [Mode.FOLLOWING, Mode.FOLLOWING, Mode.LOADED, Mode.LOADED, Mode.FOLLOWING]


async def test_whoever_has_seen_the_last_event_before_events_were_refused_is_told_that_more_has_changed_since(
    sandbox: Sandbox, clock: MovedClock
) -> None:
    async with following(sandbox, clock) as replica:
        replica.change_at_random(1, changes=1)
        await replica.load()
        seen = replica.newest()
        assert replica.followed.changes.since(seen).users == ()
        replica.sandbox.app.state.world.switch_events(enabled=False)
        replica.sandbox.app.state.world.remove("users", sandbox.user("teacher_only"))
        district, _ = await replica.read()
        await replica.following.take(district, None)
        replica.sandbox.app.state.world.switch_events(enabled=True)
        await replica.load()
        assert (replica.followed.mode, replica.newest()) == (Mode.FOLLOWING, seen)
        with pytest.raises(TooOld):
            replica.followed.changes.since(seen)
        upto = replica.followed.changes.upto
        assert upto is not None
        assert replica.followed.changes.since(upto).users == ()
        assert not replica.followed.changes.may_come(seen)


async def test_events_say_whose_permissions_may_have_changed(sandbox: Sandbox, clock: MovedClock) -> None:
    async with following(sandbox, clock) as replica:
        await replica.load()
        began = str(replica.followed.changes.upto)
        world = replica.sandbox.app.state.world
        (section,) = (each for each in world.districts[replica.district].all_sections if each.number == 1)
        newcomer = replica.sandbox.user("co_teacher")
        world.change("sections", section.id, teachers=(newcomer,))
        await replica.caught_up()
        changed = replica.followed.changes.since(began)
        assert changed.upto == replica.newest()
        assert {newcomer, *section.taught_by} <= {*changed.users}
        assert replica.followed.changes.since(changed.upto).users == ()


async def test_what_changes_the_calendar_has_it_read_again(sandbox: Sandbox, clock: MovedClock) -> None:
    async with following(sandbox, clock) as replica:
        await replica.load()
        known, world = len(replica.calendars), replica.sandbox.app.state.world
        world.change_district(replica.district, state="paused")
        world.change("terms", world.districts[replica.district].all_terms[0].id, end_date="2031-01-01")
        held = await replica.caught_up()
        assert len(replica.calendars) > known
        assert held == await replica.contents()
        assert replica.followed.district is not None
        assert "paused" in str(replica.followed.district.calendar())


@pytest.mark.parametrize(
    "broken",
    [
        {"kind": "status", "status": 403, "path": "/v3.1/districts/*"},
        {"kind": "wrong_shape", "path": "/v3.1/terms"},
        {"kind": "html", "path": "/v3.1/terms"},
        {"kind": "loop", "path": "/v3.1/terms"},
    ],
    ids=["forbidden", "malformed", "no JSON", "without end"],
)
async def test_a_calendar_that_cannot_be_read_is_left_to_whoever_needs_it(
    sandbox: Sandbox, clock: MovedClock, broken: dict[str, Any]
) -> None:
    async with following(sandbox, clock) as replica:
        await replica.load()
        replica.break_events(**broken)
        replica.sandbox.app.state.world.change_district(replica.district, state="paused")
        await replica.caught_up()
        assert replica.followed.district is not None
        assert replica.followed.district.calendar() is None
