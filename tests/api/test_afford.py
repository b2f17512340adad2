"""What many questions in one request cost under Clever's rate limit, and how that is answered where it is too much."""

from collections.abc import Iterator

import httpx
import pytest

from app.cli.server import in_background
from app.sandbox.server import create_sandbox
from app.sandbox.world import World
from tests.conftest import Sandbox, Serve


@pytest.fixture
def limited(world: World) -> Iterator[Sandbox]:
    """A Clever of its own that allows 1200 requests a minute, in a minute that does not end."""
    app = create_sandbox(world, clock=lambda: 1_000_000_020.0)
    with in_background(app) as url:
        yield Sandbox(url, app, world)


def students(sandbox: Sandbox) -> list[str]:
    return [user.id for user in sandbox.world.districts[0].users.values() if user.roles.get("student")]


def viewing(sandbox: Sandbox, ids: list[str]) -> dict[str, object]:
    return {
        "subject": {"type": "user", "id": sandbox.user("district_admin_only")},
        "action": {"name": "view"},
        "evaluations": [{"resource": {"type": "student", "id": each}} for each in ids],
    }


def test_six_hundred_students_are_decided_under_the_limit_and_the_next_request_is_answered(
    serve: Serve, limited: Sandbox
) -> None:
    service, ids = serve(clever_url=limited.url), students(limited)
    assert len(ids) >= 600
    answer = service.post("/access/v1/evaluations", json=viewing(limited, ids))
    assert [each["decision"] for each in answer.json()["evaluations"]] == [True] * len(ids)
    assert limited.requests.total() <= 8
    assert service.get(f"/v1/users/{limited.user('co_teacher')}/permissions").status_code == 200


@pytest.mark.parametrize(("limit", "share", "status"), [(5, 1.0, 503), (40, 0.1, 429)])
def test_what_cannot_be_afforded_is_one_answer_for_all(
    limit: int, share: float, status: int, serve: Serve, limited: Sandbox
) -> None:
    limited.app.state.rate_limit = limit
    service, ids = serve(clever_url=limited.url, caller_share=share), students(limited)[:100]
    sections = [*limited.world.districts[0].sections]
    beside = viewing(limited, [])
    mixed = [
        {"resource": {"type": kind, "id": each}}
        for kind, every in (("section", sections), ("student", ids))
        for each in every
    ]
    people = {"users": [{"id": user.id} for user in limited.world.districts[0].all_users[:100]]}
    for path, body in (("/access/v1/evaluations", beside | {"evaluations": mixed}), ("/v1/users/permissions", people)):
        answers = [service.post(path, json=body) for _ in range(2)]
        for answer in answers[1:]:
            assert answer.status_code == status, (path, answer.text[:200])
            assert 0 < int(answer.headers["retry-after"]) <= 60
            kind = "text/plain" if path.startswith("/access") else "application/problem+json"
            assert answer.headers["content-type"].startswith(kind)
    assert limited.requests.total() <= limit + 1


def test_a_batch_that_was_refused_says_nothing_else(serve: Serve, limited: Sandbox) -> None:
    limited.app.state.rate_limit = 2
    answer = serve(clever_url=limited.url, caller_share=1.0).post(
        "/access/v1/evaluations", json=viewing(limited, students(limited)[:50])
    )
    assert (answer.status_code, answer.text) == (503, "Clever's limit of requests a minute is used up for this token")


def test_an_answer_from_a_list_is_cached_for_the_next_who_asks_alone(serve: Serve, limited: Sandbox) -> None:
    service, ids = serve(clever_url=limited.url), students(limited)[:50]
    service.post("/v1/users/permissions", json={"users": [{"id": each} for each in ids]}).raise_for_status()
    asked = limited.requests.total()
    answers: list[httpx.Response] = [service.get(f"/v1/users/{each}/permissions") for each in ids]
    assert {answer.json()["roles"][0] for answer in answers} == {"student"}
    assert limited.requests.total() == asked
