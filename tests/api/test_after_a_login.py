"""From a login to a permission: what applications use logs in to the sandbox, and the service answers for the id."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from typing import Any, ClassVar

import httpx
from authlib.integrations.starlette_client import OAuth
from social_core.backends.clever import CleverOAuth2
from social_core.storage import BaseStorage, NonceMixin
from social_core.strategy import BaseStrategy
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from typing_extensions import override

from app.cli.server import in_background
from app.sandbox.oauth import CLIENT_ID, CLIENT_SECRET
from tests.conftest import Sandbox


def application_at(sandbox: Sandbox) -> Starlette:
    """An application whose users log in with authlib, which learns from the sandbox where to ask what."""
    oauth = OAuth()
    oauth.register(
        "clever",
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        server_metadata_url=f"{sandbox.url}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid"},
    )

    async def log_in(request: Request) -> Response:
        redirect: Response = await oauth.clever.authorize_redirect(
            request, request.url_for("callback"), **request.query_params
        )
        return redirect

    async def callback(request: Request) -> Response:
        token = await oauth.clever.authorize_access_token(request)
        return JSONResponse({"claims": token["userinfo"], "userinfo": await oauth.clever.userinfo(token=token)})

    return Starlette(
        routes=[Route("/login", log_in), Route("/callback", callback, name="callback")],
        middleware=[Middleware(SessionMiddleware, secret_key="of a test")],
    )


@contextmanager
def browser_at(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with (
        in_background(application_at(sandbox)) as url,
        httpx.Client(base_url=url, follow_redirects=True, timeout=30) as browser,
    ):
        yield browser


def test_an_openid_connect_client_hands_the_service_the_id_that_it_needs(
    sandbox: Sandbox, service: httpx.Client
) -> None:
    with browser_at(sandbox) as browser:
        said = browser.get("/login", params={"login_hint": "teacher_only"}).json()
    assert said["claims"]["sub"] == said["userinfo"]["multi_role_user_id"] == sandbox.user("teacher_only")
    answer = service.get(f"/v1/users/{said['claims']['sub']}/permissions")
    assert (answer.status_code, answer.json()["user"]) == (200, sandbox.user("teacher_only"))


def test_a_person_picks_who_logs_in_and_the_service_knows_all_of_their_roles(
    sandbox: Sandbox, service: httpx.Client
) -> None:
    with browser_at(sandbox) as browser:
        page = browser.get("/login")
        [link] = re.findall(r'<a href="([^"]*)">all_three_roles as teacher</a>', page.text)
        said = browser.get(page.url.join(unescape(link))).json()
    assert said["claims"]["user_type"] == "teacher"
    roles = service.get(f"/v1/users/{said['claims']['sub']}/permissions").json()["roles"]
    assert roles == ["district_admin", "staff", "teacher"]


class CleverAtTheSandbox(CleverOAuth2[str]):
    """The backend for Clever as it is, but for the hosts that it names."""

    @override
    def authorization_url(self) -> str:
        return self.at_sandbox(super().authorization_url())

    @override
    def request(self, url: str, **given: Any) -> Any:
        return super().request(self.at_sandbox(url), **given)

    def at_sandbox(self, url: str) -> str:
        path = url.removeprefix("https://api.clever.com").removeprefix("https://clever.com")
        return f"{self.setting('SANDBOX')}{path}"


class Nonces(NonceMixin):
    """The states of logins that are under way, which an application keeps in its database."""

    kept: ClassVar[set[tuple[str, int, str]]] = set()

    @override
    @classmethod
    def use(cls, server_url: str, timestamp: int, salt: str) -> bool:
        cls.kept.add((server_url, timestamp, salt))
        return True

    @override
    @classmethod
    def consume(cls, server_url: str, timestamp: int, salt: str) -> bool:
        known = (server_url, timestamp, salt) in cls.kept
        cls.kept.discard((server_url, timestamp, salt))
        return known


class Storage(BaseStorage):
    nonce = Nonces


class Session(BaseStrategy[str]):
    """What an application lends the backend: its settings, a session, and the parameters of the present request."""

    def __init__(self, settings: dict[str, Any], session: dict[str, Any], parameters: dict[str, str]) -> None:
        super().__init__(Storage)
        self.settings, self.session, self.parameters = settings, session, parameters

    @override
    def get_setting(self, name: str) -> Any:
        return self.settings[name]

    @override
    def request_data(self, merge: bool = True) -> dict[str, str]:
        return self.parameters

    @override
    def absolute_uri(self, path: str | None = None) -> str:
        return f"http://127.0.0.1:9999{path}"

    @override
    def session_get(self, name: str, default: Any = None) -> Any:
        return self.session.get(name, default)

    @override
    def session_set(self, name: str, value: Any) -> None:
        self.session[name] = value

    @override
    def session_pop(self, name: str) -> Any:
        return self.session.pop(name, None)

    @override
    def authenticate(self, backend: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the id under which the application would find or store the user."""
        response = kwargs["response"]
        return backend.get_user_id(backend.get_user_details(response), response)


def test_the_clever_backend_of_social_auth_hands_the_service_the_id_that_it_needs(
    sandbox: Sandbox, service: httpx.Client
) -> None:
    settings = {
        "SANDBOX": sandbox.url,
        "SOCIAL_AUTH_CLEVER_KEY": CLIENT_ID,
        "SOCIAL_AUTH_CLEVER_SECRET": CLIENT_SECRET,
        "SOCIAL_AUTH_CLEVER_AUTH_EXTRA_ARGUMENTS": {"login_hint": "staff_who_also_teach_elsewhere"},
    }
    session: dict[str, Any] = {}
    begun = CleverAtTheSandbox(Session(settings, session, {}), "/complete/clever/")
    back = httpx.get(begun.auth_url()).next_request
    assert back is not None
    returned = Session(settings, session, dict(back.url.params))
    user = CleverAtTheSandbox(returned, "/complete/clever/").auth_complete()
    assert user == sandbox.user("staff_who_also_teach_elsewhere")
    answer = service.get(f"/v1/users/{user}/permissions")
    assert (answer.status_code, answer.json()["roles"]) == (200, ["staff", "teacher"])
