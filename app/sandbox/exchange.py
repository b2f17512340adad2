"""A request that a fault applies to: what the fault can do with it and with its connection."""

import asyncio
from dataclasses import dataclass, replace
from typing import cast

from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.sandbox.faults import Strike
from app.sandbox.records import District

_EXTENSION = "sandbox.transport"


class TransportProtocol(HttpToolsProtocol):
    """uvicorn's protocol with the transport of each request in its scope, for `uvicorn.Config(http=…)`."""

    def on_message_begin(self) -> None:
        """Start a request."""
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"transport": self.transport}}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request to the sandbox ``app``, and the fault that applies to it."""

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send
    strike: Strike

    @property
    def state(self) -> State:
        """The state of the sandbox."""
        state: State = self.scope["app"].state
        return state

    @property
    def request(self) -> Request:
        """The request."""
        return Request(self.scope)

    @property
    def district(self) -> District | None:
        """The district that the request may read; None if it may read none."""
        district: District | None = self.state.access.read_by(self.request)
        return district

    @property
    def transport(self) -> asyncio.Transport | None:
        """The transport of the request's connection; None with another protocol."""
        # uvloop's transports are asyncio's in all but their class.
        return cast("asyncio.Transport | None", self.scope.get("extensions", {}).get(_EXTENSION, {}).get("transport"))

    def asking(self, **other: object) -> "Exchange":
        """Return the exchange with a changed ``path`` or ``query_string``."""
        return replace(self, scope={**self.scope, **other})

    async def proceed(self) -> None:
        """Let the sandbox answer without a fault."""
        await self.app(self.scope, self.receive, self.send)

    async def answer(self, response: Response) -> None:
        """Send an answer."""
        await response(self.scope, self.receive, self.send)

    async def true_answer(self) -> Response:
        """Return the answer of the sandbox without a fault."""
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        await self.app(self.scope, self.receive, collect)
        start, *parts = messages
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
        return _response(b"".join(part.get("body", b"") for part in parts), start["status"], headers)

    async def gone_within(self, seconds: float) -> bool:
        """Wait, and return whether the client disconnected meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                await self.departure()
        except TimeoutError:
            return False
        return True

    async def departure(self) -> None:
        """Wait until the client disconnects."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


def with_body(response: Response, body: bytes) -> Response:
    """Return an answer with another body and its correct length."""
    return _response(body, response.status_code, dict(response.headers))


def _response(body: bytes, status: int, headers: dict[str, str]) -> Response:
    return Response(body, status, {name: value for name, value in headers.items() if name != "content-length"})
