"""Several districts behind one application, found by its client id and secret."""

from collections.abc import Iterator

import httpx
import pytest
from pydantic import SecretStr

from app.cli.listening import in_background
from app.sandbox.server import create_sandbox
from app.sandbox.world import World, generate
from tests.conftest import KEY, Serve, api_key


@pytest.fixture(scope="module")
def two_districts() -> World:
    return generate(districts=2)


@pytest.fixture
def service(two_districts: World, serve: Serve) -> Iterator[httpx.Client]:
    with in_background(create_sandbox(two_districts)) as url:
        yield serve(
            clever_url=url,
            clever_auth_url=url,
            clever_token=None,
            clever_client_id="sandbox-client",
            clever_client_secret=SecretStr("sandbox-secret"),
            api_keys=(api_key("tests", KEY, districts={district.id for district in two_districts.districts}),),
        )


def test_each_user_is_read_with_the_token_of_the_district_named(service: httpx.Client, two_districts: World) -> None:
    for name in ("teacher_only", "teacher_only_in_district_2"):
        case = two_districts.cases[name]
        answer = service.get(f"/v1/users/{case.user}/permissions", params={"district": case.district}).json()
        assert (answer["district"], answer["roles"]) == (case.district, ["teacher"])


def test_a_user_of_another_district_is_unknown(service: httpx.Client, two_districts: World) -> None:
    user, district = two_districts.cases["teacher_only"].user, two_districts.districts[1].id
    assert service.get(f"/v1/users/{user}/permissions", params={"district": district}).status_code == 404


def test_no_district_named_is_422_with_the_way_out(service: httpx.Client, two_districts: World) -> None:
    told = service.get(f"/v1/users/{two_districts.cases['teacher_only'].user}/permissions")
    assert (told.status_code, told.headers["content-type"]) == (422, "application/problem+json")
    assert told.json() == {
        "type": "urn:problem-type:rosterguard:district-unnamed",
        "title": "No district named",
        "status": 422,
        "detail": "several districts are connected and none is named: say which in `district`",
    }


def test_a_batch_names_the_district_of_each_user(service: httpx.Client, two_districts: World) -> None:
    cases = [two_districts.cases[name] for name in ("teacher_only", "principal_in_district_2")]
    items = [{"id": case.user, "district": case.district} for case in cases] + [{"id": cases[0].user}]
    results = service.post("/v1/users/permissions", json={"users": items}).json()["results"]
    assert [result["status"] for result in results] == [200, 200, 422]
