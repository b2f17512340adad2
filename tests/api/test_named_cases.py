"""Every named case of the sandbox over HTTP, with the grants that the default policy gives, written by hand."""

import httpx
import pytest

from app.sandbox.world import generate
from tests.conftest import Sandbox, Serve

NORTH, SOUTH, WEST = "66826200160e91311d000000", "66826201160e91311d000001", "66826202160e91311d000002"
UNSHARED = "6682620048c639717c000000"
DISTRICT = "668262003b3817d87d000000"
STUDENT_ONE, STUDENT_TWO = "668262039155dac234000003", "668262049155dac234000004"

TEACHING = ["assignment:grade", "section:edit", "section:view", "student:view"]
STAFF = ["assignment:grade", "school:view", "section:edit", "section:view", "student:view"]
LEARNING = ["assignment:submit", "section:view"]
DISTRICT_WIDE = [
    "assignment:grade",
    "district:view",
    "report:export",
    "school:view",
    "section:edit",
    "section:view",
    "student:view",
]
ADMIN_IN_SECTION = ["assignment:grade", "report:export", "section:edit", "section:view", "student:view"]
ADMIN_IN_SCHOOL = ["assignment:grade", "report:export", "school:view", "section:edit", "section:view", "student:view"]


def section(number: int) -> str:
    return f"{0x66826200 + number:08x}f00d2c317a{number:06x}"


def grant(scope: str, ids: list[str], permissions: list[str], *via: str) -> dict[str, object]:
    return {"scope": scope, "ids": ids, "permissions": permissions, "via": list(via)}


def taught(*numbers: int) -> dict[str, object]:
    return grant("section", [section(number) for number in numbers], TEACHING, "teacher")


def own(user: str) -> dict[str, object]:
    return grant("self", [user], ["user:view"], "student")


WANTED: dict[str, list[dict[str, object]]] = {
    "student_one_school": [
        grant("section", [section(0), section(1)], LEARNING, "student"),
        own(STUDENT_ONE),
    ],
    "student_at_two_schools": [
        grant("section", [section(0), section(136)], LEARNING, "student"),
        own(STUDENT_TWO),
    ],
    "teacher_only": [taught(0, 1)],
    "co_teacher": [taught(2)],
    "primary_teacher_only_in_teacher_field": [taught(3)],
    "teacher_of_many_sections": [taught(*range(4, 134))],
    "section_at_another_school": [taught(134)],
    "staff_portal_only": [grant("school", [NORTH], STAFF, "staff")],
    "staff_tech_lead": [grant("school", [NORTH], sorted([*STAFF, "device:manage"]), "staff")],
    "staff_both_qualifiers": [grant("school", [NORTH, SOUTH], sorted([*STAFF, "device:manage"]), "staff")],
    "principal": [grant("school", [NORTH], sorted([*STAFF, "report:export"]), "staff")],
    "staff_who_also_teach_same_school": [
        grant("school", [NORTH], STAFF, "staff"),
        grant("section", [section(135)], TEACHING, "staff", "teacher"),
    ],
    "staff_who_also_teach_elsewhere": [
        grant("school", [NORTH], STAFF, "staff"),
        grant("section", [section(136)], TEACHING, "staff", "teacher"),
    ],
    "teacher_and_district_admin": [
        grant("district", [DISTRICT], DISTRICT_WIDE, "district_admin"),
        grant("section", [section(137)], ADMIN_IN_SECTION, "district_admin", "teacher"),
    ],
    "district_admin_only": [grant("district", [DISTRICT], DISTRICT_WIDE, "district_admin")],
    "all_three_roles": [
        grant("district", [DISTRICT], sorted([*DISTRICT_WIDE, "device:manage"]), "district_admin"),
        grant("school", [SOUTH], sorted([*ADMIN_IN_SCHOOL, "device:manage"]), "district_admin", "staff"),
        grant(
            "section",
            [section(138)],
            sorted([*ADMIN_IN_SECTION, "device:manage"]),
            "district_admin",
            "staff",
            "teacher",
        ),
    ],
    "contact": [grant("student", [STUDENT_ONE], ["student:view"], "contact")],
    "emergency_contact": [],
    "contact_of_two": [grant("student", [STUDENT_ONE], ["student:view"], "contact")],
    "user_without_roles": [],
    "user_with_null_role": [taught(139)],
    "roles_with_empty_lists": [],
    "teacher_with_empty_role_object": [taught(140)],
    "unknown_role_name": [taught(141)],
    "unknown_staff_role": [grant("school", [NORTH], STAFF, "staff")],
    "legacy_id_in_section": [],
    "staff_school_not_confirmed": [grant("school", [NORTH, UNSHARED], STAFF, "staff")],
    "former_school_id_malformed": [grant("school", [NORTH], STAFF, "staff")],
    "student_of_another_school_in_section": [
        grant("section", [section(143)], LEARNING, "student"),
        own("6682621f9155dac23400001f"),
    ],
    "unshared_student_in_section": [taught(144)],
    "teacher_of_every_term": [taught(*range(145, 150))],
}


def test_every_named_case_is_stated_here() -> None:
    assert set(WANTED) == set(generate().cases)


@pytest.mark.parametrize("case", WANTED)
def test_the_grants_of(case: str, service: httpx.Client, sandbox: Sandbox) -> None:
    answer = service.get(f"/v1/users/{sandbox.user(case)}/permissions")
    assert answer.status_code == 200
    assert answer.json()["grants"] == WANTED[case]


@pytest.mark.parametrize("version", ["v3.0", "v3.1"])
def test_both_versions_of_the_api_lead_to_the_same_grants(version: str, serve: Serve, sandbox: Sandbox) -> None:
    answer = serve(clever_version=version).get(f"/v1/users/{sandbox.user('all_three_roles')}/permissions")
    assert answer.json()["grants"] == WANTED["all_three_roles"]
