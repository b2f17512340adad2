"""The named cases, each as a reader of Clever's API meets it: roles, schools, sections."""

from collections import Counter
from typing import Any

import httpx
import pytest

from app.sandbox.world import World

SENT_FOR_PERMISSIONS = ("school", "schools", "roles", "student_relationships")
PORTAL = {"schools": ["north"], "roles": ["PortalOnly"]}
TEACHER = {"school": "north", "schools": ["north"]}
PARENT = {"student": "student_one_school", "relationship": "Parent", "type": "Parent/Guardian"}

# name: (the fields of each role that permissions rest on, what /schools lists, how they stand in what /sections lists)
CASES: dict[str, tuple[dict[str, Any], list[str], dict[str, int]]] = {
    "student_one_school": ({"student": TEACHER}, ["north"], {"students": 2}),
    "student_at_two_schools": (
        {"student": {"school": "north", "schools": ["north", "south"]}},
        ["north", "south"],
        {"students": 2},
    ),
    "teacher_only": ({"teacher": TEACHER}, ["north"], {"teacher, teachers": 2}),
    "co_teacher": ({"teacher": TEACHER}, ["north"], {"teachers": 1}),
    "primary_teacher_only_in_teacher_field": ({"teacher": TEACHER}, ["north"], {"teacher": 1}),
    "teacher_of_many_sections": (
        {"teacher": {"school": "south", "schools": ["south"]}},
        ["south"],
        {"teacher, teachers": 130},
    ),
    "section_at_another_school": (
        {"teacher": {"school": "north", "schools": ["south"]}},
        ["north", "south"],
        {"teacher, teachers": 1},
    ),
    "staff_portal_only": ({"staff": PORTAL}, ["north"], {}),
    "staff_tech_lead": ({"staff": {"schools": ["north"], "roles": ["SchoolTechLead"]}}, ["north"], {}),
    "staff_both_qualifiers": (
        {"staff": {"schools": ["north", "south"], "roles": ["PortalOnly", "SchoolTechLead"]}},
        ["north", "south"],
        {},
    ),
    "principal": ({"staff": PORTAL}, ["north"], {}),
    "staff_who_also_teach_same_school": ({"teacher": TEACHER, "staff": PORTAL}, ["north"], {"teacher, teachers": 1}),
    "staff_who_also_teach_elsewhere": (
        {"teacher": {"school": "south", "schools": ["south"]}, "staff": PORTAL},
        ["north", "south"],
        {"teacher, teachers": 1},
    ),
    "teacher_and_district_admin": (
        {"teacher": TEACHER, "district_admin": {}},
        ["north"],
        {"teacher, teachers": 1},
    ),
    "district_admin_only": ({"district_admin": {}}, [], {}),
    "all_three_roles": (
        {
            "teacher": {"school": "west", "schools": ["west"]},
            "staff": {"schools": ["south"], "roles": ["SchoolTechLead"]},
            "district_admin": {},
        },
        ["south", "west"],
        {"teacher, teachers": 1},
    ),
    "contact": ({"contact": {"student_relationships": [PARENT]}}, [], {}),
    "emergency_contact": (
        {"contact": {"student_relationships": [{**PARENT, "relationship": "Other", "type": "Emergency"}]}},
        [],
        {},
    ),
    "contact_of_two": (
        {
            "contact": {
                "student_relationships": [
                    PARENT,
                    {"student": "student_at_two_schools", "relationship": "Other", "type": "Emergency"},
                ]
            }
        },
        [],
        {},
    ),
    "user_without_roles": ({}, [], {}),
    "user_with_null_role": ({"teacher": TEACHER, "staff": None}, ["north"], {"teacher, teachers": 1}),
    "roles_with_empty_lists": ({"teacher": {"schools": []}, "staff": {"schools": [], "roles": []}}, [], {}),
    "teacher_with_empty_role_object": ({"teacher": {}}, [], {"teacher, teachers": 1}),
    "unknown_role_name": (
        {"teacher": TEACHER, "librarian": {"schools": ["north"]}},
        ["north"],
        {"teacher, teachers": 1},
    ),
    "unknown_staff_role": ({"staff": {"schools": ["north"], "roles": ["CurriculumLead"]}}, ["north"], {}),
    "legacy_id_in_section": ({"teacher": TEACHER}, ["north"], {"": 1}),
    "staff_school_not_confirmed": ({"staff": {**PORTAL, "schools": ["north", "unshared"]}}, ["north"], {}),
    "former_school_id_malformed": ({"staff": {**PORTAL, "schools": ["school-42", "north"]}}, ["north"], {}),
    "student_of_another_school_in_section": (
        {"student": {"school": "west", "schools": ["west"]}},
        ["west"],
        {"students": 1},
    ),
    "unshared_student_in_section": ({"teacher": TEACHER}, ["north"], {"teacher, teachers": 1}),
    "teacher_of_every_term": ({"teacher": TEACHER}, ["north"], {"teacher, teachers": 5}),
}


def named(world: World, value: Any) -> Any:
    """Put a name for every id that this file has one for."""
    schools = world.districts[0].all_schools
    names = {school.id: name for school, name in zip(schools, ("north", "south", "west"), strict=True)}
    names |= {case.user: name for name, case in world.cases.items()}
    match value:
        case dict():
            return {key: named(world, one) for key, one in value.items()}
        case list():
            return [named(world, one) for one in value]
        case str() if len(value) == 24 and value.isalnum():
            return names.get(value, "unshared")
        case _:
            return value


def permission_fields(role: dict[str, Any] | None) -> dict[str, Any] | None:
    return role and {field: role[field] for field in SENT_FOR_PERMISSIONS if field in role}


def standing(user: str, section: dict[str, Any]) -> str:
    fields = ("teacher", "teachers", "students")
    return ", ".join(field for field in fields if user in (section.get(field) or ()))


async def data(clever: httpx.AsyncClient, path: str) -> Any:
    return (await clever.get(f"/v3.0/users/{path}")).raise_for_status().json()["data"]


def test_the_cases_are_these(world: World) -> None:
    assert list(world.cases) == list(CASES)
    assert all(case.about.endswith(".") and case.district == world.districts[0].id for case in world.cases.values())


@pytest.mark.parametrize("name", CASES)
async def test_a_case_has_the_shape_it_is_named_for(clever: httpx.AsyncClient, world: World, name: str) -> None:
    user, (roles, schools, sections) = world.cases[name].user, CASES[name]
    sent = await data(clever, user)
    assert {role: permission_fields(named(world, held)) for role, held in sent["roles"].items()} == roles
    listed = [item["data"] for item in await data(clever, f"{user}/schools")]
    assert [named(world, school["id"]) for school in listed] == schools
    found = [item["data"] for item in await data(clever, f"{user}/sections?limit=10000")]
    assert Counter(standing(user, section) for section in found) == sections


async def test_only_the_title_tells_a_principal(clever: httpx.AsyncClient, world: World) -> None:
    staff = (await data(clever, world.cases["principal"].user))["roles"]["staff"]
    assert (staff["title"], staff["department"]) == ("Principal", "Administration")


async def test_an_empty_role_and_one_that_is_null_are_sent_as_such(clever: httpx.AsyncClient, world: World) -> None:
    empty = await data(clever, world.cases["teacher_with_empty_role_object"].user)
    null = await data(clever, world.cases["user_with_null_role"].user)
    assert (empty["roles"], null["roles"]["staff"]) == ({"teacher": {}}, None)


async def test_a_section_names_a_teacher_by_an_id_from_before_3_0(clever: httpx.AsyncClient, world: World) -> None:
    user = world.cases["legacy_id_in_section"].user
    legacy = (await data(clever, user))["roles"]["teacher"]["legacy_id"]
    [section] = [item["data"] for item in await data(clever, f"{user}/sections")]
    assert section["teachers"] == [section["teacher"], legacy]


async def test_each_role_has_a_legacy_id_of_its_own_and_a_student_keeps_theirs(
    clever: httpx.AsyncClient, world: World
) -> None:
    every = await data(clever, world.cases["all_three_roles"].user)
    assert len({every["id"], *(role["legacy_id"] for role in every["roles"].values())}) == 4
    student = await data(clever, world.cases["student_one_school"].user)
    assert student["roles"]["student"]["legacy_id"] == student["id"]


async def test_a_school_that_is_not_shared_is_not_found(clever: httpx.AsyncClient, world: World) -> None:
    staff = (await data(clever, world.cases["staff_school_not_confirmed"].user))["roles"]["staff"]
    statuses = [(await clever.get(f"/v3.0/schools/{school}")).status_code for school in staff["schools"]]
    assert statuses == [200, 404]


async def test_a_section_lies_at_another_school_than_its_student(clever: httpx.AsyncClient, world: World) -> None:
    [section] = await data(clever, f"{world.cases['student_of_another_school_in_section'].user}/sections")
    assert named(world, section["data"]["school"]) == "north"


async def test_a_section_lists_a_student_who_is_not_found(clever: httpx.AsyncClient, world: World) -> None:
    [section] = await data(clever, f"{world.cases['unshared_student_in_section'].user}/sections")
    students = section["data"]["students"]
    statuses = {one: (await clever.get(f"/v3.0/users/{one}")).status_code for one in students}
    assert sorted(statuses.values()) == [200, 200, 404]
    shared = (await clever.get(f"/v3.0/sections/{section['data']['id']}/users?role=student")).json()["data"]
    assert {item["data"]["id"] for item in shared} == {one for one in students if statuses[one] == 200}
