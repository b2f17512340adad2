"""A loaded district over HTTP: nothing that is asked of its users takes a request to Clever."""

import httpx

from tests.api.test_district_loads import load, loaded
from tests.conftest import Sandbox, Serve

PROBLEM = "urn:problem-type:rosterguard:"


def of(service: httpx.Client, legacy_id: str, **named: str) -> httpx.Response:
    return service.get("/v1/users", params={"legacy_id": legacy_id, **named})


def requests_beside_events(sandbox: Sandbox) -> set[str]:
    return {path for path in sandbox.requests if not path.endswith("/events")}


async def test_a_loaded_district_answers_everything_without_a_request(serve: Serve, sandbox: Sandbox) -> None:
    service, there = serve(load_whom="everyone"), sandbox.world.districts[0]
    load(service, there.id)
    await loaded(service, there.id)
    sandbox.requests.clear()
    for user in there.all_users[:40]:
        for what in ("permissions", "roles"):
            assert service.get(f"/v1/users/{user.id}/{what}").status_code == 200
    assert service.get(f"/v1/users/{'e' * 24}/permissions").status_code == 404
    section, teacher = there.all_sections[0].id, sandbox.user("teacher_of_many_sections")
    asked = {
        "subject": {"type": "user", "id": teacher},
        "action": {"name": "view"},
        "resource": {"type": "section", "id": section},
    }
    for path in ("evaluation", "search/subject", "search/resource", "search/action"):
        assert service.post(f"/access/v1/{path}", json=asked).status_code == 200
    explained = {"permission": "section:view", "section": section}
    assert service.get(f"/v1/users/{teacher}/explanation", params=explained).status_code == 200
    assert requests_beside_events(sandbox) == set()


async def test_a_legacy_id_finds_the_user_and_the_role_that_it_belongs_to(serve: Serve, sandbox: Sandbox) -> None:
    service, there = serve(), sandbox.world.districts[0]
    not_loaded = of(service, "4" * 24)
    assert (not_loaded.status_code, not_loaded.json()["type"]) == (409, PROBLEM + "district-not-loaded")
    load(service, there.id)
    await loaded(service, there.id)
    sandbox.requests.clear()
    for held in service.get(f"/v1/users/{sandbox.user('staff_who_also_teach_elsewhere')}/roles").json()["roles"]:
        found = of(service, held["legacy_id"], district=there.id)
        assert found.status_code == 200
        assert found.headers["cache-control"] == "no-store"
        assert found.json()["district"] == there.id
        assert found.json()["users"] == [{"user": sandbox.user("staff_who_also_teach_elsewhere"), "role": held["role"]}]
    assert of(service, "4" * 24).status_code == 404
    assert of(service, "no id").status_code == 422
    assert of(service, "4" * 24, district="e" * 24).status_code == 404
    assert requests_beside_events(sandbox) == set()
