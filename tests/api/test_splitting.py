"""In however many parts a request comes, it is answered alike; and what is no request of HTTP/1 is refused."""

import logging
import re
from itertools import pairwise

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from app.api.fast_connection import FastConnection
from app.api.http_caching import Stamped
from app.api.security_headers import RawHeaders
from tests.api.speaking import spoken

BROKEN = (400, "broken-http")
SERVED = (200, "/served?a=b, here, {}")


def fast_path(_method: bytes, target: bytes, _headers: RawHeaders, body: bytes) -> Stamped | None:
    """Answer as the application does, but where the target says that it has to."""
    if b"served" in target or b"access" in target:
        return None
    said = b"%b, %b" % (target, body)
    return 200, [(b"content-length", b"%d" % len(said))], said


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what was asked, of which host, and with which body."""
    message: Message = {"more_body": True}
    body = b""
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    if message["type"] == "http.disconnect":
        return
    query, host = scope["query_string"], dict(scope["headers"]).get(b"host", b"-")
    said = scope["path"].encode() + (b"?" + query if query else b"")
    said += b", " + (host + b", " + body if b"served" in said else body)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]})
    await send({"type": "http.response.body", "body": said})


STATE = {"fast_path": fast_path}

Told = list[tuple[int, str]]


def answers(*parts: bytes, then_end: bool = False) -> Told:
    """Return status, and kind of problem or else the body, of each answer."""
    said, found = spoken(FastConnection, app, parts, STATE, then_end=then_end), []
    while said:
        head, _, rest = said.partition(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 100 "):
            said = rest
            continue
        length = int(re.search(rb"content-length: (\d+)", head.lower())[1])  # type: ignore[index]
        body, said = rest[:length].decode(), rest[length:]
        problem = re.search(r'"urn:problem-type:rosterguard:([a-z-]+)"', body)
        found.append((int(head.split()[1]), problem[1] if problem else body))
    return found


def request(line: str, *fields: str, host: str = "Host: here") -> bytes:
    return "\r\n".join((line, *filter(None, (host, *fields)), "", "")).encode("latin-1")


BODIES = {
    "none": ((), b""),
    "three": (("Content-Length: 3",), b"abc"),
    "chunks": (("Transfer-Encoding: chunked",), b"3\r\nabc\r\n0\r\n\r\n"),
}

BROKEN_LINES = [
    *("POST http:///x HTTP/1.1", "POST http://:80/x HTTP/1.1", "POST http://u@here/x HTTP/1.1"),
    *("POST http://he re/x HTTP/1.1", "POST http://here:port/x HTTP/1.1", "POST http://[here]/x HTTP/1.1"),
    *("POST http://%g/x HTTP/1.1", "POST http:/x HTTP/1.1", "POST http:x HTTP/1.1", "POST ftp://here/x HTTP/1.1"),
    *("POST ws://here/x HTTP/1.1", "POST urn:x HTTP/1.1", "POST here:80 HTTP/1.1", "POST x HTTP/1.1"),
    *("POST * HTTP/1.1", "POST ?a HTTP/1.1", "POST /x#y HTTP/1.1", "POST /x?y#z HTTP/1.1", "POST /\xff HTTP/1.1"),
    *("POST /x?\xff HTTP/1.1", "POST /\x01 HTTP/1.1", "POST /\x7f HTTP/1.1", "POST http://here/\xff HTTP/1.1"),
    *("CONNECT here:80 HTTP/1.1", "CONNECT /x HTTP/1.1", "FOO /x HTTP/1.1", "post /x HTTP/1.1", "POST /x"),
    *("POST /x HTTP/0.9", "POST /x HTTP/1.2", "POST /x HTTP/2.0", "POST /x HTTP/3.0", "POST /x HTTP/1", "POST /x HTTP"),
    *("POST /x http/1.1", "POST /x RTSP/1.0", "POST /served RTSP/1.1", "SOURCE /x ICE/1.0", "POST", "POST "),
    *("POST /access/v1/\x01 HTTP/1.1", "POST /served HTTP/2.0", "OPTIONS http://:/served HTTP/1.1"),
]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("line", BROKEN_LINES)
def test_what_is_no_request_is_refused_wherever_its_packets_end(
    line: str, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    fields, content = BODIES[body]
    said = request(line, *fields) + content
    assert answers(said) == [BROKEN]
    assert {tuple(answers(said[:place], said[place:])) for place in range(1, len(said))} == {(BROKEN,)}
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


SERVED_LINES = {
    "POST /served?a=b HTTP/1.1": "/served?a=b, here",
    "POST //there/served HTTP/1.1": "//there/served, here",
    "POST http://there/served?a=b HTTP/1.1": "/served?a=b, there",
    "POST HTTP://There:80/served HTTP/1.1": "/served, There:80",
    "POST https://[::1]:443/served HTTP/1.1": "/served, [::1]:443",
    "POST http://there:/served?http://x/ HTTP/1.1": "/served?http://x/, there:",
    "POST http://served HTTP/1.1": "/, ",
    "POST http://there?served HTTP/1.1": "/?served, there",
    "OPTIONS http://there/served HTTP/1.1": "/served, there",
    "OPTIONS * HTTP/1.1": "*, ",
    "GET /%FF%00/served HTTP/1.0": "/\ufffd\0/served, here",
    "GET http://there/served HTTP/1.0": "/served, there",
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("line", SERVED_LINES)
def test_what_is_a_request_is_answered_wherever_its_packets_end(line: str, body: str) -> None:
    fields, content = BODIES[body]
    said = request(line, *fields) + content
    [(status, told)] = answers(said)
    assert (status, told.removesuffix("abc").removesuffix(", ")) == (200, SERVED_LINES[line].removesuffix(", "))
    assert {tuple(answers(said[:place], said[place:])) for place in range(1, len(said))} == {((status, told),)}


BROKEN_FIELDS = [
    *("Content-Length: 3\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 3"),
    *("Content-Length: 3\r\nContent-Length: 3", "Content-Length: 3\r\nContent-Length: 4", "Content-Length: 3, 3"),
    *("Content-Length: +3", "Content-Length: -3", "Content-Length: 0x3", "Content-Length: 3 3", "Content-Length: "),
    *("Content-Length : 3", " Content-Length: 3", "Content-Length: 3\r\n x", f"Content-Length: {10**20}"),
    *("Transfer-Encoding: gzip", "Transfer-Encoding: chunked, gzip", "Transfer-Encoding: identity"),
    *("Transfer-Encoding: chunked, chunked", "Transfer-Encoding: chunked;a=b", "Transfer-Encoding: \x0bchunked"),
    *("Transfer-Encoding : chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
    *("A: b\r\n c", "A: b\n c: d", "A: b\rc: d", "A: \x00", "\x00: b", "A\x7f: b"),
]
BROKEN_CHUNKS = [
    *("0x3\r\nabc\r\n0\r\n\r\n", "+3\r\nabc\r\n0\r\n\r\n", "-1\r\n", "3 \r\nabc\r\n0\r\n\r\n", "\r\nabc"),
    *("3;\r\nabc\r\n0\r\n\r\n", "3\nabc\n0\n\n", "3\r\nabcd\r\n0\r\n\r\n", "3\r\nabc0\r\n\r\n", f"{'f' * 17}\r\nabc"),
    *("3\r\nabc\r\n0\r\nno trailer\r\n\r\n", "3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n"),
    *("3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\nabc\r\n0\r\nA : b\r\n\r\n"),
]
BROKEN_FRAMING = [(field, b"abc") for field in BROKEN_FIELDS]
BROKEN_FRAMING += [("Transfer-Encoding: chunked", chunks.encode()) for chunks in BROKEN_CHUNKS]


@pytest.mark.parametrize("line", ["GET /hand HTTP/1.1", "POST /hand HTTP/1.1", "POST /served HTTP/1.1"])
@pytest.mark.parametrize(("field", "body"), BROKEN_FRAMING)
def test_broken_framing_is_refused_before_any_answer_and_after_all_that_are_due(
    field: str, body: bytes, line: str
) -> None:
    said = request(line, field) + body + request("GET /hand HTTP/1.1")
    assert answers(said) == [BROKEN]
    before = request("GET /served HTTP/1.1") * 2
    assert answers(before + said) == [(200, "/served, here, "), (200, "/served, here, "), BROKEN]


@pytest.mark.parametrize("target", ["/hand", "/served"])
@pytest.mark.parametrize(
    "trailer",
    ["Expect: 100-continue", "Host: there", "Host: a b", "Connection: Upgrade\r\nUpgrade: h2c", "Authorization: a"],
)
def test_a_trailer_says_nothing_of_the_request(trailer: str, target: str) -> None:
    chunks = request(f"POST {target} HTTP/1.1", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n%b\r\n"
    said, bare = (chunks % part + request("GET /hand HTTP/1.1") for part in (f"{trailer}\r\n".encode(), b""))
    assert spoken(FastConnection, app, [said], STATE) == spoken(FastConnection, app, [bare], STATE)


@pytest.mark.parametrize("target", ["/hand", "/served"])
def test_a_trailer_that_ends_the_connection_ends_it_after_the_answer(target: str) -> None:
    chunks = request(f"POST {target} HTTP/1.1", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n"
    said = spoken(FastConnection, app, [chunks + b"Connection: close\r\n\r\n" + request("GET /hand HTTP/1.1")], STATE)
    assert (said.count(b"HTTP/1.1 200 "), said.count(b"connection: close")) == (1, 1)


def test_of_two_hosts_that_of_the_target_counts_also_where_the_header_may_be_missing() -> None:
    assert answers(request("GET http://there/served HTTP/1.0", host="")) == [(200, "/served, there, ")]
    assert answers(request("GET http://there/served HTTP/1.1", host="")) == [BROKEN]


PIECES = st.sampled_from(
    [
        request("GET /hand HTTP/1.1"),
        request("POST /hand HTTP/1.1", "Content-Length: 3") + b"abc",
        request("POST /served HTTP/1.1", "Transfer-Encoding: chunked") + b"1\r\na\r\n2\r\nbc\r\n0\r\nA: b\r\n\r\n",
        request("POST http://there/served HTTP/1.1", "Content-Length: 3", "Expect: 100-continue") + b"abc",
        request("GET /served HTTP/1.1", "Upgrade: h2c", "Connection: Upgrade"),
        request("GET /served HTTP/1.1", "Connection: close"),
        request("GET /hand HTTP/2.0"),
        request("POST http:///hand HTTP/1.1", "Content-Length: 3") + b"abc",
        b"nonsense",
        b"\r\n",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=4), st.lists(st.integers(1, 700), max_size=5), st.booleans())
def test_requests_after_one_another_are_answered_alike_in_whatever_parts_they_come(
    pieces: list[bytes], places: list[int], then_end: bool
) -> None:
    said = b"".join(pieces)
    cuts = sorted({0, len(said), *(place for place in places if place < len(said))})
    parts = [said[start:end] for start, end in pairwise(cuts)]
    assert answers(*parts, then_end=then_end) == answers(said, then_end=then_end)


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(max_codepoint=255), max_size=30).map(lambda text: text.encode("latin-1")))
def test_whatever_is_taken_for_a_target_can_be_read_later_on(target: bytes) -> None:
    for start in (b"/", b"http://there", b"http://", b""):
        [*told] = answers(b"POST %b HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\n\r\n" % (start + target), b"abc")
        assert [status for status, _ in told] in ([200], [400], [])
    if target.isalnum():
        httptools.parse_url(b"/" + target)
