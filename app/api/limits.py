"""What a request may cost: the size of its body, and the room that batches and searches leave to single questions."""

import asyncio
import ctypes
import gc
from collections import Counter
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import error_response, status_response
from app.api.refusals import BULK_BUSY, come_again
from app.domain.callers import Caller, CallerScope
from app.domain.errors import CallerMayNot

RETRY_SECONDS = 1
"""After how long a batch or search that found no room does well to come again."""

GIVEN_BACK_AFTER_SECONDS = 5
"""How long after the last of them memory goes back to the system, which takes some ten milliseconds."""


def give_memory_back() -> None:
    """Give free memory back to the system: Python keeps some for later, and glibc what lies below memory in use."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


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


class BulkLimit:
    """Lets only so many requests at once ask for many answers; the next is refused before its body is read."""

    def __init__(
        self, app: ASGIApp, most: int, paths: Mapping[str, CallerScope], below: Mapping[str, CallerScope]
    ) -> None:
        """Let ``most`` at once into ``paths`` and whatever is ``below``, counted together, of each caller half.

        Both name the scope that is needed there: who lacks it takes up no room.
        """
        self._app = app
        self._most = most
        self._most_of_one = max(1, most // 2)
        self._paths = paths
        self._below = below
        self._under_way: Counter[bytes] = Counter()
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
        caller = asking.digest
        if self._under_way.total() >= self._most or self._under_way[caller] >= self._most_of_one:
            await come_again(Request(scope), BULK_BUSY, RETRY_SECONDS)(scope, receive, send)
            return
        self._under_way[caller] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way[caller] -= 1
            if not self._under_way[caller]:
                del self._under_way[caller]
            if not self._under_way and self._giving_back is None:
                loop = asyncio.get_running_loop()
                self._giving_back = loop.call_later(GIVEN_BACK_AFTER_SECONDS, self._give_back)

    def _give_back(self) -> None:
        self._giving_back = None
        give_memory_back()

    def _needed_at(self, path: str) -> CallerScope | None:
        """Return the scope that a request for many answers needs, None for any other request."""
        below = (scope for start, scope in self._below.items() if path.startswith(start))
        return self._paths.get(path) or next(below, None)
