"""Request ids: what a caller calls a request by comes back with the answer (AuthZEN 1.0 section 10.1.3)."""

from collections.abc import Callable
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = b"x-request-id"


def _random() -> str:
    return uuid4().hex


class RequestIds:
    """Puts `X-Request-ID` on every answer: the caller's, byte for byte, or one that is made up."""

    def __init__(self, app: ASGIApp, made_up: Callable[[], str] = _random) -> None:
        """Wrap all of ``app``, what it answers to errors of its own included."""
        self._app = app
        self._made_up = made_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "http":
            send = self._marking(send, [value for name, value in scope["headers"] if name == HEADER])
        await self._app(scope, receive, send)

    def _marking(self, send: Send, given: list[bytes]) -> Send:
        marks = [(HEADER, value) for value in given or [self._made_up().encode()]]

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *marks]
            await send(message)

        return marked
