"""The connection: whatever comes in however many parts is answered whole, in order and once."""

import asyncio
import logging
import socket
import struct
from asyncio import Transport
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from itertools import product
from typing import ClassVar

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from app.api.fast_connection import FastConnection
from app.api.http_caching import Stamped
from app.api.http_limits import Timeouts
from app.api.request_head import MOST_HEAD_BYTES
from app.api.security_headers import RawHeaders
from app.cli.server import in_background
from app.main import create_app
from tests.api.asking import EVALUATION, EVALUATIONS, PERMISSIONS, PLAIN_MANY, WHOLE, Asked, names_in
from tests.api.connecting import connected_to, told, until
from tests.conftest import TOKEN, MovedClock, Sandbox, WatchedConnection, settings_over
from tests.planted import Watch

KIB = 1024
LARGE = b"a" * 64 * KIB
HEAD_END = b"\r\n\r\n"


def get(target: str, *headers: str, method: str = "GET", version: str = "1.1", host: str = "here") -> bytes:
    return "\r\n".join((f"{method} {target} HTTP/{version}", f"Host: {host}", *headers, "", "")).encode()


def post(target: str, body: bytes, *headers: str) -> bytes:
    return get(target, f"Content-Length: {len(body)}", *headers, method="POST") + body


def in_chunks(target: str, *chunks: bytes) -> bytes:
    said = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return get(target, "Transfer-Encoding: chunked", method="POST") + said


def fast_path(_method: bytes, target: bytes, _headers: RawHeaders, body: bytes) -> Stamped | None:
    """Answer below /fast, and what is asked where decisions are."""
    if not target.startswith((b"/fast", b"/access/")):
        return None
    said = b"%b fast, %d" % (target, len(body))
    return 200, [(b"content-length", b"%d" % len(said))], said


async def whole(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what was asked, and how much was said; below /slow once the connection has looked whether it idles."""
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["fast_path"] = fast_path
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    message: Message = {"more_body": True}
    read = 0
    while message.get("more_body"):
        message = await receive()
        read += len(message.get("body", b""))
    if scope["path"].startswith("/slow"):
        await Hasty.idle_check.wait()
    said = LARGE if scope["path"] == "/large" else f"{scope['path']}, {read}".encode()
    head = [(b"content-length", b"%d" % len(said))]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": said})


class Kept(FastConnection):
    """A connection that can be looked into; of those of a test there is one."""

    kept: ClassVar[list["Kept"]] = []
    taken = most_unsent = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        self.kept[:] = [self]
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.taken += len(data)

    def on_response_complete(self) -> None:
        self.most_unsent = max(self.most_unsent, self.transport.get_write_buffer_size())
        super().on_response_complete()


class Split(FastConnection):
    """A connection to which whatever is sent comes in two parts."""

    at: ClassVar[int] = 0

    def data_received(self, data: bytes) -> None:
        for part in filter(None, (data[: self.at], data[self.at :])):
            super().data_received(part)


class Impatient(FastConnection):
    """A connection that waits for nobody."""

    timeouts = Timeouts(head=0.2, body=0.2, write=0.2, close=0.2)


class Hasty(FastConnection):
    """A connection that does not idle."""

    idle_check: ClassVar[asyncio.Event]
    """Set once a connection has looked whether it idles."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        type(self).idle_check = asyncio.Event()
        self.timeout_keep_alive = 0.3  # type: ignore[assignment]
        super().connection_made(transport)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self.idle_check.set()


@dataclass
class Caller:
    """Somebody who asks and reads the answers one after the other."""

    connected: socket.socket
    stream: BufferedReader = field(init=False)

    def __post_init__(self) -> None:
        self.stream = self.connected.makefile("rb")

    def say(self, said: bytes) -> None:
        self.connected.sendall(said)

    def hear(self) -> tuple[int, str]:
        """Read one answer: its status, and its body."""
        status = int(self.stream.readline().split()[1])
        head = dict(line.rstrip().split(b": ", 1) for line in iter(self.stream.readline, b"\r\n"))
        return status, self.stream.read(int(head.get(b"content-length", 0))).decode()

    def ask(self, said: bytes) -> str:
        """Ask, and return the body of the one answer."""
        self.say(said)
        return self.hear()[1]


@contextmanager
def calling(http: type[FastConnection] = Kept) -> Iterator[Caller]:
    with in_background(whole, http=http) as url, connected_to(url) as connected:
        caller = Caller(connected)
        with caller.stream:
            yield caller


@pytest.fixture(scope="module")
def running() -> Iterator[str]:
    with in_background(whole, http=Kept) as url:
        yield url


@pytest.fixture
def caller(running: str) -> Iterator[Caller]:
    Kept.kept.clear()
    with connected_to(running) as connected:
        until(lambda: bool(Kept.kept))
        caller = Caller(connected)
        with caller.stream:
            yield caller


@pytest.mark.parametrize("path", ["/asked", "/fast"])
@pytest.mark.parametrize("said", [get("/asked"), post("/asked", b"body"), in_chunks("/asked", b"bo", b"dy")])
def test_wherever_a_request_is_split_it_is_answered_alike(
    said: bytes, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, said = [], said.replace(b"/asked", path.encode())
    with in_background(whole, http=Split) as url:
        for at in range(len(said)):
            monkeypatch.setattr(Split, "at", at)
            with connected_to(url) as connected:
                answers.append(Caller(connected).ask(said))
    assert {answer.replace(" fast", "") for answer in answers} == {f"{path}, {len('body' if b'POST' in said else '')}"}


OFFERS = ("h2c", "websocket")


def offering(said: bytes, protocol: str) -> bytes:
    """Offer to speak another protocol instead, as clients do of their own accord."""
    return said.replace(b"\r\n", f"\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n".encode(), 1)


@pytest.mark.parametrize("protocol", OFFERS)
@pytest.mark.parametrize(
    "said", [post("/asked", get("/inner")), in_chunks("/asked", get("/inner")[:9], get("/inner")[9:])]
)
def test_a_body_after_an_offer_to_speak_another_protocol_is_read_as_one_and_nothing_else(
    said: bytes, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = offering(said, protocol)
    with in_background(whole, http=Split) as url:
        for at in range(len(said)):
            monkeypatch.setattr(Split, "at", at)
            with connected_to(url) as connected, (caller := Caller(connected)).stream:
                assert caller.ask(said).split(", ")[1] == str(len(get("/inner")))
                assert caller.ask(get("/next")).startswith("/next")


def test_requests_that_offer_another_protocol_are_answered_in_their_order(caller: Caller) -> None:
    said = (get("/asked/1"), post("/whole/2", b"the body"), post("/asked/3", b"body"), get("/whole/4"))
    caller.say(b"".join(offering(each, "h2c") for each in said))
    assert [caller.hear()[1].split(",")[0] for _ in said] == ["/asked/1", "/whole/2", "/asked/3", "/whole/4"]


def test_nothing_after_a_request_for_a_tunnel_is_read(caller: Caller) -> None:
    caller.say(b"CONNECT here:80 HTTP/1.1\r\nHost: here:80\r\nContent-Length: 4\r\n\r\n" + get("/asked"))
    assert [answer.kind for answer in told(caller.connected)] == [(400, "broken-http")]


@pytest.mark.parametrize("targets", [*product(("/asked", "/fast"), repeat=3)], ids="".join)
def test_requests_in_one_packet_are_answered_in_their_order(targets: tuple[str, ...], caller: Caller) -> None:
    caller.say(b"".join(post(target, b"body") for target in targets))
    answers = [caller.hear() for _ in targets]
    assert [(status, body.split(",")[0].split()[0]) for status, body in answers] == [
        (200, target) for target in targets
    ]
    assert {body.split(", ")[1] for _, body in answers} == {"4"}


@pytest.mark.parametrize("said", [post("/asked", b"the body"), in_chunks("/asked", b"the ", b"body")])
def test_a_body_that_comes_later_is_waited_for(said: bytes, caller: Caller) -> None:
    head, end, body = said.partition(HEAD_END)
    caller.say(head + end)
    until(lambda: Kept.kept[0].taken == len(head + end))
    caller.say(body[:5])
    until(lambda: Kept.kept[0].taken == len(head + end) + 5)
    caller.say(body[5:])
    assert caller.hear() == (200, "/asked, 8")


def test_a_short_question_whose_body_never_comes_is_refused_as_too_slow() -> None:
    with calling(Impatient) as caller:
        caller.say(get("/access/v1/evaluation", "Content-Length: 8", method="POST"))
        assert caller.hear()[0] == 408


@pytest.mark.parametrize("target", ["/asked", "/whole"])
def test_a_large_body_is_read_whole(target: str, caller: Caller) -> None:
    assert caller.ask(post(target, LARGE * 5)).split(", ")[1] == str(len(LARGE * 5))
    assert caller.ask(get("/asked")) == "/asked, 0"


@pytest.mark.parametrize(
    "said",
    [
        get("/asked", version="1.0"),
        get("/asked", "Connection: keep-alive", version="1.0"),
        get("/asked", "Connection: close"),
        get("/asked", "Connection: Close, te"),
    ],
)
def test_who_wants_one_answer_gets_it_and_the_connection_ends(said: bytes, caller: Caller) -> None:
    caller.say(said)
    [answer] = told(caller.connected)
    assert (answer.status, answer.headers["connection"], answer.body) == (200, "close", "/asked, 0")


def test_who_expects_to_be_let_send_is_let(caller: Caller) -> None:
    head, _, body = post("/asked", b"body", "Expect: 100-continue").partition(HEAD_END)
    caller.say(head + HEAD_END)
    assert caller.hear() == (100, "")
    assert caller.ask(body) == "/asked, 4"
    caller.say(post("/asked", b"body", "Expect: 100-continue"))
    assert [caller.hear() for _ in range(2)] == [(100, ""), (200, "/asked, 4")]


def test_a_broken_chunk_after_a_good_head_is_a_problem(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    caller.say(get("/asked", "Transfer-Encoding: chunked", "X-Request-ID: mine", method="POST") + b"nonsense")
    [answer] = told(caller.connected)
    assert (answer.kind, answer.headers["x-request-id"]) == ((400, "broken-http"), "mine")
    assert [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR] == []


def test_a_service_that_ends_closes_idle_connections() -> None:
    with in_background(whole, http=FastConnection) as url:
        connected = connected_to(url)
        caller = Caller(connected)
        assert caller.ask(get("/asked")) == "/asked, 0"
    with connected, caller.stream:
        assert caller.stream.read() == b""


def test_a_connection_on_which_nothing_follows_is_closed() -> None:
    with calling(Hasty) as caller:
        assert caller.ask(get("/asked")) == "/asked, 0"
        assert caller.stream.read() == b""


def test_a_connection_does_not_idle_while_it_answers() -> None:
    with calling(Hasty) as caller:
        assert caller.ask(get("/asked")) == "/asked, 0"
        assert caller.ask(get("/slow")) == "/slow, 0"


def test_who_asks_and_does_not_read_is_not_answered_ahead() -> None:
    times = 200
    with calling() as caller:
        caller.say(get("/large") * times)
        until(lambda: bool(Kept.kept) and Kept.kept[0].taken == times * len(get("/large")))
        # The first answer may still have to be written.
        until(lambda: Kept.kept[0].transport.get_write_buffer_size() > 0)
        assert [caller.hear() for _ in range(times)] == [(200, LARGE.decode())] * times
        assert Kept.kept[0].most_unsent < 4 * len(LARGE)


def test_an_idle_connection_keeps_nothing_of_what_was_asked(caller: Caller) -> None:
    for said in (post("/asked", b"the body"), post("/whole", b"the body")):
        caller.ask(said)
        until(lambda: b"the body" not in repr(vars(Kept.kept[0])).encode())


def test_a_connection_that_is_reset_leaves_nothing_behind(caller: Caller) -> None:
    caller.ask(get("/asked"))
    connection = Kept.kept[0]
    until(lambda: connection.timeout_keep_alive_task is not None)
    caller.connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    caller.stream.close()
    caller.connected.close()
    until(lambda: connection.parser is None)
    assert connection.timeout_keep_alive_task is None


def test_what_is_fast_is_answered_before_and_after_what_is_not(caller: Caller) -> None:
    caller.say(get("/fast/1") + post("/fast/2", b"body") + in_chunks("/fast/3", b"bo", b"dy") + get("/asked/4"))
    said = [caller.hear()[1] for _ in range(4)]
    assert said == ["/fast/1 fast, 0", "/fast/2 fast, 4", "/fast/3, 4", "/asked/4, 0"]
    assert caller.ask(get("/fast/5")) == "/fast/5 fast, 0"


def test_a_short_question_whose_body_comes_later_is_waited_for(caller: Caller) -> None:
    head, end, body = post("/access/v1/evaluation", b"the body").partition(HEAD_END)
    caller.say(head + end)
    until(lambda: Kept.kept[0].taken == len(head + end))
    caller.say(body)
    assert caller.hear() == (200, "/access/v1/evaluation fast, 8")


def test_a_broken_body_of_what_would_be_fast_is_a_problem(caller: Caller) -> None:
    caller.say(get("/fast", "Transfer-Encoding: chunked", "X-Request-ID: mine", method="POST") + b"nonsense")
    [answer] = told(caller.connected)
    assert (answer.kind, answer.headers["x-request-id"]) == ((400, "broken-http"), "mine")


@pytest.mark.parametrize(("target", "answered"), [("/fast", "/fast fast, 0"), ("/asked", "/asked, 0")])
def test_a_head_that_is_too_large_spoils_no_answer_before_it(target: str, answered: str, caller: Caller) -> None:
    caller.say(get(target) + get("/fast", "A: " + "a" * MOST_HEAD_BYTES))
    assert caller.hear() == (200, answered)
    status, problem = caller.hear()
    assert (status, "head-too-large" in problem, caller.stream.read()) == (431, True, b"")


def test_who_is_answered_fast_is_not_closed_as_idle_while_asking(caller: Caller) -> None:
    assert caller.ask(get("/fast")) == "/fast fast, 0"
    connection = Kept.kept[0]
    # The timer is set after the answer is sent, which may have come by then.
    until(lambda: connection.timeout_keep_alive_task is not None)
    idle = connection.timeout_keep_alive_task
    # As if the time that was set by an earlier answer were over, which that of the last is not.
    connection.loop.call_soon_threadsafe(connection.timeout_keep_alive_handler)
    until(lambda: connection.timeout_keep_alive_task is not idle)
    assert caller.ask(get("/fast")) == "/fast fast, 0"


def test_a_connection_on_which_nothing_follows_a_fast_answer_is_closed() -> None:
    with calling(Hasty) as caller:
        assert caller.ask(get("/fast")) == "/fast fast, 0"
        assert caller.stream.read() == b""


def test_the_service_answers_fast_what_it_has_answered_before(sandbox: Sandbox, clock: MovedClock) -> None:
    fast: list[bytes] = []

    class Noted(FastConnection):
        def send_answer(self, status: int, headers: RawHeaders, body: bytes) -> None:
            fast.append(self.url)
            super().send_answer(status, headers, body)

    app, names = create_app(settings_over(sandbox), clock=clock), names_in(sandbox.world)
    assert app.state.protocol is FastConnection
    with in_background(app, http=Noted) as url, httpx.Client(base_url=url) as client:
        for target, said in ((PERMISSIONS, None), (EVALUATION, WHOLE), (EVALUATIONS, PLAIN_MANY[0])) * 2:
            Asked(client, names).ask(target, said).raise_for_status()
    paths = [names.in_target(target).encode() for target in (PERMISSIONS, EVALUATION, EVALUATIONS)]
    assert fast[-3:] == paths


def test_the_watch_sees_a_secret_that_is_answered_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WatchedConnection, "watch", watch := Watch())
    with calling(WatchedConnection) as caller:
        assert caller.ask(get("/fast")) == "/fast fast, 0"
        assert caller.ask(get(f"/fast/{TOKEN}")).startswith("/fast/")
    assert watch.tell() == ["the district token is answered in a body"]
