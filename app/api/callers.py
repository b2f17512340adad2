"""Who is asking: nothing but the open paths is served without a credential, whatever routes there are."""

import hashlib
import hmac
from collections.abc import Collection

from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.problems import status_response

OPEN_PATHS = frozenset({"/livez", "/readyz", "/docs", "/openapi.json"})
OPEN_ASSETS = "/docs/assets/"

credential = HTTPBearer(
    auto_error=False,
    scheme_name="apiKey",
    description="An API key of this service, as `rosterguard key new` makes them.",
)
"""Tells the reference that an operation needs a key; the gate has seen to it by then."""


class Gate:
    """Lets a request through to anything but the open paths only with a key: fails closed for routes yet to come."""

    def __init__(self, app: ASGIApp, keys: Collection[bytes] | None) -> None:
        """Guard ``app`` with ``keys``, the SHA-256 of each; None lets anyone in."""
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or answer 401 as RFC 6750 section 3 wants it."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or scope["path"].startswith(OPEN_ASSETS):
            await self._app(scope, receive, send)
            return
        if not self._admits(Headers(scope=scope).getlist("authorization")):
            response = status_response(401, {"WWW-Authenticate": 'Bearer realm="rosterguard"'})
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _admits(self, credentials: list[str]) -> bool:
        if self._keys is None:
            return True
        if len(credentials) != 1:
            return False
        scheme, _, key = credentials[0].partition(" ")
        digest = hashlib.sha256(key.strip().encode()).digest()
        # Every key is compared, so that the time taken tells nothing of which one came close.
        matches = [hmac.compare_digest(known, digest) for known in self._keys]
        return scheme.lower() == "bearer" and any(matches)
