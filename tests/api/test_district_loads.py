"""Whole districts over HTTP: loading one, how far it has come, and what is known of it."""

import asyncio
from datetime import datetime
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from typer.testing import CliRunner

from app.cli import app
from app.cli.server import in_background
from app.sandbox.faults import Fault, Faults
from tests.conftest import KEY, MovedClock, Sandbox, Serve, api_key, serving, settings_over
from tests.waiting import eventually

FOREIGN = "e" * 24


def load(service: httpx.Client, district: str) -> httpx.Response:
    return service.post(f"/v1/districts/{district}/load")


def answered(service: httpx.Client, path: str) -> Any:
    answer = service.get(path)
    assert answer.status_code == 200
    return answer.json()


async def loaded(service: httpx.Client, district: str) -> Any:
    path = f"/v1/districts/{district}/load"
    await eventually(lambda: answered(service, path)["status"] == "loaded")
    return answered(service, path)


def put_fault(sandbox: Sandbox, **given: object) -> None:
    sandbox.app.state.faults.put(Faults(faults=(Fault.model_validate(given),)))


def requests_for(sandbox: Sandbox, path: str) -> int:
    return sandbox.requests[f"/v3.1/{path}"]


async def test_a_district_is_loaded_once_however_often_that_is_asked_for(serve: Serve, sandbox: Sandbox) -> None:
    service, there = serve(load_whom="everyone"), sandbox.world.districts[0]
    put_fault(sandbox, path="*/users", kind="delay", seconds=0.3)
    first, again = load(service, there.id), load(service, there.id)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.headers["cache-control"] == "no-store"
    assert first.json()["district"] == again.json()["district"] == there.id
    await loaded(service, there.id)
    assert requests_for(sandbox, "schools") == requests_for(sandbox, "users") == 1


async def test_progress_tells_records_and_pages_and_how_it_ended(serve: Serve, sandbox: Sandbox) -> None:
    service, there = serve(load_whom="everyone"), sandbox.world.districts[0]
    path = f"/v1/districts/{there.id}/load"
    assert answered(service, path)["status"] == "not_started"
    load(service, there.id)
    ended = await loaded(service, there.id)
    began_at, ended_at = datetime.fromisoformat(ended["started_at"]), datetime.fromisoformat(ended["ended_at"])
    assert began_at <= ended_at
    assert {name: ended[name] for name in ended if not name.endswith("_at")} == {
        "district": there.id,
        "status": "loaded",
        "whom": "everyone",
        "estimated_end": None,
        "pages": 3,
        "records": {"schools": len(there.schools), "sections": len(there.sections), "users": len(there.users)},
        "expected_records": ended["expected_records"],
        "restarts": 0,
        "failures": 0,
        "last_error": None,
    }


async def test_while_a_district_is_loaded_the_cached_answers_go_on(serve: Serve, sandbox: Sandbox) -> None:
    service, path = serve(), f"/v1/users/{sandbox.user('teacher_only')}/permissions"
    cached = answered(service, path)
    put_fault(sandbox, path="*/sections", kind="hang")
    load(service, sandbox.district)
    await eventually(lambda: requests_for(sandbox, "sections"))
    assert answered(service, f"/v1/districts/{sandbox.district}")["mode"] == "loading"
    assert answered(service, path) == cached


async def test_what_is_known_of_a_district_tells_where_answers_come_from(serve: Serve, sandbox: Sandbox) -> None:
    service, there = serve(load_whom="everyone"), sandbox.world.districts[0]
    known = answered(service, f"/v1/districts/{there.id}")
    assert known == {
        "district": there.id,
        "mode": "on_demand",
        "as_of": None,
        "lag_seconds": None,
        "counts": {},
        "last_error": None,
        "state": "running",
        "pause_start": None,
        "pause_end": None,
        "launch_date": "2024-08-19",
        "unreadable": [],
    }
    assert answered(service, "/v1/districts") == {"districts": [known]}
    load(service, there.id)
    await loaded(service, there.id)
    now_known = answered(service, f"/v1/districts/{there.id}")
    assert now_known["mode"] in {"loaded", "following"}
    assert now_known["counts"]["users"] == len(there.users)
    assert datetime.fromisoformat(now_known["as_of"]).tzinfo is not None
    assert now_known["lag_seconds"] >= 0


@pytest.mark.parametrize(("stated", "shown"), [("", "running"), ("Success", "running"), ("<b>new</b>", "other")])
def test_a_state_is_shown_in_a_word_that_is_described(stated: str, shown: str, serve: Serve, sandbox: Sandbox) -> None:
    service = serve()
    assert answered(service, "/v1/districts")["districts"][0]["state"] is None
    httpx.patch(f"{sandbox.url}/_sandbox/districts/{sandbox.district}", json={"state": stated}).raise_for_status()
    assert answered(service, f"/v1/districts/{sandbox.district}")["state"] == shown


async def test_the_districts_that_the_settings_name_are_loaded_at_the_start(serve: Serve, sandbox: Sandbox) -> None:
    for named in (("all",), (FOREIGN, sandbox.district)):
        await loaded(serve(load=named), sandbox.district)
    service = serve(load=(FOREIGN,))
    assert answered(service, f"/v1/districts/{sandbox.district}")["mode"] == "on_demand"


@pytest.mark.parametrize("path", ["", "/load"])
def test_a_district_of_others_is_as_unknown_as_one_that_does_not_exist(
    path: str, serve: Serve, sandbox: Sandbox
) -> None:
    service = serve(api_keys=(api_key("tests", KEY, districts={FOREIGN}),))
    methods = ("GET", "POST") if path else ("GET",)
    for method in methods:
        foreign, none = (
            service.request(method, f"/v1/districts/{district}{path}") for district in (sandbox.district, "f" * 24)
        )
        assert (foreign.status_code, foreign.json()) == (404, none.json())
    assert answered(service, "/v1/districts") == {"districts": []}
    assert requests_for(sandbox, "sections") == 0


def test_loading_needs_its_scope_and_looking_at_districts_the_usual_one(serve: Serve, sandbox: Sandbox) -> None:
    service = serve(api_keys=(api_key("tests", KEY, scopes={"permissions:read"}),))
    assert service.get("/v1/districts").status_code == 200
    for answer in (load(service, sandbox.district), service.get(f"/v1/districts/{sandbox.district}/load")):
        assert (answer.status_code, answer.json()["detail"]) == (403, "this credential lacks the scope districts:load")


def test_with_several_workers_and_no_redis_the_others_could_not_be_told(sandbox: Sandbox, clock: MovedClock) -> None:
    with serving(settings_over(sandbox), clock, several_workers=True) as service:
        answer = load(service, sandbox.district)
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:problem-type:rosterguard:load-alone")
        assert "ROSTERGUARD_LOAD" in answer.json()["detail"]


def command(service: httpx.Client, *arguments: str, key: str = KEY) -> tuple[int, str]:
    given = ["load", *arguments, "--url", str(service.base_url)]
    ended = CliRunner().invoke(app, given, env={"ROSTERGUARD_KEY": key})
    return ended.exit_code, ended.stdout + ended.stderr


async def test_the_command_loads_a_district_and_says_what_was_read(serve: Serve, sandbox: Sandbox) -> None:
    service, there = serve(load_whom="everyone"), sandbox.world.districts[0]
    code, said = await asyncio.to_thread(command, service, there.id)
    counted = f"{len(there.schools)} schools, {len(there.sections)} sections, {len(there.users)} users"
    assert (code, said.strip()) == (0, f"loaded: {counted}, on 3 pages")


@pytest.mark.parametrize(
    ("arguments", "key", "said"),
    [
        ((FOREIGN,), KEY, "Error: no such record is shared with this application\n"),
        ((FOREIGN,), "wrong", "Error: send one header Authorization: Bearer"),
        (("not an id",), KEY, "Error: the district id does not match"),
        ((FOREIGN,), "\u00e9", "Error: ROSTERGUARD_KEY is no key"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: tuple[str, ...], key: str, said: str, serve: Serve) -> None:
    code, told = command(serve(), *arguments, key=key)
    assert code == 1
    assert said in told


def test_the_command_says_that_no_service_is_there() -> None:
    ended = CliRunner().invoke(app, ["load", FOREIGN, "--url", "http://127.0.0.1:9"])
    assert ended.exit_code == 1
    assert "Error: the service at http://127.0.0.1:9 cannot be reached: ConnectError" in ended.stderr


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ((202, '{"status": "waiting", "records": {}, "pages": 0, "expected_records": null}'), "started again before"),
        ((200, "<html>Welcome</html>"), "is not Rosterguard"),
        ((200, "[]"), "is not Rosterguard"),
    ],
)
def test_the_command_fails_where_the_load_is_not_known_any_more_or_something_else_answers(
    answers: tuple[int, str], said: str
) -> None:
    status, body = answers
    not_known = body.replace("waiting", "not_started")

    async def answer(request: Request) -> Response:
        return Response(body, status) if request.method == "POST" else Response(not_known)

    other = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    with in_background(other) as url:
        ended = CliRunner().invoke(app, ["load", FOREIGN, "--url", url])
    assert ended.exit_code == 1
    assert said in ended.stderr
