"""Whose permissions may have changed: told at once to whoever waits, and never left out."""

import signal
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app.roster import following
from tests.api.connecting import until
from tests.conftest import KEY, MovedClock, Sandbox, Serve, api_key, rosterguard_process, serving, settings_over
from tests.valkey import valkey

FOREIGN = "e" * 24


def changes(sandbox: Sandbox, **parameters: object) -> str:
    return f"/v1/districts/{sandbox.district}/changes?{httpx.QueryParams(parameters)}"  # type: ignore[arg-type]


def mode(service: httpx.Client, sandbox: Sandbox) -> Any:
    return service.get(f"/v1/districts/{sandbox.district}").json()["mode"]


def follow(service: httpx.Client, sandbox: Sandbox) -> str:
    """Have the district loaded and followed, and return a cursor to begin with."""
    service.post(f"/v1/districts/{sandbox.district}/load").raise_for_status()
    return begin(service, sandbox)


def begin(service: httpx.Client, sandbox: Sandbox) -> str:
    until(lambda: mode(service, sandbox) == "following")
    began = service.get(changes(sandbox)).raise_for_status().json()
    assert began["users"] == []
    return str(began["cursor"])


def waiting(pool: ThreadPoolExecutor, service: httpx.Client, path: str) -> Future[httpx.Response]:
    return pool.submit(service.get, path)


def make_staff(sandbox: Sandbox) -> str:
    """Have the teacher be staff instead."""
    teacher = sandbox.user("teacher_only")
    schools = sandbox.world.districts[0].users[teacher].ids_in("teacher", "schools")
    sandbox.app.state.world.change_user(teacher, {"teacher": None, "staff": {"schools": schools}})
    return teacher


def test_whoever_waits_is_told_of_a_change_that_answers_show_already(serve: Serve, sandbox: Sandbox) -> None:
    service = serve(load_whom="everyone", events_seconds=1)
    cursor, teacher = follow(service, sandbox), sandbox.user("teacher_only")
    before = service.get(f"/v1/users/{teacher}/permissions").json()
    with ThreadPoolExecutor() as pool:
        waited = waiting(pool, service, changes(sandbox, after=cursor, wait=20))
        make_staff(sandbox)
        told = (waited.result()).raise_for_status()
    assert told.headers["cache-control"] == "no-store"
    assert told.json()["users"] == [teacher]
    sandbox.requests.clear()
    after = service.get(f"/v1/users/{teacher}/permissions").json()
    assert (before["roles"], after["roles"]) == (["teacher"], ["staff"])
    assert sandbox.requests[f"/v3.1/users/{teacher}"] == 0
    # The same once more, and nothing new from there on.
    assert service.get(changes(sandbox, after=cursor)).json() == told.json()
    assert service.get(changes(sandbox, after=told.json()["cursor"])).json() == {**told.json(), "users": []}


def test_what_nobody_knows_any_more_is_gone_and_says_from_where_to_go_on(serve: Serve, sandbox: Sandbox) -> None:
    service = serve(load_whom="everyone", events_seconds=1)
    cursor = follow(service, sandbox)
    for unknown in ("nonsense", "0" * 24 + cursor[24:], cursor[:24] + ".00"):
        gone = service.get(changes(sandbox, after=unknown, wait=5))
        assert (gone.status_code, gone.json()["type"]) == (410, "urn:problem-type:rosterguard:changes-unknown")
        assert gone.json()["cursor"] == cursor
    make_staff(sandbox)
    # As if another replica had seen it already.
    until(lambda: service.get(changes(sandbox, after=cursor)).json()["users"])


def test_a_calendar_that_means_something_else_may_change_everybody(serve: Serve, sandbox: Sandbox) -> None:
    service = serve(load_whom="everyone", events_seconds=1)
    cursor, teacher = follow(service, sandbox), sandbox.user("teacher_only")
    assert service.get(f"/v1/users/{teacher}/permissions").json()["permissions"]
    with ThreadPoolExecutor() as pool:
        waited = waiting(pool, service, changes(sandbox, after=cursor, wait=20))
        sandbox.app.state.world.change_district(sandbox.district, launch_date="2999-01-01")
        told = waited.result()
    assert told.status_code == 410
    assert service.get(f"/v1/users/{teacher}/permissions").json()["permissions"] == []


def test_changes_of_a_district_that_is_not_followed_are_not_known(serve: Serve, sandbox: Sandbox) -> None:
    service = serve(load_whom="everyone")
    refused = service.get(changes(sandbox))
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (409, "district-not-followed")


@pytest.mark.parametrize("parameters", [{"wait": 31}, {"wait": -1}, {"after": ""}, {"since": "x"}])
def test_bad_parameters_are_refused(service: httpx.Client, sandbox: Sandbox, parameters: dict[str, object]) -> None:
    assert service.get(changes(sandbox, **parameters)).status_code == 422


def test_a_foreign_district_is_as_unknown_as_one_that_does_not_exist(sandbox: Sandbox, clock: MovedClock) -> None:
    key = api_key("tests", KEY, districts={FOREIGN})
    with serving(settings_over(sandbox, api_keys=(key,)), clock) as service:
        theirs = service.get(changes(sandbox))
        none = service.get(f"/v1/districts/{'f' * 24}/changes")
        assert (theirs.status_code, theirs.json()) == (404, none.json())


def test_a_key_needs_the_scope(sandbox: Sandbox, clock: MovedClock) -> None:
    key = api_key("tests", KEY, scopes={"policy:read"})
    with serving(settings_over(sandbox, api_keys=(key,)), clock) as service:
        assert service.get(changes(sandbox)).status_code == 403


def test_so_many_may_wait_and_half_as_many_of_one_caller(
    serve: Serve, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MOST_WAITING", 2)
    service = serve(load_whom="everyone", events_seconds=1)
    cursor = follow(service, sandbox)
    with ThreadPoolExecutor() as pool:
        waited = waiting(pool, service, changes(sandbox, after=cursor, wait=30))
        until(lambda: "rosterguard_requests_in_progress 2" in service.get("/metrics").text)
        refused = service.get(changes(sandbox, after=cursor, wait=30))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert refused.json()["type"].rpartition(":")[2] == "too-many-waiting"
        # Whoever does not wait, or need not, is answered.
        assert service.get(changes(sandbox, after=cursor)).json() == {"users": [], "cursor": cursor}
        teacher = make_staff(sandbox)
        assert waited.result().json()["users"] == [teacher]
        assert service.get(changes(sandbox, after=cursor, wait=30)).json()["users"] == [teacher]


def test_whoever_waits_does_not_hold_up_the_end_of_the_service(sandbox: Sandbox) -> None:
    process_here = rosterguard_process("--no-auth", ROSTERGUARD_CLEVER_URL=sandbox.url)
    with process_here as (process, url), httpx.Client(base_url=url, timeout=30) as service:
        until(lambda: service.get("/readyz").status_code == 200)
        cursor = follow(service, sandbox)
        with ThreadPoolExecutor() as pool:
            waited = waiting(pool, service, changes(sandbox, after=cursor, wait=30))
            until(lambda: in_progress(url))
            process.send_signal(signal.SIGTERM)
            told = waited.result()
        assert told.json() == {"users": [], "cursor": cursor}
        assert process.wait(timeout=5) in {0, -signal.SIGTERM}


def in_progress(url: str) -> bool:
    """Tell whether somebody waits beside whoever asks this."""
    metrics = httpx.get(f"{url}/metrics").text
    return "rosterguard_requests_in_progress 2" in metrics


def test_what_one_replica_sees_changes_the_answers_of_both(sandbox: Sandbox, clock: MovedClock) -> None:
    with valkey() as redis, ExitStack() as stack, ThreadPoolExecutor() as pool:
        settings = settings_over(
            sandbox,
            load_whom="everyone",
            events_seconds=1,
            redis_url=SecretStr(redis.url),
            redis_deadline_seconds=1,
            caller_share=1,
        )
        services = [stack.enter_context(serving(settings, clock)) for _ in range(2)]
        cursors = [follow(services[0], sandbox), begin(services[1], sandbox)]
        sandbox.requests.clear()
        both = [
            waiting(pool, service, changes(sandbox, after=cursor, wait=20))
            for service, cursor in zip(services, cursors, strict=True)
        ]
        teacher = make_staff(sandbox)
        for each in both:
            assert each.result().json()["users"] == [teacher]
        for service in services:
            assert service.get(f"/v1/users/{teacher}/permissions").json()["roles"] == ["staff"]
        assert sandbox.requests[f"/v3.1/users/{teacher}"] == 0
