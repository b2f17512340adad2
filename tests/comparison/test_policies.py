"""What changes for roles and titles by the policies alone."""

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.comparison.differences import State, compare
from app.comparison.policies import PolicyComparison, compare_policies
from app.comparison.policy_tables import COLUMNS, print_table, write_csv, write_json
from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import DistrictId, UserId
from app.domain.places import Location, Place
from app.domain.policy import policy_of
from app.domain.policy_schema import PolicyFile
from app.domain.scopes import Scope
from tests.domain.worlds import HIDDEN, RULES, Written, law, policies, standings, under

TEACHING: Written = {"allow": ["section:view", "section:edit"], "over": "sections"}
VIEWING: Written = {"allow": ["*:view"], "over": "schools"}
PLACES = {Scope.SCHOOL: ("north",), Scope.SECTION: ("algebra",), Scope.DISTRICT: ("a",), Scope.STUDENT: ("stu",)}


def exporting(**conditions: Written) -> Written:
    return {"allow": ["report:export"], "over": "schools", **conditions}


def compared(before: Written, after: Written, **settings: Any) -> PolicyComparison:
    return compare_policies(
        policy_of(PolicyFile.model_validate({"version": 1, "rule": "scoped", "roles": before})),
        policy_of(PolicyFile.model_validate({"version": 1, "rule": "scoped", **settings, "roles": after})),
    )


def told(comparison: PolicyComparison) -> list[tuple[object, ...]]:
    return [
        (each.role, dict(each.fields), "gained" if each.gained else "lost", each.permission, each.scope)
        for each in comparison.changes
    ]


def test_what_everyone_in_a_role_loses_is_one_row() -> None:
    both = {"staff": [exporting(when={"title": ["Principal", "Dean"]})]}
    comparison = compared(
        {**both, "teacher": [TEACHING]}, {**both, "teacher": [{**TEACHING, "allow": ["section:view"]}]}
    )
    assert told(comparison) == [("teacher", {}, "lost", "section:edit", "section")]
    assert comparison.changes[0].detail == "roles.teacher[0] gave it."


def test_a_row_names_the_titles_that_gain_or_lose_and_all_others_as_anything_else() -> None:
    comparison = compared(
        {"staff": [exporting(when={"title": ["Principal", "Head", "Dean"]})]},
        {"staff": [exporting(unless={"title": ["Principal", "Head"]})]},
    )
    assert told(comparison) == [
        ("staff", {"title": "head or principal"}, "lost", "report:export", "school"),
        ("staff", {"title": "anything else"}, "gained", "report:export", "school"),
    ]


def test_an_absent_title_is_told_apart_where_a_policy_names_it() -> None:
    comparison = compared({"staff": []}, {"staff": [exporting(when={"title": ["", "Dean"]})]})
    assert [fields for _, fields, *_ in told(comparison)] == [{"title": "dean"}, {"title": "nothing"}]


def test_only_the_combination_of_two_fields_that_differs_is_told() -> None:
    comparison = compared(
        {"staff": [exporting(when={"title": "Dean"})]},
        {"staff": [exporting(when={"title": "Dean"}, unless={"department": "Sports"})]},
    )
    [row] = told(comparison)
    assert row == ("staff", {"department": "sports", "title": "dean"}, "lost", "report:export", "school")


def test_staff_roles_that_one_person_holds_together_are_compared_together() -> None:
    comparison = compared(
        {"staff": [exporting(when={"roles": "SchoolTechLead"})]},
        {"staff": [exporting(when={"roles": "SchoolTechLead"}, unless={"roles": "PortalOnly"})]},
    )
    [row] = told(comparison)
    assert row[1] == {"roles": "PortalOnly with SchoolTechLead"}


def test_wildcards_are_expanded_by_each_policy() -> None:
    comparison = compared(
        {"teacher": [TEACHING], "staff": [VIEWING]},
        {"teacher": [{**TEACHING, "allow": [*TEACHING["allow"], "quiz:view"]}], "staff": [VIEWING]},
    )
    assert told(comparison) == [
        ("staff", {}, "gained", "quiz:view", "school"),
        ("teacher", {}, "gained", "quiz:view", "section"),
    ]


def test_what_is_held_on_a_condition_only_is_lost_as_far_as_it_was_held_always() -> None:
    comparison = compared({"teacher": [TEACHING]}, {"teacher": [{**TEACHING, "when": {"resource.status": "draft"}}]})
    assert {each.detail for each in comparison.changes} == {
        "roles.teacher[0] gave it. roles.teacher[0] gives it on a condition."
    }
    [gained] = compared({}, {"teacher": [{**TEACHING, "allow": ["a:b"], "when": {"action.soft": True}}]}).changes
    assert gained.conditional


def test_what_a_senior_loses_without_the_superset_rule_is_told() -> None:
    roles = {"teacher": [TEACHING], "staff": [exporting()]}
    before = policy_of(
        PolicyFile.model_validate(
            {"version": 1, "rule": "superset", "superset": {"staff": ["teacher"]}, "roles": roles}
        )
    )
    after = policy_of(PolicyFile.model_validate({"version": 1, "rule": "scoped", "roles": roles}))
    comparison = compare_policies(before, after)
    assert [each[:3] for each in comparison.settings] == [
        ("rule", "superset", "scoped"),
        ("superset.staff", "teacher", ""),
    ]
    assert {(each.role, each.permission, each.detail) for each in comparison.changes} == {
        ("staff", "section:view", "The rule superset gave it."),
        ("staff", "section:edit", "The rule superset gave it."),
    }


@pytest.mark.parametrize(
    ("settings", "expected", "may_take"),
    [
        ({"rule": "maximum"}, {"rule": ("scoped", "maximum")}, False),
        ({"rule": "minimum"}, {"rule": ("scoped", "minimum")}, True),
        (
            {"district": {"paused": "read_only"}},
            {"district.paused": ("allow", "read_only"), "district.read_only": ("", "section:view")},
            True,
        ),
        ({"district": {"before_launch": "deny"}}, {"district.before_launch": ("allow", "deny")}, True),
        ({"schools": {"unconfirmed": "drop"}}, {"schools.unconfirmed": ("keep", "drop")}, True),
        ({"aliases": {"classroom": "section"}}, {"aliases.classroom": ("", "section")}, False),
        (
            {"sections": {"terms": "current"}},
            {"sections.terms": ("any", "current"), "sections.grace_days": ("", "14"), "sections.after": ("", "drop")},
            True,
        ),
    ],
)
def test_settings_are_told_with_what_may_be_lost_by_them(
    settings: Written, expected: Written, *, may_take: bool
) -> None:
    comparison = compared({"teacher": [TEACHING]}, {"teacher": [TEACHING]}, **settings)
    assert {each.setting: (each.before, each.after) for each in comparison.settings} == expected
    assert (comparison.changes, comparison.loses()) == ((), may_take)


def test_fewer_days_of_grace_and_fewer_permissions_in_a_pause_may_take_something() -> None:
    def policy(grace_days: int, *read_only: str) -> Any:
        blocks = {"district": {"paused": "read_only", "read_only": list(read_only)}}
        terms = {"sections": {"terms": "current", "grace_days": grace_days}}
        return policy_of(
            PolicyFile.model_validate(
                {"version": 1, "rule": "scoped", "roles": {"teacher": [TEACHING]}, **blocks, **terms}
            )
        )

    wide, narrow = policy(14, "section:*"), policy(7, "section:view")
    assert [(each.setting, each.may_take) for each in compare_policies(wide, narrow).settings] == [
        ("sections.grace_days", True),
        ("district.read_only", True),
    ]
    assert not compare_policies(narrow, wide).loses()


def test_the_formats_say_the_same() -> None:
    comparison = compared(
        {"teacher": [TEACHING]},
        {"teacher": [{**TEACHING, "allow": ["section:view"]}], "staff": [exporting(when={"title": "=Dean"})]},
        schools={"unconfirmed": "drop"},
    )
    table, sheet, document = io.StringIO(), io.StringIO(), io.StringIO()
    print_table(comparison, table)
    write_csv(comparison, sheet)
    write_json(comparison, document)
    assert all(text in table.getvalue() for text in ("schools.unconfirmed", "section:edit", "everyone", "title: =dean"))
    assert list(csv.reader(io.StringIO(sheet.getvalue()))) == [
        list(COLUMNS),
        ["schools.unconfirmed", "", "", "may be lost", "", "", "", "keep → drop"],
        ["", "teacher", "", "lost", "section:edit", "section", "no", "roles.teacher[0] gave it."],
        ["", "staff", "title: =dean", "gained", "report:export", "school", "no", "roles.staff[0] gives it."],
    ]
    read = json.loads(document.getvalue())
    assert read["settings"] == [{"setting": "schools.unconfirmed", "before": "keep", "after": "drop", "may_take": True}]
    assert read["changes"][1] == {
        "role": "staff",
        "fields": {"title": "=dean"},
        "permission": "report:export",
        "scope": "school",
        "conditional": False,
        "detail": "roles.staff[0] gives it.",
        "change": "gained",
    }


@law
@given(policies(), st.sampled_from(RULES))
def test_a_policy_changes_nothing_beside_itself(written: Written, rule: str) -> None:
    comparison = compare_policies(under(rule, written), under(rule, written))
    assert (comparison.settings, comparison.changes, comparison.loses()) == ((), (), False)


@law
@given(policies(), policies(), st.sampled_from(RULES), st.sampled_from(RULES))
def test_what_one_way_gains_the_other_way_loses(written: Written, later: Written, rule: str, other: str) -> None:
    old, new = under(rule, written), under(other, later)
    there, back = (compare_policies(*pair).changes for pair in ((old, new), (new, old)))

    def plain(changes: Any, *, swapped: bool) -> set[Any]:
        return {(*each[:2], each.gained is not swapped, *each[3:6]) for each in changes}

    assert plain(there, swapped=False) == plain(back, swapped=True)


@law
@given(st.data(), st.sampled_from(Role), policies(), policies(), st.sampled_from(RULES), st.sampled_from(RULES))
def test_whatever_anyone_in_one_role_gains_or_loses_is_told(
    data: st.DataObject, role: Role, written: Written, later: Written, rule: str, other: str
) -> None:
    drawn = data.draw(standings(role.value))
    facts = in_role(role, drawn)
    old, new = under(rule, written), under(other, later)
    gained, lost = compare(UserId("b"), State(facts, old), State(facts, new), location_of)
    rows = {each[2:6] for each in compare_policies(old, new).changes if each.role is role}
    for is_gained, changes in ((True, gained), (False, lost)):
        assert {(is_gained, each.permission, each.scope, each.conditional) for each in changes} <= rows


def in_role(role: Role, drawn: Standing) -> Facts:
    """The one role, at one place of each of its kinds, with the fields that can be read."""
    places = tuple((scope, PLACES[scope]) for scope, _ in drawn.places)
    fields = tuple((name, tuple(text for text in texts if text != HIDDEN)) for name, texts in drawn.fields)
    standing = replace(drawn, places=places, fields=tuple(each for each in fields if each[1]), unconfirmed=())
    return Facts(UserId("b"), DistrictId("a"), (HeldRole(role, (standing,)),))


def location_of(place: Place) -> Location:
    school = [(Scope.SCHOOL, "north")] if place[0] is Scope.SECTION else []
    return frozenset({place, (Scope.DISTRICT, "a"), *school})
