"""uvicorn's HTTP with one thing more: what goes wrong with a connection can get at the connection."""

import asyncio
from typing import cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_EXTENSION = "sandbox.transport"


class TransportProtocol(HttpToolsProtocol):
    """Puts the transport of a request into its scope; for `uvicorn.Config(http=…)`."""

    def on_message_begin(self) -> None:
        """Start a request."""
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"transport": self.transport}}


def transport_of(scope: Scope) -> asyncio.Transport | None:
    """Return the transport of a request; None where another protocol is spoken."""
    # uvloop's transports are asyncio's in all but their class.
    return cast("asyncio.Transport | None", scope.get("extensions", {}).get(_EXTENSION, {}).get("transport"))
