"""Who may ask what: everything but the open paths needs a key, and a scope."""

import re
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.api.authentication import OPEN_BELOW, OPEN_PATHS
from app.domain.callers import CallerScope
from app.main import create_app
from tests.conftest import KEY, Sandbox, Serve, api_key, settings_over

REFUSAL = {
    "type": "urn:problem-type:rosterguard:unauthenticated",
    "title": "Credential missing or not valid",
    "status": 401,
    "detail": "send one header Authorization: Bearer <credential>, with a key of this service "
    "or a token of its provider",
}


def test_every_operation_but_the_open_ones_needs_a_key(service: httpx.Client) -> None:
    paths = service.get("/openapi.json").json()["paths"]
    assert {"/v1/policy", "/v1/users/permissions", "/livez"} <= set(paths)
    for path, operations in paths.items():
        for method, operation in operations.items():
            answer = httpx.request(method, str(service.base_url) + path.replace("{user_id}", "f" * 24))
            assert (answer.status_code == 401) is (path not in OPEN_PATHS), (method, path)
            assert (operation["security"] != []) is (path not in OPEN_PATHS), (method, path)


def guarded(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Every method and path that is served and is not open, ids filled in."""
    for route in iter_route_contexts(app.routes):
        path = re.sub(r"\{\w+\}", "f" * 24, route.path or "")
        if path in OPEN_PATHS or f"{path}/".startswith(OPEN_BELOW):
            continue
        assert route.methods, "a route of a kind that this test does not know asks nobody for a scope"
        yield from ((method, path) for method in sorted(route.methods))


def test_no_route_but_the_open_ones_answers_without_a_credential_or_without_a_scope(
    serve: Serve, sandbox: Sandbox
) -> None:
    known = list(guarded(create_app(settings_over(sandbox))))
    assert ("POST", "/access/v1/search/subject") in known
    assert ("GET", f"/v1/users/{'f' * 24}/permissions") in known
    service = serve(api_keys=(api_key("tests", KEY, scopes=set()),))
    for method, path in known:
        assert httpx.request(method, f"{service.base_url}{path}").status_code == 401, (method, path)
        assert service.request(method, path).status_code == 403, (method, path)


@pytest.mark.parametrize("scope", sorted(CallerScope))
def test_a_scope_lets_ask_what_it_names_and_nothing_else(scope: str, serve: Serve, sandbox: Sandbox) -> None:
    service = serve(api_keys=(api_key("tests", KEY, scopes={scope}),))
    asked = {
        "permissions:read": ("GET", f"/v1/users/{sandbox.user('teacher_only')}/permissions"),
        "access:evaluate": ("POST", "/access/v1/evaluation"),
        "access:search": ("POST", "/access/v1/search/subject"),
        "policy:read": ("GET", "/v1/policy"),
    }
    refused = {named for named, (method, path) in asked.items() if service.request(method, path).status_code == 403}
    assert refused == set(asked) - {scope}


def test_a_missing_scope_is_named(serve: Serve) -> None:
    answer = serve(api_keys=(api_key("tests", KEY, scopes=set()),)).get("/v1/policy")
    challenge = 'Bearer realm="rosterguard", error="insufficient_scope", scope="policy:read"'
    assert (answer.status_code, answer.headers["www-authenticate"]) == (403, challenge)
    assert answer.json() == {
        "type": "urn:problem-type:rosterguard:missing-scope",
        "title": "Scope missing",
        "status": 403,
        "detail": "this credential lacks the scope policy:read",
    }


def test_a_key_without_scopes_named_may_ask_the_usual_and_force_no_reading(serve: Serve, sandbox: Sandbox) -> None:
    usual = ["permissions:read", "access:evaluate", "access:search", "policy:read"]
    service = serve(api_keys=(api_key("tests", KEY, scopes=usual),))
    path = f"/v1/users/{sandbox.user('teacher_only')}/permissions"
    statuses = {
        demanded: service.get(path, headers={"Cache-Control": demanded}).status_code
        for demanded in ("", "max-stale=9", "only-if-cached", "no-cache", "max-age=0", "max-stale=9, Max-Age=3")
    }
    assert statuses == {
        "": 200,
        "max-stale=9": 200,
        "only-if-cached": 200,
        "no-cache": 403,
        "max-age=0": 403,
        "max-stale=9, Max-Age=3": 403,
    }


@pytest.mark.parametrize(
    "credentials",
    [
        [],
        ["Bearer"],
        ["Bearer wrong"],
        [f"Basic {KEY}"],
        [KEY],
        [f"Bearer {KEY}x"],
        [f"Bearer {KEY}", f"Bearer {KEY}"],
        [f"Bearer {KEY}", "Bearer wrong"],
    ],
)
@pytest.mark.parametrize("path", ["/v1/policy", "/no/such/path"])
def test_without_a_valid_key_nothing_is_answered(path: str, credentials: list[str], service: httpx.Client) -> None:
    headers = [("Authorization", credential) for credential in credentials]
    answer = httpx.get(str(service.base_url) + path, headers=headers)
    assert answer.status_code == 401
    challenge = 'Bearer realm="rosterguard"' + (', error="invalid_token"' if credentials else "")
    assert answer.headers["www-authenticate"] == challenge
    assert answer.json() == REFUSAL


def test_the_scheme_is_compared_without_case(service: httpx.Client) -> None:
    assert service.get("/v1/policy", headers={"Authorization": f"bearer {KEY}"}).status_code == 200


def test_a_body_is_not_looked_at_before_the_key(service: httpx.Client) -> None:
    answer = httpx.post(f"{service.base_url}/v1/users/permissions", content=b"{" * 100_000)
    assert answer.status_code == 401


def test_each_of_several_keys_is_good(serve: Serve) -> None:
    service = serve(api_keys=(api_key("gradebook", "one"), api_key("gradebook", "two"), api_key("portal", "three")))
    for key in ("one", "two", "three"):
        assert service.get("/v1/policy", headers={"Authorization": f"Bearer {key}"}).status_code == 200
