"""Which heads of requests are accepted, by whatever server they are read."""

import asyncio

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.api.errors import BROKEN_HTTP, FOREIGN_HOST, Problem
from app.api.fast_connection import FastConnection
from app.api.middleware import RequestHeadMiddleware
from app.api.request_head import MOST_HEAD_BYTES, MOST_TARGET_BYTES, problem_of_head
from app.cli.server import in_background
from app.main import create_app
from tests.api.connecting import Told, connected_to, told
from tests.conftest import Sandbox, settings_over

LOCAL = "Host: localhost:8900"
PROBLEMS = {414: "path-too-long", 421: "foreign-host", 431: "head-too-large"}
HEADS = {
    ("GET /livez HTTP/1.1", LOCAL): 200,
    ("GET /livez HTTP/1.1", "Host: 127.0.0.1"): 200,
    ("GET /livez HTTP/1.1", "Host: [::1]:8900"): 200,
    ("GET /livez HTTP/1.1", "A: b"): 400,
    ("GET /livez HTTP/1.1", LOCAL, LOCAL): 400,
    ("GET /livez HTTP/1.1", "Host: user@localhost"): 400,
    ("GET /livez HTTP/1.1", f"Host: {'a' * 15_000}@"): 400,
    ("GET /livez HTTP/1.1", "Host: rebound.example"): 421,
    ("GET /livez HTTP/1.1", "Host: localhost.rebound.example"): 421,
    ("GET /livez HTTP/1.1", "Host:"): 421,
    ("GET /livez HTTP/1.0", "A: b"): 421,
    ("OPTIONS /v1/policy HTTP/1.1", "Host: rebound.example", "Origin: http://rebound.example"): 421,
    ("GET http://rebound.example/livez HTTP/1.1", "Host: rebound.example"): 421,
    (f"GET /livez?{'a' * (MOST_TARGET_BYTES - 7)} HTTP/1.1", LOCAL): 200,
    (f"GET /livez?{'a' * (MOST_TARGET_BYTES - 6)} HTTP/1.1", LOCAL): 414,
    ("GET /livez HTTP/1.1", LOCAL, f"A: {'a' * MOST_HEAD_BYTES}"): 431,
    ("GET /livez HTTP/1.1", LOCAL, *["A: "] * (MOST_HEAD_BYTES // 4)): 431,
}
"""Heads, and how they are answered where no key is asked for."""


def answer(url: str, head: tuple[str, ...]) -> Told:
    with connected_to(url) as caller:
        caller.sendall("\r\n".join((*head, "Connection: close", "", "")).encode())
        [answer] = told(caller)
    return answer


@pytest.mark.parametrize("server", [FastConnection, HttpToolsProtocol, H11Protocol])
def test_the_same_heads_are_refused_by_whatever_server_they_are_read(
    server: type[asyncio.Protocol], running_sandbox: Sandbox
) -> None:
    app = create_app(settings_over(running_sandbox, api_keys=()), no_auth=True)
    with in_background(app, http=server) as url:
        answers = {head: answer(url, head) for head in HEADS}
    assert {head: each.status for head, each in answers.items()} == HEADS
    told = {each.status: each for each in answers.values()}
    assert {status: told[status].kind[1] for status in PROBLEMS} == PROBLEMS
    for status in PROBLEMS:
        headers = told[status].headers
        assert (headers["content-type"], headers["connection"]) == ("application/problem+json", "close")
        assert (len(headers["x-request-id"]), headers["x-content-type-options"]) == (32, "nosniff")


async def served(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body"})


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 200),
        ({"raw_path": None, "path": "/livez/\u00e9 %"}, 200),
        ({"headers": [(b"host", b"rebound.example")]}, 421),
        ({"headers": []}, 400),
        ({"method": "CONNECT"}, 400),
        ({"path": "livez", "raw_path": b"livez"}, 400),
        ({"query_string": b"a" * MOST_TARGET_BYTES}, 414),
    ],
)
async def test_where_requests_share_a_connection_one_that_is_refused_does_not_end_it(
    given: dict[str, object], status: int
) -> None:
    scope: Scope = {"type": "http", "http_version": "2", "method": "GET", "path": "/livez", "raw_path": b"/livez"}
    scope.update({"query_string": b"", "headers": [(b"host", b"localhost")]}, **given)
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    await RequestHeadMiddleware(served, loopback_only=True)(scope, receive, send)
    assert sent[0]["status"] == status
    assert "connection" not in httpx.Headers(sent[0]["headers"])


@pytest.mark.parametrize(
    ("target", "host", "problem"),
    [
        ("http://localhost/livez", "rebound.example", None),
        ("http://127.0.0.1:8900", "rebound.example", None),
        ("http://rebound.example/livez", "localhost", FOREIGN_HOST),
        ("http://localhost@rebound.example/", "localhost", BROKEN_HTTP),
        ("http://:80/livez", "localhost", BROKEN_HTTP),
        ("ftp://localhost/livez", "localhost", BROKEN_HTTP),
        ("/livez#there", "localhost", BROKEN_HTTP),
        ("*", "localhost", BROKEN_HTTP),
    ],
)
def test_the_host_of_a_target_counts_whatever_the_header_says(target: str, host: str, problem: Problem | None) -> None:
    headers = [(b"host", host.encode())]
    assert problem_of_head(b"GET", target.encode(), "1.1", headers, loopback_only=True) == problem
