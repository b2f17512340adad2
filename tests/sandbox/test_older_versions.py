"""Versions before 3.0 tell of the same district, with an account and an id for each role of a person."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from app.sandbox.faults import Fault, Faults, KindName
from app.sandbox.records import OLD_COLLECTIONS
from app.sandbox.world import World

OLDER = ["v1.1", "v1.2", "v2.0", "v2.1"]
NORTH, SOUTH, WEST = range(3)


async def data(clever: httpx.AsyncClient, path: str) -> Any:
    return (await clever.get(path)).raise_for_status().json()["data"]


async def records(clever: httpx.AsyncClient, path: str) -> Mapping[str, Any]:
    """The records of a list by id; some lists of version 1 are bare."""
    items = [one.get("data", one) for one in await data(clever, f"{path}?limit=10000")]
    return {one["id"]: one for one in items}


def old_id(world: World, case: str, role: str) -> str:
    district = world.districts[0]
    return district.users[world.cases[case].user].ids_in(role, "legacy_id")[0]


@pytest.mark.parametrize("version", OLDER)
@pytest.mark.parametrize(("role", "collection"), OLD_COLLECTIONS.items())
async def test_every_role_with_a_legacy_id_is_an_account_with_that_id(
    sandbox: Starlette, clever: httpx.AsyncClient, version: str, role: str, collection: str
) -> None:
    sandbox.state.world.change_at_random(None, seed=3, changes=100, sync=25)
    users = (await records(clever, "/v3.1/users")).values()
    held = {one["id"]: one["roles"][role] for one in users if one["roles"].get(role) is not None}
    with_account = {one: fields for one, fields in held.items() if role == "student" or "legacy_id" in fields}
    expected = [one if role == "student" else fields["legacy_id"] for one, fields in with_account.items()]
    accounts = await records(clever, f"/{version}/{collection}")
    assert list(accounts) == sorted(expected)
    assert [accounts[old].get("school") for old in expected] == [one.get("school") for one in with_account.values()]


async def test_only_a_student_has_the_same_id_in_all_versions(clever: httpx.AsyncClient, world: World) -> None:
    student = world.cases["student_one_school"].user
    everybody = (("teacher", "teacher_only"), ("staff", "principal"), ("district_admin", "district_admin_only"))
    for version in OLDER:
        assert (await clever.get(f"/{version}/students/{student}")).status_code == 200
        for role, case in everybody:
            collection, old, new = OLD_COLLECTIONS[role], old_id(world, case, role), world.cases[case].user
            paths = {f"/{version}/{collection}/{old}": 200, f"/{version}/{collection}/{new}": 404}
            paths |= {f"/v3.0/users/{old}": 404, f"/{version}/students/{old}": 404}
            for path, status in paths.items():
                assert (await clever.get(path)).status_code == status, path


@pytest.mark.parametrize(
    ("case", "accounts"),
    [
        ("staff_who_also_teach_same_school", {"teacher": ([NORTH], [NORTH]), "staff": ([NORTH], None)}),
        ("staff_who_also_teach_elsewhere", {"teacher": ([SOUTH], [SOUTH]), "staff": ([NORTH], None)}),
        ("all_three_roles", {"teacher": ([WEST], [WEST]), "staff": ([SOUTH], None), "district_admin": (None, None)}),
        ("co_teacher", {"teacher": ([NORTH], [NORTH])}),
    ],
)
@pytest.mark.parametrize("version", ["v1.2", "v2.1"])
async def test_a_person_of_several_roles_is_an_account_for_each(
    clever: httpx.AsyncClient, world: World, version: str, case: str, accounts: Mapping[str, Any]
) -> None:
    schools = [one.id for one in world.districts[0].all_schools]
    assert {*world.districts[0].users[world.cases[case].user].roles} == accounts.keys()
    emails = set()
    for role, (named, taught_at) in accounts.items():
        path = f"/{version}/{OLD_COLLECTIONS[role]}/{old_id(world, case, role)}"
        account = await data(clever, path)
        emails.add(account["email"])
        assert account.get("schools") == (named and [schools[one] for one in named])
        if taught_at is not None:
            sections = (await records(clever, f"{path}/sections")).values()
            assert [one["school"] for one in sections] == [schools[one] for one in taught_at]
            assert all(account["id"] in one["teachers"] for one in sections)
    # This alone tells that they are one person.
    assert len(emails) == 1


@pytest.mark.parametrize("version", OLDER)
async def test_the_sections_are_those_of_version_3_with_the_old_ids_of_teachers(
    sandbox: Starlette, clever: httpx.AsyncClient, version: str
) -> None:
    sandbox.state.world.change_at_random(None, seed=3, changes=100, sync=25)
    users = await records(clever, "/v3.1/users")
    teachers = {one["id"]: one["roles"]["teacher"] for one in users.values() if one["roles"].get("teacher") is not None}
    old = {one: fields["legacy_id"] for one, fields in teachers.items() if "legacy_id" in fields}
    old |= {one: one for one in old.values()}
    newer, older = [await records(clever, f"/{each}/sections") for each in ("v3.1", version)]
    assert list(older) == list(newer)
    for one, section in newer.items():
        assert older[one]["students"] == section["students"]
        assert older[one]["school"] == section["school"]
        assert older[one].get("teacher") == old.get(section["teacher"])
        assert older[one].get("teachers") == (
            [old[teacher] for teacher in section["teachers"] if teacher in old] if "teachers" in section else None
        )


async def test_version_1_1_names_the_primary_school_alone(clever: httpx.AsyncClient, world: World) -> None:
    student, [north, south, _] = world.cases["student_at_two_schools"].user, world.districts[0].all_schools
    for version, schools in {"v1.1": None, "v1.2": [north.id, south.id], "v2.0": [north.id, south.id]}.items():
        found = await data(clever, f"/{version}/students/{student}")
        assert (found["school"], found.get("schools")) == (north.id, schools)
    # The others follow from the sections.
    sections = await records(clever, f"/v1.1/students/{student}/sections")
    assert {one["school"] for one in sections.values()} == {north.id, south.id}


async def test_version_1_tells_the_status_of_a_district_in_a_list(
    sandbox: Starlette, clever: httpx.AsyncClient
) -> None:
    [district] = sandbox.state.world.districts
    sandbox.state.world.change_district(
        district, state="paused", pause_start="2025-06-01", pause_end="2025-08-15", error="Frozen"
    )
    status = {"id": district, "error": "Frozen", "last_sync": "2024-09-02T08:00:00.000Z", "sis_type": "sftp"}
    assert await data(clever, f"/v1.1/districts/{district}/status") == [{"data": status | {"state": "running"}}]
    times = {"launch_date": "2024-08-19", "pause_start": "2025-06-01", "pause_end": "2025-08-15"}
    since_1_2 = {"state": "paused"} | {name: f"{day}T00:00:00.000Z" for name, day in times.items()}
    assert await data(clever, f"/v1.2/districts/{district}/status") == [{"data": status | since_1_2}]
    assert (await clever.get(f"/v2.0/districts/{district}/status")).status_code == 404
    for version in ("v2.0", "v2.1"):
        assert (await data(clever, f"/{version}/districts/{district}")).items() >= {"state": "paused", **times}.items()
    assert (await data(clever, f"/v1.2/districts/{district}")).keys() == {"id", "name", "mdr_number"}


async def test_a_state_that_came_with_version_2_1_is_another_one_before(
    sandbox: Starlette, clever: httpx.AsyncClient
) -> None:
    [district] = sandbox.state.world.districts
    sandbox.state.world.change_district(district, state="success")
    states = {
        version: (await data(clever, f"/{version}/districts/{district}"))["state"] for version in ("v2.0", "v2.1")
    }
    assert states == {"v2.0": "running", "v2.1": "success"}
    [status] = await data(clever, f"/v1.2/districts/{district}/status")
    assert status["data"]["state"] == "running"


async def test_a_contact_has_one_student_in_version_1_and_one_relationship_in_version_2(
    clever: httpx.AsyncClient, world: World
) -> None:
    one, two = world.cases["student_one_school"].user, world.cases["student_at_two_schools"].user
    contact = old_id(world, "contact_of_two", "contact")
    path, shared = f"contacts/{contact}", {"relationship": "Parent", "type": "Parent/Guardian"}
    older = await data(clever, f"/v1.2/{path}")
    assert older.items() >= {"student": one, **shared}.items()
    assert "students" not in older
    assert (await data(clever, f"/v1.2/{path}/student"))["id"] == one
    assert contact not in await records(clever, f"/v1.2/students/{two}/contacts")
    newer = await data(clever, f"/v2.1/{path}")
    assert newer.items() >= {"students": [one, two], **shared}.items()
    assert "student" not in newer
    assert list(await records(clever, f"/v2.1/{path}/students")) == [one, two]
    assert contact in await records(clever, f"/v2.1/students/{two}/contacts")


async def test_version_1_has_terms_and_courses_in_sections(clever: httpx.AsyncClient, world: World) -> None:
    district = world.districts[0]
    section = next(one for one in district.all_sections if one.term and one.course and district.terms[one.term].name)
    term, course = district.terms[section.term or ""], district.courses[section.course or ""]
    found = await data(clever, f"/v1.2/sections/{section.id}")
    assert found["term"] == {"name": term.name, "start_date": term.start_date, "end_date": term.end_date}
    assert (found["course_name"], found["course_number"]) == (course.name, f"{course.number}")
    assert not {"term_id", "course"} & found.keys()
    newer = await data(clever, f"/v2.0/sections/{section.id}")
    assert (newer["term_id"], newer["course"]) == (term.id, course.id)


async def test_dates_of_terms_come_in_three_shapes_in_version_1_1(clever: httpx.AsyncClient) -> None:
    older, newer = [await records(clever, f"/{version}/sections") for version in ("v1.1", "v1.2")]
    rests = set()
    for one, section in newer.items():
        if section.get("term", {}).get("start_date"):
            start = older[one]["term"]["start_date"]
            assert start.startswith(section["term"]["start_date"])
            rests.add(start[10:])
    assert rests == {"", "T00:00:00.000Z", " 00:00:00.000000"}


async def test_no_field_is_null_in_version_1(clever: httpx.AsyncClient) -> None:
    for version in ("v1.1", "v1.2"):
        for path in ("sections", "school_admins", "contacts", "districts"):
            for record in (await records(clever, f"/{version}/{path}")).values():
                assert None not in record.values()


@pytest.mark.parametrize("version", ["v1.1", "v1.2"])
async def test_two_lists_of_version_1_are_bare(clever: httpx.AsyncClient, world: World, version: str) -> None:
    student = world.cases["student_one_school"].user
    for path in ("district_admins", f"students/{student}/contacts"):
        assert all("data" not in one and "id" in one for one in await data(clever, f"/{version}/{path}"))
        assert all(one.keys() == {"data", "uri"} for one in await data(clever, f"/v2.0/{path}"))
    assert len(await data(clever, f"/{version}/district_admins?limit=1")) > 1


async def test_what_came_with_version_2_1_is_not_in_2_0(clever: httpx.AsyncClient, world: World) -> None:
    staff, student = old_id(world, "principal", "staff"), world.cases["student_one_school"].user
    for path, added in {
        f"school_admins/{staff}": {"department", "ext"},
        f"students/{student}": {"enrollments", "ext"},
        f"districts/{world.districts[0].id}": {"district_contact", "login_methods", "portal_url"},
    }.items():
        older, newer = [await data(clever, f"/{version}/{path}") for version in ("v2.0", "v2.1")]
        assert newer == {**older, **{name: newer[name] for name in added}}
        assert newer.keys() - older.keys() == added
    assert (await clever.get("/v2.1/students?count=true")).json() == {
        "count": len(await records(clever, "/v2.1/students"))
    }
    assert "count" not in (await clever.get("/v2.0/students?count=true")).json()


async def test_staff_roles_are_not_known_before_version_3(clever: httpx.AsyncClient, world: World) -> None:
    for version in OLDER:
        for account in (await records(clever, f"/{version}/school_admins")).values():
            assert not {"roles", "legacy_id"} & account.keys()


@pytest.mark.parametrize("version", OLDER)
async def test_the_links_of_an_account_lead_to_answers(clever: httpx.AsyncClient, world: World, version: str) -> None:
    for case, role in (("teacher_only", "teacher"), ("principal", "staff"), ("student_one_school", "student")):
        path = f"/{version}/{OLD_COLLECTIONS[role]}/{old_id(world, case, role)}"
        links = {link["rel"]: link["uri"] for link in (await clever.get(path)).json()["links"]}
        assert links["self"] == path
        assert links["district"] == f"/{version}/districts/{world.districts[0].id}"
        for uri in links.values():
            assert (await clever.get(uri)).status_code == 200, uri


@pytest.mark.parametrize("version", OLDER)
async def test_older_lists_come_in_pages(clever: httpx.AsyncClient, version: str) -> None:
    whole, walked, uri = list(await records(clever, f"/{version}/teachers")), [], f"/{version}/teachers?limit=7"
    while uri:
        answer = (await clever.get(uri)).json()
        walked += [one["data"]["id"] for one in answer["data"]]
        uri = next((link["uri"] for link in answer["links"] if link["rel"] == "next"), "")
    assert walked == whole
    assert (await clever.get(f"/{version}/teachers?limit=10001")).status_code == 413


@pytest.mark.parametrize("version", OLDER)
async def test_older_versions_have_no_events(sandbox: Starlette, clever: httpx.AsyncClient, version: str) -> None:
    sandbox.state.world.change_at_random(None, seed=1, changes=20, sync=20)
    assert await data(clever, f"/{version}/events?ending_before=last&limit=1") == []


async def test_a_change_shows_in_older_versions_at_once(
    sandbox: Starlette, clever: httpx.AsyncClient, world: World
) -> None:
    user, old = world.cases["teacher_only"].user, old_id(world, "teacher_only", "teacher")
    path = f"/v2.1/teachers/{old}"
    assert (await clever.get(path)).status_code == 200
    section = next(one for one in world.districts[0].all_sections if user in one.taught_by)
    sandbox.state.world.change("sections", section.id, teachers=(world.cases["co_teacher"].user,))
    assert section.id not in await records(clever, f"{path}/sections")
    sandbox.state.world.change_user(user, {"teacher": None, "staff": {"legacy_id": "a" * 24, "title": "Principal"}})
    assert (await clever.get(path)).status_code == 404
    assert (await data(clever, f"/v2.1/school_admins/{'a' * 24}"))["title"] == "Principal"


async def test_old_paths_are_counted_and_limited_with_the_others(sandbox: Starlette, clever: httpx.AsyncClient) -> None:
    sandbox.state.rate_limit, sandbox.state.limit.clock = 2, lambda: 1_000_000_030.0
    paths = ("/v1.1/teachers", "/v3.1/users", "/v2.1/teachers")
    assert [(await clever.get(path)).status_code for path in paths] == [200, 200, 429]
    assert sandbox.state.requests == dict.fromkeys(paths, 1)


def put(sandbox: Starlette, kind: KindName, **given: Any) -> None:
    sandbox.state.faults.put(Faults(seed=1, faults=(Fault(kind=kind, **given),)))


@pytest.mark.parametrize("version", OLDER)
async def test_faults_strike_old_paths(
    sandbox: Starlette, clever: httpx.AsyncClient, world: World, version: str
) -> None:
    whole = list(await records(clever, f"/{version}/teachers"))
    path, district = f"/{version}/teachers/{whole[3]}", world.districts[0].id
    put(sandbox, "other_record", path=path)
    assert (await data(clever, path))["id"] == whole[4]
    put(sandbox, "other_district")
    assert (await data(clever, path))["district"] != district
    assert (await data(clever, f"/{version}/districts/{district}"))["id"] != district
    assert all(one["district"] != district for one in (await records(clever, f"/{version}/district_admins")).values())
    put(sandbox, "astray", path="*/district_admins")
    links = (await clever.get(f"/{version}/district_admins")).json()["links"]
    assert links[-1]["uri"].startswith("https://evil.example")
    put(sandbox, "skipped", page=1)
    assert len(await data(clever, f"/{version}/teachers?limit=9")) == 8
    put(sandbox, "gone", path=path)
    assert (await clever.get(path)).json() == (await clever.get(f"/{version}/teachers/nobody")).json()


async def test_the_status_of_a_district_can_be_of_another_one(
    sandbox: Starlette, clever: httpx.AsyncClient, world: World
) -> None:
    path = f"/v1.2/districts/{world.districts[0].id}/status"
    put(sandbox, "other_district")
    [status] = await data(clever, path)
    assert status["data"]["id"] != world.districts[0].id
