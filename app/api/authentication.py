"""Who is asking: nothing but the open paths is served without a credential, whatever routes there are."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.params import Depends as DependsMarker
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import CONFIGURATION_PATH, error_response, status_response
from app.domain.callers import ANYONE, Caller, CallerScope
from app.domain.errors import ProviderUnreachable

OPEN_PATHS = frozenset({"/livez", "/readyz", "/docs", "/openapi.json", CONFIGURATION_PATH})
OPEN_BELOW = ("/docs/assets/", f"{CONFIGURATION_PATH}/")

credential = HTTPBearer(
    auto_error=False,
    scheme_name="apiKey",
    description="An API key of this service, as `rosterguard key new` makes them; or an access token (a JWT) of the "
    "OpenID provider, where the service is told of one.",
)
"""Tells the reference that an operation needs a credential; the gate has seen to it by then."""


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


CurrentCaller = Annotated[Caller, Depends(_caller)]
"""Whoever asks."""


def allowed(scope: CallerScope) -> list[DependsMarker]:
    """Return the dependencies of routes that need a scope."""
    return [Depends(credential), Depends(needing(scope))]


def needing(scope: CallerScope) -> Callable[[Caller], Awaitable[None]]:
    """Return a dependency that refuses callers without a scope; raises ``CallerMayNot``."""

    async def needed(caller: CurrentCaller) -> None:
        caller.require(scope)

    return needed


Known = Callable[[bytes], Caller | None]
"""Tells who presents a key or a token, None where that has to be looked into."""

CallerOf = Callable[[str], Awaitable[Caller | None]]
"""Tells who presents a key or a token, None where it is not valid; raises ``ProviderUnreachable``."""

_CHALLENGE = 'Bearer realm="rosterguard"'


class AuthenticationMiddleware:
    """Lets requests through only with a credential, but to the open paths: fails closed for routes yet to come."""

    def __init__(self, app: ASGIApp, caller_of: CallerOf | None) -> None:
        """Guard ``app`` by what ``caller_of`` tells of credentials; None lets anyone in."""
        self._app = app
        self._caller_of = caller_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or answer 401 as RFC 6750 section 3 wants it, or 503 where a token cannot be judged."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or scope["path"].startswith(OPEN_BELOW):
            await self._app(scope, receive, send)
            return
        credentials = Headers(scope=scope).getlist("authorization")
        try:
            caller = await self._caller_with(credentials)
        except ProviderUnreachable as error:
            await error_response(scope, error)(scope, receive, send)
            return
        if caller is None:
            challenge = _CHALLENGE + (', error="invalid_token"' if credentials else "")
            await status_response(scope, 401, {"WWW-Authenticate": challenge})(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)

    async def _caller_with(self, credentials: list[str]) -> Caller | None:
        if self._caller_of is None:
            return ANYONE
        if len(credentials) != 1:
            return None
        scheme, _, presented = credentials[0].partition(" ")
        return await self._caller_of(presented.strip(" ")) if scheme.lower() == "bearer" else None
