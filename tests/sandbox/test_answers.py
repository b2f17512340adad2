"""Every answer has Clever's shape: envelopes, links, fields."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from app.sandbox.world import World

SCHEMA = json.loads(Path(__file__).with_name("schema.json").read_text())


def check(kind: str, value: object) -> None:
    Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": SCHEMA["$defs"]}).validate(value)


async def read(clever: httpx.AsyncClient, path: str) -> Any:
    answer = await clever.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json"), path
    return answer.json()


@pytest.mark.parametrize("version", ["v3.0", "v3.1"])
@pytest.mark.parametrize("kind", ["users", "schools", "sections", "districts"])
async def test_every_record_has_its_shape_in_the_list_and_alone(
    clever: httpx.AsyncClient, version: str, kind: str
) -> None:
    listed = await read(clever, f"/{version}/{kind}?limit=10000")
    check("list", listed)
    for item in listed["data"]:
        check(kind, item["data"])
        alone = await read(clever, item["uri"])
        check("one", alone)
        assert alone["data"] == item["data"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("users/{user}/sections", "sections"),
        ("users/{user}/schools", "schools"),
        ("users/{user}/mystudents", "users"),
        ("users/{user}/myteachers", "users"),
        ("users/{user}/mycontacts", "users"),
    ],
)
async def test_what_belongs_to_a_user_comes_as_a_list_of_its_kind(
    clever: httpx.AsyncClient, world: World, path: str, kind: str
) -> None:
    for case in world.cases.values():
        listed = await read(clever, f"/v3.1/{path.format(user=case.user)}")
        check("list", listed)
        for item in listed["data"]:
            check(kind, item["data"])


async def test_the_links_of_a_record_lead_to_answers(clever: httpx.AsyncClient, world: World) -> None:
    district = world.districts[0]
    for record in (district.all_users[0], district.all_schools[0], district.all_sections[0], district):
        kind = f"{type(record).__name__.lower()}s"
        for link in (await read(clever, f"/v3.0/{kind}/{record.id}"))["links"]:
            await read(clever, link["uri"])


async def test_a_user_links_to_what_belongs_to_them(clever: httpx.AsyncClient, world: World) -> None:
    case = world.cases["teacher_only"]
    answer = await read(clever, f"/v3.0/users/{case.user}")
    assert answer["links"] == [
        {"rel": "self", "uri": f"/v3.0/users/{case.user}"},
        {"rel": "district", "uri": f"/v3.0/districts/{case.district}"},
        {"rel": "schools", "uri": f"/v3.0/users/{case.user}/schools"},
        {"rel": "sections", "uri": f"/v3.0/users/{case.user}/sections"},
        {"rel": "myStudents", "uri": f"/v3.0/users/{case.user}/mystudents"},
        {"rel": "myTeachers", "uri": f"/v3.0/users/{case.user}/myteachers"},
        {"rel": "myContacts", "uri": f"/v3.0/users/{case.user}/mycontacts"},
    ]


async def test_version_3_1_adds_fields_and_changes_none(clever: httpx.AsyncClient, world: World) -> None:
    case = world.cases["student_one_school"]
    older, newer = [(await read(clever, f"/{version}/users/{case.user}"))["data"] for version in ("v3.0", "v3.1")]
    student = newer["roles"]["student"]
    assert newer == {**older, "roles": {"student": student}, "lms_status": None}
    assert {name: student[name] for name in older["roles"]["student"]} == older["roles"]["student"]
    assert sorted(student.keys() - older["roles"]["student"].keys()) == [
        "disability",
        "frl_status",
        "gifted_status",
        "home_language_code",
        "preferred_name",
        "section_504_status",
    ]


async def test_a_contact_has_the_whole_name_in_last(clever: httpx.AsyncClient, world: World) -> None:
    answer = await read(clever, f"/v3.0/users/{world.cases['contact'].user}")
    assert answer["data"]["name"] == {"last": "Jasper Ironwood-19"}


async def test_the_district_of_a_user_is_the_district(clever: httpx.AsyncClient, world: World) -> None:
    case = world.cases["teacher_only"]
    assert await read(clever, f"/v3.0/users/{case.user}/district") == await read(
        clever, f"/v3.0/districts/{case.district}"
    )
