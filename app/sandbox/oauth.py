"""Clever's OAuth endpoints: the tokens of districts, and the login of users by OAuth 2.0 and OpenID Connect."""

import binascii
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import orjson
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from app.sandbox.changes import LiveWorld
from app.sandbox.endpoints import not_found
from app.sandbox.login import TOKEN_SECONDS, Login, Logins, may_read, roles_of
from app.sandbox.login_page import Choice, failure_page, picking_page
from app.sandbox.records import District, Ids, User
from app.sandbox.serialization import Details, timestamps_of
from app.urls import host_of, is_loopback, is_safe_address

TOKEN = "sandbox-token"  # noqa: S105  (everybody may know it: it opens nothing but invented data)
CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-secret"  # noqa: S105  (as above)

OTHER = "other"

SCOPES = ["read:sis", "read:user_id", "read:district_admins", "read:school_admins", "read:students", "read:teachers"]
SCOPES_OF_LOGIN = (
    "read:user_id",
    "read:district_admins_basic",
    "read:school_admins_basic",
    "read:students_basic",
    "read:teachers_basic",
)
_OF_OPENID = ("openid", "profile", "email")


@dataclass(frozen=True, slots=True)
class Access:
    """The application's client credentials and redirect URIs, the district of each token, and the logins of users."""

    world: LiveWorld
    client_id: str
    client_secret: str
    tokens: Mapping[str, str]
    redirect_uris: Sequence[str]
    logins: Logins

    def read_by(self, request: Request) -> District | None:
        """Return the current district of a request's bearer token; None for an unknown token."""
        login = self.login_of(request)
        district = login.district if login else self.tokens.get(bearer_of(request) or "")
        return self.world.districts[district] if district is not None else None

    def name_of(self, request: Request) -> str:
        """Return the token of a request; `other` for an unknown one, and the user of a user token."""
        if login := self.login_of(request):
            return f"user:{login.user}"
        token = bearer_of(request)
        return token if token is not None and token in self.tokens else OTHER

    def bucket_of(self, request: Request, district: District) -> str:
        """Return the bucket in which Clever counts a request of a district: its own, or that of a user token."""
        return self.name_of(request) if self.login_of(request) else f"district:{district.id}"

    def login_of(self, request: Request) -> Login | None:
        """Return the login of a request's bearer token; None for a token that is not a user's."""
        return self.logins.of_token(bearer_of(request))

    def check_reach(self, request: Request) -> None:
        """Raise Clever's answer for what a user token cannot read; a district token reads its whole district."""
        login = self.login_of(request)
        if login and not may_read(self.logins.user_of(login), login.role, request.url.path):
            raise not_found()

    def who_reads(self, request: Request) -> tuple[User, str | None]:
        """Return the user of a request's user token, and their role; raises Clever's answer for a district token."""
        login = self.login_of(request)
        if login is None:
            raise not_found()
        return self.logins.user_of(login), login.role


def access_to(
    world: LiveWorld, *, token: str, client_id: str, client_secret: str, redirect_uris: Sequence[str] = ()
) -> Access:
    """Return the access to a world: the first district has the token itself, the second `…-2`, and so on."""
    districts = world.start.districts
    tokens = {token if one.number == 1 else f"{token}-{one.number}": one.id for one in districts}
    return Access(world, client_id, client_secret, tokens, redirect_uris, Logins(world))


def bearer_of(request: Request) -> str | None:
    """Return the bearer token of a request, if it has one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def oauth_routes(access: Access) -> list[Route]:
    """Return the routes of the OAuth endpoints."""

    async def authorize(request: Request) -> Response:
        return _authorize(access, request)

    async def tokens(request: Request) -> Response:
        if _basic_of(request) != (access.client_id, access.client_secret):
            return _wrong_client()
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

    async def exchange(request: Request) -> Response:
        asked = _form_of(request.headers.get("content-type", ""), await request.body())
        return _exchange(access, request, asked)

    async def token_info(request: Request) -> Response:
        if access.read_by(request) is None:
            return _error(401, "invalid_token", "The token is missing or unknown")
        login = access.login_of(request)
        return JSONResponse({"client_id": access.client_id, "scopes": login.scopes if login else SCOPES})

    async def configuration(request: Request) -> Response:
        return JSONResponse(_configuration(_issuer(request)))

    async def certs(_: Request) -> Response:
        return JSONResponse({"keys": [access.logins.key.as_dict(private=False)]})

    return [
        Route("/oauth/authorize", authorize, methods=["GET"]),
        Route("/oauth/tokens", tokens, methods=["GET"]),
        Route("/oauth/tokens", exchange, methods=["POST"]),
        Route("/oauth/tokeninfo", token_info, methods=["GET"]),
        Route("/oauth/certs", certs, methods=["GET"]),
        Route("/.well-known/openid-configuration", configuration, methods=["GET"]),
    ]


def _token(world: LiveWorld, token: str, district: str) -> Details:
    return {
        "id": Ids(world.start.seed, world.districts[district].number).of("token", 0),
        "created": timestamps_of(0)["created"],
        "owner": {"type": "district", "id": district},
        "access_token": token,
        "scopes": SCOPES,
    }


def _issuer(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _configuration(issuer: str) -> Details:
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/tokens",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/oauth/certs",
        "scopes_supported": [*_OF_OPENID, *SCOPES_OF_LOGIN],
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }


def _authorize(access: Access, request: Request) -> Response:
    """Show the page on which to pick a person, or send the picked one's code to the application."""
    asked = _once_each(request.query_params.multi_items())
    if asked is None:
        return failure_page("A parameter was given twice.")
    if mistake := _mistake_of_application(access, asked):
        return failure_page(mistake)
    redirect_uri = asked["redirect_uri"]
    if mistakes := _mistakes_for_application(asked):
        return _redirect(redirect_uri, asked, **mistakes)
    if "login_hint" not in asked:
        return picking_page(_choices(access, request.url, asked.get("district_id")), _shown(redirect_uri))
    found = access.logins.find(asked["login_hint"], asked.get("role"))
    if found is None:
        return failure_page("login_hint is no person here, or one without this role.")
    user, role = found
    scopes = tuple(asked.get("scope", "").split()) or SCOPES_OF_LOGIN
    login = Login(user.id, user.district, role, scopes, asked.get("nonce"))
    return _redirect(redirect_uri, asked, code=access.logins.code_for(login, redirect_uri))


def _mistake_of_application(access: Access, asked: Mapping[str, str]) -> str | None:
    """Return why an application is not known for sure: it then gets no redirect (RFC 6749, section 4.1.2.1)."""
    if asked.get("client_id") != access.client_id:
        return "client_id is missing or unknown."
    redirect_uri = asked.get("redirect_uri", "")
    if redirect_uri not in access.redirect_uris and not _is_on_loopback(redirect_uri):
        return "redirect_uri is missing, or neither registered nor an address of this machine."
    return None


def _mistakes_for_application(asked: Mapping[str, str]) -> dict[str, str]:
    """Return the error that a known application gets by redirect; nothing if there is none."""
    if asked.get("response_type") != "code":
        return {"error": "unsupported_response_type", "error_description": "response_type must be 'code'"}
    if not {*_OF_OPENID, *SCOPES_OF_LOGIN, *SCOPES}.issuperset(asked.get("scope", "").split()):
        return {"error": "invalid_scope", "error_description": "A scope is unknown"}
    return {}


def _is_on_loopback(uri: str) -> bool:
    return is_safe_address(uri) and is_loopback(host_of(uri))


def _redirect(uri: str, asked: Mapping[str, str], **parameters: str) -> Response:
    state = {"state": asked["state"]} if "state" in asked else {}
    return RedirectResponse(URL(uri).include_query_params(**parameters, **state), 302, {"Cache-Control": "no-store"})


def _shown(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"


def _choices(access: Access, url: URL, district: str | None) -> list[Choice]:
    return [
        Choice(case.about, _links(url, name, access.world.districts[case.district].users[case.user]))
        for name, case in access.world.start.cases.items()
        if district in (None, case.district) and case.user in access.world.districts[case.district].users
    ]


def _links(url: URL, name: str, user: User) -> dict[str, str]:
    """Return the links that pick a case: one for each role, as before API 3.0 each was an account of its own."""
    roles = roles_of(user)
    if len(roles) < 2:  # noqa: PLR2004 -- several
        return {name: _relative(url.include_query_params(login_hint=name))}
    return {f"{name} as {role}": _relative(url.include_query_params(login_hint=name, role=role)) for role in roles}


def _relative(url: URL) -> str:
    return f"{url.path}?{url.query}"


def _exchange(access: Access, request: Request, asked: Mapping[str, str] | None) -> Response:
    if asked is None:
        return _error(400, "invalid_request", "The body is neither a form nor a JSON object of strings")
    client = _basic_of(request) or (asked.get("client_id"), asked.get("client_secret"))
    if client != (access.client_id, access.client_secret):
        return _wrong_client()
    if missing := [name for name in ("grant_type", "code", "redirect_uri") if not asked.get(name)]:
        return _error(400, "invalid_request", f"{', '.join(missing)}: missing")
    if asked["grant_type"] != "authorization_code":
        return _error(400, "unsupported_grant_type", "grant_type must be 'authorization_code'")
    login = access.logins.redeem(asked["code"], asked["redirect_uri"])
    if login is None:
        return _error(400, "invalid_grant", "invalid code")
    answer = {"access_token": access.logins.token_for(login), "token_type": "bearer", "expires_in": TOKEN_SECONDS}
    if "openid" in login.scopes:
        issuer = _issuer(request)
        answer["id_token"] = access.logins.id_token_for(login, issuer=issuer, client_id=access.client_id)
    return JSONResponse(answer, headers={"Cache-Control": "no-store"})


def _form_of(content_type: str, body: bytes) -> Mapping[str, str] | None:
    """Return the fields of a form or a JSON object; None for anything else."""
    try:
        if content_type.partition(";")[0].strip().lower() != "application/json":
            return _once_each(parse_qsl(body.decode(), keep_blank_values=True))
        fields = orjson.loads(body)
    except ValueError:
        return None
    is_flat = isinstance(fields, dict) and all(isinstance(value, str) for value in fields.values())
    return fields if is_flat else None


def _once_each(pairs: Iterable[tuple[str, str]]) -> Mapping[str, str] | None:
    """Return parameters by name; None if one is there twice, which RFC 6749 forbids."""
    pairs = list(pairs)
    return None if any(times > 1 for times in Counter(name for name, _ in pairs).values()) else dict(pairs)


def _basic_of(request: Request) -> tuple[str, str] | None:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name, secret


def _wrong_client() -> Response:
    return _error(401, "invalid_client", "Client credentials are missing or wrong")


def _error(status: int, error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status)
