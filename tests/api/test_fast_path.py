"""What the fast path answers is answered and logged as the route would."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.cli.server import in_background
from app.sandbox.oauth import CLIENT_ID, CLIENT_SECRET
from app.sandbox.server import create_sandbox
from app.sandbox.world import generate
from tests.api.asking import (
    BODIES,
    BY_ROUTE,
    CREDENTIAL,
    CREDENTIALS,
    EVALUATION,
    EVALUATIONS,
    EVERY_KIND,
    JSON,
    NOT_PLAIN,
    NOT_PLAIN_MANY,
    PERMISSIONS,
    PLAIN,
    PLAIN_MANY,
    POLICY,
    SPOILS,
    USUAL,
    WHOLE,
    Asked,
    Headers,
    Spoil,
    names_in,
    question,
    questions,
)
from tests.api.connecting import until
from tests.api.test_logs import SPAN, TRACE, Logs, logging_to, shortened
from tests.api.test_metrics import metrics
from tests.conftest import KEY, MovedClock, Sandbox, Serve, api_key, serving, settings_over


@pytest.fixture(scope="module")
def running(
    running_sandbox: Sandbox, running_clock: MovedClock, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asked]:
    policy = tmp_path_factory.mktemp("policy") / "policy.yaml"
    policy.write_text(POLICY)
    with serving(settings_over(running_sandbox, policy=policy), running_clock) as client:
        yield Asked(client, names_in(running_sandbox.world))


@pytest.fixture
def asked(running: Asked, sandbox: Sandbox, clock: MovedClock) -> Asked:
    """A service with nothing in its cache that could answer."""
    return running


def known_by(asked: Asked) -> Asked:
    """The same where all that plain questions are about is known."""
    asked.ask(EVALUATIONS, questions(*PLAIN)).raise_for_status()
    asked.ask(PERMISSIONS).raise_for_status()
    return asked


@pytest.mark.parametrize("bodies", [PLAIN, NOT_PLAIN], ids=["plain", "not plain"])
def test_a_question_is_answered_by_the_fast_path_as_by_the_route(bodies: list[str], asked: Asked) -> None:
    known = known_by(asked)
    assert [said for said in bodies if not known.agrees(EVALUATION, said)] == []


@pytest.mark.parametrize("bodies", [PLAIN_MANY, NOT_PLAIN_MANY], ids=["plain", "not plain"])
def test_many_questions_are_answered_by_the_fast_path_as_by_the_route(bodies: list[str], asked: Asked) -> None:
    known = known_by(asked)
    assert [said for said in bodies if not known.agrees(EVALUATIONS, said)] == []


@settings(
    derandomize=True, max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(BODIES, st.sampled_from(SPOILS), st.integers(0, 1000), st.sampled_from([EVALUATION, EVALUATIONS]))
def test_whatever_is_asked_is_answered_by_the_fast_path_as_by_the_route(
    asked: Asked, body: object, spoil: Spoil, which: int, path: str
) -> None:
    known = known_by(asked)
    assert known.agrees(path, spoil(json.dumps(body), which))


@pytest.mark.parametrize("headers", CREDENTIALS.values(), ids=CREDENTIALS)
def test_credentials_are_judged_as_by_the_route(headers: Headers, asked: Asked) -> None:
    known = known_by(asked)
    assert all(known.agrees(target, said, {**JSON, **headers}) for target, said in EVERY_KIND)


def test_two_credentials_are_none(asked: Asked) -> None:
    known = known_by(asked)
    twice = [*USUAL.items(), *CREDENTIAL.items()]
    body = known.names.in_body(WHOLE)
    assert [known.client.post(EVALUATION, content=body, headers=twice).status_code for _ in range(2)] == [401, 401]


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/json; charset=utf-8", "Application/JSON", "application/jsonp"]
)
def test_a_content_type_is_judged_as_by_the_route(content_type: str, asked: Asked) -> None:
    known = known_by(asked)
    headers = CREDENTIAL | {"Content-Type": content_type}
    assert all(known.agrees(target, said, headers) for target, said in EVERY_KIND)


@pytest.mark.parametrize("end", ["?", "?a=1", "/", "#a", "%20"])
def test_another_target_is_answered_as_by_the_route(end: str, asked: Asked) -> None:
    known = known_by(asked)
    assert all(known.agrees(target + end, said) for target, said in EVERY_KIND)


@pytest.mark.parametrize(("target", "said"), EVERY_KIND)
def test_an_answer_of_the_fast_path_has_the_id_of_its_request(target: str, said: str | None, asked: Asked) -> None:
    ids = [asked.ask(target, said, {**USUAL, "X-Request-ID": "mine"}).headers["x-request-id"] for _ in range(2)]
    made_up = {asked.ask(target, said).headers["x-request-id"] for _ in range(3)}
    assert (ids, len(made_up), {len(each) for each in made_up}) == (["mine", "mine"], 3, {32})


LESS: Mapping[str, Mapping[str, set[str]]] = {
    "nothing-here": {"scopes": {"policy:read"}},
    "reader": {"scopes": {"permissions:read"}},
    "evaluator": {"scopes": {"access:evaluate"}},
    "elsewhere": {"districts": {"f" * 24}},
}


def test_who_may_not_ask_is_refused_as_by_the_route(serve: Serve, sandbox: Sandbox) -> None:
    keys = [api_key(name, name, **given) for name, given in LESS.items()]
    asked = Asked(serve(api_keys=(api_key("tests", KEY), *keys)), names_in(sandbox.world))
    for name in (KEY, *LESS):
        headers = {**JSON, "Authorization": f"Bearer {name}"}
        assert all(asked.agrees(target, said, headers) for target, said in EVERY_KIND)


def test_with_several_districts_the_one_meant_has_to_be_named(clock: MovedClock) -> None:
    world = generate(districts=2)
    app = create_sandbox(world, rate_limit=0)
    with in_background(app) as url:
        named = {district.id for district in world.districts}
        given = {"clever_token": None, "clever_client_id": CLIENT_ID, "clever_client_secret": CLIENT_SECRET}
        keys = (api_key("tests", KEY, districts=named),)
        over = settings_over(Sandbox(url, app, world), clever_auth_url=url, api_keys=keys, **given)
        with serving(over, clock) as client:
            asked = Asked(client, names_in(world))
            for district in ("", '"$district"', f'"{world.districts[1].id}"'):
                assert asked.agrees(EVALUATION, question(district=district))
                assert asked.agrees(EVALUATIONS, questions(question(district=district), WHOLE))


def test_a_user_who_is_gone_is_shown_to_nobody(asked: Asked, sandbox: Sandbox) -> None:
    for _ in range(2):
        asked.ask(PERMISSIONS).raise_for_status()
        assert asked.ask(EVALUATION, WHOLE).json()["decision"] is True
    httpx.delete(f"{sandbox.url}/_sandbox/users/{asked.names.ids['teacher']}").raise_for_status()
    assert asked.ask(PERMISSIONS, None, CREDENTIAL | {"Cache-Control": "no-cache"}).status_code == 404
    assert asked.ask(PERMISSIONS).status_code == 404
    assert asked.ask(EVALUATION, WHOLE).json()["decision"] is False
    assert asked.agrees(EVALUATIONS, questions(WHOLE))


def test_past_the_fresh_time_what_clever_says_now_is_answered(
    asked: Asked, sandbox: Sandbox, clock: MovedClock
) -> None:
    for _ in range(2):
        assert asked.ask(PERMISSIONS).json()["roles"] == ["teacher"]
    change: dict[str, object] = {"roles": {"teacher": None, "staff": {"schools": []}}}
    httpx.patch(f"{sandbox.url}/_sandbox/users/{asked.names.ids['teacher']}", json=change).raise_for_status()
    clock.move(301)
    # Where reading takes its time the older answer is given meanwhile, marked stale.
    until(lambda: asked.ask(PERMISSIONS).json()["stale"] is False)
    assert asked.ask(PERMISSIONS).json()["roles"] == ["staff"]
    assert asked.ask(EVALUATION, WHOLE).json()["decision"] is False


def test_what_is_to_be_renewed_is_renewed_when_it_is_asked_for(asked: Asked, clock: MovedClock) -> None:
    for _ in range(2):
        asked.ask(PERMISSIONS).raise_for_status()
    clock.move(290)
    assert asked.ask(PERMISSIONS).headers["age"] == "290"
    until(lambda: asked.ask(PERMISSIONS).headers["age"] == "0")


Told = list[tuple[str, str | None]]
"""Targets, and what is said to each; to none for GET."""

TOLD: Mapping[str, Told] = {
    "one": [(EVALUATION, said) for said in PLAIN],
    "many": [(EVALUATIONS, said) for said in PLAIN_MANY],
    "a set": [(PERMISSIONS + query, None) for query in ("", "?role=teacher", "?district=$district")],
    "the whole way": [
        *((EVALUATION, said) for said in NOT_PLAIN[:24]),
        (EVALUATIONS, questions(*PLAIN, question(what="fly"))),
        (EVALUATIONS, questions(WHOLE, WHOLE, question("f" * 24), WHOLE)),
        (PERMISSIONS + "?role=staff", None),
    ],
}
"""What is asked in turn the whole way and so that it is at hand, but for the last, which cannot be."""


def test_an_answer_of_the_fast_path_is_logged_in_the_same_lines(
    sandbox: Sandbox, clock: MovedClock, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    logs = Logs(tmp_path / "decisions")
    trace = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
    given = {"decision_log": str(logs.decided), "log_ids": "plain", "policy": policy}
    with logging_to(logs, sandbox, clock, **given) as client:
        asked = Asked(client, names_in(sandbox.world))
        for number, (target, said) in enumerate(chain(*TOLD.values())):
            clock.move(1)
            for way, headers in (("known", BY_ROUTE), ("whole", BY_ROUTE), ("hand", {})):
                asked.ask(target, said, {**USUAL, **headers, **trace, "X-Request-ID": f"{way}:{number}"})
    by_id: dict[str, list[dict[str, Any]]] = {}
    for line in logs.requests + logs.decisions:
        by_id.setdefault(line.pop("request_id"), []).append(shortened(line))
    for number, (target, said) in enumerate(chain(*TOLD.values())):
        assert same(by_id[f"hand:{number}"]) == same(by_id[f"whole:{number}"]), (target, said)


def same(lines: list[dict[str, Any]]) -> list[str]:
    """The lines in an order of their own."""
    return sorted(json.dumps(line, sort_keys=True) for line in lines)


@pytest.mark.parametrize("told", TOLD.values(), ids=TOLD)
def test_an_answer_of_the_fast_path_is_counted_alike(told: Told, asked: Asked) -> None:
    _, whole, hand = (counted(asked, told, headers) for headers in (BY_ROUTE, BY_ROUTE, {}))
    assert {name: hand[name] for name in hand if OF_CACHE not in name} == {
        name: whole[name] for name in whole if OF_CACHE not in name
    }


@pytest.mark.parametrize("told", TOLD.values(), ids=TOLD)
def test_what_the_cache_had_for_it_is_counted_alike(told: Told, asked: Asked) -> None:
    _, whole, hand = (counted(asked, told, headers) for headers in (BY_ROUTE, BY_ROUTE, {}))
    assert hand == whole


OF_CACHE = "cache_lookups"


def counted(asked: Asked, told: Told, headers: Headers) -> Mapping[str, float]:
    """By how much each counter has grown when all this was asked, as tells who has answered it, and so has counted."""
    before = metrics(asked.client, CREDENTIAL)
    for target, said in told:
        asked.ask(target, said, {**USUAL, **headers})
    after = metrics(asked.client, CREDENTIAL)
    after.subtract(before)
    return {name: by for name, by in after.items() if by and re.match(r"rosterguard_\w+_(total|count)\[", name)}
