"""What is wrong with a case as a whole, beside the policy that it is run on."""

from typing import Any

import pytest

from app.domain.policy import policy_of
from app.domain.policy_schema import PolicyFile
from app.domain.policy_test_lint import mistakes_in
from app.domain.policy_test_schema import CaseFile

Written = dict[str, Any]

POLICY: Written = {
    "version": 1,
    "rule": "scoped",
    "aliases": {"classroom": "section"},
    "roles": {
        "staff": [
            {"allow": ["note:write"], "over": "schools", "unless": {"roles": ["MedicalAdmin"]}},
            {"allow": ["note:edit"], "over": "schools", "when": {"resource.classroom": "sec-a"}},
        ],
        "contact": [{"allow": ["student:view"], "over": "students", "when": {"type": ["Carer"]}}],
    },
}
QUESTION: Written = {"action": "note:write", "wanted": True}


def told(**changes: object) -> list[str]:
    written = {"description": "One.", "facts": {"user": "ada", "roles": {}}, **changes}
    if "questions" not in written:
        written["wanted"] = []
    case = CaseFile.model_validate(written)
    return [f"{one.where}: {one.message}" for one in mistakes_in(case, policy_of(PolicyFile.model_validate(POLICY)))]


def on(resource: Written, **changes: object) -> list[str]:
    found = told(questions=[{**QUESTION, "resource": resource}], **changes)
    return [one.removeprefix("questions[0].resource.") for one in found]


def roles(**said: object) -> list[str]:
    return told(facts={"roles": said})


TYPES = "Parent, Grandparent, Self, Aunt/Uncle, Sibling, Other, Parent/Guardian, Emergency, Primary, Secondary, Family"
ON_PURPOSE = "if you mean another value, list it under undocumented"


def test_what_neither_clever_documents_nor_the_policy_names_is_a_mistake_with_the_nearest() -> None:
    unnamed = "and no condition of the policy names it. Documented are"
    documented = f"{unnamed} PortalOnly, SchoolTechLead; {ON_PURPOSE}"
    path = "facts.roles.staff.roles[0]"
    assert roles(staff={"roles": ["SchoolTechLaed", "portalonly", "MEDICALadmin", " "]}) == [
        f"{path}: Clever documents no 'SchoolTechLaed' (did you mean SchoolTechLead?), {documented}"
    ]
    entries = [
        {"student": "a", "type": "Guardian", "relationship": "Step"},
        {"student": "b", "type": " carer", "relationship": "parent"},
        {"student": "c", "relationship": "Carer"},
    ]
    documented = f"{unnamed} {TYPES}; {ON_PURPOSE}"
    path = "facts.roles.contact"
    assert roles(contact=entries) == [
        f"{path}[0].type: Clever documents no 'Guardian' (did you mean Parent/Guardian?), {documented}",
        f"{path}[0].relationship: Clever documents no 'Step', {documented}",
        f"{path}[2].relationship: Clever documents no 'Carer', {documented}",
    ]


def test_what_is_not_documented_may_stand_there_on_purpose() -> None:
    facts = {"roles": {"staff": {"roles": ["Nurse"]}, "contact": [{"student": "a", "type": "Doctor"}]}}
    assert told(facts=facts, undocumented=["nurse", "Doctor"]) == []
    assert len(told(facts=facts, undocumented=["nurse"])) == 1


def test_the_other_people_are_looked_at_likewise() -> None:
    found = told(people={"bob": {"staff": {"roles": ["Boss"]}}, "ada": {}})
    assert [one.partition(", and")[0] for one in found] == [
        "people.bob.staff.roles[0]: Clever documents no 'Boss'",
        "people.ada: this is the user whose facts stand above",
    ]


def test_a_role_context_is_no_property_of_the_context() -> None:
    asked = {**QUESTION, "resource": {"type": "school", "id": "north"}, "context": {"role_context": "staff"}}
    assert told(questions=[asked]) == ["questions[0].context.role_context: say it as the question's role"]


@pytest.mark.parametrize(
    ("resource", "mistakes"),
    [
        ({"type": "school", "id": "north", "in": {"section": "sec-a"}}, ["in.section: a school lies in no section"]),
        ({"type": "user", "id": "bob", "in": {"school": "north"}}, ["in.school: a user lies in no school"]),
        ({"type": "classroom", "id": "a", "in": {"user": "bob"}}, ["in.user: a section lies in no user"]),
        ({"type": "section", "id": "a", "in": {"school": ["n", "s"]}}, ["in.school: a section lies in one school"]),
        ({"type": "section", "in": {"section": ["a", "b"]}}, ["in.section: a section lies in one section"]),
        ({"type": "student", "id": "stu-a", "in": {"school": ["n", "s"], "section": ["a", "b"]}}, []),
        (
            {"type": "student", "id": "a", "in": {"district": ["n", "s"]}},
            ["in.district: a student lies in one district"],
        ),
        (
            {"type": "section", "id": "a", "in": {"section": "b"}},
            ["in.section: this is another section than the one asked about"],
        ),
        ({"type": "section", "id": "a", "in": {"section": "a", "school": "north", "district": "zeta"}}, []),
        ({"type": "section", "in": {"school": "north"}}, []),
    ],
)
def test_a_resource_of_clevers_lies_where_such_a_thing_can(resource: Written, mistakes: list[str]) -> None:
    assert on(resource) == mistakes


@pytest.mark.parametrize(
    ("resource", "mistakes"),
    [
        ({"type": "section", "id": "sec-a", "in": {"school": "north"}}, []),
        (
            {"type": "section", "id": "sec-a", "in": {"school": "south"}},
            ["in.school: the case names another school for it under sections"],
        ),
        ({"type": "student", "id": "stu-a", "in": {"section": "sec-a", "school": ["north", "east"]}}, []),
        (
            {"type": "student", "id": "stu-a", "in": {"section": "sec-b", "school": "south"}},
            [
                "in.school: the case says something else of this student under people or facts",
                "in.section: the case says something else of this student under people or facts",
            ],
        ),
    ],
)
def test_a_case_says_nothing_twice_in_two_ways(resource: Written, mistakes: list[str]) -> None:
    said: Written = {
        "people": {"stu-a": {"student": {"sections": ["sec-a"], "schools": ["east"]}}},
        "sections": {"sec-a": {"school": "north"}},
    }
    assert on(resource, **said) == mistakes


ONE = "a request names one {}; only for one student, named alone, can there be several"


@pytest.mark.parametrize(
    ("places", "mistakes"),
    [
        ({"school": ["north", "south"]}, [f"in.school: {ONE.format('school')}"]),
        ({"student": ["a", "b"]}, [f"in.student: {ONE.format('student')}"]),
        ({"student": "a", "section": ["x", "y"], "school": ["n", "s"]}, []),
        ({"student": "a", "user": "b", "section": ["x", "y"]}, [f"in.section: {ONE.format('section')}"]),
        ({"user": ["a", "b"]}, [f"in.user: {ONE.format('user')}"]),
        ({"district": ["a", "b"]}, [f"in.district: {ONE.format('district')}"]),
    ],
)
def test_a_thing_of_the_applications_lies_where_a_request_can_say(places: Written, mistakes: list[str]) -> None:
    assert on({"type": "note", "in": places}) == mistakes


def test_a_place_that_a_condition_reads_is_said_in_properties_too() -> None:
    message = "in.section: a condition reads resource.classroom: say it in properties, too, as a request would"
    assert on({"type": "note", "in": {"section": "sec-a"}}) == [message]
    assert on({"type": "note", "in": {"section": "sec-a"}, "properties": {"classroom": "sec-a"}}) == []
    assert on({"type": "note", "in": {"school": "north"}}) == []


def test_properties_name_no_place_that_the_case_does_not() -> None:
    message = "in a request this property says where it lies, but in names no such section"
    found = on({"type": "note", "in": {"school": "north"}, "properties": {"section": 42, "school": None}})
    assert found == [f"properties.section: {message}"]


def test_a_place_of_the_applications_own_thing_is_said_outside_its_properties() -> None:
    message = "properties only feed conditions here: say with in: {section: …} where this lies"
    found = on({"type": "note", "id": "n-1", "properties": {"classroom": "sec-a", "colour": "red"}})
    assert found == [f"properties.classroom: {message}"]


def test_a_section_is_in_a_term_of_the_calendar() -> None:
    said = {"sections": {"sec-a": {"term": "fall"}, "sec-b": {"term": "spring"}, "sec-c": {}}}
    calendar = {"today": "2026-08-31", "terms": {"fall": {}}}
    unknown = "the calendar under facts names no such term"
    assert told(facts={"calendar": calendar, "roles": {}}, **said) == [f"sections.sec-b.term: {unknown}"]
    assert told(**said) == [f"sections.{section}.term: {unknown}" for section in ("sec-a", "sec-b")]
