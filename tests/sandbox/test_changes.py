"""A world that changes while it is served: every answer follows, and is what a world made anew would say."""

from dataclasses import replace

import httpx
import pytest
from starlette.applications import Starlette

from app.sandbox.changes import LiveWorld
from app.sandbox.records import District
from app.sandbox.world import World

INDICES = (
    *(
        "all_schools",
        "all_terms",
        "all_courses",
        "all_sections",
        "all_users",
        "users_in_role",
        "contacts_of_student",
        "users_at_school",
    ),
    *("sections_at_school", "sections_of_user", "owner_of"),
)


def user(world: World, case: str) -> str:
    return world.cases[case].user


async def ids(clever: httpx.AsyncClient, path: str) -> list[str]:
    answer = await clever.get(f"/v3.1/{path}")
    return [item["data"]["id"] for item in answer.raise_for_status().json()["data"]]


async def patched(clever: httpx.AsyncClient, path: str, change: dict[str, object]) -> None:
    answer = await clever.patch(f"/_sandbox/{path}", json=change)
    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_role_given_replaces_that_role_and_no_other(clever: httpx.AsyncClient, world: World) -> None:
    both, south = user(world, "staff_who_also_teach_elsewhere"), world.districts[0].all_schools[1].id
    before = (await clever.get(f"/v3.1/users/{both}")).json()["data"]["roles"]
    await patched(clever, f"users/{both}", {"roles": {"staff": {"schools": [south]}}})
    roles = (await clever.get(f"/v3.1/users/{both}")).json()["data"]["roles"]
    assert roles["teacher"] == before["teacher"]
    assert {name: roles["staff"].get(name) for name in ("schools", "legacy_id", "title")} == {
        "schools": [south],
        "legacy_id": before["staff"]["legacy_id"],
        "title": None,
    }
    assert await ids(clever, f"users/{both}/schools") == [south]


async def test_a_role_can_be_taken_away_and_given(clever: httpx.AsyncClient, world: World) -> None:
    both, school = user(world, "staff_who_also_teach_same_school"), world.districts[0].all_schools[2].id
    await patched(clever, f"users/{both}", {"roles": {"teacher": None, "district_admin": {}}})
    await patched(clever, f"users/{both}", {"roles": {"staff": {"schools": [school]}}})
    roles = (await clever.get(f"/v3.1/users/{both}")).json()["data"]["roles"]
    assert (list(roles), roles["district_admin"]) == (["staff", "district_admin"], {})
    assert both not in await ids(clever, "users?role=teacher&limit=10000")
    assert both in await ids(clever, "users?role=district_admin")
    assert both in await ids(clever, f"schools/{school}/users?role=staff&limit=1000")


async def test_people_of_a_section_and_their_sections_follow(clever: httpx.AsyncClient, world: World) -> None:
    teacher, other, student = (user(world, one) for one in ("teacher_only", "co_teacher", "student_one_school"))
    section, kept = await ids(clever, f"users/{teacher}/sections")
    await patched(clever, f"sections/{section}", {"teachers": [other], "students": [student]})
    assert await ids(clever, f"users/{teacher}/sections") == [kept]
    assert section in await ids(clever, f"users/{other}/sections")
    assert await ids(clever, f"sections/{section}/users") == sorted((other, student))
    record = (await clever.get(f"/v3.1/sections/{section}")).json()["data"]
    assert [record[name] for name in ("teacher", "teachers", "students")] == [other, [other], [student]]


async def test_a_section_can_move(clever: httpx.AsyncClient, world: World) -> None:
    section, *_ = await ids(clever, f"users/{user(world, 'teacher_only')}/sections")
    north, south = (school.id for school in world.districts[0].all_schools[:2])
    await patched(clever, f"sections/{section}", {"school": south})
    assert section not in await ids(clever, f"schools/{north}/sections?limit=10000")
    assert section in await ids(clever, f"schools/{south}/sections?limit=10000")
    answer = (await clever.get(f"/v3.1/sections/{section}")).json()
    assert (answer["data"]["school"], answer["links"][-2]["uri"]) == (south, f"/v3.1/schools/{south}")


async def test_who_is_removed_is_unknown_and_in_no_list(clever: httpx.AsyncClient, world: World) -> None:
    student, teacher = user(world, "student_one_school"), user(world, "teacher_only")
    school = world.districts[0].users[student].ids_in("student", "school")[0]
    assert (await clever.delete(f"/_sandbox/users/{student}")).status_code == 204
    for path in ("", "/sections", "/schools", "/mycontacts"):
        assert (await clever.get(f"/v3.1/users/{student}{path}")).status_code == 404
    for path in ("users", "users", f"schools/{school}/users", f"users/{teacher}/mystudents"):
        assert student not in await ids(clever, f"{path}?limit=10000")


async def test_a_section_that_is_removed_is_unknown_and_in_no_list(clever: httpx.AsyncClient, world: World) -> None:
    teacher = user(world, "teacher_only")
    section, kept = await ids(clever, f"users/{teacher}/sections")
    assert (await clever.delete(f"/_sandbox/sections/{section}")).status_code == 204
    assert (await clever.get(f"/v3.1/sections/{section}")).status_code == 404
    assert await ids(clever, f"users/{teacher}/sections") == [kept]
    assert section not in await ids(clever, "sections?limit=10000")


async def test_a_reset_brings_world_faults_and_limits_back_to_the_start(
    clever: httpx.AsyncClient, sandbox: Starlette, world: World
) -> None:
    teacher = user(world, "teacher_only")
    at_start = sandbox.state.rate_limit, sandbox.state.delay_ms
    await clever.put("/_sandbox/limits", json={"rate_limit": 1, "delay_ms": 1})
    await clever.delete(f"/_sandbox/users/{teacher}")
    await clever.put("/_sandbox/faults", json={"faults": [{"kind": "gone"}]})
    assert (await clever.post("/_sandbox/reset")).status_code == 204
    assert (await clever.get(f"/v3.1/users/{teacher}")).status_code == 200
    assert list(sandbox.state.world.districts.values()) == list(world.districts)
    assert (sandbox.state.rate_limit, sandbox.state.delay_ms) == at_start


BODIES: dict[str, dict[str, object]] = {
    "users": {"roles": {"teacher": {"title": "New here"}}},
    "sections": {"school": "0" * 24, "teachers": [], "students": []},
    "schools": {"name": "New School"},
    "terms": {"name": "New Term"},
    "courses": {"name": "New Course"},
}


@pytest.mark.parametrize("kind", [*BODIES, "districts"])
async def test_nothing_can_be_changed_that_is_not_there(clever: httpx.AsyncClient, kind: str) -> None:
    for method in ("PATCH", "DELETE") if kind in BODIES else ("PATCH",):
        answer = await clever.request(method, f"/_sandbox/{kind}/{'0' * 24}", json=BODIES.get(kind, {}))
        assert (answer.status_code, answer.json()) == (404, {"message": "Resource not found"})


@pytest.mark.parametrize("kind", BODIES)
async def test_what_is_added_stands_at_the_end_of_its_list(clever: httpx.AsyncClient, kind: str) -> None:
    before = await ids(clever, f"{kind}?limit=10000")
    answer = await clever.post(f"/_sandbox/{kind}", json=BODIES[kind])
    assert (answer.status_code, await ids(clever, f"{kind}?limit=10000")) == (201, [*before, answer.json()["id"]])
    await clever.delete(f"/_sandbox/{kind}/{answer.json()['id']}")
    assert await ids(clever, f"{kind}?limit=10000") == before
    again = await clever.post(f"/_sandbox/{kind}", json=BODIES[kind])
    assert again.json()["id"] not in {*before, answer.json()["id"]}


async def test_something_can_be_added_to_a_named_district(clever: httpx.AsyncClient, world: World) -> None:
    for district, status in ((world.districts[0].id, 201), ("0" * 24, 404)):
        assert (await clever.post("/_sandbox/schools", json={"name": "A", "district": district})).status_code == status


async def test_a_section_changes_its_term_and_a_term_its_dates(clever: httpx.AsyncClient, world: World) -> None:
    section, *_ = await ids(clever, f"users/{user(world, 'teacher_only')}/sections")
    term = (await clever.post("/_sandbox/terms", json={"start_date": "2026-09-01"})).json()["id"]
    await patched(clever, f"sections/{section}", {"term_id": term, "course": None})
    await patched(clever, f"terms/{term}", {"end_date": "at Christmas"})
    told = (await clever.get(f"/v3.1/sections/{section}/term")).json()["data"]
    assert (told["id"], told["start_date"], told["end_date"]) == (term, "2026-09-01", "at Christmas")
    assert await ids(clever, f"terms/{term}/sections") == [section]


async def test_a_district_says_what_it_is_told_to_say(clever: httpx.AsyncClient, world: World) -> None:
    district = world.districts[0].id
    told = {"state": "pending", "error": "Upload failed", "pause_start": "soon", "pause_end": 7, "launch_date": None}
    await patched(clever, f"districts/{district}", told)
    record = (await clever.get(f"/v3.1/districts/{district}")).json()["data"]
    assert {name: record[name] for name in told} == told
    await patched(clever, f"districts/{district}", {"error": None, "last_sync": "2026-11-30T06:00:00.000Z"})
    record = (await clever.get(f"/v3.1/districts/{district}")).json()["data"]
    assert ("error" in record, record["last_sync"]) == (False, "2026-11-30T06:00:00.000Z")


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("users", {"rolls": {}}, "roles: Field required; rolls: Extra inputs are not permitted"),
        ("users", {"roles": {"staff": {"schools": "all"}}}, "roles.staff.schools: Input should be a valid array"),
        ("sections", {"teachers": None}, "teachers: Input should be a valid array"),
        ("sections", {"title": "Art"}, "title: Extra inputs are not permitted"),
        ("terms", {"start": "2026-09-01"}, "start: Extra inputs are not permitted"),
        ("districts", {"state": 7}, "state: Input should be a valid string"),
    ],
)
async def test_a_change_of_the_wrong_shape_is_refused(
    clever: httpx.AsyncClient, path: str, body: dict[str, object], message: str
) -> None:
    answer = await clever.patch(f"/_sandbox/{path}/{'0' * 24}", json=body)
    assert (answer.status_code, answer.json()) == (400, {"message": message})


def test_what_was_looked_up_before_a_change_is_what_would_be_looked_up_anew(world: World) -> None:
    live = LiveWorld(world)
    known(live.districts[world.districts[0].id])
    teacher, pupil, named = (user(world, one) for one in ("teacher_only", "student_one_school", "legacy_id_in_section"))
    section, second = (one.id for one in world.districts[0].sections_of_user[teacher])
    live.change_user(named, {"teacher": None, "contact": {"student_relationships": ({"student": pupil},)}})
    school = world.districts[0].all_schools[2].id
    live.change("sections", section, teachers=(named, pupil), students=(), school=school)
    live.change_user(named, {"teacher": {"title": "Back again"}})
    live.change_user(teacher, {"teacher": {"legacy_id": pupil}})
    live.remove("users", user(world, "principal"))
    live.remove("sections", second)
    school = live.add("schools", None)
    newcomer = live.add_user(None, {"teacher": {"school": school, "schools": (school,), "legacy_id": teacher}})
    live.add("sections", None, school=school, teachers=(newcomer,), students=(pupil,))
    live.add("terms", None, start_date="2026-09-01")
    live.change_district(world.districts[0].id, state="paused")
    [district] = live.districts.values()
    assert known(district) == known(replace(district))


def known(district: District) -> dict[str, object]:
    """Look everything up; groups that nobody is left in say the same as none."""
    found = {name: getattr(district, name) for name in INDICES}
    return {
        name: {key: group for key, group in value.items() if group} if isinstance(value, dict) else value
        for name, value in found.items()
    }
