"""What a process does with what Clever's headers say of the rate limit."""

import asyncio

import pytest

from app.clever.rate_limit import Budget, Rate
from app.domain.errors import CallerOverspent, CleverError, CleverLimited
from app.domain.read_context import OWN, ReadContext, Urgency
from tests.conftest import MovedClock
from tests.waiting import turn

COLD, HELD, BULK, RENEWAL, LOAD = (ReadContext(b"ann", urgency) for urgency in Urgency)
EVERY = (COLD, HELD, BULK, RENEWAL)


def told(clock: MovedClock, left: int, *, limit: int = 1200, seconds: float = 30, share: float = 1.0) -> Budget:
    budget = Budget(clock, share)
    for _ in range(limit - left):
        budget.begin(OWN)
        budget.end()
    budget.record_rates(Rate(limit, left, 60, seconds))
    return budget


def outcome(budget: Budget, read_context: ReadContext) -> tuple[type[CleverError], str, int] | None:
    refusal = budget.refusal(read_context)
    return None if refusal is None else (type(refusal), str(refusal), refusal.retry_after)


USED_UP = (CleverLimited, "Clever's limit of requests a minute is used up for this token", 30)
KEPT = (CleverLimited, "what is left of Clever's limit of requests a minute is kept for more urgent questions", 30)
SHARE = (CallerOverspent, "this caller has used up its share of the requests to Clever of this minute", 30)


def test_nothing_is_held_back_before_clever_tells_a_limit(clock: MovedClock) -> None:
    budget = Budget(clock)
    for _ in range(5000):
        budget.begin(COLD)
    assert ([outcome(budget, read_context) for read_context in EVERY], budget.room()) == ([None] * 4, 1)


@pytest.mark.parametrize(
    ("left", "outcomes"),
    [
        (301, [None, None, None, None]),
        (300, [None, None, None, KEPT]),
        (121, [None, None, None, KEPT]),
        (120, [None, None, KEPT, KEPT]),
        (61, [None, None, KEPT, KEPT]),
        (60, [None, KEPT, KEPT, KEPT]),
        (1, [None, KEPT, KEPT, KEPT]),
        (0, [USED_UP, USED_UP, USED_UP, USED_UP]),
    ],
)
def test_what_is_left_is_kept_for_the_more_urgent(clock: MovedClock, left: int, outcomes: list[object]) -> None:
    assert [outcome(told(clock, left), read_context) for read_context in EVERY] == outcomes


@pytest.mark.parametrize(
    ("read_context", "share", "requests", "error"),
    [
        (BULK, 1.0, 480, None),
        (BULK, 1.0, 481, CleverLimited),
        (BULK, 1.0, 1080, CleverLimited),
        (BULK, 1.0, 1081, None),
        (COLD, 1.0, 601, CleverLimited),
        (BULK, 0.25, 300, None),
        (BULK, 0.25, 301, None),
        (OWN, 0.25, 601, CleverLimited),
    ],
)
def test_what_fits_into_a_window_but_not_into_what_is_left_of_it_is_not_begun(
    read_context: ReadContext, share: float, requests: int, error: type[CleverError] | None, clock: MovedClock
) -> None:
    budget = told(clock, 600, share=share)
    refusal = budget.unaffordable(read_context, requests)
    assert (refusal and type(refusal), refusal and refusal.retry_after) == (error, error and 30)


def test_a_caller_who_has_used_a_part_of_their_share_may_cause_the_rest_of_it(clock: MovedClock) -> None:
    budget = told(clock, 1200, share=0.25)
    for _ in range(100):
        budget.begin(BULK)
        budget.end()
    assert budget.unaffordable(BULK, 200) is None
    assert isinstance(budget.unaffordable(BULK, 201), CallerOverspent)
    assert Budget(clock).unaffordable(BULK, 10_000) is None


def test_of_several_buckets_each_has_its_own_window(clock: MovedClock) -> None:
    budget = Budget(clock, 1.0)
    budget.record_rates(Rate(1200, 900, 100, 50), Rate(200, 3, 70, 20))
    assert (budget.left(), budget.room()) == (3 / 200, 1)
    budget.record_rates(Rate(1200, 899, 100, 50), Rate(200, 0, 70, 20))
    assert outcome(budget, COLD) == (*USED_UP[:2], 20)
    clock.move(20)
    assert (budget.left(), outcome(budget, COLD)) == (899 / 1200, None)
    budget.record_rates(Rate(1200, 0, 100, 30), Rate(200, 199, 90, 20))
    assert outcome(budget, COLD) == (*USED_UP[:2], 30)


def test_a_bucket_of_which_nothing_more_is_said_is_forgotten_with_its_window(clock: MovedClock) -> None:
    budget = Budget(clock)
    budget.record_rates(Rate(200, 0, 70, 20))
    clock.move(10)
    budget.record_rates(Rate(1200, 900, 100, 50))
    assert budget.left() == 0
    clock.move(10)
    assert budget.left() == 900 / 1200
    for limit in range(1, 100):
        budget.record_rates(Rate(limit, limit, 100, 50))
    assert outcome(budget, COLD) is None


def test_a_window_whose_end_is_given_a_second_earlier_or_later_is_the_same(clock: MovedClock) -> None:
    budget = Budget(clock, 0.5)
    budget.record_rates(Rate(1200, 1200, 1_000_060, 60))
    for asked in range(600):
        budget.begin(COLD)
        budget.end()
        budget.record_rates(Rate(1200, 1199 - asked, 1_000_060 + asked % 2, 60))
    assert isinstance(budget.refusal(COLD), CallerOverspent)


def test_a_window_that_lasts_longer_than_a_minute_is_not_over_after_one(clock: MovedClock) -> None:
    budget = Budget(clock)
    budget.record_rates(Rate(200, 2, 3600, 60))
    clock.move(60)
    assert budget.left() == 1.0
    budget.record_rates(Rate(200, 1, 3600, 60))
    assert budget.left() == 1 / 200


def test_what_is_under_way_counts_as_used(clock: MovedClock) -> None:
    budget = told(clock, 2, limit=10)
    budget.begin(COLD)
    assert outcome(budget, COLD) is None
    budget.begin(COLD)
    assert outcome(budget, COLD) == USED_UP
    budget.end()
    assert outcome(budget, COLD) is None


@pytest.mark.parametrize(("limit", "kept"), [(1200, 16), (20, 5)])
def test_where_others_use_the_token_the_last_requests_are_left_to_them(
    clock: MovedClock, limit: int, kept: int
) -> None:
    budget = Budget(clock)
    budget.record_rates(Rate(limit, kept + 1, 60, 30))
    assert outcome(budget, COLD) is None
    budget.record_rates(Rate(limit, kept, 60, 30))
    assert outcome(budget, COLD) == USED_UP


def test_answers_in_another_order_than_sent_take_nothing_back(clock: MovedClock) -> None:
    budget = told(clock, 5, limit=20)
    budget.record_rates(Rate(20, 0, 60, 30))
    for late in (Rate(20, 9, 60, 30), Rate(20, 19, 0, 30)):
        budget.record_rates(late)
        assert outcome(budget, COLD) == USED_UP


def test_a_new_window_begins_when_clever_says_so(clock: MovedClock) -> None:
    budget = told(clock, 0)
    budget.record_rates(Rate(1200, 1199, 120, 60))
    assert outcome(budget, RENEWAL) is None


def test_a_new_window_begins_when_the_old_one_is_over_though_late_answers_tell_of_that(clock: MovedClock) -> None:
    budget = told(clock, 0)
    clock.move(29.9)
    assert budget.refusal(COLD) is not None
    clock.move(0.2)
    budget.record_rates(Rate(1200, 0, 60, 0))
    assert outcome(budget, RENEWAL) is None


def test_a_window_that_clever_names_absurdly_is_over_like_any_other(clock: MovedClock) -> None:
    budget = Budget(clock)
    budget.record_rates(Rate(1200, 0, 10**11, 60))
    clock.move(60)
    assert budget.refusal(COLD) is None
    budget.record_rates(Rate(1200, 0, 120, 40))
    assert budget.refusal(COLD) is not None


def test_one_caller_spends_their_share_of_a_window_and_no_more(clock: MovedClock) -> None:
    budget = told(clock, 1200, share=0.5)
    for _ in range(600):
        budget.begin(COLD)
        budget.end()
    assert [outcome(budget, read_context) for read_context in EVERY] == [SHARE] * 4
    assert outcome(budget, ReadContext(b"bob")) is None
    clock.move(30)
    assert outcome(budget, COLD) is None


def test_renewals_are_charged_to_the_caller_who_caused_them(clock: MovedClock) -> None:
    budget = told(clock, 1200, share=0.5)
    for _ in range(600):
        budget.begin(RENEWAL)
        budget.end()
    assert [outcome(budget, read_context) for read_context in EVERY] == [SHARE] * 4
    assert [outcome(budget, read_context) for read_context in (ReadContext(b"bob", Urgency.RENEWAL), OWN)] == [
        None,
        None,
    ]


def test_callers_without_a_credential_are_charged_together_and_the_service_is_not(clock: MovedClock) -> None:
    budget = told(clock, 20, limit=20, share=0.5)
    for _ in range(10):
        budget.begin(ReadContext())
        budget.end()
    assert (outcome(budget, ReadContext()), outcome(budget, OWN)) == (SHARE, None)


@pytest.mark.parametrize(("left", "at_once"), [(1200, 75), (160, 10), (31, 1), (3, 1)])
def test_so_many_are_under_way_that_replicas_do_not_overrun_together(
    clock: MovedClock, left: int, at_once: int
) -> None:
    assert told(clock, left).room() == at_once


def test_without_news_few_are_under_way(clock: MovedClock) -> None:
    budget = told(clock, 1200)
    clock.move(1.1)
    assert budget.room() == 8
    budget.record_rates(Rate(1200, 1100, 60, 29))
    assert budget.room() == 68


async def entered(budget: Budget, read_context: ReadContext = COLD) -> asyncio.Task[None]:
    task = asyncio.create_task(budget.enter(read_context))
    await turn()
    return task


async def test_who_finds_no_room_waits_until_one_of_the_others_returns(clock: MovedClock) -> None:
    budget = told(clock, 31)
    first, second, third = [await entered(budget) for _ in range(3)]
    assert (first.done(), second.done(), third.done()) == (True, False, False)
    budget.end()
    await second
    assert not third.done()
    budget.end()
    await third


async def test_who_gives_up_waiting_leaves_the_room_to_the_next(clock: MovedClock) -> None:
    budget = told(clock, 31)
    _, second, third = [await entered(budget) for _ in range(3)]
    budget.end()
    second.cancel()
    await third
    assert second.cancelled()


async def test_all_who_wait_are_refused_when_nothing_is_left(clock: MovedClock) -> None:
    budget = told(clock, 31)
    await entered(budget)
    waiting = [await entered(budget) for _ in range(5)]
    budget.record_rates(Rate(1200, 0, 60, 30))
    budget.end()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in outcomes] == [CleverLimited] * 5


async def test_a_caller_who_may_no_longer_leaves_the_room_to_the_next(clock: MovedClock) -> None:
    budget = told(clock, 20, limit=20, share=0.1)
    await entered(budget)
    again, bob = await entered(budget), await entered(budget, ReadContext(b"bob"))
    budget.begin(COLD)
    budget.end()
    budget.end()
    await bob
    assert type(again.exception()) is CallerOverspent
