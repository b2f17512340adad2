"""When Clever is asked, and when it is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clever.breaker import LONGEST_PAUSE, MOST_FAILURES, Breaker
from tests.conftest import MovedClock


def opened(clock: MovedClock) -> Breaker:
    breaker = Breaker(clock, jitter=lambda: 0.0)
    for _ in range(MOST_FAILURES):
        breaker.failed()
    return breaker


def test_five_failures_in_a_row_open_it_and_fewer_do_not(clock: MovedClock) -> None:
    breaker = Breaker(clock)
    for _ in range(3):
        for _ in range(MOST_FAILURES - 1):
            breaker.failed()
        assert breaker.lets_through()
        breaker.answered()
    assert not opened(clock).lets_through()


def test_while_it_is_open_one_probe_at_a_time_is_wanted_and_later_each_time(clock: MovedClock) -> None:
    breaker, waits = opened(clock), []
    for _ in range(5):
        begun = clock()
        while not breaker.wants_probe():
            assert not breaker.lets_through()
            clock.move(0.25)
        waits.append(clock() - begun)
        assert not breaker.wants_probe()
        breaker.failed(probe=True)
        breaker.probed()
    assert waits == [1, 2, 4, 5, 5]


def test_any_answer_closes_it(clock: MovedClock) -> None:
    breaker = opened(clock)
    breaker.answered()
    assert (breaker.lets_through(), breaker.is_open(), breaker.wants_probe()) == (True, False, False)


def test_failures_of_what_was_under_way_do_not_put_off_the_probe(clock: MovedClock) -> None:
    breaker = opened(clock)
    clock.move(0.9)
    for _ in range(30):
        breaker.failed()
    clock.move(0.1)
    assert breaker.wants_probe()


def test_a_probe_that_was_broken_off_may_be_followed_by_another(clock: MovedClock) -> None:
    breaker = opened(clock)
    clock.move(1)
    assert breaker.wants_probe()
    breaker.probed()
    assert breaker.wants_probe()


def test_after_a_minute_in_which_nobody_asked_one_request_is_the_test_and_the_rest_wait(clock: MovedClock) -> None:
    breaker = opened(clock)
    clock.move(60)
    assert not breaker.wants_test()
    clock.move(60.1)
    assert [breaker.wants_test() for _ in range(3)] == [True, False, False]
    assert (breaker.lets_through(), breaker.wants_probe()) == (False, False)
    breaker.answered()
    breaker.probed()
    assert breaker.lets_through()


def test_a_test_that_fails_or_is_broken_off_is_followed_by_probes(clock: MovedClock) -> None:
    breaker = opened(clock)
    clock.move(60.1)
    assert breaker.wants_test()
    breaker.probed()
    assert (breaker.wants_test(), breaker.wants_probe()) == (False, True)
    breaker.failed(probe=True)
    breaker.probed()
    assert (breaker.wants_probe(), breaker.retry_after()) == (False, 2)


def test_who_said_for_how_long_to_stay_away_is_not_even_probed_before(clock: MovedClock) -> None:
    for breaker in (Breaker(clock), opened(clock)):
        breaker.shut(30)
        breaker.shut(7)
        clock.move(29.5)
        asked = breaker.lets_through(), breaker.wants_test(), breaker.wants_probe()
        assert (asked, breaker.retry_after()) == ((False, False, False), 1)
        clock.move(0.5)
        assert breaker.lets_through() or breaker.wants_probe()


def test_an_answer_does_not_take_back_for_how_long_to_stay_away(clock: MovedClock) -> None:
    breaker = Breaker(clock)
    breaker.shut(30)
    breaker.answered()
    assert (breaker.lets_through(), breaker.retry_after(), breaker.is_open()) == (False, 30, False)


@pytest.mark.parametrize(("passed", "seconds"), [(0, 1), (0.5, 1), (3, 1)])
def test_it_says_when_asking_again_may_help(clock: MovedClock, passed: float, seconds: int) -> None:
    breaker = opened(clock)
    clock.move(passed)
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
                if breaker.wants_test():
                    breaker.probed()
            case "wait":
                clock.move(0.7)
            case "probe failed" if breaker.wants_probe():
                breaker.failed(probe=True)
                breaker.probed()
    was_open = breaker.is_open()
    clock.move(LONGEST_PAUSE)
    assert breaker.wants_probe() == was_open
