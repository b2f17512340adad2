"""One exchange with Clever: a request and its response, or the domain error that it fails with."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.metadata import version
from typing import Generic, Protocol, TypeVar

import httpx

from app.clever.answer_limits import BodyMemory, ByteBudget, drain
from app.clever.errors import FAILURES, failure_of, is_failing, is_json, not_found_error, refusal_of
from app.clever.rate_limit import Rate, fields_of, rates_of, wait_of
from app.domain.errors import CleverError, CleverNotJson, CleverRecordMissing
from app.domain.read_context import ReadContext, Urgency
from app.telemetry import metrics, tracing

_HEADERS = (
    (b"User-Agent", f"rosterguard/{version('rosterguard')}".encode("ascii")),
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"gzip"),
)

_NO_BODY = httpx.ByteStream(b"")

_EXTENSIONS = {"timeout": httpx.Timeout(5, connect=2).as_dict()}

LOAD_SECONDS = 90
"""How long the exchange of a page of a whole district may take."""

_OF_LOAD = {"timeout": httpx.Timeout(45, connect=2).as_dict()}


def request_for(url: httpx.URL | str, authorization: str, *, is_load: bool = False) -> httpx.Request:
    """Return a GET request, with the timeouts for pages of a district if ``is_load``; raises ``httpx.InvalidURL``."""
    parsed = httpx.URL(url)
    headers = ((b"Host", parsed.netloc), *_HEADERS, (b"Authorization", authorization.encode("ascii")))
    # Given a stream, httpx does not look for missing headers, which is half of what a request costs.
    return httpx.Request(
        "GET", parsed, headers=headers, stream=_NO_BODY, extensions=_OF_LOAD if is_load else _EXTENSIONS
    )


S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)


class Shape(Protocol[S_co]):
    """What a body is parsed to: a model, or a page of a whole district."""

    async def parse(self, body: bytearray) -> S_co:
        """Parse a body; raises ``CleverMalformed``."""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """With which credential, for whom and until when a request to Clever is made.

    Attributes:
        authorization: the value of its header; a secret, which is never shown.
        read_context: what the request is for.
        until: when it has to be over, in seconds of the event loop's clock; it may be earlier than the read context's.
    """

    authorization: str = field(repr=False)
    read_context: ReadContext
    until: float

    def has_client_credentials(self) -> bool:
        """Tell whether the credential is a client id and secret, and not the token of a district."""
        return self.authorization.startswith("Basic ")

    def is_load(self) -> bool:
        """Whether it is for a page of a whole district, for which Clever needs longer than for anything else."""
        return self.read_context.urgency is Urgency.LOAD


def bearer(token: str, read_context: ReadContext, until: float) -> RequestContext:
    """Return the context of a request with a district token."""
    return RequestContext(f"Bearer {token}", read_context, until)


def latest_end(seconds: float, read_context: ReadContext) -> float:
    """Return when a read has to be over, by the event loop's clock: after ``seconds``, or earlier if so asked."""
    ends = asyncio.get_running_loop().time() + seconds
    return ends if read_context.until is None else min(ends, read_context.until)


@dataclass(frozen=True, slots=True)
class ApiRequest(Generic[S]):
    """A request to Clever.

    Attributes:
        url: where it is.
        shape: what the response is parsed to.
        byte_budget: how large it may be; what is read is subtracted.
        context: with which credential it is read, what for, and until when.
    """

    url: httpx.URL | str
    shape: Shape[S]
    byte_budget: ByteBudget
    context: RequestContext


@dataclass(frozen=True, slots=True)
class Head:
    """The status and headers of a response.

    Attributes:
        status: the status.
        rates: what is left of each bucket of the rate limit, as far as the response says.
        retry_after: after how many seconds to ask again, if the response says so.
    """

    status: int
    rates: tuple[Rate, ...]
    retry_after: int | None


class Exchanges:
    """Makes exchanges, each of one request, which takes ``seconds`` at most.

    ``wall`` tells Unix seconds, for responses that do not say what time it is.
    """

    def __init__(
        self, connections: httpx.AsyncBaseTransport, *, wall: Callable[[], float], seconds: float, bodies: BodyMemory
    ) -> None:
        self._connections = connections
        self._wall = wall
        self._seconds = seconds
        self._bodies = bodies

    async def get(self, request: ApiRequest[S], on_head: Callable[[Head], None]) -> S:
        """GET, call ``on_head`` with the head, and return the parsed body; raises ``CleverError``."""
        seconds = LOAD_SECONDS if request.context.is_load() else self._seconds
        until = min(asyncio.get_running_loop().time() + seconds, request.context.until)
        try:
            with self._bodies.held() as body:
                # The transport limits the wait for each piece of a body; one that drips in has to end, too.
                async with asyncio.timeout_at(until):
                    await self._fill(body, request, on_head)
                answer = await request.shape.parse(body)
                request.byte_budget.left -= len(body)
                return answer
        except FAILURES as error:
            raise failure_of(error) from error

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connections.aclose()

    async def _fill(self, body: bytearray, request: ApiRequest[S], on_head: Callable[[Head], None]) -> None:
        sent = request_for(request.url, request.context.authorization, is_load=request.context.is_load())
        async with aclosing(await self._connections.handle_async_request(sent)) as response:
            head = _head_of(response, self._wall)
            on_head(head)
            if head.status == HTTPStatus.NOT_FOUND:
                raise not_found_error(response, await drain(response))
            if head.status != HTTPStatus.OK:
                await drain(response)
                raise refusal_of(
                    head.status, retry_after=head.retry_after, by_client=request.context.has_client_credentials()
                )
            if not is_json(response):
                raise CleverNotJson("Clever answered with something else than JSON, such as the HTML page of a proxy")
            await self._bodies.fill(body, response, request.byte_budget.most())


def _head_of(response: httpx.Response, wall: Callable[[], float]) -> Head:
    status, fields = response.status_code, fields_of(response.headers.raw)
    limited = status == HTTPStatus.TOO_MANY_REQUESTS
    retry_after = wait_of(fields, wall, limited=limited) if limited or is_failing(status) else None
    return Head(status, rates_of(fields, wall), retry_after)


_PATH = re.compile(r"/(v[0-9.]+|oauth)/([a-z]+)(/[^/]+)?(/[a-z]+)?/*$")

_OF_USER = {"sections": "sections", "schools": "schools"}


def endpoint_of(url: httpx.URL | str) -> str:
    """Return the endpoint of a URL, in one fixed word.

    ``user``, ``sections`` and ``schools`` are the reads of one user; ``lookup`` is one record of another kind, ``list``
    the records of a place, ``tokens`` whatever tells which districts are connected; everything else is ``other``.
    """
    path = str(url).partition("?")[0]
    found = _PATH.search(path)
    if found is None:
        return "other"
    api, records, record, within = found.groups()
    if api == "oauth" or (records == "districts" and record is None):
        return "tokens"
    if record is None:
        return "list"
    if records == "users":
        return "user" if within is None else _OF_USER.get(within[1:], "list")
    return "lookup" if within is None else "list"


@contextmanager
def record_request(url: httpx.URL | str) -> Iterator[None]:
    """Count, time and trace the request to ``url`` that the block makes, by endpoint and outcome."""
    endpoint, outcome, began = endpoint_of(url), "ok", time.perf_counter()
    with tracing.tracer().client_span(f"clever {endpoint}") as span:
        try:
            yield
        except CleverError as error:
            outcome = "missing" if isinstance(error, CleverRecordMissing) else error.outcome
            span.set_error(outcome)
            raise
        except asyncio.CancelledError:
            outcome = "broken_off"
            raise
        finally:
            span.set_attribute("outcome", outcome)
            metrics.record_clever_request(endpoint, outcome, time.perf_counter() - began)
