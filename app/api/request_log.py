"""A line for each request: the route and not the path, for callers put into paths what has no business in a log."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import telemetry


class RequestLog:
    """Tells method, route, status and duration of every request that was answered."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "-")
                telemetry.answered(scope["method"], route, message["status"], time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, telling)
