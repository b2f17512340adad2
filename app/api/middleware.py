"""What every request passes: ids, protective headers and its log line; its head; limits of bodies and of bulk requests.

`RequestMiddleware` stands outside of all that the framework puts around the application, so no answer is without these.
"""

import asyncio
import ctypes
import gc
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import (
    BULK_BUSY,
    STOPPING,
    Problem,
    error_response,
    problem_response,
    retry_later,
    status_response,
)
from app.api.request_head import problem_of_head
from app.api.security_headers import DATA, RawHeaders, marked
from app.domain.callers import Caller, CallerScope
from app.domain.errors import CallerMayNot
from app.telemetry import tracing
from app.telemetry.access_log import AccessLog
from app.telemetry.current_request import CURRENT, random_id, request_of
from app.telemetry.current_request import Request as CurrentRequest
from app.waiting import FairLimit

STOPPING_SECONDS = 1
"""After how long to repeat a request that a stopping process has cut off; another process listens by then."""


class RequestMiddleware:
    """Stands around all requests.

    - Puts `X-Request-ID` on every answer: the caller's, byte for byte, or a generated one (AuthZEN 1.0 section 10.1.3).
      All log lines of the request have this id, and that of its trace.
    - Adds the headers that protect a browser, and one `Vary`.
    - Logs method, route, status and duration after the answer was sent: nobody waits for a log line. It logs the route
      and not the path, because paths have ids of people.
    - Answers HEAD as GET without the body (RFC 9110 section 9.1), which load balancers probe with.
    - Answers 503 to requests that are cut off when the process stops, if nothing of their answer was sent.
    """

    def __init__(
        self,
        app: ASGIApp,
        access_log: AccessLog,
        pages: Mapping[str, RawHeaders],
        *,
        made_up: Callable[[], str] = random_id,
        by_origin: bool = False,
    ) -> None:
        """Wrap an application.

        Args:
            app: the application.
            access_log: gets a line for each request.
            pages: the protective headers of HTML pages, by path; all other answers are data.
            made_up: generates ids.
            by_origin: whether pages of other sites may read answers.
        """
        self._app = app
        self._access_log = access_log
        self._pages = pages
        self._made_up = made_up
        self._by_origin = by_origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = request_of(scope["headers"], self._made_up)
        # The server serves each request in a task of its own, so that nobody has to take this back.
        CURRENT.set(request)
        reply = _Reply(send, request, self._pages.get(scope["path"], DATA), by_origin=self._by_origin)
        with tracing.tracer().server_span(request, scope["method"]) as span:
            began = time.perf_counter()
            self._access_log.in_progress += 1
            try:
                if scope["method"] == "HEAD":
                    await self._answer_head(scope, receive, reply)
                else:
                    await self._app(scope, receive, reply)
            except asyncio.CancelledError:
                # Only the server itself cancels the whole of a request.
                if reply.status:
                    raise
                await retry_later(Request(scope), STOPPING, STOPPING_SECONDS)(scope, receive, reply)
            finally:
                self._access_log.in_progress -= 1
                route, seconds = _route(scope), time.perf_counter() - began
                if reply.status:
                    self._access_log.log_request(request, scope["method"], route, reply.status, seconds, _caller(scope))
            span.set_attribute("http.route", route)
            span.set_attribute("http.response.status_code", reply.status)
            if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                span.set_error(str(reply.status))

    async def _answer_head(self, scope: Scope, receive: Receive, reply: "_Reply") -> None:
        # The server looks at the method, too, and must go on to see what it is: so a copy, which gets the route.
        asked = dict(scope, method="GET")
        try:
            await self._app(asked, receive, reply.without_body)
        finally:
            scope["route"] = asked.get("route")


class _Reply:
    """Sends an answer with the headers that all answers have; ``status`` is 0 until it has begun."""

    __slots__ = ("_by_origin", "_protection", "_request", "_send", "status")

    def __init__(self, send: Send, request: CurrentRequest, protection: RawHeaders, *, by_origin: bool) -> None:
        self.status = 0
        self._send = send
        self._request = request
        self._protection = protection
        self._by_origin = by_origin

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message.get("headers", ())
            message["headers"] = marked(headers, self._request, self._protection, by_origin=self._by_origin)
        await self._send(message)

    async def without_body(self, message: Message) -> None:
        await self({**message, "body": b""} if message["type"] == "http.response.body" else message)


def _caller(scope: Scope) -> str | None:
    caller = scope.get("state", {}).get("caller")
    return None if caller is None else caller.name


def _route(scope: Scope) -> str:
    """Return the route, such as ``/v1/users/{user_id}/roles``, or a dash where none was found."""
    return getattr(scope.get("route"), "path", None) or "-"


class RequestHeadMiddleware:
    """Refuses requests whose head `request_head` does not accept, whatever server has read them.

    Our own connection judges by the same rules, and earlier: it sees the target as it came, and answers some requests
    before any middleware.
    """

    def __init__(self, app: ASGIApp, *, loopback_only: bool) -> None:
        """Guard ``app``; ``loopback_only`` is whether the host has to be a name of this machine."""
        self._app = app
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or answer 400, 414, 421 or 431."""
        problem = self._problem(scope) if scope["type"] == "http" else None
        if problem is None:
            await self._app(scope, receive, send)
            return
        # From HTTP/2 on a connection carries the requests of others, too, and knows no such header.
        ending = {"Connection": "close"} if scope["http_version"].startswith("1.") else {}
        await problem_response(scope, problem, ending)(scope, receive, send)

    def _problem(self, scope: Scope) -> Problem | None:
        method, query = scope["method"].encode(), scope["query_string"]
        # ASGI lets a server leave the path out as it came.
        path = scope.get("raw_path") or quote(scope["path"]).encode()
        target = b"%b?%b" % (path, query) if query else path
        return problem_of_head(
            method, target, scope["http_version"], scope["headers"], loopback_only=self._loopback_only
        )


RETRY_SECONDS = 1
"""After how long to repeat a batch or search that was refused because too many run."""

GIVEN_BACK_AFTER_SECONDS = 5
"""How long after the last batch or search free memory goes back to the system, which takes some ten milliseconds."""


def give_memory_back() -> None:
    """Give free memory back to the system, which Python and glibc would keep."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class BodyLimit:
    """Limits the bodies of requests: by the length that they state, else while they are read."""

    def __init__(self, app: ASGIApp, most_bytes: int, most_bytes_at: Mapping[str, int]) -> None:
        """Let ``app`` read at most ``most_bytes`` of a body, or what ``most_bytes_at`` has for the path."""
        self._app = app
        self._most_bytes = most_bytes
        self._most_bytes_at = most_bytes_at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or answer 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._most_bytes_at.get(scope["path"], self._most_bytes)
        length = Headers(scope=scope).get("content-length", "")
        if length.isdigit() and int(length) > most:
            await status_response(scope, 413)(scope, receive, send)
        else:
            await self._app(scope, _counted(receive, most), send)


def _counted(receive: Receive, most_bytes: int) -> Receive:
    read = 0

    async def counted() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > most_bytes:
            raise HTTPException(413)
        return message

    return counted


class BulkLimit:
    """Limits how many batches and searches run at once; one too many is refused before its body is read."""

    def __init__(
        self, app: ASGIApp, most: int, paths: Mapping[str, CallerScope], below: Mapping[str, CallerScope]
    ) -> None:
        """Let ``most`` run at once, counted together, and half as many of one caller.

        ``paths`` are the paths of such requests, ``below`` the beginnings of others, each with the scope that it
        needs: a caller without that scope is refused at once and does not count.
        """
        self._app = app
        self._limit = FairLimit(most)
        self._paths = paths
        self._below = below
        self._giving_back: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or answer 403 or 503."""
        needed = self._needed_at(scope["path"]) if scope["type"] == "http" else None
        if needed is None:
            await self._app(scope, receive, send)
            return
        asking: Caller = scope["state"]["caller"]
        if needed not in asking.scopes:
            await error_response(scope, CallerMayNot(needed))(scope, receive, send)
            return
        if self._limit.is_full_for(asking.digest):
            await retry_later(Request(scope), BULK_BUSY, RETRY_SECONDS)(scope, receive, send)
            return
        try:
            with self._limit.used_by(asking.digest):
                await self._app(scope, receive, send)
        finally:
            if self._limit.is_unused() and self._giving_back is None:
                loop = asyncio.get_running_loop()
                self._giving_back = loop.call_later(GIVEN_BACK_AFTER_SECONDS, self._give_back)

    def _give_back(self) -> None:
        self._giving_back = None
        give_memory_back()

    def _needed_at(self, path: str) -> CallerScope | None:
        """Return the scope that a batch or search at this path needs, None for any other request."""
        below = (scope for start, scope in self._below.items() if path.startswith(start))
        return self._paths.get(path) or next(below, None)
