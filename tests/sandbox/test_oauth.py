"""The token endpoints: which districts are connected, and whose a token is."""

import httpx
import pytest

from app.sandbox.server import create_sandbox
from app.sandbox.world import World, generate

BASIC = httpx.BasicAuth("sandbox-client", "sandbox-secret")
SCOPES = ["read:sis", "read:user_id", "read:district_admins", "read:school_admins", "read:students", "read:teachers"]


def client_of(world: World) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(create_sandbox(world)), base_url="http://clever")


async def test_discovery_lists_the_token_of_the_district(world: World) -> None:
    async with client_of(world) as clever:
        answer = await clever.get("/oauth/tokens?owner_type=district", auth=BASIC)
    token = {
        "id": "6682620007d1612ff1000000",
        "created": "2024-07-01T08:00:00.000Z",
        "owner": {"type": "district", "id": world.districts[0].id},
        "access_token": "sandbox-token",
        "scopes": SCOPES,
    }
    links = [{"rel": "self", "uri": "/oauth/tokens?owner_type=district"}]
    assert (answer.status_code, answer.json()) == (200, {"data": [token], "links": links})


async def test_each_district_has_a_token_of_its_own() -> None:
    world = generate(districts=3)
    async with client_of(world) as clever:
        answer = await clever.get("/oauth/tokens?owner_type=district", auth=BASIC)
        found = {item["owner"]["id"]: item["access_token"] for item in answer.json()["data"]}
        one = await clever.get(f"/oauth/tokens?owner_type=district&district={world.districts[1].id}", auth=BASIC)
    first, second, third = (district.id for district in world.districts)
    assert found == {first: "sandbox-token", second: "sandbox-token-2", third: "sandbox-token-3"}
    assert [item["access_token"] for item in one.json()["data"]] == ["sandbox-token-2"]


async def test_a_district_that_is_not_connected_is_missing(world: World) -> None:
    async with client_of(world) as clever:
        answer = await clever.get(f"/oauth/tokens?owner_type=district&district={'0' * 24}", auth=BASIC)
    assert (answer.status_code, answer.json()["data"]) == (200, [])


@pytest.mark.parametrize(
    "authorization",
    ["", "Basic", "Basic ????", "Basic /w==", "Bearer sandbox-token", "Basic c2FuZGJveC1jbGllbnQ6d3Jvbmc="],
)
async def test_discovery_wants_the_client_credentials(world: World, authorization: str) -> None:
    async with client_of(world) as clever:
        answer = await clever.get("/oauth/tokens?owner_type=district", headers={"Authorization": authorization})
    error = {"error": "invalid_client", "error_description": "Client credentials are missing or wrong"}
    assert (answer.status_code, answer.json()) == (401, error)


async def test_only_tokens_of_districts_can_be_listed(world: World) -> None:
    async with client_of(world) as clever:
        answer = await clever.get("/oauth/tokens?owner_type=user", auth=BASIC)
    error = {"error": "invalid_request", "error_description": "owner_type must be 'district'"}
    assert (answer.status_code, answer.json()) == (400, error)


async def test_token_info_tells_whose_a_token_is(world: World) -> None:
    async with client_of(world) as clever:
        known = await clever.get("/oauth/tokeninfo", headers={"Authorization": "Bearer sandbox-token"})
        unknown = await clever.get("/oauth/tokeninfo", headers={"Authorization": "Bearer other"})
    assert (known.status_code, known.json()) == (200, {"client_id": "sandbox-client", "scopes": SCOPES})
    error = {"error": "invalid_token", "error_description": "The token is missing or unknown"}
    assert (unknown.status_code, unknown.json()) == (401, error)
