"""Requests that nobody would send: nothing fails, leaks, or is answered otherwise than the document says."""

from functools import cache

from tests.chaos.findings import Findings
from tests.chaos.fuzz import WELCOME, Plan, run

SHORT = Plan(described=320, raw=200, abrupt=100)


@cache
def found() -> Findings:
    return run(SHORT)


def test_whatever_is_asked_the_answer_is_one_that_the_document_describes() -> None:
    findings = found()
    assert findings.failures == []
    assert set(findings.with_key) >= {200, 400, 404, 422}
    assert {400, 401, 404, 405} <= set(findings.raw)


def test_nobody_without_a_key_is_answered_anything() -> None:
    findings = found()
    assert findings.let_in == []
    assert findings.without_key[401] > 100


def test_nothing_leaks_into_answers_logs_or_metrics() -> None:
    findings = found()
    assert findings.lookout.found == {}
    assert [what for what in WELCOME if not findings.lookout.welcome[what]] == []


def test_callers_who_go_away_in_the_middle_do_no_harm() -> None:
    findings = found()
    assert findings.alive == 200
