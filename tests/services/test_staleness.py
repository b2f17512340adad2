"""When an older reading answers, marked as such, and when it must not."""

import asyncio
from dataclasses import replace

import pytest

from app.domain.callers import USUAL_SCOPES, Caller
from app.domain.errors import (
    CallerOverspent,
    CleverCircuitOpen,
    CleverError,
    CleverForbade,
    CleverRefusedToken,
    CleverTimedOut,
    CleverUnreachable,
    NotCached,
    UserUnknown,
)
from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import UserId
from app.domain.read_context import ReadContext, Urgency
from app.domain.snapshot import Staleness
from app.roster.concurrency import ReadSlots, SlotLimits
from app.roster.freshness import Freshness
from app.roster.roster import Deadlines
from tests.conftest import MovedClock
from tests.services.counting import ANN, KEY, NORTH, Asked, CountingClever, OneByOne, asked_of
from tests.waiting import settled


def caller(name: bytes) -> Caller:
    return Caller(name.decode(), name, USUAL_SCOPES)


async def test_a_question_in_the_last_third_is_answered_at_once_while_one_reading_renews(asked: Asked) -> None:
    first = await asked.snapshot()
    asked.clock.move(201)
    asked.clever.let.clear()
    assert [await asked.snapshot() for _ in range(3)] == [first] * 3
    await settled(lambda: asked.clever.snapshots == 2)
    asked.clever.let.set()
    await settled(lambda: not asked.roster.fetches.in_progress)
    renewed = await asked.snapshot()
    assert (asked.clever.snapshots, asked.clock.now - renewed.began) == (2, 0)
    assert asked.clever.errands[1].urgency is Urgency.RENEWAL


async def test_before_its_last_third_a_reading_is_not_renewed(asked: Asked) -> None:
    await asked.snapshot()
    asked.clock.move(199)
    await asked.snapshot()
    assert not asked.roster.fetches.in_progress
    assert asked.clever.snapshots == 1


async def test_renewals_of_one_morning_are_spread_over_the_last_third(clock: MovedClock) -> None:
    clever = CountingClever()
    clever.let.set()
    asked = asked_of(clever, clock, jitter=iter((0.5, 0.0)).__next__)
    late = await asked.snapshot()
    early = await asked.snapshot(Freshness(no_cache=True))
    assert [round(snapshot.renew_at - snapshot.began, 1) for snapshot in (early, late)] == [200, 242.5]


async def test_a_renewal_that_fails_is_not_reported_and_not_tried_again_at_once(asked: Asked) -> None:
    first = await asked.snapshot()
    asked.clock.move(201)
    asked.clever.error = CleverUnreachable("no connection")
    for _ in range(5):
        assert await asked.snapshot() is first
        await settled(lambda: not asked.roster.fetches.in_progress)
    assert asked.clever.snapshots == 2
    asked.clock.move(11)
    assert await asked.snapshot() is first
    await settled(lambda: asked.clever.snapshots == 3)


async def test_what_only_the_cache_may_answer_is_not_renewed_either(asked: Asked) -> None:
    await asked.snapshot()
    asked.clock.move(250)
    await asked.snapshot(Freshness(only_if_cached=True))
    assert not asked.roster.fetches.in_progress


async def test_a_failed_reading_lets_the_older_one_answer_marked_stale(asked: Asked) -> None:
    older = await asked.snapshot()
    asked.clock.move(301)
    asked.clever.error = CleverUnreachable("no connection")
    answer = await asked.snapshot()
    assert (answer.facts, answer.began) == (older.facts, older.began)
    assert answer.staleness() == Staleness("unreachable", older.at)
    assert older.staleness() is None


async def test_a_slow_reading_lets_the_older_one_answer_and_goes_on_for_those_who_come_later(asked: Asked) -> None:
    await asked.snapshot()
    asked.clock.move(301)
    asked.clever.let.clear()
    asked.roster = replace(asked.roster, deadlines=Deadlines(slow=0.01))
    assert (await asked.snapshot()).stale == "slow"
    asked.clever.let.set()
    await settled(lambda: not asked.roster.fetches.in_progress)
    answer = await asked.snapshot()
    assert (answer.stale, asked.clever.snapshots) == (None, 2)


async def test_past_the_stale_time_the_failure_is_reported(asked: Asked) -> None:
    await asked.snapshot()
    asked.clever.error = CleverUnreachable("no connection")
    asked.clock.move(3599)
    assert (await asked.snapshot()).stale == "unreachable"
    asked.clock.move(2)
    with pytest.raises(CleverUnreachable):
        await asked.snapshot()


@pytest.mark.parametrize("refusal", [CleverRefusedToken("401"), CleverForbade("403")])
async def test_a_refused_token_ends_all_older_answers_of_its_district(asked: Asked, refusal: CleverError) -> None:
    await asked.snapshot()
    asked.clock.move(301)
    asked.clever.error = refusal
    with pytest.raises(type(refusal)):
        await asked.snapshot()
    asked.clever.error = CleverUnreachable("and now it is dead, too")
    with pytest.raises(CleverUnreachable):
        await asked.snapshot()
    with pytest.raises(CleverUnreachable):
        await asked.snapshot(Freshness(max_stale=3600))
    asked.clever.error = None
    assert (await asked.snapshot()).stale is None


async def test_a_refused_token_leaves_fresh_answers_as_they_are(asked: Asked) -> None:
    first = await asked.snapshot()
    asked.clever.error = CleverRefusedToken("401")
    with pytest.raises(CleverRefusedToken):
        await asked.snapshot(Freshness(no_cache=True))
    assert await asked.snapshot() is first


async def test_whoever_is_gone_is_not_answered_as_they_were(asked: Asked) -> None:
    await asked.snapshot()
    asked.clock.move(301)
    asked.clever.error = UserUnknown()
    with pytest.raises(UserUnknown):
        await asked.snapshot()
    asked.clever.error = CleverUnreachable("no connection")
    asked.clock.move(11)
    with pytest.raises(CleverUnreachable):
        await asked.snapshot()


async def test_that_a_user_is_gone_is_remembered_for_a_moment(asked: Asked) -> None:
    asked.clever.error = UserUnknown()
    for _ in range(3):
        with pytest.raises(UserUnknown):
            await asked.snapshot()
    assert asked.clever.snapshots == 1
    asked.clever.error = None
    asked.clock.move(1)
    assert (await asked.snapshot(Freshness(no_cache=True))).stale is None
    assert (await asked.snapshot()).stale is None
    assert asked.clever.snapshots == 2


async def test_max_age_says_how_recent_the_word_must_be_that_a_user_is_gone(asked: Asked) -> None:
    asked.clever.error = UserUnknown()
    with pytest.raises(UserUnknown):
        await asked.snapshot()
    asked.clock.move(5)
    asked.clever.error = None
    with pytest.raises(UserUnknown):
        await asked.snapshot(Freshness(max_age=5))
    await asked.snapshot(Freshness(max_age=4))


async def test_who_says_how_old_an_answer_may_be_gets_no_older_one(asked: Asked) -> None:
    await asked.snapshot()
    asked.clock.move(100)
    asked.clever.error = CleverUnreachable("no connection")
    with pytest.raises(CleverUnreachable):
        await asked.snapshot(Freshness(max_age=99))
    with pytest.raises(CleverUnreachable):
        await asked.snapshot(Freshness(no_cache=True))
    asked.clock.move(300)
    assert (await asked.snapshot(Freshness(max_age=400))).stale == "unreachable"


async def test_max_stale_accepts_an_older_answer_without_asking(asked: Asked) -> None:
    await asked.snapshot()
    asked.clock.move(400)
    assert (await asked.snapshot(Freshness(max_stale=100))).stale == "accepted"
    assert (await asked.snapshot(Freshness(max_stale=100, only_if_cached=True))).stale == "accepted"
    assert asked.clever.snapshots == 1
    assert (await asked.snapshot(Freshness(max_stale=99))).stale is None
    assert asked.clever.snapshots == 2


async def test_max_stale_counts_from_the_age_that_the_caller_names(asked: Asked) -> None:
    await asked.snapshot()
    asked.clock.move(60)
    assert (await asked.snapshot(Freshness(max_age=50, max_stale=10))).stale == "accepted"
    with pytest.raises(NotCached):
        await asked.snapshot(Freshness(max_age=50, max_stale=9, only_if_cached=True))


async def test_max_stale_does_not_reach_past_the_stale_time(asked: Asked) -> None:
    await asked.snapshot()
    asked.clock.move(3601)
    with pytest.raises(NotCached):
        await asked.snapshot(Freshness(max_stale=100_000, only_if_cached=True))


async def test_max_stale_does_not_reach_past_a_stale_time_that_is_shorter_than_the_fresh_time(asked: Asked) -> None:
    asked.roster = replace(asked.roster, stale_seconds=50)
    await asked.snapshot()
    lenient = Freshness(max_age=10, max_stale=1000, only_if_cached=True)
    asked.clock.move(50)
    assert (await asked.snapshot(lenient)).stale == "accepted"
    asked.clock.move(1)
    with pytest.raises(NotCached):
        await asked.snapshot(lenient)


async def test_whoever_waits_for_an_older_reading_to_end_reads_anew_even_if_it_fails(asked: Asked) -> None:
    asked.clever.let.clear()
    asked.clever.error = CleverUnreachable("no connection")
    older = asked.reading_under_way()
    await settled(lambda: asked.clever.snapshots == 1)
    asked.clock.move(1)
    newer = asked.reading_under_way(Freshness(no_cache=True))
    asked.clever.let.set()
    with pytest.raises(CleverUnreachable):
        await older
    asked.clever.error = None
    assert (await newer).began == asked.clock.now


async def test_without_waiting_there_is_only_what_is_there(asked: Asked) -> None:
    with pytest.raises(NotCached):
        await asked.snapshot(Freshness().at_once())
    first = await asked.snapshot()
    asked.clock.move(250)
    assert await asked.snapshot(Freshness().at_once()) is first
    await settled(lambda: asked.clever.snapshots == 2)


async def test_a_fetch_that_lasts_past_the_deadline_is_reported_as_timed_out(asked: Asked) -> None:
    asked.clever.let.clear()
    until = asyncio.get_running_loop().time() + 0.01
    with pytest.raises(CleverTimedOut, match="within the time that a request may take"):
        await asked.snapshot(Freshness(until=until))
    assert asked.clever.errands == [ReadContext(until=until)]


async def test_whoever_joins_the_reading_of_a_caller_who_overspent_reads_on_their_own_account(asked: Asked) -> None:
    asked.clever.let.clear()
    asked.clever.error = CallerOverspent("too much", retry_after=30)
    spender, other = (asked.reading_under_way(Freshness(caller=caller(name))) for name in (b"spender", b"other"))
    await settled(lambda: asked.clever.snapshots == 1)
    asked.clever.let.set()
    with pytest.raises(CallerOverspent):
        await spender
    asked.clever.error = None
    await other
    assert [read_context.caller for read_context in asked.clever.errands] == [b"spender", b"other"]


async def test_whoever_joins_a_renewal_that_is_put_off_reads_more_urgently(asked: Asked) -> None:
    await asked.snapshot()
    asked.clock.move(250)
    asked.clever.let.clear()
    asked.clever.error = CleverUnreachable("no connection")
    await asked.snapshot()
    waiting = asked.reading_under_way(Freshness(max_age=10))
    await settled(lambda: asked.clever.snapshots == 2)
    asked.clever.let.set()
    with pytest.raises(CleverUnreachable):
        await waiting
    assert [read_context.urgency for read_context in asked.clever.errands] == [
        Urgency.COLD,
        Urgency.RENEWAL,
        Urgency.COLD,
    ]


async def test_whoever_joins_a_reading_with_an_earlier_deadline_reads_on_when_that_is_over(asked: Asked) -> None:
    asked.clever.let.clear()
    asked.clever.error = CleverTimedOut("it took too long")
    now = asyncio.get_running_loop().time()
    hasty, patient = (asked.reading_under_way(Freshness(until=now + seconds)) for seconds in (20, 30))
    await settled(lambda: asked.clever.snapshots == 1)
    asked.clever.let.set()
    with pytest.raises(CleverTimedOut):
        await hasty
    asked.clever.error = None
    await patient
    assert asked.clever.snapshots == 2


async def test_a_single_question_does_not_wait_behind_a_batch_that_has_no_slot_yet(asked: Asked) -> None:
    asked.roster.fetches.read_slots = ReadSlots(SlotLimits(of_many_of_one=1))
    async with asked.roster.fetches.read_slots.turn(NORTH, ReadContext(urgency=Urgency.BULK)):
        of_batch = asked.reading_under_way(Freshness(one_of_many=True))
        await settled(lambda: bool(asked.roster.fetches.in_progress))
        alone = await asked.snapshot()
        assert asked.clever.snapshots == 1
    assert (await of_batch).facts == alone.facts
    await settled(lambda: not asked.roster.fetches.in_progress)


async def test_one_request_has_a_user_read_anew_once_however_often_it_asks(asked: Asked) -> None:
    await asked.snapshot()
    asked.clock.move(10)
    at = asked.clock.now
    for freshness in (Freshness(no_cache=True, asked_at=at), Freshness(max_age=0, asked_at=at)):
        asked.clever.snapshots = 0
        for _ in range(5):
            asked.clock.move(1)
            await asked.snapshot(freshness)
        assert asked.clever.snapshots == (1 if freshness.no_cache else 0)


async def test_what_is_forbidden_of_one_kind_leaves_older_answers_of_another(asked: Asked) -> None:
    await asked.snapshot()
    asked.clock.move(301)
    asked.roster.store.note_refusal(NORTH, "sections", asked.clock.now)
    asked.clever.error = CleverUnreachable("no connection")
    assert (await asked.snapshot()).stale == "unreachable"


async def test_an_older_answer_does_not_stand_in_for_a_reading_that_fails_once_clever_has_refused_the_token(
    asked: Asked,
) -> None:
    await asked.snapshot()
    asked.clock.move(301)
    asked.clever.let.clear()
    asked.clever.error = CleverUnreachable("no connection")
    waiting = asked.reading_under_way()
    await settled(lambda: asked.clever.snapshots == 2)
    asked.roster.store.note_refusal(NORTH, None, asked.clock.now)
    asked.clever.let.set()
    with pytest.raises(CleverUnreachable):
        await waiting


async def test_nor_does_it_for_one_that_is_slow(asked: Asked) -> None:
    await asked.snapshot()
    asked.clock.move(301)
    asked.clever.let.clear()
    asked.roster = replace(asked.roster, deadlines=Deadlines(slow=0))
    waiting = asked.reading_under_way()
    await settled(lambda: bool(asked.roster.fetches.in_progress))
    asked.roster.store.note_refusal(NORTH, None, asked.clock.now)
    await settled(lambda: asked.clever.snapshots == 2)
    assert not (await asyncio.wait({waiting}, timeout=0.02))[0]
    asked.clever.let.set()
    assert ((await waiting).stale, asked.clever.snapshots) == (None, 2)


async def test_a_reading_that_began_before_a_refusal_does_not_undo_it(asked: Asked) -> None:
    asked.clever.let.clear()
    early = asked.reading_under_way()
    await settled(lambda: asked.clever.snapshots == 1)
    asked.clock.move(1)
    asked.roster.store.note_refusal(NORTH, None, asked.clock.now)
    asked.clever.let.set()
    await early
    assert not asked.roster.store.allows_stale(KEY)
    asked.clock.move(1)
    await asked.snapshot(Freshness(no_cache=True))
    assert asked.roster.store.allows_stale(KEY)


async def test_a_refusal_of_a_reading_that_began_before_one_that_was_answered_ends_nothing(clock: MovedClock) -> None:
    clever = OneByOne()
    asked = asked_of(clever, clock)
    early = asyncio.create_task(asked.roster.user(NORTH, UserId("ben"), Freshness()))
    await settled(lambda: clever.snapshots == 1)
    clock.move(1)
    late = asked.reading_under_way()
    await settled(lambda: clever.snapshots == 2)
    clever.ends[1].set_result(Facts(ANN, NORTH))
    await late
    clever.ends[0].set_exception(CleverRefusedToken("401"))
    with pytest.raises(CleverRefusedToken):
        await early
    assert asked.roster.store.allows_stale(KEY)


async def test_of_two_refusals_the_one_that_began_later_counts(clock: MovedClock) -> None:
    clever = OneByOne()
    asked = asked_of(clever, clock)
    running = []
    for user in ("ann", "ben", "cat"):
        running.append(asyncio.create_task(asked.roster.user(NORTH, UserId(user), Freshness())))
        await settled(lambda: clever.snapshots == len(running))
        clock.move(1)
    for refused in (2, 0):
        clever.ends[refused].set_exception(CleverRefusedToken("401"))
        with pytest.raises(CleverRefusedToken):
            await running[refused]
    clever.ends[1].set_result(Facts(UserId("ben"), NORTH))
    await running[1]
    assert not asked.roster.store.allows_stale(KEY)


async def test_a_reading_under_another_policy_is_not_joined_for_what_it_lacks(asked: Asked) -> None:
    asked.clever.facts_given = Facts(ANN, NORTH, (HeldRole(Role.STAFF, (Standing(unconfirmed=None),)),))
    asked.clever.let.clear()
    keeping = asked.reading_under_way()
    await settled(lambda: asked.clever.snapshots == 1)
    asked.drop_unconfirmed_schools()
    dropping = asked.reading_under_way()
    asked.clever.let.set()
    await asyncio.gather(keeping, dropping)
    assert asked.clever.snapshots == 2


async def test_while_clever_is_barred_older_answers_and_refusals_cost_no_reading(asked: Asked) -> None:
    await asked.snapshot()
    asked.clock.move(301)
    asked.clever.bar = CleverCircuitOpen("Clever is down")
    assert (await asked.snapshot()).stale == "barred"
    with pytest.raises(CleverCircuitOpen):
        await asked.snapshot(Freshness(max_age=10))
    assert (asked.clever.snapshots, asked.roster.fetches.in_progress) == (1, frozenset())
