"""Clever's token endpoints: which districts an application may read, with which token."""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.sandbox.changes import LiveWorld
from app.sandbox.records import District, Ids
from app.sandbox.serialization import Details, timestamps_of

TOKEN = "sandbox-token"  # noqa: S105  (everybody may know it: it opens nothing but invented data)
CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-secret"  # noqa: S105  (as above)

OTHER = "other"

SCOPES = ["read:sis", "read:user_id", "read:district_admins", "read:school_admins", "read:students", "read:teachers"]


@dataclass(frozen=True, slots=True)
class Access:
    """The application's client credentials, and the district of each token."""

    world: LiveWorld
    client_id: str
    client_secret: str
    tokens: Mapping[str, str]

    def read_by(self, request: Request) -> District | None:
        """Return the current district of a request's bearer token; None for an unknown token."""
        token = bearer_of(request)
        return self.world.districts[self.tokens[token]] if token is not None and token in self.tokens else None

    def name_of(self, request: Request) -> str:
        """Return the token of a request; `other` for an unknown one."""
        token = bearer_of(request)
        return token if token is not None and token in self.tokens else OTHER


def access_to(world: LiveWorld, *, token: str, client_id: str, client_secret: str) -> Access:
    """Return the access to a world: the first district has the token itself, the second `…-2`, and so on."""
    districts = world.start.districts
    tokens = {token if one.number == 1 else f"{token}-{one.number}": one.id for one in districts}
    return Access(world, client_id, client_secret, tokens)


def bearer_of(request: Request) -> str | None:
    """Return the bearer token of a request, if it has one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def oauth_routes(access: Access) -> list[Route]:
    """Return the routes of the token endpoints."""

    async def tokens(request: Request) -> Response:
        if _basic_of(request) != (access.client_id, access.client_secret):
            return _error(401, "invalid_client", "Client credentials are missing or wrong")
        if request.query_params.get("owner_type") != "district":
            return _error(400, "invalid_request", "owner_type must be 'district'")
        wanted = request.query_params.get("district")
        data = [
            _token(access.world, token, district)
            for token, district in access.tokens.items()
            if wanted in (None, district)
        ]
        uri = f"{request.url.path}?{request.url.query}"
        return JSONResponse({"data": data, "links": [{"rel": "self", "uri": uri}]})

    async def token_info(request: Request) -> Response:
        if access.read_by(request) is None:
            return _error(401, "invalid_token", "The token is missing or unknown")
        return JSONResponse({"client_id": access.client_id, "scopes": SCOPES})

    return [Route("/oauth/tokens", tokens, methods=["GET"]), Route("/oauth/tokeninfo", token_info, methods=["GET"])]


def _token(world: LiveWorld, token: str, district: str) -> Details:
    return {
        "id": Ids(world.start.seed, world.districts[district].number).of("token", 0),
        "created": timestamps_of(0)["created"],
        "owner": {"type": "district", "id": district},
        "access_token": token,
        "scopes": SCOPES,
    }


def _basic_of(request: Request) -> tuple[str, str] | None:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name, secret


def _error(status: int, error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status)
