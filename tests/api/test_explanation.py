"""`GET /v1/users/{id}/explanation`: why a permission is held, and what is missing where it is not."""

from pathlib import Path

import httpx
import pytest

from app.api.openapi import EXAMPLES
from app.main import default_policy
from app.policy_files.yaml import read_policy
from tests.conftest import MovedClock, Sandbox, Serve

NORTH, SOUTH = "66826200160e91311d000000", "66826201160e91311d000001"
NOWHERE = "000000000000000000000000"
REVISION = read_policy(default_policy()).revision


def section(number: int) -> str:
    return f"{0x66826200 + number:08x}f00d2c317a{number:06x}"


AT_NORTH, AT_SOUTH, TAUGHT_AWAY = section(2), section(5), section(136)


def explanation(service: httpx.Client, user: str, permission: str, /, **asked: str) -> httpx.Response:
    return service.get(f"/v1/users/{user}/explanation", params={"permission": permission, **asked})


def test_a_grant_names_role_statement_and_fact(service: httpx.Client, sandbox: Sandbox) -> None:
    user = sandbox.user("staff_who_also_teach_elsewhere")
    taught = {"scope": "section", "id": TAUGHT_AWAY, "through": "teacher", "fact": "teaches this section"}
    assert explanation(service, user, "section:edit", section=TAUGHT_AWAY).json() == {
        "user": user,
        "district": sandbox.district,
        "role": None,
        "permission": "section:edit",
        "held": True,
        "reason": "granted",
        "rule": "superset",
        "roles": ["staff", "teacher"],
        "summary": "section:edit is held: teaches this section (roles.teacher[0]); "
        "teaches this section (roles.teacher[0] by the level of staff).",
        "grounds": [
            {"role": "teacher", "statements": ["roles.teacher[0]"], "how": "statement", **taught},
            {"role": "staff", "statements": ["roles.teacher[0]"], "how": "level", **taught},
        ],
        "missing": [],
        "policy": {"rule": "superset", "revision": REVISION},
        "stale": False,
    }


def test_a_denial_tells_what_each_role_lacks(service: httpx.Client, sandbox: Sandbox) -> None:
    user = sandbox.user("staff_who_also_teach_elsewhere")
    answer = explanation(service, user, "section:edit", section=AT_SOUTH).json()
    assert answer["summary"].startswith(
        "section:edit is not held: teaches 1 section, not this one; "
        "staff at 1 school, this section's school is another; no district admin role is shared with this application"
    )
    assert answer == EXAMPLES["ExplanationBody"]


@pytest.mark.parametrize(
    ("case", "permission", "places", "told"),
    [
        ("principal", "report:export", {"school": NORTH}, "staff at this school (roles.staff[2])"),
        (
            "staff_tech_lead",
            "report:export",
            {"school": NORTH},
            "staff title is technology coordinator, not Principal or Assistant Principal",
        ),
        ("principal", "device:manage", {"section": AT_NORTH}, "staff roles are PortalOnly, not SchoolTechLead"),
        (
            "emergency_contact",
            "student:view",
            "student_one_school",
            "contact type is not Parent/Guardian, Parent, Primary, Secondary or Family",
        ),
        ("contact", "student:view", "student_one_school", "is a contact of this student (roles.contact[0])"),
        (
            "teacher_only",
            "student:view",
            "student_one_school",
            "teaches one of this student's sections (roles.teacher[0])",
        ),
        ("teacher_only", "student:view", "student_of_another_school_in_section", "teaches 2 sections, this student's"),
        ("district_admin_only", "district:view", {}, "district admin of this district (roles.district_admin[0])"),
        ("principal", "section:edit", {}, "staff at 1 school, not the whole district"),
        (
            "student_one_school",
            "assignment:submit",
            {"section": section(0), "school": NORTH},
            "is enrolled in this section (roles.student[0])",
        ),
    ],
)
def test_named_cases(
    case: str, permission: str, places: dict[str, str] | str, told: str, service: httpx.Client, sandbox: Sandbox
) -> None:
    where = {"student": sandbox.user(places)} if isinstance(places, str) else places
    assert told in explanation(service, sandbox.user(case), permission, **where).json()["summary"]


def test_a_role_context_tells_which_other_role_would_do(service: httpx.Client, sandbox: Sandbox) -> None:
    user = sandbox.user("staff_who_also_teach_elsewhere")
    answer = explanation(service, user, "school:view", school=NORTH, role="teacher").json()
    assert (answer["held"], answer["role"], answer["missing"][-1]["lack"]) == (False, "teacher", "role")
    assert answer["missing"][0] == {
        "lack": "context",
        "role": "staff",
        "scope": None,
        "statements": ["roles.staff[0]"],
        "detail": "staff gives it here, but only teacher was asked about",
    }


@pytest.mark.parametrize(
    ("permission", "places", "reason"),
    [
        ("section:burn", {"section": AT_NORTH}, "unknown_action"),
        ("school:view", {"section": AT_NORTH}, "not_applicable"),
        ("section:edit", {"section": NOWHERE}, "unknown_resource"),
        ("student:view", {"student": NOWHERE}, "unknown_resource"),
        ("section:edit", {"section": AT_NORTH, "school": SOUTH}, "places_disagree"),
        ("section:edit", {"section": AT_NORTH, "school": NOWHERE}, "places_disagree"),
    ],
)
def test_a_question_that_comes_to_nothing_is_a_denial(
    permission: str, places: dict[str, str], reason: str, service: httpx.Client, sandbox: Sandbox
) -> None:
    answer = explanation(service, sandbox.user("principal"), permission, **places).json()
    assert (answer["held"], answer["reason"], answer["grounds"], answer["missing"]) == (False, reason, [], [])


def test_what_is_held_nowhere_is_denied_for_that_as_in_a_check_though_the_place_is_not_there(
    service: httpx.Client, sandbox: Sandbox
) -> None:
    user = sandbox.user("teacher_only")
    answer = explanation(service, user, "school:view", school=NOWHERE).json()
    check = {
        "subject": {"type": "user", "id": user},
        "action": {"name": "view"},
        "resource": {"type": "school", "id": NOWHERE},
    }
    decided = service.post("/access/v1/evaluation", json=check).json()["context"]["reason"]
    assert (answer["reason"], decided) == ("not_permitted", "not_permitted")
    assert [each["lack"] for each in answer["missing"]] == ["role", "role"]


def test_what_is_held_on_a_place_is_explained_as_in_a_check_though_clever_has_it_no_more(
    service: httpx.Client, sandbox: Sandbox
) -> None:
    user = sandbox.user("teacher_only")
    taught = section(0)
    explanation(service, user, "section:edit")
    httpx.delete(f"{sandbox.url}/_sandbox/sections/{taught}").raise_for_status()
    answer = explanation(service, user, "section:edit", section=taught).json()
    assert (answer["reason"], answer["grounds"][0]["fact"]) == ("granted", "teaches this section")


@pytest.mark.parametrize(
    ("asked", "at"),
    [
        ("", "permission"),
        ("permission=section", "permission"),
        ("permission=*:view", "permission"),
        ("permission=section:edit&permission=section:view", "permission"),
        ("permission=section:edit&sektion=66826202f00d2c317a000002", "sektion"),
        ("permission=section:edit&role=principal", "role"),
    ],
)
def test_bad_input(asked: str, at: str, service: httpx.Client, sandbox: Sandbox) -> None:
    answer = service.get(f"/v1/users/{sandbox.user('principal')}/explanation?{asked}")
    assert (answer.status_code, [each["at"] for each in answer.json()["errors"]]) == (422, [at])


@pytest.mark.parametrize("kind", ["section", "school", "student", "user", "district"])
def test_a_place_without_the_shape_of_an_id_is_refused(kind: str, service: httpx.Client, sandbox: Sandbox) -> None:
    answer = explanation(service, sandbox.user("principal"), "section:edit", **{kind: "North"})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:problem-type:rosterguard:malformed-id")


def test_who_is_unknown_and_which_role_is_not_held_are_problems(service: httpx.Client, sandbox: Sandbox) -> None:
    assert explanation(service, NOWHERE, "section:edit").status_code == 404
    assert explanation(service, sandbox.user("principal"), "section:edit", role="teacher").status_code == 409


def test_the_age_is_that_of_the_oldest_reading(service: httpx.Client, sandbox: Sandbox, clock: MovedClock) -> None:
    explanation(service, sandbox.user("principal"), "section:edit", section=AT_NORTH)
    clock.move(3)
    answer = explanation(service, sandbox.user("teacher_only"), "section:edit", section=AT_NORTH)
    assert answer.headers["age"] == "3"
    assert answer.headers["cache-control"] == "private, max-age=300, must-revalidate"


def test_the_tag_is_that_of_the_answer(service: httpx.Client, sandbox: Sandbox) -> None:
    url = f"/v1/users/{sandbox.user('principal')}/explanation?permission=section:edit&section="
    tag = service.get(url + AT_NORTH).headers["etag"]
    assert service.get(url + AT_NORTH, headers={"If-None-Match": tag}).status_code == 304
    assert service.get(url + AT_SOUTH, headers={"If-None-Match": tag}).status_code == 200


def test_aliases_and_conditions_on_the_request(serve: Serve, sandbox: Sandbox, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("""
version: 1
rule: scoped
aliases: {classroom: section}
roles:
  teacher:
    - {allow: [classroom:view], over: sections, when: {resource.status: ["", new]}}
    - {allow: [classroom:edit], over: sections, unless: {resource.status: archived}}
    - {allow: [classroom:close], over: sections, when: {resource.status: [ended, empty]}}
""")
    service, user = serve(policy=policy), sandbox.user("teacher_only")
    held = explanation(service, user, "classroom:view", section=section(0)).json()
    assert (held["permission"], held["grounds"][0]["when"]) == ("section:view", {"resource.status": ["", "new"]})
    assert "unless" not in held["grounds"][0]
    open_yet = explanation(service, user, "classroom:edit", section=section(0)).json()
    assert open_yet["reason"] == "condition_not_comparable"
    denied = explanation(service, user, "classroom:close", section=section(0)).json()
    assert denied["reason"] == "condition_not_met"
    assert [(each["lack"], each["detail"]) for each in denied["missing"]] == [
        ("request", "teacher only where resource.status is ended or empty, of which this question says nothing")
    ]
