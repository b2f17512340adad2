"""What is told of a case whose policy does otherwise than it wants."""

from typing import Any

import pytest

from app.domain.policy import policy_of
from app.domain.policy_case import CaseFile
from app.domain.policy_file import PolicyFile
from app.domain.policy_verdict import complaints

Written = dict[str, Any]

POLICY = policy_of(
    PolicyFile.model_validate(
        {
            "version": 1,
            "rule": "scoped",
            "aliases": {"classroom": "section"},
            "roles": {
                "teacher": [
                    {"allow": ["section:view"], "over": "sections"},
                    {
                        "allow": ["section:edit"],
                        "over": "sections",
                        "when": {"action.soft": [True, 1, "straße"], "context.purpose": "audit"},
                        "unless": {"resource.status": "archived"},
                    },
                ],
                "staff": [{"allow": ["school:view", "note:write"], "over": "schools"}],
            },
        }
    )
)
FACTS: Written = {
    "roles": {"teacher": {"sections": ["sec-b", "sec-a"]}, "staff": {"schools": ["north"]}},
}
STAFF: Written = {"scope": "school", "ids": ["north"], "permissions": ["note:write", "school:view"], "via": ["staff"]}
TEACHER: Written = {
    "scope": "section",
    "ids": ["sec-a", "sec-b"],
    "permissions": ["section:view"],
    "via": ["teacher"],
}
ON_CONDITION: Written = {
    **TEACHER,
    "permissions": ["section:edit"],
    "when": {"context.purpose": "audit", "action.soft": [True, 1, "straße"]},
    "unless": {"resource.status": ["archived"]},
}
ASKS = (
    ', when action.soft is true or 1 or "straße", when context.purpose is "audit", unless resource.status is "archived"'
)


def told(*, role: str | None = None, **wants: object) -> list[str]:
    written = {"description": "One.", "facts": FACTS, **wants} | ({"role": role} if role else {})
    return list(complaints(CaseFile.model_validate(written), POLICY))


def test_nothing_is_told_where_all_is_as_wanted_in_whatever_order() -> None:
    assert told(wanted=[STAFF, TEACHER, ON_CONDITION]) == []
    mixed_up = {**TEACHER, "ids": ["sec-b", "sec-a", "sec-b"]}
    assert told(wanted=[ON_CONDITION, mixed_up, {**STAFF, "permissions": ["school:view", "note:write"]}]) == []


def test_a_grant_that_is_missing_and_one_too_many_are_told() -> None:
    assert told(wanted=[STAFF, {**TEACHER, "ids": ["sec-a"]}, ON_CONDITION]) == [
        "wanted section sec-a: section:view via teacher",
        "found  section sec-a, sec-b: section:view via teacher",
    ]
    assert told(wanted=[]) == [
        "found  school north: note:write, school:view via staff",
        "found  section sec-a, sec-b: section:view via teacher",
        f"found  section sec-a, sec-b: section:edit via teacher{ASKS}",
    ]


def test_grants_are_those_of_the_role_context() -> None:
    assert told(role="staff", wanted=[STAFF]) == []
    assert told(role="teacher", wanted=[STAFF, TEACHER, ON_CONDITION]) == [
        "wanted school north: note:write, school:view via staff",
    ]
    assert told(role="student", wanted=[STAFF, STAFF]) == [
        "found no grants at all: the user does not hold the role student"
    ]


@pytest.mark.parametrize(
    ("conditions", "line"),
    [
        ({}, ""),
        ({"unless": ON_CONDITION["unless"]}, ', unless resource.status is "archived"'),
        (
            {**{key: ON_CONDITION[key] for key in ("when", "unless")}, "unless": {"resource.status": "Archived"}},
            ASKS.replace("archived", "Archived"),
        ),
        (
            {
                "when": {"context.purpose": "audit", "action.soft": [1, True, "straße"]},
                "unless": {"resource.status": "archived"},
            },
            ASKS.replace("true or 1", "1 or true"),
        ),
    ],
)
def test_a_condition_is_the_one_that_is_written(conditions: Written, line: str) -> None:
    grant = {**TEACHER, "permissions": ["section:edit"], **conditions}
    assert told(wanted=[STAFF, TEACHER, grant]) == [
        f"wanted section sec-a, sec-b: section:edit via teacher{line}",
        f"found  section sec-a, sec-b: section:edit via teacher{ASKS}",
    ]


def question(action: object, resource: Written, *, wanted: bool, **others: object) -> Written:
    return {"action": action, "resource": resource, "wanted": wanted, **others}


def test_each_question_that_is_answered_otherwise_is_told() -> None:
    sec_a = {"type": "classroom", "id": "sec-a"}
    questions = [
        question("view", sec_a, wanted=True),
        question("view", sec_a, wanted=False),
        question("edit", sec_a, wanted=True),
        question("edit", sec_a, wanted=False, reason="not_in_reach"),
        question("edit", sec_a, wanted=False, reason="condition_not_met"),
        question("view", {"type": "section", "in": {"school": "north"}}, wanted=True, role="staff"),
        question("note:write", {"type": "note", "in": {"school": ["south", "north"]}}, wanted=True, reason="no_place"),
    ]
    assert told(questions=questions) == [
        "questions[1], view on classroom sec-a: wanted false, found true (granted)",
        "questions[2], edit on classroom sec-a: wanted true, found false (condition_not_met)",
        "questions[3], edit on classroom sec-a: wanted false (not_in_reach), found false (condition_not_met)",
        "questions[5], view on section as staff: wanted true, found false (not_permitted)",
        "questions[6], note:write on note: wanted true (no_place), found true (granted)",
    ]


SOFT: Written = {"name": "edit", "properties": {"soft": True}}
AUDIT: Written = {"purpose": "AUDIT"}
ACTIVE: Written = {"type": "section", "id": "sec-a", "properties": {"status": "active"}}


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (question("view", {"type": "section", "id": "sec-a"}, wanted=True), "granted"),
        (question("classroom:view", {"type": "classroom", "id": "sec-a"}, wanted=True), "granted"),
        (question("view", {"type": "section", "id": "sec-c"}, wanted=False), "not_in_reach"),
        (question(SOFT, ACTIVE, wanted=True, context=AUDIT), "granted"),
        (
            question(SOFT, {"type": "section", "id": "sec-a"}, wanted=False, context=AUDIT),
            "condition_not_comparable",
        ),
        (question(SOFT, {"type": "section", "id": "sec-a"}, wanted=False), "condition_not_met"),
        (
            question(
                SOFT,
                {"type": "section", "id": "sec-a", "properties": {"status": "archived"}},
                wanted=False,
                context=AUDIT,
            ),
            "condition_not_met",
        ),
        (question("write", {"type": "note", "in": {"school": "north"}}, wanted=True), "granted"),
        (question("write", {"type": "note", "in": {"section": "sec-a"}}, wanted=False), "not_in_reach"),
        (question("write", {"type": "note", "id": "north"}, wanted=False), "no_place"),
        (question("write", {"type": "note", "in": {}}, wanted=False), "no_place"),
        (question("view", {"type": "section", "in": {}}, wanted=False), "no_place"),
        (question("section:view", {"type": "note", "in": {"section": "sec-a"}}, wanted=False), "not_applicable"),
        (question("section:view", {"type": "student", "id": "stu-a"}, wanted=False), "not_applicable"),
        (question("delete", {"type": "note", "in": {"school": "north"}}, wanted=False), "unknown_action"),
        (question("*:view", {"type": "section", "id": "sec-a"}, wanted=False), "unknown_action"),
        (question("view", {"type": "school", "id": "north"}, wanted=False, role="teacher"), "not_permitted"),
        (question("view", {"type": "school", "id": "north"}, wanted=False, role="contact"), "role_not_held"),
    ],
)
def test_a_question_is_decided_as_by_the_service(asked: Written, reason: str) -> None:
    assert told(questions=[{**asked, "reason": reason}]) == []


def test_a_question_is_asked_in_the_role_context_of_the_case_unless_it_names_its_own() -> None:
    view = question("view", {"type": "school", "id": "north"}, wanted=False, reason="not_permitted")
    assert told(role="teacher", questions=[view]) == []
    assert told(role="teacher", questions=[{**view, "role": "staff"}]) == [
        "questions[0], view on school north as staff: wanted false (not_permitted), found true (granted)"
    ]


def test_a_resource_lies_in_the_users_district_unless_another_is_named() -> None:
    policy = policy_of(
        PolicyFile.model_validate(
            {
                "version": 1,
                "rule": "scoped",
                "roles": {"district_admin": [{"allow": ["section:view", "note:write"], "over": "district"}]},
            }
        )
    )
    places = ({"school": "north"}, {"district": "district"}, {"school": "north", "district": "other"})
    case = CaseFile.model_validate(
        {
            "description": "One.",
            "facts": {"roles": {"district_admin": {}}},
            "questions": [question("write", {"type": "note", "in": each}, wanted=True) for each in places]
            + [question("view", {"type": "section", "id": "sec-a"}, wanted=True)],
        }
    )
    assert complaints(case, policy) == ("questions[2], write on note: wanted true, found false (not_in_reach)",)
