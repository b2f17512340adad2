"""Who may ask: everything but the open paths needs a key."""

import httpx
import pytest

from app.api.callers import OPEN_PATHS
from tests.conftest import KEY, Sandbox, Serve

REFUSAL = {
    "type": "urn:problem-type:rosterguard:unauthenticated",
    "title": "Credential missing or not valid",
    "status": 401,
    "detail": "send one header Authorization: Bearer <API key>, with a key of this service",
}


def test_every_operation_but_the_open_ones_needs_a_key(service: httpx.Client) -> None:
    paths = service.get("/openapi.json").json()["paths"]
    assert {"/v1/policy", "/v1/users/permissions", "/livez"} <= set(paths)
    for path, operations in paths.items():
        for method, operation in operations.items():
            answer = httpx.request(method, str(service.base_url) + path.replace("{user_id}", "f" * 24))
            assert (answer.status_code == 401) is (path not in OPEN_PATHS), (method, path)
            assert (operation["security"] != []) is (path not in OPEN_PATHS), (method, path)


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
def test_without_a_valid_key_nothing_is_told(path: str, credentials: list[str], service: httpx.Client) -> None:
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


def test_each_of_several_keys_is_good(serve: Serve, sandbox: Sandbox) -> None:
    hashes = {
        "one": "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed",
        "two": "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3",
    }
    service = serve(api_keys=[{"name": name, "sha256": sha256} for name, sha256 in hashes.items()])
    for key in hashes:
        assert service.get("/v1/policy", headers={"Authorization": f"Bearer {key}"}).status_code == 200
