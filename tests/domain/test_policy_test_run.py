"""What is reported of a case whose policy does otherwise than it wants."""

from typing import Any

import pytest

from app.domain.policy import policy_of
from app.domain.policy_schema import PolicyFile
from app.domain.policy_test_run import failures
from app.domain.policy_test_schema import CaseFile

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
    return list(failures(CaseFile.model_validate(written), POLICY))


def test_nothing_is_reported_where_all_is_as_wanted_in_whatever_order() -> None:
    assert told(wanted=[STAFF, TEACHER, ON_CONDITION]) == []
    mixed_up = {**TEACHER, "ids": ["sec-b", "sec-a", "sec-b"]}
    assert told(wanted=[ON_CONDITION, mixed_up, {**STAFF, "permissions": ["school:view", "note:write"]}]) == []


def test_a_grant_that_is_missing_and_one_too_many_are_reported() -> None:
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


def test_each_question_that_is_answered_otherwise_is_reported() -> None:
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
    assert failures(case, policy) == ("questions[2], write on note: wanted true, found false (places_disagree)",)


NEVER = "so this can never be true; if you mean that, add reason:"


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (
            question("section:vew", {"type": "section", "id": "sec-a"}, wanted=False),
            f"the policy names no section:vew (did you mean section:view?), {NEVER} unknown_action",
        ),
        (
            question("zip", {"type": "zap", "in": {"section": "sec-a"}}, wanted=False),
            f"the policy names no zap:zip, {NEVER} unknown_action",
        ),
        (
            question("section:view", {"type": "student", "id": "stu-a"}, wanted=False),
            f"section:view says nothing on a student, {NEVER} not_applicable",
        ),
        (
            question("write", {"type": "note", "id": "n1"}, wanted=False),
            f"nothing says where this lies, {NEVER} no_place",
        ),
        (
            question("write", {"type": "note", "id": "n1"}, wanted=False, role="teacher"),
            f"nothing says where this lies, {NEVER} not_permitted",
        ),
        (
            question("view", {"type": "school", "id": "north"}, wanted=False, role="contact"),
            f"the user does not hold the role contact, {NEVER} role_not_held",
        ),
        (
            question("write", {"type": "note", "in": {"school": "north", "district": "eta"}}, wanted=False),
            f"the places named do not fit together, {NEVER} places_disagree",
        ),
        (
            question("view", {"type": "school", "id": "south", "in": {"district": "eta"}}, wanted=False),
            f"there is no such thing in the user's district, {NEVER} unknown_resource",
        ),
    ],
)
def test_a_denial_that_no_policy_could_turn_shows_nothing_unless_the_case_names_its_reason(
    asked: Written, why: str
) -> None:
    [complaint] = told(questions=[asked])
    assert complaint.partition(": ")[2] == why
    assert told(questions=[{**asked, "reason": why.rsplit(maxsplit=1)[-1]}]) == []


@pytest.mark.parametrize(
    ("roles", "why"),
    [
        ({}, "the user holds no role"),
        ({"teacher": {}}, "the user's roles reach no place"),
        ({"contact": []}, "the user's roles reach no place"),
        ({"student": {"sections": ["sec-a"]}}, None),
        ({"district_admin": {}}, None),
    ],
)
def test_a_denial_of_a_user_without_any_relation_shows_nothing(roles: Written, why: str | None) -> None:
    asked = question("view", {"type": "section", "id": "sec-a"}, wanted=False)
    found = failures(
        CaseFile.model_validate({"description": "One.", "facts": {"roles": roles}, "questions": [asked]}), POLICY
    )
    assert [complaint.partition(": ")[2] for complaint in found] == ([f"{why}, {NEVER} not_permitted"] if why else [])


def test_a_denial_on_themselves_shows_something_of_a_user_whose_roles_reach_no_place() -> None:
    written = {"version": 1, "rule": "scoped", "roles": {"teacher": [{"allow": ["user:view"], "over": "self"}]}}
    asked = question("view", {"type": "user", "id": "user"}, wanted=False)
    case = CaseFile.model_validate({"description": "One.", "facts": {"roles": {"student": {}}}, "questions": [asked]})
    assert failures(case, policy_of(PolicyFile.model_validate(written))) == ()


NOTES: Written = {
    "version": 1,
    "rule": "scoped",
    "roles": {
        role: [{"allow": ["note:write"], "over": over}, {"allow": ["note:edit"], "over": "self"}]
        for role, over in (
            *(("staff", "schools"), ("teacher", "sections"), ("student", "sections"), ("contact", "students")),
            ("district_admin", "district"),
        )
    },
}
STAFF_AT_NORTH: Written = {"staff": {"schools": ["north"]}}
LEARNING: Written = {"student": {"sections": ["sec-a"], "schools": ["north"]}}
STU_A: Written = {"people": {"stu-a": LEARNING}, "sections": {"sec-a": {"school": "north", "students": ["stu-a"]}}}
UNSAID = "the case does not say enough to tell: say"


def reasons_of(action: str, places: Written, *, roles: Written, wanted: bool, **said: object) -> str:
    asked = question(action, {"type": "note", "in": places}, wanted=wanted)
    written = {"description": "One.", "facts": {"user": "ada", "roles": roles}, "questions": [asked], **said}
    case = CaseFile.model_validate(written)
    [complaint] = failures(case, policy_of(PolicyFile.model_validate(NOTES))) or ("_: passed",)
    return complaint.partition(": ")[2]


@pytest.mark.parametrize(
    ("places", "roles", "said"),
    [
        # The case says that the author has to do with the student.
        ({"student": "stu-a", "user": "ada"}, STAFF_AT_NORTH, STU_A),
        ({"student": "stu-a", "user": "ada", "school": "north"}, STAFF_AT_NORTH, {}),
        ({"student": "stu-a", "user": "ada", "section": "sec-a"}, {"teacher": {"sections": ["sec-a"]}}, {}),
        ({"student": "stu-a", "user": "ada"}, {"contact": [{"student": "stu-a"}]}, {}),
        ({"student": "stu-a", "user": "ada"}, {"district_admin": {}}, {}),
        ({"student": "ada", "user": "ada"}, LEARNING, {}),
        ({"section": "sec-a", "user": "ada"}, STAFF_AT_NORTH, STU_A),
        ({"section": "sec-a", "school": "north", "user": "ada"}, STAFF_AT_NORTH, {}),
        ({"section": "sec-a", "user": "ada"}, {"contact": [{"student": "stu-a"}]}, STU_A),
        # And so it is with a section that lies in no school.
        ({"section": "sec-b", "user": "ada"}, {"teacher": {"sections": ["sec-b"]}}, {"sections": {"sec-b": {}}}),
    ],
)
def test_an_author_who_has_to_do_with_what_is_named_is_granted_what_is_theirs(
    places: Written, roles: Written, said: Written
) -> None:
    assert reasons_of("edit", places, roles=roles, wanted=True, **said) == "passed"


@pytest.mark.parametrize(
    ("places", "roles", "said"),
    [
        ({"student": "stu-a", "user": "ada"}, {"staff": {"schools": ["south"]}}, STU_A),
        ({"student": "ada", "user": "ada"}, STAFF_AT_NORTH, STU_A),
        ({"student": "bob", "user": "ada"}, STAFF_AT_NORTH, {"people": {"bob": STAFF_AT_NORTH}}),
        ({"school": "south", "user": "ada"}, STAFF_AT_NORTH, {}),
        ({"section": "sec-a", "school": "south", "user": "ada"}, STAFF_AT_NORTH, STU_A),
        ({"section": "sec-b", "student": "stu-a", "user": "ada"}, STAFF_AT_NORTH, STU_A),
        ({"student": "stu-a", "user": "ada"}, {"contact": [{"student": "stu-b"}]}, STU_A),
        ({"section": ["sec-a", "sec-b"], "student": "stu-a", "user": "ada"}, STAFF_AT_NORTH, STU_A),
    ],
)
def test_an_author_who_has_nothing_to_do_with_what_is_named_is_denied_as_by_the_service(
    places: Written, roles: Written, said: Written
) -> None:
    assert reasons_of("edit", places, roles=roles, wanted=True, **said) == "wanted true, found false (places_disagree)"


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize(
    ("places", "roles", "said", "missing"),
    [
        ({"student": "stu-a", "user": "ada"}, STAFF_AT_NORTH, {}, "in people what Clever says of stu-a"),
        (
            {"student": "stu-a", "user": "ada"},
            {"teacher": {"sections": ["sec-a"]}},
            {},
            "in people what Clever says of stu-a",
        ),
        ({"section": "sec-a", "user": "ada"}, STAFF_AT_NORTH, {}, "in sections what Clever says of sec-a"),
        (
            {"section": "sec-a", "user": "ada"},
            {"contact": [{"student": "stu-a"}]},
            {},
            "in sections what Clever says of sec-a",
        ),
    ],
)
def test_where_the_case_does_not_say_whether_they_have_to_do_with_each_other_nothing_is_guessed(
    places: Written, roles: Written, said: Written, missing: str, *, wanted: bool
) -> None:
    assert reasons_of("edit", places, roles=roles, wanted=wanted, **said) == f"{UNSAID} {missing}"


def test_of_an_author_who_is_not_the_asker_the_case_has_to_say_who_they_are() -> None:
    places = {"student": "stu-a", "user": "bob"}
    admin: Written = {"district_admin": {}}
    assert reasons_of("write", places, roles=admin, wanted=True) == (
        f"{UNSAID} in people what Clever says of stu-a and bob"
    )
    people = {"stu-a": LEARNING, "bob": STAFF_AT_NORTH}
    assert reasons_of("write", places, roles=admin, wanted=True, people=people) == "passed"


@pytest.mark.parametrize(
    ("resource", "roles", "unsaid"),
    [
        ({"type": "section", "id": "sec-b"}, STAFF_AT_NORTH, "in sections what Clever says of sec-b"),
        ({"type": "note", "in": {"section": "sec-b"}}, STAFF_AT_NORTH, "in sections what Clever says of sec-b"),
        ({"type": "student", "id": "stu-b"}, STAFF_AT_NORTH, "in people what Clever says of stu-b"),
        (
            {"type": "student", "id": "stu-b", "in": {"school": "south"}},
            {"teacher": {"sections": ["sec-a"]}},
            "in people what Clever says of stu-b",
        ),
        (
            {"type": "note", "in": {"student": "stu-b"}},
            {"teacher": {"sections": ["sec-a"]}},
            "in people what Clever says of stu-b",
        ),
        ({"type": "student", "in": {"section": "sec-b"}}, STAFF_AT_NORTH, "in sections what Clever says of sec-b"),
    ],
)
def test_a_denial_for_want_of_a_place_that_is_left_unsaid_is_no_denial(
    resource: Written, roles: Written, unsaid: str
) -> None:
    asked = question("note:write", resource, wanted=False)
    for reason, told in ((None, f"{UNSAID} {unsaid}"), ("not_in_reach", None)):
        written = {
            "description": "One.",
            "facts": {"roles": roles},
            "questions": [{**asked, **({"reason": reason} if reason else {})}],
        }
        found = failures(CaseFile.model_validate(written), policy_of(PolicyFile.model_validate(NOTES)))
        assert [complaint.partition(": ")[2] for complaint in found] == ([told] if told else [])


@pytest.mark.parametrize(
    ("resource", "roles"),
    [
        ({"type": "section", "id": "sec-b", "in": {"school": []}}, STAFF_AT_NORTH),
        ({"type": "section", "id": "sec-b", "in": {"school": "south"}}, STAFF_AT_NORTH),
        ({"type": "section", "id": "sec-b"}, {"teacher": {"sections": ["sec-a"], "schools": ["north"]}}),
        ({"type": "student", "id": "stu-b", "in": {"school": "south"}}, STAFF_AT_NORTH),
        ({"type": "note", "in": {"student": "stu-b", "school": "south"}}, {"teacher": {"sections": ["sec-a"]}}),
    ],
)
def test_a_denial_for_want_of_places_that_are_all_said_stands(resource: Written, roles: Written) -> None:
    written = {
        "description": "One.",
        "facts": {"roles": roles},
        "questions": [question("note:write", resource, wanted=False)],
    }
    assert failures(CaseFile.model_validate(written), policy_of(PolicyFile.model_validate(NOTES))) == ()


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        ({"type": "student", "id": "stu-a"}, "granted"),
        ({"type": "note", "in": {"student": "stu-a"}}, "granted"),
        ({"type": "note", "in": {"student": "stu-a", "section": "sec-a"}}, "granted"),
        ({"type": "note", "in": {"student": "stu-a", "section": "sec-z"}}, "places_disagree"),
        ({"type": "note", "in": {"student": "stu-a", "section": ["sec-a"], "school": ["north"]}}, "granted"),
        ({"type": "section", "id": "sec-a"}, "granted"),
        ({"type": "student", "id": "bob"}, "unknown_resource"),
        ({"type": "student", "id": "ada"}, "unknown_resource"),
        ({"type": "user", "id": "bob"}, "not_in_reach"),
        ({"type": "district", "id": "district"}, "not_in_reach"),
    ],
)
def test_whoever_and_whatever_the_case_tells_of_is_looked_up_there(resource: Written, reason: str) -> None:
    asked = question("note:write", resource, wanted=reason == "granted", reason=reason)
    people: Written = {"stu-a": {"student": {"sections": ["sec-a"]}}, "bob": STAFF_AT_NORTH}
    written = {
        "description": "One.",
        "facts": {"user": "ada", "roles": STAFF_AT_NORTH},
        "questions": [asked],
        "sections": {"sec-a": {"school": "north"}},
        "people": people,
    }
    assert failures(CaseFile.model_validate(written), policy_of(PolicyFile.model_validate(NOTES))) == ()
