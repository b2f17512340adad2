"""Whatever Clever writes into the fields of roles: facts, cases of policy tests and a second engine say the same of it.

The second engine reads Clever's JSON and the policy as they are written, and shares nothing with what it judges.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.clever.mapping import Answers, facts_of
from app.clever.records import SectionRecord, UserRecord
from app.domain.evaluation import permission_set
from app.domain.facts import Facts
from app.domain.ids import DistrictId, IdShape
from app.domain.policy import Policy, policy_of
from app.domain.policy_schema import PolicyFile
from app.domain.policy_test_schema import CaseFacts
from tests.chaos import oracle

Json = dict[str, Any]

ME, DISTRICT = "a" * 24, "d" * 24
SCHOOLS, SECTION = ("b" * 24, "c" * 24), "e" * 24
STUDENTS = ("1" * 24, "2" * 24)

WORDS = (
    *("Principal", "Assistant Principal", "Délégué", "straße", "PortalOnly", "SchoolTechLead", "MedicalAdmin"),
    *("Emergency", "Emergency Contact", "Parent/Guardian", "Other", "No Contact", "Mother's friend (work)", ""),
    *(" ", "\u200b", "0", "true", "null", "555-0100", "ann@example.org", "Room 5", "x" * 41, "y" * 501, "unreadable"),
)
"""What stands in fields, and what conditions name: documented, undocumented, personal, empty, and too long."""

WAYS = (
    lambda text: text,
    str.upper,
    str.lower,
    lambda text: f" {text}\t",
    lambda text: text.replace(" ", "\u00a0 \n"),
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: text[:1] + "\u00ad\u200d" + text[1:],
)
"""How one and the same text is written."""

texts = st.builds(lambda text, way: way(text), st.sampled_from(WORDS), st.sampled_from(WAYS))
sent = st.none() | texts
named = st.lists(texts.filter(lambda text: len(text) <= 500) | st.sampled_from([True, 5]), min_size=1, max_size=3)


def with_fields(places: Json, *fields: str) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(fields, sent)).map(lambda some: {**places, **some})


held = st.fixed_dictionaries(
    {},
    optional={
        "teacher": with_fields({"school": SCHOOLS[0]}, "title"),
        "staff": st.builds(
            lambda said, roles: said | ({} if roles is None else {"roles": roles}),
            with_fields({"schools": list(SCHOOLS)}, "title", "department"),
            st.none() | st.lists(texts, max_size=3),
        ),
        "district_admin": with_fields({}, "title"),
        "contact": st.lists(
            st.sampled_from(STUDENTS).flatmap(lambda one: with_fields({"student": one}, "type", "relationship")),
            max_size=3,
        ).map(lambda entries: {"student_relationships": entries}),
    },
)
FIELDS = {
    "teacher": ("sections", ("title",)),
    "staff": ("schools", ("title", "department", "roles")),
    "district_admin": ("district", ("title",)),
    "contact": ("students", ("type", "relationship")),
}


@st.composite
def written_policies(draw: st.DrawFn) -> Json:
    """Draw a policy in which each statement gives a permission of its own."""
    roles = {}
    for role, (over, fields) in FIELDS.items():
        conditions = st.dictionaries(st.sampled_from(fields), named, max_size=2)
        drawn = draw(st.lists(st.tuples(conditions, conditions), min_size=1, max_size=3))
        roles[role] = [
            {"allow": [f"{role}:view{place}"], "over": over, "when": when, "unless": unless}
            for place, (when, unless) in enumerate(drawn)
        ]
    return {"version": 1, "rule": "superset", "superset": {"staff": ["teacher"]}, "roles": roles}


def held_by(facts: Facts, policy: Policy) -> set[tuple[str, str, str]]:
    grants = permission_set(facts, policy).grants
    return {(grant.scope, place, name) for grant in grants for place in grant.ids for name in grant.permissions}


def as_a_case(roles: Mapping[str, Any]) -> Json:
    """Write the same as a case does, which knows no null and no empty names of roles."""
    said = {role: {name: value for name, value in some.items() if value is not None} for role, some in roles.items()}
    if "teacher" in said:
        said["teacher"] = {"schools": [SCHOOLS[0]], "sections": [SECTION], **said["teacher"]}
        del said["teacher"]["school"]
    if "staff" in said and "roles" in said["staff"]:
        said["staff"]["roles"] = [name for name in said["staff"]["roles"] if name]
    entries = roles.get("contact", {}).get("student_relationships", ())
    contact = [{name: value for name, value in entry.items() if value is not None} for entry in entries]
    return {"user": ME, "district": DISTRICT, "roles": said | ({"contact": contact} if "contact" in said else {})}


@settings(derandomize=True, max_examples=80, deadline=None)
@given(held, written_policies())
def test_clever_cases_and_a_second_engine_agree_on_whatever_is_written(roles: Json, written: Json) -> None:
    record = {"id": ME, "district": DISTRICT, "roles": roles}
    section = {"id": SECTION, "district": DISTRICT, "school": SCHOOLS[0], "teacher": ME}
    policy = policy_of(PolicyFile.model_validate(written))
    answers = Answers(UserRecord.model_validate(record), [SectionRecord.model_validate(section)])
    facts = facts_of(answers, DistrictId(DISTRICT), IdShape(), Counter())
    found = held_by(facts, policy)
    assert found == held_by(CaseFacts.model_validate(as_a_case(roles)).facts(), policy)
    holdings = oracle.Oracle(oracle.Policy(written, {})).holdings(oracle.Person(record, [section]))
    assert found == {
        (*place, name) for place, by_role in holdings.items() for names in by_role.values() for name in names
    }
