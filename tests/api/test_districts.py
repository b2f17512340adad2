"""Several districts behind one application, found by its client id and secret."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from string import Template

import httpx
import pytest
from starlette.applications import Starlette

from app.cli.server import in_background
from app.roster import loading
from app.sandbox.faults import Fault, Faults
from app.sandbox.server import create_sandbox
from app.sandbox.world import World, generate
from tests.api.connecting import until
from tests.conftest import KEY, MovedClock, Serve, api_key, by_client_id

FIRST_KEY, SECOND_KEY = "the key of a caller with the first district", "the key of a caller with the second district"


@cache
def two_districts() -> World:
    return generate(districts=2)


@pytest.fixture
def service(serve: Serve) -> Iterator[httpx.Client]:
    with in_background(create_sandbox(two_districts())) as url:
        yield serve(**by_client_id(url, two_districts()))


def test_each_user_is_read_with_the_token_of_the_district_named(service: httpx.Client) -> None:
    for name in ("teacher_only", "teacher_only_in_district_2"):
        case = two_districts().cases[name]
        answer = service.get(f"/v1/users/{case.user}/permissions", params={"district": case.district}).json()
        assert (answer["district"], answer["roles"]) == (case.district, ["teacher"])


def test_a_user_of_another_district_is_unknown(service: httpx.Client) -> None:
    user, district = two_districts().cases["teacher_only"].user, two_districts().districts[1].id
    assert service.get(f"/v1/users/{user}/permissions", params={"district": district}).status_code == 404


def test_no_district_named_is_422_with_the_way_out(service: httpx.Client) -> None:
    told = service.get(f"/v1/users/{two_districts().cases['teacher_only'].user}/permissions")
    assert (told.status_code, told.headers["content-type"]) == (422, "application/problem+json")
    assert told.json() == {
        "type": "urn:problem-type:rosterguard:district-unnamed",
        "title": "No district named",
        "status": 422,
        "detail": "several districts are connected and none is named: say which in `district`",
    }


def test_a_batch_names_the_district_of_each_user(service: httpx.Client) -> None:
    cases = [two_districts().cases[name] for name in ("teacher_only", "principal_in_district_2")]
    items = [{"id": case.user, "district": case.district} for case in cases] + [{"id": cases[0].user}]
    results = service.post("/v1/users/permissions", json={"users": items}).json()["results"]
    assert [result["status"] for result in results] == [200, 200, 422]


TEACHER, SECTION = "$teacher", "$section"
SUBJECT = {"type": "user", "id": TEACHER, "properties": {"district": "$district"}}
VIEW = {"subject": SUBJECT, "action": {"name": "view"}, "resource": {"type": "section", "id": SECTION}}
WHO = VIEW | {
    "subject": {"type": "user"},
    "resource": {"type": "section", "id": SECTION, "properties": {"district": "$district"}},
}
NO_CACHE = {"Cache-Control": "no-cache"}

WAYS: Mapping[str, tuple[str, str, object, dict[str, str]]] = {
    "permissions": ("GET", "/v1/users/$teacher/permissions?district=$district", None, {}),
    "permissions anew": ("GET", "/v1/users/$teacher/permissions?district=$district", None, NO_CACHE),
    "permissions seconds old": (
        *("GET", "/v1/users/$teacher/permissions?district=$district", None),
        {"Cache-Control": "max-age=0"},
    ),
    "roles": ("GET", "/v1/users/$teacher/roles?district=$district", None, {}),
    "explanation": ("GET", "/v1/users/$teacher/explanation?district=$district&permission=section:view", None, {}),
    "batch": ("POST", "/v1/users/permissions", {"users": [{"id": TEACHER, "district": "$district"}]}, {}),
    "evaluation": ("POST", "/access/v1/evaluation", VIEW, {}),
    "evaluation anew": ("POST", "/access/v1/evaluation", VIEW, NO_CACHE),
    "evaluations": ("POST", "/access/v1/evaluations", {"evaluations": [VIEW, VIEW]}, {}),
    "search for subjects": ("POST", "/access/v1/search/subject", WHO, {}),
    "search for resources": ("POST", "/access/v1/search/resource", VIEW, {}),
    "search for actions": ("POST", "/access/v1/search/action", VIEW, {}),
}


@dataclass
class Growing:
    """A service for an application to which districts connect while it runs, the first of many at first."""

    client: httpx.Client
    world: World
    sandbox: Starlette
    tokens: Mapping[str, str]
    clock: MovedClock

    def connect(self, district: str, token: str | None = None) -> None:
        self.sandbox.state.access.tokens[token or self.tokens[district]] = district

    def disconnect(self, district: str) -> None:
        self.sandbox.state.access.tokens.pop(self.tokens[district], None)

    @property
    def looks(self) -> int:
        looks: int = self.sandbox.state.requests["/oauth/tokens"]
        return looks

    def ask(self, way: str, number: int, client: httpx.Client | None = None) -> httpx.Response:
        method, path, body, headers = WAYS[way]
        case = self.world.cases[f"teacher_only_in_district_{number}"]
        section = next(
            one for one in self.world.districts[number - 1].sections.values() if case.user in (one.teachers or ())
        )
        names = {"teacher": case.user, "district": case.district, "section": section.id}
        sent = Template(json.dumps(body)).substitute(names)
        return (client or self.client).request(
            method,
            Template(path).substitute(names),
            content=None if body is None else sent,
            headers={"Content-Type": "application/json"} | headers,
        )


@pytest.fixture
def growing(serve: Serve, clock: MovedClock) -> Iterator[Growing]:
    many_districts = generate(districts=len(WAYS) + 1, students=20, teachers=20)
    sandbox = create_sandbox(many_districts, rate_limit=0)
    listed = sandbox.state.access.tokens
    tokens = {district: token for token, district in listed.items()}
    for district in many_districts.districts[1:]:
        del listed[tokens[district.id]]
    with in_background(sandbox) as url:
        keys = (
            api_key("tests", KEY, districts={district.id for district in many_districts.districts}),
            api_key("first", FIRST_KEY, districts={many_districts.districts[0].id}),
            api_key("second", SECOND_KEY, districts={many_districts.districts[1].id}),
        )
        service = serve(**by_client_id(url, many_districts) | {"api_keys": keys, "events_seconds": 1})
        case = many_districts.cases["teacher_only"]
        assert service.get(f"/v1/users/{case.user}/roles?district={case.district}").is_success
        yield Growing(service, many_districts, sandbox, tokens, clock)


def held(answer: httpx.Response) -> object:
    """What an answer says of a user who may: a status for each, a decision for each, or the results."""
    body = answer.json()
    if "results" in body:
        return [one.get("status", 200) for one in body["results"]] or None
    return [one["decision"] for one in body.get("evaluations", [body]) if "decision" in one] or answer.status_code


def test_a_district_that_connects_is_asked_at_once_at_every_entrance(growing: Growing) -> None:
    for number, (way, district) in enumerate(zip(WAYS, growing.world.districts[1:], strict=True), 2):
        growing.clock.move(5)
        looks = growing.looks
        growing.connect(district.id)
        answer = growing.ask(way, number)
        assert (answer.status_code, growing.looks) == (200, looks + 1), way
        assert held(answer) in ([True], [True, True], 200) or set(held(answer)) == {200}, way  # type: ignore[call-overload]


def test_while_it_cannot_be_known_whether_a_district_is_connected_nobody_is_unknown(growing: Growing) -> None:
    growing.sandbox.state.faults.put(Faults(faults=(Fault(path="/oauth/tokens", kind="status", status=500),)))
    for way in WAYS:
        answer = growing.ask(way, 2)
        if way == "batch":
            assert held(answer) == [503]
            continue
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), way
        kind = "text/plain" if "/access/" in WAYS[way][1] else "application/problem+json"
        assert answer.headers["content-type"].startswith(kind), way
    growing.sandbox.state.faults.clear()
    growing.clock.move(5)
    assert growing.ask("permissions", 2).status_code == 404


def test_a_district_that_comes_back_with_a_new_token_is_asked_with_it(growing: Growing) -> None:
    district = growing.world.districts[1].id
    growing.connect(district)
    assert growing.ask("permissions", 2).status_code == 200
    growing.disconnect(district)
    growing.clock.move(10)
    assert growing.ask("permissions anew", 2).status_code == 502
    growing.connect(district, "a-new-token")
    assert growing.ask("permissions anew", 2).status_code == 200


def test_whoever_asks_about_many_unknown_districts_causes_one_look_in_five_seconds(growing: Growing) -> None:
    looks = growing.looks
    for _ in range(2):
        growing.clock.move(5)
        for number in range(2, 9):
            assert growing.ask("permissions", number).status_code == 404
            assert growing.ask("evaluation", number).json()["context"]["reason"] == "unknown_subject"
    assert growing.looks == looks + 2


def test_what_a_request_says_of_age_holds_for_which_districts_are_connected(growing: Growing) -> None:
    path = f"/v1/users/{'f' * 24}/permissions?district={growing.world.districts[1].id}"
    only = {"Cache-Control": "only-if-cached"}
    assert growing.client.get(path, headers=only).status_code == 504
    looks = growing.looks
    assert growing.client.get(path).status_code == 404
    assert growing.client.get(path, headers=only).status_code == 404
    growing.clock.move(2)
    for directive, status in (("no-cache", 503), ("max-age=1", 503), ("max-age=2", 404)):
        answer = growing.client.get(path, headers={"Cache-Control": directive})
        assert (answer.status_code, answer.headers.get("retry-after")) == (status, "3" if status == 503 else None)
    assert growing.looks == looks + 1


def test_a_loaded_district_that_disconnects_is_as_unknown_as_one_that_never_was(
    growing: Growing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "LOOK_SECONDS", 0.05)
    client, district = growing.client, growing.world.districts[1].id
    growing.connect(district)
    path = f"/v1/districts/{district}"
    client.post(f"{path}/load").raise_for_status()
    until(lambda: client.get(path).json()["mode"] == "following")
    cursor = client.get(f"{path}/changes").json()["cursor"]
    with ThreadPoolExecutor() as pool:
        waited = pool.submit(client.get, f"{path}/changes?wait=30&after={cursor}")
        until(lambda: "rosterguard_requests_in_progress 2" in client.get("/metrics").text)
        assert growing.ask("permissions", 2).status_code == 200
        growing.disconnect(district)
        growing.clock.move(11)
        assert waited.result().status_code == 404
    unknown = client.get(f"/v1/districts/{'f' * 24}")
    assert unknown.status_code == 404
    for one in (client.get(path), client.get(f"{path}/changes"), client.get(f"{path}/load")):
        assert (one.status_code, one.json()) == (404, unknown.json())
    assert growing.ask("permissions", 2).status_code == 404
    until(lambda: "rosterguard_districts_loaded 0" in client.get("/metrics").text)


def test_a_district_that_a_caller_may_not_ask_about_causes_no_look(growing: Growing) -> None:
    looks = growing.looks
    growing.connect(growing.world.districts[1].id)
    with httpx.Client(base_url=growing.client.base_url, headers={"Authorization": f"Bearer {FIRST_KEY}"}) as first:
        for way in WAYS:
            growing.clock.move(5)
            answer = growing.ask(way, 2, first)
            assert held(answer) in (404, [404], [False], [False, False], None), way
    assert growing.looks == looks


def test_the_only_district_of_a_caller_is_found_though_nobody_names_it(growing: Growing) -> None:
    case = growing.world.cases["teacher_only_in_district_2"]
    path, credential = f"/v1/users/{case.user}/permissions", {"Authorization": f"Bearer {SECOND_KEY}"}
    assert growing.client.get(path, headers=credential).status_code == 404
    growing.connect(case.district)
    growing.clock.move(5)
    assert growing.client.get(path, headers=credential).status_code == 200
