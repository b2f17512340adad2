"""Requests that nobody would send: made from the OpenAPI document, and HTTP that is barely any.

Whatever comes, the answer is one that the document describes, an error is a problem or the standard's message, and
nobody without a key is told anything.
"""

import asyncio
import json
import random
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.api.connections import Connection
from app.cli.listening import in_background
from app.cli.openapi import document
from app.main import create_app
from app.sandbox.server import create_sandbox
from app.sandbox.world import World, generate
from app.settings import Settings
from tests.chaos.report import Figure, at_least, at_most, told
from tests.conftest import KEY, TOKEN, api_key

OPEN = ("/livez", "/readyz", "/docs", "/openapi.json", "/.well-known/authzen-configuration")
EXPECTED_5XX = {502, 503, 504}
CREDENTIAL = {"Authorization": f"Bearer {KEY}"}

Operation = APIOperation[Any, Any, Any, Any]


@contextmanager
def served(world: World) -> Iterator[str]:
    """Serve the service over a sandbox of a world, for whoever carries the key."""
    with in_background(create_sandbox(world, rate_limit=0)) as clever:
        given_settings = Settings(clever_url=clever, clever_token=SecretStr(TOKEN), api_keys=(api_key("fuzz", KEY),))
        with in_background(create_app(given_settings), http=Connection) as url:
            yield url


def operations() -> dict[str, Operation]:
    """Return what the document describes, by method and path."""
    schema = schemathesis.openapi.from_dict(document())
    found = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    return {operation.label: operation for operation in found}


def try_operation(operation: Operation, url: str, world: World, examples: int) -> Counter[int]:
    """Ask one operation for what the document allows and for what it does not, with a key.

    Returns:
        How often which status was answered.

    Raises:
        AssertionError: an answer that the document does not describe, or a failure.
    """
    statuses: Counter[int] = Counter()
    known = st.sampled_from([case.user for case in world.cases.values()])
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)

    with httpx.Client(base_url=url, headers=CREDENTIAL, timeout=30) as client:

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(data=st.data())
        def ask(data: st.DataObject) -> None:
            case = data.draw(st.sampled_from(modes).flatmap(lambda mode: operation.as_strategy(generation_mode=mode)))
            if "user_id" in case.path_parameters and data.draw(st.booleans()):
                case.path_parameters["user_id"] = data.draw(known)
            sent = case.as_transport_kwargs(base_url=url)
            request = _request(client, sent)
            if request is None:
                return
            response = client.send(request)
            statuses[response.status_code] += 1
            judge(response)
            if response.status_code not in {400, 404, 405, 413, 414, 415, 431}:
                case.validate_response(response, checks=_CHECKS)

        ask()
    return statuses


def _request(client: httpx.Client, sent: Mapping[str, Any]) -> httpx.Request | None:
    """Return what was made up as a request; None where HTTP cannot say it."""
    headers = {name: str(value) for name, value in (sent.get("headers") or {}).items()}
    try:
        return client.build_request(
            sent["method"],
            sent["url"],
            params=sent.get("params") or None,
            headers={**headers, **CREDENTIAL},
            json=sent.get("json"),
            content=sent.get("data") if isinstance(sent.get("data"), (str, bytes)) else None,
        )
    except (httpx.InvalidURL, UnicodeError, ValueError, TypeError):
        return None


_CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


def judge(response: httpx.Response) -> None:
    """Raise ``AssertionError`` unless an error is one of those that are meant, and says what it is."""
    status, kind = response.status_code, response.headers.get("content-type", "")
    assert status < 500 or status in EXPECTED_5XX, (status, response.text)
    if status in {429, 503}:
        assert response.headers.get("retry-after", "").isdigit(), dict(response.headers)
    if status >= 400 and response.request.method != "HEAD":
        assert kind == "application/problem+json" or kind.startswith("text/plain"), (status, kind, response.text)


# HTTP that is barely any

_TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABC-_0123456789", min_size=1, max_size=20)
_RUBBISH = st.binary(max_size=60)
_METHODS = st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"PATCH", b"TRACE", b"BREW"])
_PATHS = (
    *(b"/v1/users/%s/permissions", b"/v1/users/%s/roles", b"/v1/users/%s/explanation?permission=section:edit"),
    *(b"/v1/users/permissions", b"/v1/policy", b"/livez", b"/readyz", b"/openapi.json", b"/docs", b"/", b"/%s"),
    *(b"/access/v1/evaluation", b"/access/v1/evaluations", b"/access/v1/search/subject"),
    *(b"/access/v1/search/resource", b"/access/v1/search/action", b"/.well-known/authzen-configuration"),
)
_IDS = st.one_of(
    st.binary(max_size=30),
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
        ]
    ),
)
_CONTROLS = st.sampled_from(
    [
        *(b"max-age=99999999999999999999", b"max-age=-1", b"max-age", b"no-cache, only-if-cached", b"max-stale=x"),
        *(b",,,=,=", b'max-age="5"', b"max-age=\xff", b"max-age=" + b"9" * 4001, b"max-stale"),
    ]
)


@st.composite
def raw_requests(draw: st.DrawFn) -> tuple[bytes, bytes, bool]:
    """Draw a request as bytes, its path, and whether it carries the key."""
    keyed, body = draw(st.booleans()), draw(_BODIES)
    path = draw(st.sampled_from(_PATHS))
    path = path.replace(b"%s", draw(_IDS)) if b"%s" in path else path
    headers = [(b"Host", b"x"), (b"Cache-Control", draw(_CONTROLS))]
    headers += [(draw(_TOKENS).encode(), draw(_RUBBISH)) for _ in range(draw(st.integers(0, 3)))]
    headers += [(b"Authorization", f"Bearer {KEY}".encode())] if keyed else []
    headers += [(b"Content-Type", draw(st.sampled_from([b"application/json", b"text/html", b"\xff"])))]
    headers += [(b"Content-Length", draw(st.sampled_from([b"%d" % len(body)] * 6 + [b"-1", b"x", b"99999999999999"])))]
    lines = b"".join(b"%s: %s\r\n" % header for header in headers)
    request = b"%s %s HTTP/1.1\r\n%sConnection: close\r\n\r\n%s" % (draw(_METHODS), path, lines, body)
    return request, path, keyed


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


def try_raw(url: str, examples: int) -> Counter[int]:
    """Send HTTP that is barely any; return how often which status was answered, 0 for none.

    Raises:
        AssertionError: a failure, or an answer for somebody without a key.
    """
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(raw_requests())
    def send(drawn: tuple[bytes, bytes, bool]) -> None:
        request, path, keyed = drawn
        answer = exchanged(url, request)
        status = int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0
        statuses[status] += 1
        assert status < 500 or status in EXPECTED_5XX, (request[:500], answer[:500])
        is_open = path.split(b"?")[0].decode("latin-1").startswith(OPEN)
        assert keyed or is_open or status not in {200, 204, 304}, (request[:500], answer[:500])

    send()
    return statuses


def try_without_key(url: str) -> None:
    """Ask every operation without a key, and with a wrong one; raises ``AssertionError`` where it is let in."""
    for operation in operations().values():
        path = operation.path.replace("{user_id}", "0" * 24)
        for credential in ({}, {"Authorization": "Bearer another"}, {"Authorization": f"Basic {KEY}"}):
            response = httpx.request(operation.method, url + path, headers=credential, json={})
            if not path.startswith(OPEN):
                assert response.status_code == 401, (operation.label, response.status_code)
                assert response.headers["www-authenticate"].startswith("Bearer"), dict(response.headers)


async def abrupt(url: str, times: int, seed: int) -> None:
    """Connect, say a part of a request, and go away."""
    parts, draw = urlsplit(url), random.Random(seed)
    whole = f"GET /v1/policy HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()
    for _ in range(times):
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(whole[: draw.randrange(len(whole) + 1)])
        writer.transport.abort()


def main() -> list[Figure]:
    """Run, and return what came of it."""
    world, failures, asked = generate(), list[str](), 0
    with served(world) as url:
        statuses: Counter[int] = Counter()
        for label, operation in operations().items():
            try:
                statuses += try_operation(operation, url, world, 150)
            except (AssertionError, BaseExceptionGroup) as error:
                failures.append(f"{label}: {error}")
        try:
            raw = try_raw(url, 1500)
        except AssertionError as error:
            raw = Counter()
            failures.append(f"raw: {error}")
        try_without_key(url)
        asyncio.run(abrupt(url, 200, 1))
        asked = statuses.total() + raw.total()
        alive = httpx.get(f"{url}/livez").status_code
    for line in failures:
        print(line[:2000])
    return [
        at_least("requests", asked, 1000),
        told("… from the document, by status: " + _by_status(statuses), statuses.total()),
        told("… barely HTTP, by status: " + _by_status(raw), raw.total()),
        at_most("operations with an answer that is not as documented, or a failure", len(failures), 0),
        at_most("5xx", sum(times for status, times in (statuses + raw).items() if status >= 500), 0),
        Figure("alive in the end", str(alive), "200", alive == 200),
    ]


def _by_status(statuses: Counter[int]) -> str:
    return ", ".join(f"{times} of {status}" for status, times in sorted(statuses.items()))
