"""What a connection allows: heads of so many bytes, and callers who take no longer than they may."""

import asyncio
import logging
import socket
import threading
from asyncio import Transport
from collections.abc import Callable, Iterator
from typing import ClassVar

import httpx
import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from app.api.http_limits import Connection, Timeouts
from app.api.request_head import MOST_HEAD_BYTES, MOST_TARGET_BYTES
from app.cli.server import in_background
from app.main import create_app
from app.telemetry.metrics import REGISTRY
from tests.api.connecting import PATIENCE, connected_to, heard, told, until
from tests.conftest import KEY, MovedClock, Sandbox, settings_over
from tests.waiting import eventually

MIB = 1024 * 1024
ALIVE = b'{"status":"alive"}'
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n"
CHUNKS = b"POST /v1/users/permissions HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n"
AUTHORIZED = f"Content-Type: application/json\r\nAuthorization: Bearer {KEY}\r\n".encode()


class HastyConnection(Connection):
    """A connection without patience."""

    timeouts = Timeouts(head=0.2, body=0.2, write=0.2, close=0.2)


@pytest.fixture(scope="module")
def running_hasty(running_sandbox: Sandbox, running_clock: MovedClock) -> Iterator[str]:
    with in_background(create_app(settings_over(running_sandbox), clock=running_clock), http=HastyConnection) as url:
        yield url


@pytest.fixture
def caller(running_hasty: str) -> Iterator[socket.socket]:
    """Connected to a service whose callers may take a fifth of a second over anything."""
    with connected_to(running_hasty) as connected:
        yield connected


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (b"HELLO\r\n\r\n", (400, "broken-http")),
        (b"GET /livez HTTP/9.9\r\n\r\n", (400, "broken-http")),
        (b"GET /livez HTTP/1.1\r\nno header\r\n\r\n", (400, "broken-http")),
        (b"GET /\xff HTTP/1.1\r\n\r\n", (400, "broken-http")),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, "broken-http")),
        (b"GET /" + b"a" * MOST_TARGET_BYTES, (414, "path-too-long")),
        (b"GET /livez HTTP/1.1\r\nA: " + b"a" * MOST_HEAD_BYTES, (431, "head-too-large")),
        (b"GET /livez HTTP/1.1\r\nA: " + b"a" * MOST_HEAD_BYTES + b"\r\n\r\n", (431, "head-too-large")),
        (b"GET /livez HTTP/1.1\r\n" + b"A: \r\n" * (MOST_HEAD_BYTES // 4) + b"\r\n", (431, "head-too-large")),
        (b"GET /livez HTTP/1.1\r\nA: ", (408, "too-slow")),
        (b"\r\nG", (408, "too-slow")),
    ],
)
def test_what_is_no_request_is_a_problem(said: bytes, kind: tuple[int, str], caller: socket.socket) -> None:
    caller.sendall(said)
    [answer] = told(caller)
    assert answer.kind == kind
    assert (answer.headers["content-type"], answer.headers["connection"]) == ("application/problem+json", "close")
    assert (answer.headers["cache-control"], len(answer.headers["x-request-id"])) == ("no-store", 32)


@pytest.mark.parametrize(
    "said",
    [
        *(b"", b"Host: here\r\nHost: here\r\n", b"Host: here, there\r\n", b"Host: he re\r\n", b"Host: here:port\r\n"),
        *(b"Host: \xff\r\n", b"Host: a@b\r\n", b"Host: a/b\r\n", b"Host: [here]\r\n", b"Host: %g\r\n"),
    ],
)
def test_who_does_not_say_which_host_they_mean_is_refused(said: bytes, caller: socket.socket) -> None:
    caller.sendall(b"GET /livez HTTP/1.1\r\n" + said + b"\r\n")
    assert [answer.kind for answer in told(caller)] == [(400, "broken-http")]


@pytest.mark.parametrize("host", [b"", b"here", b"here:8900", b"10.0.0.1:", b"[::1]:8900", b"a_b.example. ", b"%C3%A9"])
def test_a_host_may_be_any_name_or_address(host: bytes, caller: socket.socket) -> None:
    caller.sendall(LIVEZ.replace(b"here\r\n", host + b"\r\nConnection: close\r\n"))
    assert [answer.status for answer in told(caller)] == [200]


def test_before_http_1_1_nobody_had_to_say_which_host_they_mean(caller: socket.socket) -> None:
    caller.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
    assert [answer.status for answer in told(caller)] == [200]


def test_on_the_paths_of_the_standard_it_is_a_message(caller: socket.socket) -> None:
    caller.sendall(b"POST /access/v1/evaluation HTTP/1.1\r\nno header\r\n\r\n")
    [answer] = told(caller)
    assert (answer.status, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert answer.body == "what was sent is not HTTP/1.1 (RFC 9112)"


def test_a_head_may_be_as_large_as_is_allowed(caller: socket.socket) -> None:
    head = LIVEZ.removesuffix(b"\r\n") + b"Connection: close\r\nA: "
    caller.sendall(head + b"a" * (MOST_HEAD_BYTES - len(head) - len(b"\r\n\r\n")) + b"\r\n\r\n")
    assert [answer.status for answer in told(caller)] == [200]


@pytest.mark.parametrize("said", [b"", b"\r\n", b"\r\n\n\r"])
def test_who_asks_nothing_is_left_without_a_word(said: bytes, caller: socket.socket) -> None:
    caller.sendall(said)
    assert told(caller) == []


class IdlingConnection(HastyConnection):
    """A connection that soon takes silence for idleness."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        self.timeout_keep_alive = 0.4  # type: ignore[assignment]
        super().connection_made(transport)


def test_an_empty_line_after_a_request_is_no_other_request(running_sandbox: Sandbox) -> None:
    app = create_app(settings_over(running_sandbox))
    with in_background(app, http=IdlingConnection) as url, connected_to(url) as caller:
        caller.sendall(LIVEZ)
        heard(caller, ALIVE)
        caller.sendall(b"\r\n")
        assert told(caller) == []


def test_each_request_of_a_connection_has_its_own_time(caller: socket.socket) -> None:
    caller.sendall(LIVEZ + b"GET /livez HTTP/1.1\r\nA: ")
    assert [answer.kind for answer in told(caller)] == [(200, '{"status":"alive"}'), (408, "too-slow")]


def test_a_body_that_does_not_come_is_logged_under_the_id_of_its_request(caller: socket.socket) -> None:
    caller.sendall(CHUNKS + AUTHORIZED + b"X-Request-ID: of the caller\r\n\r\n5\r\n{")
    [answer] = told(caller)
    assert (answer.kind, answer.headers["x-request-id"]) == ((408, "too-slow"), "of the caller")


NAMED = b"GET /livez HTTP/1.1\r\nHost: here\r\nX-Request-ID: mine\r\nA: "


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        (b"a\r\nContent-Length: a\r\n\r\n", 400),
        (b"a\r\nno header\r\n\r\n", 400),
        (b"a" * MOST_HEAD_BYTES + b"\r\n\r\n", 431),
        (b"", 408),
    ],
)
def test_a_head_that_is_refused_is_logged_under_its_id(rest: bytes, status: int, caller: socket.socket) -> None:
    caller.sendall(NAMED + rest)
    assert [(answer.status, answer.headers["x-request-id"]) for answer in told(caller)] == [(status, "mine")]


def test_what_is_refused_after_a_request_is_not_logged_under_its_id(caller: socket.socket) -> None:
    caller.sendall(NAMED + b"\r\n\r\n")
    assert b"x-request-id: mine" in heard(caller, ALIVE)
    caller.sendall(b"\xff")
    [answer] = told(caller)
    assert (answer.status, len(answer.headers["x-request-id"])) == (400, 32)


def test_a_caller_who_goes_away_is_no_mistake_of_ours(caller: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    late = {"method": "POST", "route": "/access/v1/evaluation", "status": "4xx"}
    before = REGISTRY.get_sample_value("rosterguard_requests_total", late) or 0
    with caplog.at_level(logging.INFO):
        caller.sendall(CHUNKS.replace(b"/v1/users/permissions", b"/access/v1/evaluation") + AUTHORIZED + b"\r\n5\r\n{")
        caller.close()
        until(lambda: (REGISTRY.get_sample_value("rosterguard_requests_total", late) or 0) > before)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_who_is_refused_cannot_go_on_sending_for_ever(caller: socket.socket) -> None:
    caller.sendall(CHUNKS + b"\r\n5\r\n{")
    assert [answer.kind for answer in told(caller)] == [(401, "unauthenticated")]


def test_a_body_that_breaks_off_into_nonsense_is_a_problem(caller: socket.socket) -> None:
    caller.sendall(CHUNKS + AUTHORIZED + b"\r\nnonsense")
    assert [answer.kind for answer in told(caller)] == [(400, "broken-http")]


HOSTLESS = b"GET /livez HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize("broken", [b"HELLO\r\n\r\n", HOSTLESS, CHUNKS + AUTHORIZED + b"\r\nnonsense"])
@pytest.mark.parametrize("waiting", [1, 3])
def test_what_is_broken_is_refused_after_the_answers_before_it(
    waiting: int, broken: bytes, caller: socket.socket
) -> None:
    caller.sendall(LIVEZ * waiting + broken)
    alive = (200, '{"status":"alive"}')
    assert [answer.kind for answer in told(caller)] == [alive] * waiting + [(400, "broken-http")]


def test_a_chunk_that_is_broken_after_an_early_answer_ends_the_connection(caller: socket.socket) -> None:
    caller.sendall(CHUNKS + b"\r\n2\r\n{}\r\n")
    heard(caller, b"}")
    caller.sendall(b"nonsense\r\n" + LIVEZ)
    assert told(caller) == []


def test_a_caller_whose_body_ends_after_an_early_answer_may_not_idle_for_ever(running_sandbox: Sandbox) -> None:
    app = create_app(settings_over(running_sandbox))
    with in_background(app, http=IdlingConnection) as url, connected_to(url) as caller:
        caller.sendall(CHUNKS + b"\r\n2\r\n{}\r\n")
        heard(caller, b"}")
        caller.sendall(b"2\r\n{}\r\n")
        caller.sendall(b"0\r\n\r\n")
        assert told(caller) == []


class KeptConnection(Connection):
    """A connection that can be looked into; of those of a test there is one."""

    kept: ClassVar[list["KeptConnection"]] = []
    taken = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        self.kept[:] = [self]
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.taken += len(data)


def test_what_follows_a_request_that_is_being_answered_does_not_pile_up() -> None:
    let, sent = threading.Event(), LIVEZ + b"GET /livez HTTP/1.1\r\n" + b"A: a\r\n" * MIB

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await asyncio.to_thread(let.wait, PATIENCE)
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"{}"})

    with in_background(slow, http=KeptConnection) as url, connected_to(url) as caller:
        caller.sendall(sent)
        until(lambda: KeptConnection.kept[0].taken == len(sent))
        held = sum(len(name) + len(value) for name, value in KeptConnection.kept[0].headers)
        let.set()
        assert [answer.kind for answer in told(caller)] == [(200, "{}"), (431, "head-too-large")]
    assert held < MIB


def test_trailers_without_end_are_cut_off(caller: socket.socket) -> None:
    caller.sendall(CHUNKS + AUTHORIZED + b"\r\n2\r\n{}\r\n0\r\nA: " + b"a" * MOST_HEAD_BYTES)
    assert [answer.kind for answer in told(caller)] == [(431, "head-too-large")]


def test_a_trailer_is_no_header(caller: socket.socket) -> None:
    caller.sendall(CHUNKS + b"\r\n2\r\n{}\r\n0\r\n" + AUTHORIZED + b"\r\n")
    assert [answer.kind for answer in told(caller)] == [(401, "unauthenticated")]


QUESTION = b'{"users":[{"id":"%b"}]}' % (b"f" * 24)
ASKED_WHOLE = b"POST /v1/users/permissions HTTP/1.1\r\nHost: here\r\n" + AUTHORIZED
ASKED_WHOLE += b"Content-Length: %d\r\n\r\n" % len(QUESTION) + QUESTION


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (LIVEZ, [200]),
        (ASKED_WHOLE, [200]),
        (ASKED_WHOLE + LIVEZ + ASKED_WHOLE, [200, 200, 200]),
        (LIVEZ + b"\r\n", [200]),
        (CHUNKS + AUTHORIZED + b"\r\n5\r\n{", [400]),
        (ASKED_WHOLE[:-1], [400]),
        (b"GET /livez HTTP/1.1\r\nHost: here\r\nA: ", [400]),
        (b"GET /li", [400]),
        (b"\r\n", []),
        (b"", []),
    ],
)
def test_who_says_at_once_that_this_was_all_is_answered_as_anybody(
    said: bytes, wanted: list[int], service: httpx.Client
) -> None:
    with connected_to(str(service.base_url)) as caller:
        caller.sendall(said)
        caller.shutdown(socket.SHUT_WR)
        assert [answer.status for answer in told(caller)] == wanted


def test_who_closes_their_half_at_once_is_sent_what_is_cached_and_what_is_not(
    service: httpx.Client, sandbox: Sandbox
) -> None:
    path = f"/v1/users/{sandbox.user('teacher_only')}/permissions"
    said = f"GET {path} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()
    for _ in range(3):
        with connected_to(str(service.base_url)) as caller:
            caller.sendall(said)
            caller.shutdown(socket.SHUT_WR)
            assert [answer.status for answer in told(caller)] == [200]


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_nothing_is_left_of_who_goes_away_or_says_no_more(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    let = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await let.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})

    async def run() -> None:
        state = ServerState()
        config = uvicorn.Config(slow, http=Connection, lifespan="off", log_config=None)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(config, state, {}), "127.0.0.1", 0)
        callers = [await asyncio.open_connection(*server.sockets[0].getsockname()) for _ in range(4)]
        for number, (_, writer) in enumerate(callers):
            writer.write((LIVEZ * 2, LIVEZ, LIVEZ[:9], b"")[number])
            await writer.drain()
            writer.write_eof()
        callers[1][1].transport.abort()
        answers = [asyncio.create_task(reader.read()) for reader, _ in (callers[0], *callers[2:])]
        await asyncio.gather(*answers[1:])
        let.set()
        assert [(await answer).count(b"content-length: ") for answer in answers] == [2, 1, 0]
        await eventually(lambda: not state.connections and not state.tasks)
        for _, writer in callers:
            writer.close()
        server.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())


def test_who_does_not_take_the_answer_is_cut_off() -> None:
    gone = threading.Event()

    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await receive()
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": bytes(64 * 1024 * 1024), "more_body": True})
            await receive()
            gone.set()

    with in_background(large, http=HastyConnection) as url, connected_to(url) as caller:
        caller.sendall(LIVEZ)
        assert gone.wait(PATIENCE)
