"""What is refused, with Clever's status and body."""

import httpx
import pytest

from app.sandbox.server import create_sandbox
from app.sandbox.world import World, generate

ID = "0" * 24
UNKNOWN = {"message": "Resource not found"}


@pytest.mark.parametrize("path", ["users/{}", "schools/{}", "sections/{}", "districts/{}"])
@pytest.mark.parametrize("wanted", [ID, "nonsense"])
async def test_an_unknown_record_is_not_found(clever: httpx.AsyncClient, path: str, wanted: str) -> None:
    answer = await clever.get(f"/v3.0/{path.format(wanted)}")
    assert (answer.status_code, answer.json()) == (404, UNKNOWN)


async def test_a_legacy_id_is_no_user(clever: httpx.AsyncClient, world: World) -> None:
    user = world.districts[0].users[world.cases["teacher_only"].user]
    answer = await clever.get(f"/v3.0/users/{user.ids_in('teacher', 'legacy_id')[0]}")
    assert answer.status_code == 404


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer other"}, {"Authorization": "Bearer "}])
async def test_a_missing_or_unknown_token_is_unauthorized(world: World, header: dict[str, str]) -> None:
    transport = httpx.ASGITransport(create_sandbox(world))
    async with httpx.AsyncClient(transport=transport, base_url="http://clever", headers=header) as stranger:
        answer = await stranger.get("/v3.0/users")
    assert (answer.status_code, answer.json()) == (401, {"message": "The token is missing or unknown"})


@pytest.mark.parametrize("path", ["/users", "/v2.1/teachers/", "/v3.0/nothing", "/v3.0/me", "/v3.0/users/", "/"])
async def test_an_unknown_path_is_not_found_in_clevers_form(clever: httpx.AsyncClient, path: str) -> None:
    answer = await clever.get(path)
    assert (answer.status_code, answer.json()) == (404, UNKNOWN)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_wrong_method_answers_nothing(clever: httpx.AsyncClient, method: str) -> None:
    answer = await clever.request(method, "/v3.0/users")
    assert (answer.status_code, answer.content) == (405, b"")


async def test_a_limit_of_ten_thousand_is_the_highest(clever: httpx.AsyncClient) -> None:
    assert (await clever.get("/v3.0/schools?limit=10000")).status_code == 200
    answer = await clever.get("/v3.0/schools?limit=10001")
    assert (answer.status_code, answer.json()) == (413, {"message": "limit must be at most 10000"})


@pytest.mark.parametrize(
    ("query", "name"),
    [
        *((f"users?limit={limit}", "limit") for limit in ("0", "-1", "ten", "1.5", "", "%D9%A3", "9" * 5000)),
        ("users?role=librarian", "role"),
        ("users?role=", "role"),
        ("users?count=maybe", "count"),
        ("users?starting_after=last", "starting_after"),
        ("users?ending_before=last", "ending_before"),
        ("schools/{school}/users?role=contact", "role"),
        ("schools/{school}/users?primary=false", "primary"),
        ("sections/{section}/users?role=staff", "role"),
    ],
)
async def test_a_parameter_out_of_range_is_a_bad_request(
    clever: httpx.AsyncClient, world: World, query: str, name: str
) -> None:
    district = world.districts[0]
    path = query.format(school=district.all_schools[0].id, section=district.all_sections[0].id)
    answer = await clever.get(f"/v3.0/{path}")
    assert (answer.status_code, answer.json()) == (400, {"message": f"Invalid value for parameter '{name}'"})


async def test_a_page_lies_on_one_side_of_a_record(clever: httpx.AsyncClient) -> None:
    answer = await clever.get(f"/v3.0/users?starting_after={ID}&ending_before={ID}")
    assert (answer.status_code, answer.json()) == (
        400,
        {"message": "starting_after and ending_before exclude each other"},
    )


async def test_a_token_reads_its_own_district_only() -> None:
    world = generate(districts=2)
    first, second = world.cases["teacher_only"], world.cases["teacher_only_in_district_2"]
    transport = httpx.ASGITransport(create_sandbox(world))
    headers = {"Authorization": "Bearer sandbox-token-2"}
    async with httpx.AsyncClient(transport=transport, base_url="http://clever", headers=headers) as clever:
        assert (await clever.get(f"/v3.0/users/{second.user}")).status_code == 200
        assert (await clever.get(f"/v3.0/users/{first.user}")).status_code == 404
        assert (await clever.get(f"/v3.0/districts/{first.district}")).status_code == 404
