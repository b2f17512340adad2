"""Which reading answers, and the one flight, with a fake of Clever that counts and can be held back."""

import asyncio

import pytest

from app.domain.errors import CleverTimedOut, NotCached, UserUnknown
from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.read_context import ReadContext, Urgency
from app.domain.serialization import packed
from app.domain.snapshot import Snapshot
from app.roster.concurrency import ReadSlots, SlotLimits
from app.roster.freshness import Freshness
from tests.conftest import MovedClock
from tests.services.counting import ANN, KEY, NORTH, Asked, OneByOne, asked_of
from tests.waiting import settled


async def test_a_fresh_reading_answers_without_asking_again(asked: Asked) -> None:
    first = await asked.snapshot()
    asked.clock.move(299)
    assert await asked.snapshot() is first
    assert asked.clever.snapshots == 1


async def test_past_the_fresh_time_a_new_reading_answers(asked: Asked) -> None:
    first = await asked.snapshot()
    asked.clock.move(301)
    assert await asked.snapshot() is not first
    assert asked.clever.snapshots == 2


async def test_the_age_of_a_reading_counts_from_when_it_began(asked: Asked) -> None:
    asked.clever.let.clear()
    running = asked.reading_under_way()
    await settled(lambda: asked.clever.snapshots == 1)
    asked.clock.move(200)
    asked.clever.let.set()
    assert asked.clock.now - (await running).began == 200
    asked.clock.move(101)
    await asked.snapshot()
    assert asked.clever.snapshots == 2


async def test_a_thousand_callers_wait_for_one_reading(asked: Asked) -> None:
    asked.clever.let.clear()
    callers = [asked.reading_under_way() for _ in range(1000)]
    await settled(lambda: asked.clever.snapshots == 1)
    asked.clever.let.set()
    snapshots = await asyncio.gather(*callers)
    assert asked.clever.snapshots == 1
    assert all(snapshot is snapshots[0] for snapshot in snapshots)


async def test_a_caller_that_goes_away_does_not_take_the_reading_of_the_others_along(asked: Asked) -> None:
    asked.clever.let.clear()
    first, second = asked.reading_under_way(), asked.reading_under_way()
    await settled(lambda: asked.clever.snapshots == 1)
    first.cancel()
    asked.clever.let.set()
    assert (await second).facts == packed(Facts(ANN, NORTH))
    assert asked.clever.snapshots == 1


async def test_when_every_caller_goes_away_the_reading_is_kept_all_the_same(asked: Asked) -> None:
    asked.clever.let.clear()
    only = asked.reading_under_way()
    await settled(lambda: asked.clever.snapshots == 1)
    only.cancel()
    asked.clever.let.set()
    await settled(lambda: not asked.roster.fetches.in_progress)
    await asked.snapshot()
    assert asked.clever.snapshots == 1


async def test_a_failed_reading_fails_all_who_wait_and_is_not_remembered(asked: Asked) -> None:
    asked.clever.error = CleverTimedOut("no answer")
    outcomes = await asyncio.gather(asked.snapshot(), asked.snapshot(), return_exceptions=True)
    assert list(outcomes) == [asked.clever.error] * 2
    assert asked.clever.snapshots == 1
    asked.clever.error = None
    await asked.snapshot()
    assert asked.clever.snapshots == 2


async def test_a_user_who_is_gone_is_forgotten_at_once(asked: Asked) -> None:
    await asked.snapshot()
    asked.clever.error = UserUnknown()
    with pytest.raises(UserUnknown):
        await asked.snapshot(Freshness(no_cache=True))
    with pytest.raises(UserUnknown):
        await asked.snapshot(Freshness(only_if_cached=True))
    asked.clock.move(11)
    with pytest.raises(NotCached):
        await asked.snapshot(Freshness(only_if_cached=True))


async def test_a_reading_that_began_before_a_user_was_gone_does_not_bring_them_back(clock: MovedClock) -> None:
    clever = OneByOne()
    asked = asked_of(clever, clock, read_slots=ReadSlots(SlotLimits(of_many_of_one=1)))
    async with asked.roster.fetches.read_slots.turn(NORTH, ReadContext(urgency=Urgency.BULK)):
        later = asked.reading_under_way(Freshness(one_of_many=True))
        await settled(lambda: bool(asked.roster.fetches.in_progress))
        earlier = asked.reading_under_way()
        await settled(lambda: clever.snapshots == 1)
        clock.move(1)
    await settled(lambda: clever.snapshots == 2)
    clever.ends[1].set_exception(UserUnknown())
    with pytest.raises(UserUnknown):
        await later
    clever.ends[0].set_result(Facts(ANN, NORTH))
    for told in (earlier, asked.snapshot(Freshness(only_if_cached=True))):
        with pytest.raises(UserUnknown):
            await told


async def test_a_reading_that_began_before_what_is_known_to_be_newer_answers_who_waits_and_nobody_else(
    asked: Asked,
) -> None:
    asked.clever.let.clear()
    running = asked.reading_under_way()
    await settled(lambda: asked.clever.snapshots == 1)
    asked.clock.move(1)
    asked.roster.store.outdated.put(KEY.text, Snapshot(None, asked.clock.now))
    asked.clever.let.set()
    assert (await running).began == asked.clock.now - 1
    assert (await asked.snapshot()).began == asked.clock.now
    assert (await asked.snapshot(Freshness(only_if_cached=True))).began == asked.clock.now


async def test_max_age_asks_for_a_younger_reading(asked: Asked) -> None:
    await asked.snapshot()
    asked.clock.move(10)
    await asked.snapshot(Freshness(max_age=10))
    assert asked.clever.snapshots == 1
    await asked.snapshot(Freshness(max_age=9))
    assert asked.clever.snapshots == 2


async def test_max_age_does_not_stretch_the_fresh_time(asked: Asked) -> None:
    await asked.snapshot()
    asked.clock.move(301)
    await asked.snapshot(Freshness(max_age=100_000))
    assert asked.clever.snapshots == 2


async def test_no_cache_wants_a_reading_that_begins_after_the_question(asked: Asked) -> None:
    asked.clever.let.clear()
    ordinary = asked.reading_under_way()
    await settled(lambda: asked.clever.snapshots == 1)
    asked.clock.move(1)
    demanding = [asked.reading_under_way(Freshness(no_cache=True)) for _ in range(5)]
    asked.clever.let.set()
    before, *after = await asyncio.gather(ordinary, *demanding)
    assert asked.clever.snapshots == 2
    assert all(snapshot is not before for snapshot in after)


async def test_only_if_cached_never_reads(asked: Asked) -> None:
    with pytest.raises(NotCached):
        await asked.snapshot(Freshness(only_if_cached=True))
    cached = await asked.snapshot()
    assert await asked.snapshot(Freshness(only_if_cached=True)) is cached
    with pytest.raises(NotCached):
        await asked.snapshot(Freshness(only_if_cached=True, no_cache=True))
    assert asked.clever.snapshots == 1


async def test_a_policy_that_drops_unconfirmed_schools_is_not_served_facts_that_lack_the_list(asked: Asked) -> None:
    unread = HeldRole(Role.STAFF, (Standing(unconfirmed=None),))
    asked.clever.facts_given = Facts(ANN, NORTH, (unread,))
    await asked.snapshot()
    asked.drop_unconfirmed_schools()
    await asked.snapshot()
    assert asked.clever.snapshots == 2
