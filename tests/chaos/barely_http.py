"""HTTP that is barely any, as bytes over a socket."""

import asyncio
import json
import random
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from hypothesis import strategies as st

from tests.chaos.findings import CREDENTIALS, EXPECTED_5XX, RIGHT, Credential, Findings
from tests.chaos.leaks import CALLED, SAID, SENT, Planted

_NUMBERS = st.integers(0, 999_999)
_TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABC-_0123456789", min_size=1, max_size=20).map(str.encode)
_RUBBISH = st.binary(max_size=60)
_SENT = _NUMBERS.map(lambda number: f"{SENT}{number:06d}".encode())
_SENT_ALONG = st.one_of(_SENT, _SENT, _RUBBISH, st.tuples(_SENT, _RUBBISH).map(b" ".join))
_METHODS = st.sampled_from(
    [b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"PATCH", b"TRACE", b"BREW", SENT.upper().encode()]
)
_PATHS = (
    *(b"/v1/users/%s/permissions", b"/v1/users/%s/roles", b"/v1/users/%s/explanation?permission=section:edit"),
    *(b"/v1/users/permissions", b"/v1/policy", b"/livez", b"/readyz", b"/openapi.json", b"/docs", b"/", b"/%s"),
    *(b"/access/v1/evaluation", b"/access/v1/evaluations", b"/access/v1/search/subject"),
    *(b"/access/v1/search/resource", b"/access/v1/search/action", b"/.well-known/authzen-configuration"),
)
_QUERIES = st.sampled_from([b"", b"", b"?%s=1", b"?role=%s", b"?district=%s", b"?permission=%s:edit", b"?%%00%s"])
_IDS = st.one_of(
    st.binary(max_size=30),
    *(_SENT, _SENT),
    st.sampled_from([b"0" * 24, b"668262009155dac234000003", b"%00", b"%ff%fe", b"..%2f..", b"a" * 9000, b"\xc3\xa9"]),
)
_BODIES = st.one_of(
    _RUBBISH,
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    ).map(lambda said: json.dumps(said).encode()),
    st.sampled_from(
        [
            *(b'{"subject":', b"[" * 50_000, b'{"a":' * 20_000, b"1e999999", b'{"users":[' + b"9" * 5000 + b"]}"),
            *(b'{"users":[{"id":"a","id":"b"}]}', b'"\\ud800"', b"\xef\xbb\xbf{}", b'{"users": NaN}', b"null"),
            *(b'{"evaluations":[' + b"{}," * 500 + b"{}]}", b'{"page":{"limit":1e400}}', b'{"page":{"token":"\x00"}}'),
            *(b"<said>", b'{"<said>":', b'{"<said>":"<said>"}', b'{"users":[{"id":"<said>"}]}', b'"<said>\\ud800"'),
            b'{"subject":{"type":"user","id":"<said>"},"action":{"name":"<said>"},"resource":{"type":"<said>","id":"1"}}',
        ]
    ),
)
_CONTROLS = st.sampled_from(
    [
        *(b"max-age=99999999999999999999", b"max-age=-1", b"max-age", b"no-cache, only-if-cached", b"max-stale=x"),
        *(b",,,=,=", b'max-age="5"', b"max-age=\xff", b"max-age=" + b"9" * 4001, b"max-stale", SENT.encode()),
    ]
)
_NAMES = st.one_of(
    st.none(),
    _NUMBERS.map(lambda number: f"{CALLED}{number:06d}".encode()),
    _SENT.map(lambda sent: sent + b" is fit \xff for no log"),
)
_TRACES = st.sampled_from([b"", b"01-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01-" + SENT.encode(), SENT.encode()])


@dataclass(frozen=True, slots=True)
class Raw:
    """A request as bytes, and what of it matters to judge the answer."""

    whole: bytes
    path: bytes
    credential: Credential
    planted: Planted


@st.composite
def raw_requests(draw: st.DrawFn) -> Raw:
    """Draw a request."""
    said = f"{SAID}{draw(_NUMBERS):06d}".encode()
    credential, named, method = draw(CREDENTIALS), draw(_NAMES), draw(_METHODS)
    path = draw(st.sampled_from(_PATHS))
    path = path.replace(b"%s", draw(_IDS)) if b"%s" in path else path
    path = path if b"?" in path else path + draw(_QUERIES).replace(b"%s", said)
    headers = [(b"Host", draw(st.sampled_from([b"x", SENT.encode()]))), (b"Cache-Control", draw(_CONTROLS))]
    headers += [] if named is None else [(b"X-Request-ID", named)]
    headers += [(b"Authorization", value.encode()) for value in credential]
    # Last: what stands behind a line break in it is no header any more.
    headers += [(draw(_TOKENS | _SENT), draw(_SENT_ALONG)) for _ in range(draw(st.integers(0, 3)))]
    headers += [(b"traceparent", draw(_TRACES))]
    headers += [
        (b"Content-Type", draw(st.sampled_from([b"application/json", b"application/json", b"text/html", b"\xff"])))
    ]
    body = draw(_BODIES).replace(b"<said>", said)
    headers += [(b"Content-Length", draw(st.sampled_from([b"%d" % len(body)] * 6 + [b"-1", b"x", b"99999999999999"])))]
    lines = b"".join(b"%s: %s\r\n" % header for header in headers)
    whole = b"%s %s HTTP/1.1\r\n%sConnection: close\r\n\r\n%s" % (method, path, lines, body)
    return Raw(whole, path, credential, Planted(() if named is None else (named,), said, b"/roles" in path))


def exchanged(url: str, request: bytes) -> bytes:
    """Send bytes, and return all that comes back; nothing where the other side just hangs up."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=20) as line:
        try:
            line.sendall(request)
            line.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # It may have refused and closed already.
        found = b""
        try:
            while piece := line.recv(65536):
                found += piece
        except ConnectionResetError:
            pass
        return found


def ask_raw(url: str, findings: Findings, drawn: Raw) -> None:
    """Send a request, and look at what comes back; raises ``AssertionError`` at a failure."""
    answer = exchanged(url, drawn.whole)
    # A line break in what was sent may have made two requests of it.
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)] or [0]
    findings.raw[statuses[0]] += 1
    findings.lookout.answer(answer, drawn.planted, "raw HTTP")
    for status in statuses:
        findings.see_to_entry(drawn.credential, drawn.path.decode("latin-1"), status)
        assert status < 500 or status in EXPECTED_5XX, (drawn.whole[:500], answer[:500])


async def abrupt(url: str, times: int, seed: int) -> None:
    """Connect, say a part of a request, and go away."""
    parts, draw = urlsplit(url), random.Random(seed)
    whole = f"GET /v1/policy HTTP/1.1\r\nHost: {SENT}\r\nAuthorization: {RIGHT[0]}\r\n\r\n".encode()
    for _ in range(times):
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(whole[: draw.randrange(len(whole) + 1)])
        writer.transport.abort()
