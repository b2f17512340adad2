"""When Clever is asked, and when it is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.waiting import LONGEST_PAUSE, MOST_FAILURES, CircuitBreaker
from tests.conftest import MovedClock


def opened(clock: MovedClock) -> CircuitBreaker:
    breaker = CircuitBreaker(clock, jitter=lambda: 0.0)
    for _ in range(MOST_FAILURES):
        breaker.record_failure()
    return breaker


def test_while_it_is_open_one_probe_at_a_time_is_wanted_and_later_each_time(clock: MovedClock) -> None:
    breaker, waits = opened(clock), []
    for _ in range(5):
        begun = clock()
        while not breaker.starts_probe():
            assert not breaker.allows()
            clock.move(0.25)
        waits.append(clock() - begun)
        assert not breaker.starts_probe()
        breaker.record_failure(probe=True)
        breaker.probe_ended()
    assert waits == [1, 2, 4, 5, 5]


def test_failures_of_what_was_under_way_do_not_put_off_the_probe(clock: MovedClock) -> None:
    breaker = opened(clock)
    clock.move(0.9)
    for _ in range(30):
        breaker.record_failure()
    clock.move(0.1)
    assert breaker.starts_probe()


def test_a_test_that_fails_or_is_broken_off_is_followed_by_probes(clock: MovedClock) -> None:
    breaker = opened(clock)
    clock.move(60.1)
    assert breaker.starts_test()
    breaker.probe_ended()
    assert (breaker.starts_test(), breaker.starts_probe()) == (False, True)
    breaker.record_failure(probe=True)
    breaker.probe_ended()
    assert (breaker.starts_probe(), breaker.retry_after()) == (False, 2)


def test_an_answer_does_not_take_back_for_how_long_to_stay_away(clock: MovedClock) -> None:
    breaker = CircuitBreaker(clock)
    breaker.pause(30)
    breaker.record_success()
    assert (breaker.allows(), breaker.retry_after(), breaker.is_open()) == (False, 30, False)


@pytest.mark.parametrize(("passed", "seconds"), [(0, 1), (0.5, 1), (3, 1)])
def test_it_says_when_asking_again_may_help(clock: MovedClock, passed: float, seconds: int) -> None:
    breaker = opened(clock)
    clock.move(passed)
    assert breaker.retry_after() == seconds


@given(st.lists(st.sampled_from(["failed", "answered", "ask", "wait", "probe failed"])), st.floats(0, 0.99))
def test_whatever_happens_it_wants_a_probe_within_the_longest_pause(events: list[str], jitter: float) -> None:
    clock = MovedClock()
    breaker = CircuitBreaker(clock, lambda: jitter)
    for event in events:
        match event:
            case "failed":
                breaker.record_failure()
            case "answered":
                breaker.record_success()
            case "ask":
                if breaker.starts_test():
                    breaker.probe_ended()
            case "wait":
                clock.move(0.7)
            case "probe failed" if breaker.starts_probe():
                breaker.record_failure(probe=True)
                breaker.probe_ended()
    was_open = breaker.is_open()
    clock.move(LONGEST_PAUSE)
    assert breaker.starts_probe() == was_open
