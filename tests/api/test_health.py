"""`/livez` and `/readyz`."""

from pathlib import Path

import httpx
from starlette.applications import Starlette

from app.cli.server import in_background
from tests.conftest import Sandbox, Serve


def anonymous(service: httpx.Client, path: str) -> httpx.Response:
    return httpx.get(f"{service.base_url}{path}")


def test_alive_needs_nothing_of_anyone(serve: Serve) -> None:
    with in_background(Starlette()) as gone:
        pass
    answer = anonymous(serve(clever_url=gone), "/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})
    assert answer.headers["cache-control"] == "no-store"


def test_ready_once_clever_has_accepted_the_token(service: httpx.Client, sandbox: Sandbox) -> None:
    service.get(f"/v1/users/{sandbox.user('teacher_only')}/permissions")
    answer = anonymous(service, "/readyz")
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "ready", "parts": {"policy": "ok", "clever": "ok"}},
    )


def test_not_ready_while_clever_refuses_the_token(serve: Serve, sandbox: Sandbox) -> None:
    service = serve(clever_token="another-token")
    service.get(f"/v1/users/{sandbox.user('teacher_only')}/permissions")
    answer = anonymous(service, "/readyz")
    assert (answer.status_code, answer.json()) == (
        503,
        {"status": "not_ready", "parts": {"policy": "ok", "clever": "token_refused"}},
    )


def test_not_ready_while_clever_cannot_be_reached(serve: Serve) -> None:
    with in_background(Starlette()) as gone:
        pass
    service = serve(clever_url=gone)
    service.get(f"/v1/users/{'f' * 24}/permissions")
    answer = anonymous(service, "/readyz")
    assert (answer.status_code, answer.json()["parts"]["clever"]) == (503, "unreachable")


def test_without_a_policy_it_is_alive_and_answers_nothing(serve: Serve, sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("version: 2")
    service = serve(policy=file)
    assert anonymous(service, "/livez").status_code == 200
    readiness = anonymous(service, "/readyz")
    assert (readiness.status_code, readiness.json()["parts"]["policy"]) == (503, "unusable")
    problem = service.get(f"/v1/users/{sandbox.user('teacher_only')}/permissions")
    assert (problem.status_code, problem.headers["retry-after"]) == (503, "5")
    assert problem.json()["type"] == "urn:problem-type:rosterguard:policy-unusable"
    message = service.post("/access/v1/evaluation", json={})
    assert (message.status_code, message.headers["content-type"]) == (503, "text/plain; charset=utf-8")
    assert message.text == problem.json()["detail"]
