"""A short form of `make chaos`: some seconds of mixed faults, and some hundreds of events with restarts in between."""

from tests.chaos import following
from tests.chaos.faults import Plan, run

SHORT = Plan(speed=60, hands=6, hand_seconds=0.8, kinds=4, askers=10, seed=11)


def test_under_mixed_faults_every_answer_is_right_or_a_marked_error() -> None:
    outcome = run(SHORT)
    assert outcome.complaints == []
    assert outcome.broken == []
    assert outcome.logged == []
    assert outcome.refused == 0
    assert outcome.judge.verdicts["200 fresh"] > 0
    assert len(outcome.kinds_that_struck) > 3
    assert {answer.status for answer in outcome.afterwards} == {200}
    assert max(answer.seconds for answer in outcome.afterwards) < 3


def test_after_events_with_faults_and_restarts_every_replica_knows_what_a_fresh_load_finds() -> None:
    outcome = following.outcome_of(following.Plan(rounds=8, changes=60, seed=3))
    assert outcome.differing == []
    assert outcome.events > 1000
    assert outcome.restarts > 0
