"""The form of a case, and its JSON Schema."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import DistrictId, UserId
from app.domain.policy_schema import PolicyFile
from app.domain.policy_test_schema import CaseFacts, CaseFile, Question
from app.domain.scopes import Scope

Written = dict[str, Any]

SCHEMA = CaseFile.model_json_schema()
POLICY: Written = {"version": 1, "rule": "scoped", "roles": {"teacher": [{"allow": ["a:b"], "over": "sections"}]}}
GRANT: Written = {"scope": "section", "ids": ["sec-a"], "permissions": ["a:b"], "via": ["teacher"]}
QUESTION: Written = {"action": "b", "resource": {"type": "a", "in": {"section": "sec-a"}}, "wanted": True}
CASE: Written = {"description": "One.", "facts": {"roles": {"teacher": {"sections": ["sec-a"]}}}, "wanted": [GRANT]}
ASKING: Written = {"description": "One.", "facts": {"roles": {}}, "questions": [QUESTION]}


def of(**roles: object) -> Written:
    return {**CASE, "facts": {"roles": roles}}


def on_a_day(**calendar: object) -> Written:
    return {**CASE, "facts": {"calendar": {"today": "2026-08-31", **calendar}, "roles": {}}}


def granting(**changes: object) -> Written:
    return {**CASE, "wanted": [{**GRANT, **changes}]}


def asking(**changes: object) -> Written:
    return {**ASKING, "questions": [{**QUESTION, **changes}]}


def on(**resource: object) -> Written:
    return asking(resource={"type": "a", **resource})


def test_readable_facts_become_those_of_the_engine() -> None:
    said: Written = {
        "user": "ada",
        "district": "zeta",
        "roles": {
            "district_admin": {"title": "Superintendent"},
            "staff": {
                "schools": ["south", "north", "north"],
                "unconfirmed": ["south"],
                "roles": ["SchoolTechLead"],
                "title": "Principal",
                "department": "Straße",
            },
            "teacher": {"sections": ["sec-b", "sec-a"], "schools": ["west"], "title": "Dean"},
            "student": {},
            "contact": [{"student": "stu-b", "type": "Emergency"}, {"student": "stu-a", "relationship": "Aunt/Uncle"}],
        },
    }
    assert CaseFacts.model_validate(said).facts() == Facts(
        UserId("ada"),
        DistrictId("zeta"),
        (
            HeldRole(
                Role.DISTRICT_ADMIN, (Standing(((Scope.DISTRICT, ("zeta",)),), (("title", ("superintendent",)),)),)
            ),
            HeldRole(
                Role.STAFF,
                (
                    Standing(
                        ((Scope.SCHOOL, ("north", "south")),),
                        (("title", ("principal",)), ("department", ("strasse",)), ("roles", ("SchoolTechLead",))),
                        ("south",),
                    ),
                ),
            ),
            HeldRole(
                Role.TEACHER,
                (Standing(((Scope.SCHOOL, ("west",)), (Scope.SECTION, ("sec-a", "sec-b"))), (("title", ("dean",)),)),),
            ),
            HeldRole(Role.STUDENT),
            HeldRole(
                Role.CONTACT,
                (
                    Standing(((Scope.STUDENT, ("stu-b",)),), (("type", ("emergency",)),)),
                    Standing(((Scope.STUDENT, ("stu-a",)),), (("relationship", ("aunt/uncle",)),)),
                ),
            ),
        ),
    )


def test_a_list_of_schools_that_was_not_read_confirms_nothing() -> None:
    staff = CaseFacts.model_validate({"roles": {"staff": {"schools": ["north"], "unconfirmed": "unread"}}})
    assert not staff.facts().confirmed()


def test_a_contact_of_nobody_is_held() -> None:
    nobody = CaseFacts.model_validate({"roles": {"contact": []}}).facts()
    assert nobody == Facts(UserId("user"), DistrictId("district"), (HeldRole(Role.CONTACT),))


def test_what_a_question_says_is_known_by_the_keys_of_conditions() -> None:
    question = Question.model_validate(
        {
            "action": {"name": "b", "properties": {"soft": True}},
            "resource": {"type": "a", "id": "1", "properties": {"status": "draft", "tags": [1]}},
            "context": {"purpose": None},
            "wanted": False,
        }
    )
    assert question.request == {
        "resource.status": "draft",
        "resource.tags": [1],
        "action.soft": True,
        "context.purpose": None,
    }


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "written",
    [
        CASE,
        ASKING,
        {**CASE, "policy": "../policy.yaml"},
        {**CASE, "policy": POLICY},
        {**CASE, "role": "teacher"},
        {**CASE, "wanted": []},
        of(),
        of(staff={"unconfirmed": "unread"}),
        of(staff={"schools": ["a"], "unconfirmed": ["a"], "roles": ["b"], "title": "c", "department": "d"}),
        of(contact=[]),
        on_a_day(),
        on_a_day(state="paused", pause_start="2026-06-10", pause_end="2026-08-15", launch_date="2025-08-15"),
        {**on_a_day(terms={"fall": {"start": "2026-08-24"}, "any": {}}), "sections": {"sec-a": {"term": "fall"}}},
        of(contact=[{"student": "a", "type": "b", "relationship": "c"}]),
        granting(when={"resource.status": "active"}, unless={"action.soft": [True, 1]}),
        asking(role="staff", reason="role_not_held", wanted=False, context={"a": [None]}),
        asking(action={"name": "b", "properties": {"soft": True}}),
        on(id="1"),
        on(id="1", properties={"status": {"a": 1}}),
        on(**{"in": {}}),
        on(**{"in": {"district": "d", "school": ["a", "b"], "section": "a", "student": "a", "user": "a"}}),
    ],
)
def test_the_schema_accepts_what_we_accept(written: Written) -> None:
    assert Draft202012Validator(SCHEMA).is_valid(written)
    CaseFile.model_validate(written)


@pytest.mark.parametrize(
    "written",
    [
        None,
        {},
        {**CASE, "description": ""},
        {**CASE, "wants": []},
        {**CASE, "questions": [QUESTION]},
        {key: CASE[key] for key in ("description", "facts")},
        {**CASE, "wanted": None},
        {**CASE, "role": "janitor"},
        {**CASE, "role": None},
        {**CASE, "policy": None},
        {**CASE, "policy": 1},
        {**CASE, "policy": ""},
        {**CASE, "policy": {**POLICY, "rule": "most"}},
        {**CASE, "facts": {}},
        {**CASE, "facts": {"user": 1, "roles": {}}},
        {**CASE, "facts": {"user": "", "roles": {}}},
        {**CASE, "facts": {"calendar": None, "roles": {}}},
        {**CASE, "facts": {"calendar": {}, "roles": {}}},
        on_a_day(today=20260831),
        on_a_day(today=None),
        on_a_day(launch_date=None),
        on_a_day(terms={"fall": {"end": None}}),
        on_a_day(terms=["fall"]),
        {**CASE, "sections": {"sec-a": {"term": None}}},
        of(janitor={}),
        of(teacher=None),
        of(teacher={"department": "Sports"}),
        of(teacher={"sections": "sec-a"}),
        of(teacher={"sections": [1]}),
        of(student={"title": "Dean"}),
        of(district_admin={"schools": []}),
        of(staff={"unconfirmed": "unknown"}),
        of(staff={"unconfirmed": None}),
        of(contact={}),
        of(contact=[{"type": "Emergency"}]),
        granting(ids=[]),
        granting(permissions=[]),
        granting(via=[]),
        granting(via=["janitor"]),
        granting(scope="sections"),
        granting(when={"title": "Dean"}),
        granting(when={"resource.status": []}),
        granting(unless={"subject.role": "admin"}),
        {**ASKING, "questions": []},
        {**ASKING, "questions": None},
        asking(action=1),
        asking(action=""),
        asking(action={}),
        asking(action_properties={}),
        asking(wanted="yes"),
        asking(wanted=1),
        asking(wanted=None),
        asking(reason="because"),
        asking(reason=None),
        asking(role=None),
        asking(context=[]),
        on(id=1),
        on(id=None),
        on(),
        on(**{"in": None}),
        on(**{"in": {"room": "a"}}),
        on(**{"in": {"section": None}}),
        on(**{"in": {"section": 1}}),
        on(places={"section": "a"}),
        on(id="1", properties=[]),
    ],
)
def test_the_schema_refuses_what_we_refuse(written: Written) -> None:
    assert not Draft202012Validator(SCHEMA).is_valid(written)
    with pytest.raises(ValueError, match="CaseFile"):
        CaseFile.model_validate(written)


@pytest.mark.parametrize("day", ["31.8.2026", "2026-8-31", "2026-02-30", "20260831", "2026-W36-1", "1756598400", ""])
def test_a_day_is_written_in_one_way(day: str) -> None:
    with pytest.raises(ValueError, match="pause_end"):
        CaseFile.model_validate(on_a_day(pause_end=day))


def test_an_inline_policy_is_read_as_a_policy_file() -> None:
    assert CaseFile.model_validate({**CASE, "policy": POLICY}).policy == PolicyFile.model_validate(POLICY)
