"""The oracle agrees with the service where nothing goes wrong, and a wrong answer does not get past the judge."""

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from app.main import default_policy
from tests.chaos.exchanges import Answer
from tests.chaos.hastened import FastClock
from tests.chaos.history import History, Window
from tests.chaos.judge import Asked, Judge
from tests.chaos.oracle import Oracle, Policy, Record
from tests.chaos.questions import Freshness, Question
from tests.conftest import Sandbox

NOW = 10_000.0
MARK = {"rule": "superset", "revision": "12345678"}
USER = "staff_who_also_teach_elsewhere"


def judge_of(sandbox: Sandbox) -> Judge:
    oracle = Oracle(Policy(YAML(typ="safe").load(default_policy()), MARK))
    return Judge(oracle, History.of(sandbox.world.districts[0]), FastClock(), fresh=300, stale=3600)


def right(judge: Judge, user: str, age: int = 0, **marks: object) -> Asked:
    """Return a question of now, and the right answer to it."""
    [(_, person)] = judge.history.people(user, Window(NOW, NOW))
    body = {**judge.oracle.body(person), **marks}
    return answered(Question("permissions", (user,)), body, age)


def answered(question: Question, body: Record, age: int = 0) -> Asked:
    answer = Answer(200, {"age": str(age), "content-type": "application/json"}, json.dumps(body).encode())
    return Asked(question, answer, NOW, NOW + 0.1)


def changed(asked: Asked, **parts: Any) -> Asked:
    body = {**asked.answer.json(), **parts}
    return replace(asked, answer=replace(asked.answer, body=json.dumps(body).encode()))


def lose_everything(judge: Judge, user: str, *, at: float) -> None:
    record = judge.history.users[user].last
    assert record is not None
    judge.history.put({user: {**record, "roles": {}}}, Window(at, at))


def test_the_oracle_agrees_with_the_service_about_every_named_case(service: httpx.Client, sandbox: Sandbox) -> None:
    judge = judge_of(sandbox)
    mark = {**MARK, "revision": service.get("/v1/policy").json()["revision"]}
    oracle = Oracle(Policy(judge.oracle.policy.written, mark))
    for case in sandbox.world.cases.values():
        [(_, person)] = judge.history.people(case.user, Window(NOW, NOW))
        for role in (None, *person.held):
            asked = {} if role is None else {"role": role}
            answer = service.get(f"/v1/users/{case.user}/permissions", params=asked).json()
            assert answer == json.loads(json.dumps(oracle.body(person, role)))
        assert service.get(f"/v1/users/{case.user}/roles").json() == json.loads(json.dumps(oracle.roles(person)))


def test_a_right_answer_is_right(sandbox: Sandbox) -> None:
    judge = judge_of(sandbox)
    assert judge.complaint(right(judge, sandbox.user(USER))) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"grants": []},
        {"permissions": ["section:edit"]},
        {"roles": ["staff"]},
        {"user": "0" * 24},
        {"stale": True},
        {"stale_reason": "unreachable"},
        {"surprise": 1},
    ],
)
def test_an_answer_that_is_wrong_anywhere_is_found_out(sandbox: Sandbox, wrong: Record) -> None:
    judge = judge_of(sandbox)
    assert judge.complaint(changed(right(judge, sandbox.user(USER)), **wrong)) is not None


def test_one_section_too_many_is_found_out(sandbox: Sandbox) -> None:
    judge = judge_of(sandbox)
    asked = right(judge, sandbox.user(USER))
    grants = asked.answer.json()["grants"]
    grants[-1]["ids"].append("f" * 24)
    assert "true at no time" in str(judge.complaint(changed(asked, grants=grants)))


def test_an_answer_that_was_true_until_a_moment_ago_is_right(sandbox: Sandbox) -> None:
    judge = judge_of(sandbox)
    asked = right(judge, sandbox.user(USER), age=200)
    lose_everything(judge, sandbox.user(USER), at=NOW - 100)
    assert judge.complaint(asked) is None


def test_an_answer_that_is_no_longer_true_and_says_that_it_is_young_is_found_out(sandbox: Sandbox) -> None:
    judge = judge_of(sandbox)
    asked = right(judge, sandbox.user(USER), age=50)
    lose_everything(judge, sandbox.user(USER), at=NOW - 100)
    assert "true at no time" in str(judge.complaint(asked))


def test_an_answer_past_the_fresh_time_without_a_mark_is_found_out(sandbox: Sandbox) -> None:
    judge = judge_of(sandbox)
    assert "old, where" in str(judge.complaint(right(judge, sandbox.user(USER), age=400)))


def test_the_same_with_a_mark_is_right(sandbox: Sandbox) -> None:
    judge = judge_of(sandbox)
    mark = {"stale": True, "as_of": "1970-01-01T02:40:00Z", "stale_reason": "unreachable"}
    assert judge.complaint(right(judge, sandbox.user(USER), age=400, **mark)) is None


def test_a_mark_that_claims_to_be_more_recent_than_it_is_is_found_out(sandbox: Sandbox) -> None:
    judge = judge_of(sandbox)
    mark = {"stale": True, "as_of": "1970-01-01T02:46:00Z", "stale_reason": "unreachable"}
    assert "as_of" in str(judge.complaint(right(judge, sandbox.user(USER), age=400, **mark)))


def test_an_older_answer_for_who_demands_a_new_one_is_found_out(sandbox: Sandbox) -> None:
    judge = judge_of(sandbox)
    asked = right(judge, sandbox.user(USER), age=10)
    anew = replace(asked, question=replace(asked.question, freshness=Freshness(no_cache=True)))
    assert "10 s old" in str(judge.complaint(anew))


def test_a_wrong_decision_is_found_out(sandbox: Sandbox) -> None:
    judge = judge_of(sandbox)
    [section] = sandbox.world.districts[0].sections_of_user[sandbox.user(USER)]
    question = Question("evaluation", (sandbox.user(USER),), None, "section:edit", ("section", section.id))
    denied = {"decision": False, "context": {"reason": "not_permitted", "stale": False}}
    granted = {"decision": True, "context": {"reason": "granted", "stale": False}}
    assert judge.complaint(answered(question, granted)) is None
    assert "right at no time" in str(judge.complaint(answered(question, denied)))


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (500, {}, {}),
        (503, {}, {"type": "urn:problem-type:rosterguard:busy", "status": 503}),
        (503, {"retry-after": "1"}, {"type": "urn:problem-type:rosterguard:whatever", "status": 503}),
        (404, {}, {"type": "urn:problem-type:rosterguard:user-unknown", "status": 404}),
        (504, {}, {"type": "urn:problem-type:rosterguard:not-cached", "status": 504}),
    ],
)
def test_an_error_that_is_not_marked_or_not_true_is_found_out(
    sandbox: Sandbox, status: int, headers: dict[str, str], body: Record
) -> None:
    judge = judge_of(sandbox)
    told = {"content-type": "application/problem+json", **headers}
    answer = Answer(status, told, json.dumps(body).encode())
    question = Question("permissions", (sandbox.user(USER),))
    assert judge.complaint(Asked(question, answer, NOW, NOW + 0.1)) is not None


def test_an_unknown_user_is_right_once_they_have_vanished(sandbox: Sandbox) -> None:
    judge = judge_of(sandbox)
    judge.history.put({sandbox.user(USER): None}, Window(NOW - 10, NOW - 9))
    told = {"content-type": "application/problem+json"}
    body = {"type": "urn:problem-type:rosterguard:user-unknown", "status": 404}
    question = Question("permissions", (sandbox.user(USER),))
    answer = Answer(404, told, json.dumps(body).encode())
    assert judge.complaint(Asked(question, answer, NOW, NOW + 0.1)) is None


def test_a_policy_with_rules_that_the_oracle_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="does not know"):
        Policy({"rule": "minimum", "roles": {}}, MARK)
