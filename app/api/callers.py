"""Who is asking: nothing but the open paths is served without a credential, whatever routes there are."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Collection
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.messages import CONFIGURATION_PATH
from app.api.problems import status_response
from app.domain.callers import ANYONE, Caller, CallerScope

OPEN_PATHS = frozenset({"/livez", "/readyz", "/docs", "/openapi.json", CONFIGURATION_PATH})
OPEN_BELOW = ("/docs/assets/", f"{CONFIGURATION_PATH}/")

credential = HTTPBearer(
    auto_error=False,
    scheme_name="apiKey",
    description="An API key of this service, as `rosterguard key new` makes them.",
)
"""Tells the reference that an operation needs a key; the gate has seen to it by then."""


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


CurrentCaller = Annotated[Caller, Depends(_caller)]
"""Whoever asks."""


def needing(scope: CallerScope) -> Callable[[Caller], Awaitable[None]]:
    """Return a dependency that refuses callers without a scope; raises ``CallerMayNot``."""

    async def needed(caller: CurrentCaller) -> None:
        caller.require(scope)

    return needed


_CHALLENGE = 'Bearer realm="rosterguard"'


class Gate:
    """Lets a request through to anything but the open paths only with a key: fails closed for routes yet to come."""

    def __init__(self, app: ASGIApp, keys: Collection[Caller] | None) -> None:
        """Guard ``app`` with ``keys``, callers by the SHA-256 of the key of each; None lets anyone in."""
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or answer 401 as RFC 6750 section 3 wants it."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or scope["path"].startswith(OPEN_BELOW):
            await self._app(scope, receive, send)
            return
        credentials = Headers(scope=scope).getlist("authorization")
        caller = self._caller_with(credentials)
        if caller is None:
            challenge = _CHALLENGE + (', error="invalid_token"' if credentials else "")
            await status_response(scope, 401, {"WWW-Authenticate": challenge})(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)

    def _caller_with(self, credentials: list[str]) -> Caller | None:
        if self._keys is None:
            return ANYONE
        if len(credentials) != 1:
            return None
        scheme, _, key = credentials[0].partition(" ")
        digest = hashlib.sha256(key.strip().encode()).digest()
        # Every key is compared, so that the time taken tells nothing of which one came close.
        matches = [known for known in self._keys if hmac.compare_digest(known.digest, digest)]
        return matches[0] if scheme.lower() == "bearer" and matches else None
