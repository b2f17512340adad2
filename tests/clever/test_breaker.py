"""When Clever is asked, and when it is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clever.breaker import LONGEST_PAUSE, MOST_FAILURES, Breaker
from tests.conftest import MovedClock


@pytest.fixture
def still() -> MovedClock:
    return MovedClock()


def opened(clock: MovedClock) -> Breaker:
    breaker = Breaker(clock, jitter=lambda: 0.0)
    for _ in range(MOST_FAILURES):
        breaker.failed()
    return breaker


def test_five_failures_in_a_row_open_it_and_fewer_do_not(still: MovedClock) -> None:
    breaker = Breaker(still)
    for _ in range(3):
        for _ in range(MOST_FAILURES - 1):
            breaker.failed()
        assert breaker.lets_through()
        breaker.answered()
    assert not opened(still).lets_through()


def test_while_it_is_open_one_probe_at_a_time_is_wanted_and_later_each_time(still: MovedClock) -> None:
    breaker, waits = opened(still), []
    for _ in range(5):
        begun = still()
        while not breaker.wants_probe():
            assert not breaker.lets_through()
            still.move(0.25)
        waits.append(still() - begun)
        assert not breaker.wants_probe()
        breaker.failed(probe=True)
        breaker.probed()
    assert waits == [1, 2, 4, 5, 5]


def test_any_answer_closes_it(still: MovedClock) -> None:
    breaker = opened(still)
    breaker.answered()
    assert (breaker.lets_through(), breaker.is_open(), breaker.wants_probe()) == (True, False, False)


def test_failures_of_what_was_under_way_do_not_put_off_the_probe(still: MovedClock) -> None:
    breaker = opened(still)
    still.move(0.9)
    for _ in range(30):
        breaker.failed()
    still.move(0.1)
    assert breaker.wants_probe()


def test_a_probe_that_was_broken_off_may_be_followed_by_another(still: MovedClock) -> None:
    breaker = opened(still)
    still.move(1)
    assert breaker.wants_probe()
    breaker.probed()
    assert breaker.wants_probe()


def test_what_nobody_met_for_a_minute_is_forgotten_up_to_one_failure(still: MovedClock) -> None:
    breaker = opened(still)
    still.move(60)
    assert not breaker.lets_through()
    still.move(60.1)
    assert breaker.lets_through()
    breaker.failed()
    assert not breaker.lets_through()


@pytest.mark.parametrize(("passed", "seconds"), [(0, 1), (0.5, 1), (3, 1)])
def test_it_says_when_asking_again_may_help(still: MovedClock, passed: float, seconds: int) -> None:
    breaker = opened(still)
    still.move(passed)
    assert breaker.retry_after() == seconds


@given(st.lists(st.sampled_from(["failed", "answered", "ask", "wait", "probe failed"])), st.floats(0, 0.99))
def test_whatever_happens_it_wants_a_probe_within_the_longest_pause(events: list[str], jitter: float) -> None:
    clock = MovedClock()
    breaker = Breaker(clock, lambda: jitter)
    for event in events:
        match event:
            case "failed":
                breaker.failed()
            case "answered":
                breaker.answered()
            case "ask":
                breaker.lets_through()
            case "wait":
                clock.move(0.7)
            case "probe failed" if breaker.wants_probe():
                breaker.failed(probe=True)
                breaker.probed()
    was_open = breaker.is_open()
    clock.move(LONGEST_PAUSE)
    assert breaker.wants_probe() == was_open
