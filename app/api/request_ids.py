"""Request ids: what a caller calls a request by comes back with the answer (AuthZEN 1.0 section 10.1.3)."""

from collections.abc import Callable, Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.telemetry.requests import CURRENT, REQUEST_ID, random_id, request_of

Headers = list[tuple[bytes, bytes]]


def marks_for(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return what to put on the answer to a request with these headers: every id that it has, or one made up."""
    return _marks(request_of(headers).named)


def _marks(named: Iterable[bytes]) -> Headers:
    return [(REQUEST_ID, each) for each in named]


class RequestIds:
    """Puts `X-Request-ID` on every answer: the caller's, byte for byte, or one that is made up.

    By it, and by the trace that a request belongs to, logs call whatever happens because of the request.
    """

    def __init__(self, app: ASGIApp, made_up: Callable[[], str] = random_id) -> None:
        """Wrap all of ``app``, what it answers to errors of its own included."""
        self._app = app
        self._made_up = made_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "http":
            request = request_of(scope["headers"], self._made_up)
            # The server serves each request in a task of its own, so that nobody has to take this back.
            CURRENT.set(request)
            send = _marking(send, _marks(request.named))
        await self._app(scope, receive, send)


def _marking(send: Send, marks: Headers) -> Send:
    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *marks]
        await send(message)

    return marked
