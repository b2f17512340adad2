"""A line for each request: the route and not the path, for callers put into paths what has no business in a log."""

import time
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.telemetry import tracing
from app.telemetry.request_lines import RequestLines
from app.telemetry.requests import CURRENT


class RequestLog:
    """Tells method, route, status and duration of every request that was answered."""

    def __init__(self, app: ASGIApp, lines: RequestLines) -> None:
        """Wrap ``app``, and tell ``lines``."""
        self._app = app
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if tracing.tracer() is tracing.OFF:
            await self._tell(scope, receive, send)
        else:
            await self._trace(scope, receive, send)

    async def _tell(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Serve, and tell it once the answer is on its way: nobody waits for a line. Return the status, 0 for none."""
        began = time.perf_counter()
        status = 0

        async def telling(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._lines.in_progress += 1
        try:
            await self._app(scope, receive, telling)
        finally:
            self._lines.in_progress -= 1
            if status:
                caller = scope.get("state", {}).get("caller")
                name = None if caller is None else caller.name
                self._lines.answered(name, scope["method"], _route(scope), status, time.perf_counter() - began)
        return status

    async def _trace(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = CURRENT.get()
        if request is None:
            await self._tell(scope, receive, send)
            return
        with tracing.tracer().serving(request, scope["method"]) as span:
            status = await self._tell(scope, receive, send)
            span.says("http.route", _route(scope))
            span.says("http.response.status_code", status)
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                span.failed(str(status))


def _route(scope: Scope) -> str:
    """Return the route, such as ``/v1/users/{user_id}/roles``, or a dash where none was found."""
    return getattr(scope.get("route"), "path", None) or "-"
