"""The same answer written the usual way: what the figures are for most services of this kind.

FastAPI with a response model, dependencies, a request id by ``BaseHTTPMiddleware``, an API key by its hash, and a
cache of facts. `python -m tests.bench.usual FILE` answers the permission set that stands in a file.
"""

import hashlib
import json
import logging
import secrets
import sys
import time
import uuid
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cachetools import TTLCache
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.responses import Response

from tests.bench.listening import serve
from tests.conftest import KEY

_log = logging.getLogger("usual")
_bearer = HTTPBearer()


class Grant(BaseModel):
    """Permissions on some places."""

    scope: str
    ids: list[str]
    permissions: list[str]
    via: list[str]


class Policy(BaseModel):
    """Which policy was in force."""

    rule: str
    revision: str


class PermissionSet(BaseModel):
    """Everything that a user may do."""

    user: str
    district: str
    role: str | None
    roles: list[str]
    permissions: list[str]
    grants: list[Grant]
    conditional: list[Grant]
    policy: Policy
    stale: bool


class RequestId(BaseHTTPMiddleware):
    """Gives each request an id, and logs it."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Serve a request."""
        request.state.id = request.headers.get("x-request-id") or str(uuid.uuid4())
        began = time.perf_counter()
        response = await call_next(request)
        response.headers["x-request-id"] = request.state.id
        _log.info("%s %s %d %.1f ms", request.method, request.url.path, response.status_code, _ms(began))
        return response


def _ms(began: float) -> float:
    return (time.perf_counter() - began) * 1000


def settings(request: Request) -> Mapping[str, Any]:
    """Return the settings."""
    found: Mapping[str, Any] = request.app.state.settings
    return found


Settings = Annotated[Mapping[str, Any], Depends(settings)]


def caller(settings: Settings, credential: Annotated[HTTPAuthorizationCredentials, Depends(_bearer)]) -> str:
    """Return who asks."""
    digest = hashlib.sha256(credential.credentials.encode()).hexdigest()
    for name, known in settings["keys"].items():
        if secrets.compare_digest(digest, known):
            return str(name)
    raise HTTPException(401, "unknown key")


async def district(settings: Settings, _caller: Annotated[str, Depends(caller)], district: str | None = None) -> str:
    """Return the district that is asked about, if the caller may."""
    asked = district or settings["district"]
    if asked != settings["district"]:
        raise HTTPException(404, "unknown user")
    return str(asked)


async def found(request: Request, user_id: str, district: Annotated[str, Depends(district)]) -> dict[str, Any]:
    """Return what the user may do."""
    cached: dict[str, Any] | None = request.app.state.cache.get((district, user_id))
    if cached is None:
        raise HTTPException(404, "unknown user")
    return cached


async def permissions(found: Annotated[dict[str, Any], Depends(found)]) -> PermissionSet:
    """Answer what a user may do."""
    return PermissionSet(**found)


def usual(answer: Mapping[str, Any]) -> FastAPI:
    """Return the application, with one user in its cache."""
    app = FastAPI(title="Permissions")
    app.state.settings = {"keys": {"bench": hashlib.sha256(KEY.encode()).hexdigest()}, "district": answer["district"]}
    app.state.cache = TTLCache(100_000, 86_400)
    app.state.cache[answer["district"], answer["user"]] = dict(answer)
    app.add_middleware(RequestId)
    app.add_api_route("/v1/users/{user_id}/permissions", permissions, response_model=PermissionSet)
    return app


def main(file: str) -> None:
    """Serve until terminated."""
    serve(partial(usual, json.loads(Path(file).read_bytes())))


if __name__ == "__main__":
    main(*sys.argv[1:])
