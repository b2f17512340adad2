"""How many batches and searches there may be at once, and what they leave to the others."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from app.api import middleware
from app.api.middleware import BulkLimit
from app.domain.callers import ANYONE, CallerScope
from app.main import MOST_BULK_REQUESTS
from tests.api.connecting import connected_to
from tests.conftest import KEY, Sandbox, Serve, api_key
from tests.waiting import turn

MOST_OF_ONE = MOST_BULK_REQUESTS // 2
BULK_BUSY = "too many batches and searches are in progress; try again in a moment, single questions are still answered"


@contextmanager
def bulk_requests(service: httpx.Client, path: str, times: int) -> Iterator[None]:
    """Keep so many requests to ``path`` waiting for their bodies."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: 9\r\n"
        f"Authorization: Bearer {KEY}\r\nExpect: 100-continue\r\n\r\n"
    )
    with ExitStack() as stack:
        for _ in range(times):
            connected = stack.enter_context(connected_to(str(service.base_url)))
            connected.sendall(head.encode())
            assert connected.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        yield


@pytest.mark.parametrize("path", ["/access/v1/evaluations", "/access/v1/search/subject", "/v1/users/permissions"])
def test_one_batch_or_search_too_many_is_to_come_again(path: str, service: httpx.Client) -> None:
    with bulk_requests(service, path, MOST_OF_ONE):
        message = service.post("/access/v1/search/action", content=b"not read")
        problem = service.post("/v1/users/permissions", content=b"not read")
    assert (message.status_code, message.headers["retry-after"], message.text) == (503, "1", BULK_BUSY)
    assert (problem.status_code, problem.headers["retry-after"]) == (503, "1")
    assert problem.json() == {
        "type": "urn:problem-type:rosterguard:bulk-busy",
        "title": "Too many batches and searches at once",
        "status": 503,
        "detail": BULK_BUSY,
    }


def test_batches_and_searches_leave_single_questions_alone(service: httpx.Client, sandbox: Sandbox) -> None:
    with bulk_requests(service, "/access/v1/evaluations", MOST_OF_ONE):
        assert service.get(f"/v1/users/{sandbox.user('teacher_only')}/permissions").status_code == 200
        assert service.get("/readyz").status_code == 200


def test_one_caller_leaves_room_for_the_batches_of_others(serve: Serve) -> None:
    service = serve(api_keys=(api_key("tests", KEY), api_key("other", "another key")))
    with bulk_requests(service, "/access/v1/evaluations", MOST_OF_ONE):
        assert service.post("/v1/users/permissions", json={"users": []}).status_code == 503
        other = {"Authorization": "Bearer another key"}
        assert service.post("/v1/users/permissions", json={"users": []}, headers=other).status_code == 422


def test_without_a_key_nobody_takes_up_room(service: httpx.Client) -> None:
    with bulk_requests(service, "/access/v1/evaluations", MOST_OF_ONE):
        refused = httpx.post(f"{service.base_url}/access/v1/evaluations", content=b"not read")
    assert refused.status_code == 401


@pytest.mark.parametrize("path", ["/access/v1/evaluations", "/access/v1/search/subject", "/v1/users/permissions"])
def test_without_the_scope_nobody_takes_up_room_or_is_listened_to(path: str, serve: Serve) -> None:
    service = serve(api_keys=(api_key("tests", KEY), api_key("metrics", "of metrics", scopes={"metrics:read"})))
    head = b"POST %b HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer of metrics\r\n" % path.encode()
    with ExitStack() as stack:
        for _ in range(MOST_BULK_REQUESTS):
            connected = stack.enter_context(connected_to(str(service.base_url)))
            connected.sendall(head + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n")
            assert connected.recv(65536).startswith(b"HTTP/1.1 403 ")
        assert service.post("/v1/users/permissions", json={"users": []}).status_code == 422


async def test_once_they_are_over_memory_goes_back_to_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[int] = []
    monkeypatch.setattr(middleware, "GIVEN_BACK_AFTER_SECONDS", 0)
    monkeypatch.setattr(middleware, "give_memory_back", lambda: given_back.append(1))

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await turn()

    limit = BulkLimit(app, 16, {"/many": CallerScope.ACCESS_EVALUATE}, {})
    scope = {"type": "http", "path": "/many", "state": {"caller": ANYONE}}
    await asyncio.gather(*(limit(scope, _nothing_comes, _nothing_goes) for _ in range(4)))
    for _ in range(3):
        await turn()
    assert given_back == [1]


def test_memory_can_be_given_back_wherever_this_runs() -> None:
    middleware.give_memory_back()


async def _nothing_comes() -> Message:
    raise AssertionError


async def _nothing_goes(_message: Message) -> None:
    raise AssertionError


def test_room_is_free_again_once_they_are_over(service: httpx.Client) -> None:
    for _ in range(2):
        with bulk_requests(service, "/access/v1/evaluations", MOST_OF_ONE):
            pass
        for _ in range(1000):
            if service.post("/v1/users/permissions", json={"users": []}).status_code != 503:
                break
        assert service.post("/v1/users/permissions", json={"users": []}).status_code == 422


@pytest.mark.parametrize("delay_ms", [0, 20])
def test_users_whom_clever_does_not_know_leave_nobody_waiting_for_a_connection(
    delay_ms: int, service: httpx.Client, sandbox: Sandbox
) -> None:
    sandbox.app.state.delay_ms = delay_ms
    unknown = [service.get(f"/v1/users/{number:024x}/permissions") for number in range(60)]
    assert {answer.status_code for answer in unknown} == {404}
    cold = [
        service.get(f"/v1/users/{user.id}/permissions")
        for user in sandbox.world.districts[0].users_in_role["teacher"][:5]
    ]
    assert [answer.status_code for answer in cold] == [200] * 5
    assert max(answer.elapsed.total_seconds() for answer in cold) < 2
