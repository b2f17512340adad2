"""Many questions at once: order, width, and what goes wrong with one."""

import asyncio

import pytest

from app.domain.errors import CleverTimedOut, NotCached, RosterguardError, UserUnknown
from app.roster.concurrency import AT_ONCE, several
from app.roster.freshness import Freshness
from app.services.batch import answer_many
from app.waiting import AT_A_STRETCH, STRETCH_SECONDS, Stretches, give_way, let_go_of, one_at_a_time, others_first
from tests.conftest import MovedClock
from tests.waiting import turn

ANY = Freshness()


async def test_answers_come_in_the_order_asked_however_long_each_takes() -> None:
    async def answer(question: int, _within: Freshness) -> int:
        for _ in range(50 - question):
            await turn()
        return 2 * question

    assert await answer_many(range(50), answer, ANY) == [2 * question for question in range(50)]


async def test_what_answers_at_once_goes_first_and_only_the_rest_is_read() -> None:
    asked = []

    async def answer(question: str, within: Freshness) -> str:
        asked.append((question, within.without_waiting))
        if question == "cold" and within.without_waiting:
            raise NotCached
        return question.upper()

    assert await answer_many(["cold", "held"], answer, ANY) == ["COLD", "HELD"]
    assert asked == [("cold", True), ("held", True), ("cold", False)]


async def test_where_only_the_cache_may_answer_nothing_is_read() -> None:
    async def answer(_question: str, within: Freshness) -> str:
        assert within.without_waiting
        raise NotCached

    [outcome] = await answer_many(["cold"], answer, Freshness(only_if_cached=True))
    assert isinstance(outcome, NotCached)


async def test_what_goes_wrong_with_one_is_its_own_answer() -> None:
    errors: dict[str, RosterguardError] = {"gone": UserUnknown(), "late": CleverTimedOut("too late")}

    async def answer(question: str, _within: Freshness) -> str:
        if question in errors:
            raise errors[question]
        return question

    assert await answer_many(["gone", "here", "late"], answer, ANY) == [errors["gone"], "here", errors["late"]]


async def test_only_a_few_of_many_are_under_way_at_once() -> None:
    running: set[int] = set()
    most = 0

    async def answer(question: int) -> int:
        nonlocal most
        running.add(question)
        most = max(most, len(running))
        await turn()
        running.remove(question)
        return question

    assert await several(range(100), answer) == list(range(100))
    assert most == AT_ONCE


async def test_the_first_error_ends_several() -> None:
    async def answer(question: int) -> int:
        if question:
            raise UserUnknown
        return question

    with pytest.raises(UserUnknown):
        await several(range(3), answer)


async def test_of_nothing_there_is_nothing() -> None:
    async def answer(_question: int) -> int:
        raise AssertionError

    assert await several([], answer) == []


async def test_of_many_at_long_work_one_goes_on_in_each_round_and_everybody_else_has_a_turn() -> None:
    rounds, done = [0], list[int]()

    async def count() -> None:
        while True:
            await turn()
            rounds.append(0)

    async def work() -> None:
        for place in range(4 * AT_A_STRETCH):
            rounds[-1] += 1
            await give_way(place)
        done.append(len(rounds))

    others = asyncio.create_task(count())
    await asyncio.gather(*(work() for _ in range(8)))
    others.cancel()
    # All begin in the first round; from then on it is one of them at a time, and none is left behind.
    assert max(rounds[1:]) <= AT_A_STRETCH
    assert max(done) - min(done) <= 2 * len(done) + 2
    assert sum(rounds) == 8 * 4 * AT_A_STRETCH


async def test_long_work_gives_way_as_soon_as_its_steps_have_taken_a_fraction_of_a_millisecond() -> None:
    rounds = 0

    async def count() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await turn()

    clock = MovedClock()
    others, stretches = asyncio.create_task(count()), Stretches(clock)
    for _ in range(40):
        clock.move(0.3 * STRETCH_SECONDS)
        await stretches.give_way()
    others.cancel()
    assert rounds == 10


async def test_work_that_takes_much_memory_is_done_one_after_the_other() -> None:
    running = most = 0

    async def work() -> None:
        nonlocal running, most
        async with one_at_a_time():
            running += 1
            most = max(most, running)
            await others_first()
            running -= 1

    await asyncio.gather(*(work() for _ in range(5)))
    assert most == 1


async def test_a_long_list_is_let_go_of_little_by_little() -> None:
    things, lengths = [*range(2_000)], set()

    async def look() -> None:
        while things:
            lengths.add(len(things))
            await turn()

    await asyncio.gather(let_go_of(things), look())
    assert things == []
    assert len(lengths) > 2
