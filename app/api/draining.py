"""The end of the process: whoever cannot be answered in the time that is left is told so."""

import asyncio

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.refusals import STOPPING, come_again

RETRY_SECONDS = 1
"""After how long to ask again; another process listens by then."""


class Draining:
    """Answers 503 to what is cut off at the end of the process, where nothing of an answer was sent."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap all of ``app``: only the server itself cancels that."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = False

        async def watched(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except asyncio.CancelledError:
            if began:
                raise
            await come_again(Request(scope), STOPPING, RETRY_SECONDS)(scope, receive, send)
