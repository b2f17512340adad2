import asyncio
import gzip
import inspect
import math
import socket
import traceback
from collections.abc import Callable

import httpx
import pytest

from app.clever.answer_limits import ByteBudget
from app.clever.connections import ProxyTransport
from app.clever.errors import FAILURES, failure_of
from app.clever.http import RequestContext
from app.clever.models import Entry
from app.clever.records import UserRecord
from app.clever.resilience import CleverState, Transport
from app.domain import errors
from app.domain.errors import (
    CleverCrowded,
    CleverError,
    CleverFailed,
    CleverForbade,
    CleverLimited,
    CleverMalformed,
    CleverNotJson,
    CleverRecordMissing,
    CleverRefusedToken,
    CleverTimedOut,
    CleverUnexpected,
    CleverUnreachable,
)
from app.domain.read_context import ReadContext, Urgency

ME = "a" * 24
URL = f"https://clever.test/v3.0/users/{ME}?hush=query"
BEARER = RequestContext("Bearer hush-token", ReadContext(), math.inf)
ONCE = RequestContext("Bearer hush-token", ReadContext(urgency=Urgency.RENEWAL), math.inf)
JSON = {"content-type": "application/json"}
HTML = {"content-type": "text/html; charset=utf-8"}
PAGE = "<!DOCTYPE html><title>hush page</title>"

Handler = Callable[[httpx.Request], httpx.Response]


def transport_over(handler: Handler, *, seconds: float = 30) -> Transport:
    client = httpx.MockTransport(handler)
    return Transport(client, wall=lambda: 1_000_000.0, seconds=seconds)


def answering(status: int, body: bytes | str = b"", headers: dict[str, str] | None = None) -> Handler:
    return lambda _: httpx.Response(status, headers=headers or JSON, content=body)


async def failure(transport: Transport, url: str = URL) -> CleverError:
    with pytest.raises(CleverError) as caught:
        await transport.read(url, ONCE, Entry[UserRecord], ByteBudget(10_000, 10_000))
    told = "".join(traceback.format_exception(caught.value))
    assert "hush" not in told
    assert ME not in told
    return caught.value


async def test_an_answer_in_the_shape_asked_for_is_read_and_remembered_as_accepted() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert (request.method, str(request.url), request.headers["authorization"]) == (
            "GET",
            URL,
            BEARER.authorization,
        )
        return httpx.Response(
            200, headers={"content-type": "application/json; charset=utf-8"}, json={"data": {"id": ME}}
        )

    transport = transport_over(handler)
    assert transport.state == CleverState(accepted_once=False, outcome="not_asked")
    assert await transport.read(URL, BEARER, Entry[UserRecord]) == Entry(data=UserRecord(id=ME))
    assert transport.state == CleverState(accepted_once=True, outcome="ok")


@pytest.mark.parametrize(
    ("status", "error", "word"),
    [
        (204, CleverUnexpected, "garbled"),
        (302, CleverUnexpected, "garbled"),
        (400, CleverUnexpected, "garbled"),
        (401, CleverRefusedToken, "token_refused"),
        (403, CleverForbade, "forbidden"),
        (405, CleverUnexpected, "garbled"),
        (413, CleverUnexpected, "garbled"),
        (418, CleverUnexpected, "garbled"),
        (429, CleverLimited, "rate_limited"),
        (500, CleverFailed, "failing"),
        (501, CleverUnexpected, "garbled"),
        (502, CleverFailed, "failing"),
        (503, CleverFailed, "failing"),
    ],
)
@pytest.mark.parametrize("body", ["", PAGE, '{"message": "hush"}'])
async def test_a_status_decides_before_the_body_is_looked_at(
    status: int, error: type[CleverError], word: str, body: str
) -> None:
    transport = transport_over(answering(status, body, HTML))
    assert type(await failure(transport)) is error
    assert transport.state == CleverState(accepted_once=False, outcome=word)


@pytest.mark.parametrize("kind", ["application/json", "application/problem+json; charset=utf-8"])
async def test_a_record_is_missing_where_clever_says_so_in_json(kind: str) -> None:
    transport = transport_over(answering(404, '{"message": "hush"}', {"content-type": kind}))
    assert type(await failure(transport)) is CleverRecordMissing
    assert transport.state == CleverState(accepted_once=False, outcome="ok")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (PAGE, HTML),
        (PAGE, JSON),
        ("", JSON),
        ("", {}),
        ('{"message": "hush"}', HTML),
        ('{"message": "hush', JSON),
        ("[" * 5000, JSON),
        ('"hush"', JSON),
        (" " * 70_000 + "{}", JSON),
    ],
)
async def test_a_404_that_is_no_json_says_nothing_of_any_record(body: str, headers: dict[str, str]) -> None:
    transport = transport_over(lambda _: httpx.Response(404, headers=headers, content=body.encode()))
    assert type(await failure(transport)) is CleverNotJson
    assert transport.state == CleverState(accepted_once=False, outcome="garbled")


async def test_a_404_that_breaks_off_says_nothing_of_any_record() -> None:
    class BreakingOff(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            yield b"{}"
            raise httpx.ReadError("hush")

    transport = transport_over(lambda _: httpx.Response(404, headers=JSON, stream=BreakingOff()))
    assert type(await failure(transport)) is CleverNotJson


async def test_a_redirect_is_not_followed() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(301, headers={"location": "https://elsewhere.test/"})

    assert type(await failure(transport_over(handler))) is CleverUnexpected
    assert asked == ["clever.test"]


async def test_what_a_proxy_says_once_more_is_as_if_it_was_said_once() -> None:
    body = gzip.compress(b'{"data": {"id": "%b"}}' % ME.encode())
    for encoding, content in (("identity", gzip.decompress(body)), ("gzip", body)):
        headers = [*[("content-type", "application/json; charset=utf-8")] * 2, ("content-encoding", encoding)]
        headers.append(("content-encoding", "identity"))
        answer = httpx.Response(200, headers=headers, stream=httpx.ByteStream(content))
        transport = transport_over(lambda _, answer=answer: answer)  # type: ignore[misc]
        assert (await transport.read(URL, ONCE, Entry[UserRecord])).data.id == ME


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 5),
        ({"x-ratelimit-reset": "1000017"}, 17),
        ({"x-ratelimit-reset": "1000017", "retry-after": "9"}, 17),
        ({"x-ratelimit-reset": "999000"}, 1),
        ({"x-ratelimit-reset": "1009000"}, 60),
        ({"x-ratelimit-reset": "soon", "retry-after": "9"}, 9),
        ({"retry-after": "0"}, 1),
        ({"retry-after": "Mon, 12 Jan 1970 13:47:07 GMT"}, 27),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 60),
        ({"retry-after": "Wed, 21 Oct 2026"}, 5),
        ({"x-ratelimit-reset": "2000017", "date": "Sat, 24 Jan 1970 03:33:20 GMT"}, 17),
        ({"retry-after": "9" * 5000}, 5),
    ],
)
async def test_the_wait_after_too_many_requests_is_clevers_within_a_minute(
    headers: dict[str, str], seconds: int
) -> None:
    assert (await failure(transport_over(answering(429, b"", headers)))).retry_after == seconds


@pytest.mark.parametrize(
    "headers",
    [
        *(HTML, {"content-type": "text/plain"}, {"content-type": ""}, {"x-nothing": "1"}),
        {"content-type": "application/json, text/html"},
    ],
)
async def test_a_body_that_is_not_called_json_is_not_read_as_such(headers: dict[str, str]) -> None:
    transport = transport_over(answering(200, PAGE, headers))
    assert type(await failure(transport)) is CleverNotJson
    assert transport.state == CleverState(accepted_once=False, outcome="garbled")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"data": {"id": "hush',
        b'{"data": []}',
        b'{"data": {"id": null, "name": "hush"}}',
        b'{"data": {"id": "hush", "roles": {"teacher": {"schools": "hush"}}}}',
        b'{"data": {"id": "\xff hush"}}',
        b"[" * 5000,
    ],
)
async def test_json_that_is_cut_short_or_of_another_shape_is_malformed(body: bytes) -> None:
    assert type(await failure(transport_over(answering(200, body)))) is CleverMalformed


@pytest.mark.parametrize("headers", [{}, {"content-encoding": "gzip"}])
async def test_a_body_is_read_up_to_a_limit_after_unpacking(headers: dict[str, str]) -> None:
    body = b'{"data": {"id": "' + b"a" * 10_000 + b'"}}'
    sent = gzip.compress(body) if headers else body
    assert type(await failure(transport_over(answering(200, sent, JSON | headers)))) is CleverMalformed
    large = transport_over(answering(200, sent, JSON | headers))
    assert (await large.read(URL, BEARER, Entry[UserRecord], ByteBudget(len(body), len(body)))).data.id == "a" * 10_000


async def test_a_compressed_body_that_cannot_be_unpacked_is_malformed() -> None:
    class Packed(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            yield b"hush"

    headers = JSON | {"content-encoding": "gzip"}
    transport = transport_over(lambda _: httpx.Response(200, headers=headers, stream=Packed()))
    assert type(await failure(transport)) is CleverMalformed


async def test_a_body_that_drips_in_has_to_end_within_the_time_limit() -> None:
    class Dripping(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            yield b"{"
            await asyncio.Event().wait()

    transport = transport_over(lambda _: httpx.Response(200, headers=JSON, stream=Dripping()), seconds=0.01)
    assert type(await failure(transport)) is CleverTimedOut


async def test_nobody_at_the_other_end_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v3.0/districts"
        async with ProxyTransport() as way:
            transport = Transport(way)
            assert type(await failure(transport, url)) is CleverUnreachable
    assert transport.state == CleverState(accepted_once=False, outcome="unreachable")


@pytest.mark.parametrize("url", ["https://clever.test:port/", "ftp://clever.test/", "https:///", "https://\x00/"])
async def test_a_url_that_cannot_be_asked_is_unreachable(url: str) -> None:
    async with ProxyTransport() as way:
        assert type(await failure(Transport(way), url)) is CleverUnreachable


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (httpx.ConnectTimeout("hush"), CleverTimedOut),
        (httpx.ReadTimeout("hush"), CleverTimedOut),
        (httpx.PoolTimeout("hush"), CleverCrowded),
        (httpx.ConnectError("hush"), CleverUnreachable),
        (httpx.ReadError("hush"), CleverUnreachable),
        (httpx.RemoteProtocolError("hush"), CleverUnreachable),
        (httpx.ProxyError("hush"), CleverUnreachable),
        (httpx.DecodingError("hush"), CleverMalformed),
        (httpx.TooManyRedirects("hush"), CleverUnexpected),
    ],
)
async def test_what_httpx_raises_becomes_an_error_of_the_domain(raised: Exception, error: type[CleverError]) -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        raise raised

    with pytest.raises(error) as caught:
        await transport_over(handler).read(URL, BEARER, Entry[UserRecord])
    assert caught.value.__cause__ is raised
    assert "hush" not in str(caught.value)


def exceptions_of_httpx() -> list[type[Exception]]:
    named = (getattr(httpx, name) for name in httpx.__all__)
    return [one for one in named if inspect.isclass(one) and issubclass(one, Exception)]


@pytest.mark.parametrize("raised", exceptions_of_httpx())
def test_every_exception_of_httpx_has_its_error(raised: type[Exception]) -> None:
    assert issubclass(raised, FAILURES)
    assert isinstance(failure_of(raised.__new__(raised)), CleverError)


def test_every_error_of_an_exchange_has_a_word_for_operators() -> None:
    exchange = [
        one
        for one in vars(errors).values()
        if inspect.isclass(one) and issubclass(one, CleverError) and one is not CleverError
    ]
    words = {error.__name__: CleverState().after(error("")).outcome for error in exchange}
    assert words == {
        "CleverRefusedToken": "token_refused",
        "CleverForbade": "forbidden",
        "CleverRecordMissing": "ok",
        "CleverLimited": "rate_limited",
        "CleverCircuitOpen": "barred",
        "CleverBusy": "busy",
        "CleverCrowded": "no_connection",
        "CallerOverspent": "caller_limited",
        "CleverFailed": "failing",
        "CleverUnexpected": "garbled",
        "CleverUnreachable": "unreachable",
        "CleverTimedOut": "timed_out",
        "CleverNotJson": "garbled",
        "CleverMalformed": "garbled",
        "CleverPagingBroken": "garbled",
    }
