"""What a request may cost: the size of its body."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import status_response


class BodyLimit:
    """Refuses bodies that are too large, before they are read where they say their length, else while they are."""

    def __init__(self, app: ASGIApp, most_bytes: int, most_bytes_at: Mapping[str, int]) -> None:
        """Let ``app`` read bodies of ``most_bytes`` at most, but where a path has a limit of its own."""
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
