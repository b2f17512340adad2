"""The connection that answers at hand: whatever comes in however many parts is answered whole, in order and once."""

import asyncio
import logging
import socket
import struct
import time
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

from app.api.at_hand import Reply
from app.api.express import Express
from app.api.heads import Forms, Head
from app.api.http_limits import MOST_HEAD_BYTES, Timeouts
from app.cli.server import in_background
from app.main import create_app
from tests.api.asking import (
    CREDENTIAL,
    EVALUATION,
    EVALUATIONS,
    PERMISSIONS,
    PLAIN_MANY,
    WHOLE,
    Asked,
    at_once,
    names_in,
)
from tests.api.connecting import connected_to, told, until
from tests.conftest import KEY, TOKEN, MovedClock, Sandbox, WatchedExpress, settings_over
from tests.planted import RequestCounts

KIB = 1024
LARGE = b"a" * 64 * KIB
HEAD_END = b"\r\n\r\n"
WAYS = ("by hand", "the whole way")


def get(target: str, *headers: str, method: str = "GET", version: str = "1.1", host: str = "here") -> bytes:
    return "\r\n".join((f"{method} {target} HTTP/{version}", f"Host: {host}", *headers, "", "")).encode()


def post(target: str, body: bytes, *headers: str) -> bytes:
    return get(target, f"Content-Length: {len(body)}", *headers, method="POST") + body


def in_chunks(target: str, *chunks: bytes) -> bytes:
    said = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return get(target, "Transfer-Encoding: chunked", method="POST") + said


def at_hand(_method: bytes, target: bytes, _head: Head, body: bytes) -> Reply | None:
    """Answer below /hand; a fault of ours at /broken."""
    if target == b"/broken":
        raise RuntimeError("a fault of ours")
    if not target.startswith((b"/hand", b"/access/")):
        return None
    said = LARGE if target == b"/hand/large" else b"%b by hand, %d" % (target, len(body))
    return b"HTTP/1.1 200 OK\r\n", b"content-length: %d\r\n" % len(said), said


async def whole(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the whole way, and bring along what is at hand; below /slow after a moment."""
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["at_hand"] = at_hand
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    message: Message = {"more_body": True}
    read = 0
    while message.get("more_body"):
        message = await receive()
        read += len(message.get("body", b""))
    await asyncio.sleep(0.2 if scope["path"].startswith("/slow") else 0)
    said = LARGE if scope["path"] == "/hand/large" else f"{scope['path']} the whole way, {read}".encode()
    head = [(b"content-length", b"%d" % len(said))]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": said})


class Kept(Express):
    """A connection that can be looked into, and that knows no forms yet; of those of a test there is one."""

    kept: ClassVar[list["Kept"]] = []
    taken = sought = by_hand = parsed = most_unsent = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        self.kept[:] = [self]
        self._known = Forms()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.taken += len(data)

    def on_message_begin(self) -> None:
        self.parsed += 1
        super().on_message_begin()

    def on_response_complete(self) -> None:
        self.most_unsent = max(self.most_unsent, self.transport.get_write_buffer_size())
        super().on_response_complete()

    def _sought(self, method: bytes, target: bytes, head: Head, body: bytes) -> Reply | None:
        self.sought += 1
        return super()._sought(method, target, head, body)

    def _send(self, status_line: bytes, headers: bytes, body: bytes) -> None:
        self.by_hand += 1
        super()._send(status_line, headers, body)
        self.most_unsent = max(self.most_unsent, self.transport.get_write_buffer_size())


class Split(Express):
    """A connection to which whatever is sent comes in two parts."""

    at: ClassVar[int] = 0

    def data_received(self, data: bytes) -> None:
        for part in filter(None, (data[: self.at], data[self.at :])):
            super().data_received(part)


class Impatient(Express):
    """A connection that waits for nobody."""

    timeouts = Timeouts(head=0.2, body=0.2, taking=0.2, parting=0.2)


class Hasty(Express):
    """A connection that does not idle."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        self.timeout_keep_alive = 0.3  # type: ignore[assignment]
        super().connection_made(transport)


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
def calling(http: type[Express] = Kept) -> Iterator[Caller]:
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


@pytest.mark.parametrize("said", [get("/hand"), post("/hand", b"body"), in_chunks("/hand", b"bo", b"dy")])
def test_wherever_a_request_is_split_it_is_answered_alike(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = []
    with in_background(whole, http=Split) as url:
        for at in range(len(said)):
            monkeypatch.setattr(Split, "at", at)
            with connected_to(url) as connected:
                answers.append(Caller(connected).ask(said))
    end = said.index(HEAD_END) + len(HEAD_END)
    by_hand, the_whole_way = (f"/hand {way}, {len('body' if b'POST' in said else '')}" for way in WAYS)
    assert answers == [by_hand] * end + [the_whole_way] * (len(said) - end)


OFFERS = ("h2c", "websocket")


def offering(said: bytes, protocol: str) -> bytes:
    """Offer to speak another protocol instead, as clients do of their own accord."""
    return said.replace(b"\r\n", f"\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n".encode(), 1)


@pytest.mark.parametrize("protocol", OFFERS)
@pytest.mark.parametrize(
    "said", [post("/hand", get("/inner")), in_chunks("/hand", get("/inner")[:9], get("/inner")[9:])]
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
    said = (get("/hand/1"), post("/whole/2", b"the body"), post("/hand/3", b"body"), get("/whole/4"))
    caller.say(b"".join(offering(each, "h2c") for each in said))
    assert [caller.hear()[1].split()[0] for _ in said] == ["/hand/1", "/whole/2", "/hand/3", "/whole/4"]


def test_nothing_after_a_request_for_a_tunnel_is_read(caller: Caller) -> None:
    caller.say(b"CONNECT here:80 HTTP/1.1\r\nHost: here:80\r\nContent-Length: 4\r\n\r\n" + get("/hand"))
    assert [answer.kind for answer in told(caller.connected)] == [(400, "broken-http")]


@pytest.mark.parametrize("targets", [*product(("/hand", "/whole"), repeat=3)], ids="".join)
def test_requests_in_one_packet_are_answered_in_their_order(targets: tuple[str, ...], caller: Caller) -> None:
    caller.say(b"".join(post(target, b"body") for target in targets))
    answers = [caller.hear() for _ in targets]
    assert [(status, body.split()[0]) for status, body in answers] == [(200, target) for target in targets]
    assert {body.split(", ")[1] for _, body in answers} == {"4"}


def test_what_is_at_hand_before_anything_else_is_answered_by_hand(caller: Caller) -> None:
    caller.say(get("/hand/1") + post("/hand/2", b"body") + in_chunks("/hand/3", b"bo", b"dy"))
    assert [caller.hear()[1] for _ in range(3)] == ["/hand/1 by hand, 0", "/hand/2 by hand, 4", "/hand/3 by hand, 4"]
    assert caller.ask(get("/whole")) == "/whole the whole way, 0"
    assert caller.ask(get("/hand/4")) == "/hand/4 by hand, 0"


@pytest.mark.parametrize("said", [post("/hand", b"the body"), in_chunks("/hand", b"the ", b"body")])
def test_a_body_that_comes_later_is_waited_for_the_whole_way(said: bytes, caller: Caller) -> None:
    head, end, body = said.partition(HEAD_END)
    caller.say(head + end)
    until(lambda: Kept.kept[0].taken == len(head + end))
    caller.say(body[:5])
    until(lambda: Kept.kept[0].taken == len(head + end) + 5)
    caller.say(body[5:])
    assert caller.hear() == (200, "/hand the whole way, 8")


def test_a_short_question_whose_body_comes_later_is_answered_by_hand_all_the_same(caller: Caller) -> None:
    head, end, body = post("/access/v1/evaluation", b"the body").partition(HEAD_END)
    caller.say(head + end)
    until(lambda: Kept.kept[0].taken == len(head + end))
    caller.say(body)
    assert caller.hear() == (200, "/access/v1/evaluation by hand, 8")


def test_a_body_that_does_not_say_how_long_it_is_goes_the_whole_way_unless_it_is_there(caller: Caller) -> None:
    head, end, body = in_chunks("/access/v1/evaluation", b"the body").partition(HEAD_END)
    caller.say(head + end)
    until(lambda: Kept.kept[0].taken == len(head + end))
    caller.say(body)
    assert caller.hear() == (200, "/access/v1/evaluation the whole way, 8")


def test_a_short_question_whose_body_never_comes_is_refused_as_too_slow() -> None:
    with calling(Impatient) as caller:
        caller.say(get("/access/v1/evaluation", "Content-Length: 8", method="POST"))
        assert caller.hear()[0] == 408


@pytest.mark.parametrize("target", ["/hand", "/whole"])
def test_a_large_body_is_read_whole(target: str, caller: Caller) -> None:
    assert caller.ask(post(target, LARGE * 5)).split(", ")[1] == str(len(LARGE * 5))
    assert caller.ask(get("/hand")) == "/hand by hand, 0"


@pytest.mark.parametrize(
    "said",
    [
        get("/hand", version="1.0"),
        get("/hand", "Connection: keep-alive", version="1.0"),
        get("/hand", "Connection: close"),
        get("/hand", "Connection: Close, te"),
    ],
)
def test_who_wants_one_answer_gets_it_and_the_connection_ends(said: bytes, caller: Caller) -> None:
    caller.say(said)
    [answer] = told(caller.connected)
    assert (answer.status, answer.headers["connection"], answer.body) == (200, "close", "/hand the whole way, 0")


def test_who_expects_to_be_let_send_is_let(caller: Caller) -> None:
    head, _, body = post("/hand", b"body", "Expect: 100-continue").partition(HEAD_END)
    caller.say(head + HEAD_END)
    assert caller.hear() == (100, "")
    assert caller.ask(body) == "/hand the whole way, 4"
    caller.say(post("/hand", b"body", "Expect: 100-continue"))
    assert [caller.hear() for _ in range(2)] == [(100, ""), (200, "/hand the whole way, 4")]


@pytest.mark.parametrize("method", ["HEAD", "PUT", "OPTIONS", "DELETE"])
def test_other_methods_go_the_whole_way(method: str, caller: Caller) -> None:
    caller.say(get("/hand", method=method))
    assert caller.stream.readline() == b"HTTP/1.1 200 OK\r\n"
    assert Kept.kept[0].by_hand == 0


def test_a_broken_chunk_after_a_good_head_is_a_problem(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    caller.say(get("/hand", "Transfer-Encoding: chunked", "X-Request-ID: mine", method="POST") + b"nonsense")
    [answer] = told(caller.connected)
    assert (answer.kind, answer.headers["x-request-id"]) == ((400, "broken-http"), "mine")
    assert [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR] == []


def test_a_head_that_is_too_large_spoils_no_answer_before_it(caller: Caller) -> None:
    caller.say(get("/hand", "A: a") + get("/hand", "A: " + "a" * MOST_HEAD_BYTES))
    assert caller.hear() == (200, "/hand by hand, 0")
    status, problem = caller.hear()
    assert (status, "head-too-large" in problem, caller.stream.read()) == (431, True, b"")


def test_a_fault_of_ours_is_logged_once_and_answered_the_whole_way(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    assert caller.ask(post("/broken", b"body")) == "/broken the whole way, 4"
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, "an answer at hand failed")
    ]


def test_a_service_that_ends_closes_connections_on_which_all_was_at_hand() -> None:
    with in_background(whole, http=Express) as url:
        connected = connected_to(url)
        caller = Caller(connected)
        assert caller.ask(get("/hand")) == "/hand by hand, 0"
    with connected, caller.stream:
        assert caller.stream.read() == b""


def test_a_connection_on_which_nothing_follows_an_answer_at_hand_is_closed() -> None:
    with calling(Hasty) as caller:
        assert caller.ask(get("/hand")) == "/hand by hand, 0"
        assert caller.stream.read() == b""


def test_a_connection_does_not_idle_while_it_answers_what_came_after_an_answer_at_hand() -> None:
    with calling(Hasty) as caller:
        caller.say(get("/hand") + get("/slow"))
        assert [caller.hear()[1] for _ in range(2)] == ["/hand by hand, 0", "/slow the whole way, 0"]


def test_who_asks_and_does_not_read_is_not_answered_ahead() -> None:
    times = 200
    with calling() as caller:
        caller.say(get("/hand/large") * times)
        until(lambda: bool(Kept.kept) and Kept.kept[0].taken == times * len(get("/hand/large")))
        unsent = Kept.kept[0].transport.get_write_buffer_size()
        assert [caller.hear() for _ in range(times)] == [(200, LARGE.decode())] * times
        assert 0 < unsent <= Kept.kept[0].most_unsent < 4 * len(LARGE)


def test_a_head_of_a_form_that_was_read_before_is_not_parsed_again(caller: Caller) -> None:
    targets = ("/hand/1", "/hand/2", "/hand/3", "/whole", "/hand/4")
    said = [get(target, f"X-Request-ID: {target}") for target in targets]
    assert [caller.ask(each).split()[0] for each in said] == list(targets)
    connection = Kept.kept[0]
    assert (connection.by_hand, connection.parsed) == (4, 3)


def test_a_client_may_have_several_forms(caller: Caller) -> None:
    ways = (get("/hand"), get("/hand", "X-Request-ID: a"), post("/hand", b"a"), post("/hand", b"", "Accept: */*"))
    for each in ways * 2:
        caller.ask(each)
    connection = Kept.kept[0]
    before = connection.parsed
    for each in ways * 2:
        assert caller.ask(each).startswith("/hand by hand")
    assert connection.parsed == before


def test_of_more_forms_than_a_client_has_the_latest_are_known(caller: Caller) -> None:
    for number in (0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 0):
        caller.ask(get("/hand", host=str(number)))
    connection = Kept.kept[0]
    before = connection.parsed
    caller.ask(get("/hand", host="0"))
    caller.ask(get("/hand", host="4"))
    assert connection.parsed == before
    caller.ask(get("/hand", host="1"))
    assert connection.parsed == before + 1


def test_what_is_now_and_then_said_in_an_odd_way_leaves_other_forms_known(caller: Caller) -> None:
    for name in ("a", "a", "b", "b", *["an odd name"] * 4, "a"):
        caller.ask(get("/hand", *([] if name == "a" else [f"X-Request-ID: {name}"])))
    connection = Kept.kept[0]
    assert (connection.by_hand, connection.parsed) == (9, 8)


def asked_by_hand(caller: Caller, times: int = 3) -> None:
    """Ask so often that the last time nothing is parsed."""
    for number in range(times):
        assert caller.ask(get(f"/hand/{number}")) == f"/hand/{number} by hand, 0"


def test_who_is_answered_unparsed_is_not_closed_as_idle_while_asking(caller: Caller) -> None:
    asked_by_hand(caller)
    connection = Kept.kept[0]
    assert connection.parsed == 2
    # The timer is set after the answer is sent, which may have come by then.
    until(lambda: connection.timeout_keep_alive_task is not None)
    idle = connection.timeout_keep_alive_task
    # The time that was set by the first answer is over, and that of the last is not.
    connection.loop.call_soon_threadsafe(connection.timeout_keep_alive_handler)
    until(lambda: connection.timeout_keep_alive_task is not idle)
    asked_by_hand(caller, 1)


def test_who_is_answered_unparsed_is_not_late_afterwards() -> None:
    with calling(Impatient) as caller:
        asked_by_hand(caller)
        time.sleep(Impatient.timeouts.head + 0.1)
        asked_by_hand(caller, 1)


def test_an_idle_connection_keeps_nothing_of_what_was_asked(caller: Caller) -> None:
    for said in (post("/hand", b"the body"), post("/whole", b"the body")):
        caller.ask(said)
        until(lambda: b"the body" not in repr(vars(Kept.kept[0])).encode())


def test_what_is_refused_before_it_begins_is_refused_alike_whatever_was_asked_before_it() -> None:
    with calling(Impatient) as caller:
        asked_by_hand(caller)
        assert caller.ask(get("/access/v1/evaluation", "A: a")).endswith(" by hand, 0")
        asked_by_hand(caller, 1)
        caller.say(b"G")
        [answer] = told(caller.connected)
        assert (answer.kind, answer.headers["content-type"]) == ((408, "too-slow"), "application/problem+json")


def test_a_connection_that_idles_after_an_unparsed_answer_is_closed() -> None:
    with calling(Hasty) as caller:
        asked_by_hand(caller)
        assert caller.stream.read() == b""


def test_what_does_not_answer_an_unparsed_request_at_hand_has_it_parsed(sandbox: Sandbox, clock: MovedClock) -> None:
    app, names = create_app(settings_over(sandbox), clock=clock), names_in(sandbox.world)

    def asked(credential: str = KEY, of: str = "$teacher") -> bytes:
        target = names.in_target(f"/v1/users/{of}/permissions")
        return get(target, f"Authorization: Bearer {credential}")

    with in_background(app, http=Kept) as url, connected_to(url) as connected, Caller(connected).stream as stream:
        caller = Caller(connected)
        caller.stream = stream
        for _ in range(4):
            caller.say(asked())
            assert caller.hear()[0] == 200
        connection = Kept.kept[0]
        assert (connection.sought, connection.by_hand, connection.parsed) == (4, 3, 3)
        for said, status in ((asked("another"), 401), (asked(of="f" * 24), 404), (asked("not\tone"), 401)):
            caller.say(said)
            assert caller.hear()[0] == status
        assert (connection.sought, connection.by_hand, connection.parsed) == (7, 3, 6)


def test_a_connection_that_is_reset_leaves_nothing_behind(caller: Caller) -> None:
    caller.ask(get("/hand"))
    connection = Kept.kept[0]
    until(lambda: connection.timeout_keep_alive_task is not None)
    caller.connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    caller.stream.close()
    caller.connected.close()
    until(lambda: connection.parser is None)
    assert connection.timeout_keep_alive_task is None


def test_the_service_answers_at_hand_what_it_has_answered_before(sandbox: Sandbox, clock: MovedClock) -> None:
    app, names = create_app(settings_over(sandbox), clock=clock), names_in(sandbox.world)
    assert app.state.protocol is Express
    by_hand = []
    with in_background(app, http=Kept) as url, httpx.Client(base_url=url) as client, at_once(client) as caller:
        for target, said in (
            (PERMISSIONS, None),
            (EVALUATION, WHOLE),
            (EVALUATION, WHOLE),
            (EVALUATIONS, PLAIN_MANY[0]),
        ):
            Asked(caller, names).ask(target, said).raise_for_status()
            by_hand.append(Kept.kept[0].by_hand)
        client.get(names.in_target(PERMISSIONS), headers=CREDENTIAL).raise_for_status()
    assert (by_hand, Kept.kept[0].by_hand) == ([0, 1, 1, 1], 1)


def test_the_watch_sees_a_secret_that_is_answered_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WatchedExpress, "watch", watch := RequestCounts())
    with calling(WatchedExpress) as caller:
        assert caller.ask(get("/hand")) == "/hand by hand, 0"
        assert caller.ask(get(f"/hand/{TOKEN}")).startswith("/hand/")
    assert watch.tell() == ["the district token is answered in a body"]
