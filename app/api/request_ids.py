"""Request ids: what a caller calls a request by comes back with the answer (AuthZEN 1.0 section 10.1.3)."""

from collections.abc import Callable, Iterable
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = b"x-request-id"


def _random() -> str:
    return uuid4().hex


def marks_for(
    headers: Iterable[tuple[bytes, bytes]], made_up: Callable[[], str] = _random
) -> list[tuple[bytes, bytes]]:
    """Return what to put on the answer to a request with these headers: every id that it has, or one made up."""
    given = [value for name, value in headers if name == HEADER]
    return [(HEADER, value) for value in given or [made_up().encode()]]


class RequestIds:
    """Puts `X-Request-ID` on every answer: the caller's, byte for byte, or one that is made up."""

    def __init__(self, app: ASGIApp, made_up: Callable[[], str] = _random) -> None:
        """Wrap all of ``app``, what it answers to errors of its own included."""
        self._app = app
        self._made_up = made_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "http":
            send = _marking(send, marks_for(scope["headers"], self._made_up))
        await self._app(scope, receive, send)


def _marking(send: Send, marks: list[tuple[bytes, bytes]]) -> Send:
    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *marks]
        await send(message)

    return marked
