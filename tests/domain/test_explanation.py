"""Explanations: why a permission is held, on which facts, and what is missing where it is not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.conditions import RequestCondition, RequestValues
from app.domain.decision import Reason, decide
from app.domain.evaluation import access_of
from app.domain.explanation import Explanation, Ground, How, Lack, Missing, explanation_of, explanation_of_denial
from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.fields import UNREADABLE
from app.domain.ids import DistrictId, UserId
from app.domain.places import Location
from app.domain.policy import policy_of
from app.domain.policy_schema import PolicyFile
from app.domain.scopes import Scope
from tests.domain.worlds import RULES, Written, law, locations, people, policies, requests, under

TEACHER: list[Written] = [{"allow": ["section:view", "section:edit"], "over": "sections"}]
STAFF: list[Written] = [
    {"allow": ["school:view", "section:view"], "over": "schools"},
    {"allow": ["device:manage"], "over": "schools", "when": {"roles": "SchoolTechLead"}},
    {"allow": ["report:export"], "over": "schools", "when": {"title": ["Principal", "Dean"]}},
]
SUPERSET: Written = {
    "rule": "superset",
    "superset": {"staff": ["teacher"]},
    "roles": {"teacher": TEACHER, "staff": STAFF},
}

ZETA = (Scope.DISTRICT, "zeta")
DISTRICT: Location = frozenset({ZETA})
NORTH: Location = frozenset({(Scope.SCHOOL, "north"), ZETA})
ALGEBRA: Location = frozenset({(Scope.SECTION, "algebra"), (Scope.SCHOOL, "north"), ZETA})
BIOLOGY: Location = frozenset({(Scope.SECTION, "biology"), (Scope.SCHOOL, "south"), ZETA})
HOMELESS: Location = frozenset({(Scope.SECTION, "chess"), ZETA})
PUPIL: Location = frozenset(
    {
        (Scope.STUDENT, "pupil"),
        *((Scope.SECTION, each) for each in ("algebra", "biology")),
        *((Scope.SCHOOL, each) for each in ("north", "south")),
        ZETA,
    }
)
EVE: Location = frozenset({(Scope.SELF, "eve"), ZETA})

SHARED = "role is shared with this application"
NO_STAFF = f"no staff {SHARED}: that grants nothing, and does not say that the person is not staff"
NO_TEACHER = f"no teacher {SHARED}: that grants nothing, and does not say that the person is not a teacher"
UNSHARED = f"{SHARED}, which grants nothing and does not say that the person has none."


def held(role: Role, places: dict[Scope, tuple[str, ...]], **fields: tuple[str, ...]) -> HeldRole:
    return HeldRole(role, (Standing(tuple(places.items()), tuple(fields.items())),))


def teacher(*sections: str, **fields: tuple[str, ...]) -> HeldRole:
    return held(Role.TEACHER, {Scope.SECTION: sections}, **fields)


def staff(*schools: str, **fields: tuple[str, ...]) -> HeldRole:
    return held(Role.STAFF, {Scope.SCHOOL: schools}, **fields)


def student(*sections: str, schools: tuple[str, ...] = ()) -> HeldRole:
    return held(Role.STUDENT, {Scope.SECTION: sections, Scope.SCHOOL: schools})


def contact(*entries: tuple[str, str]) -> HeldRole:
    standings = (Standing(((Scope.STUDENT, (pupil,)),), (("type", (kind,)),)) for pupil, kind in entries)
    return HeldRole(Role.CONTACT, tuple(standings))


def why(
    written: Written,
    roles: tuple[HeldRole, ...],
    permission: str,
    location: Location,
    *,
    role: Role | None = None,
    asked: RequestValues | None = None,
) -> Explanation:
    policy = policy_of(PolicyFile.model_validate({"version": 1, **written}))
    facts = Facts(UserId("ada"), DistrictId("zeta"), roles)
    return explanation_of(access_of(facts, policy, role), policy, permission, location, asked)


def granted(summary: str, *grounds: Ground) -> Explanation:
    return Explanation(Reason.GRANTED, grounds, (), summary)


def reach(role: Role, scope: Scope, detail: str, *statements: str) -> Missing:
    return Missing(Lack.REACH, role, statements, detail, scope)


# Held.


def test_held_by_a_statement_over_the_very_section() -> None:
    assert why(SUPERSET, (teacher("algebra", "chess"),), "section:edit", ALGEBRA) == granted(
        "section:edit is held: teaches this section (roles.teacher[0]).",
        Ground(
            Role.TEACHER,
            Scope.SECTION,
            "algebra",
            ("roles.teacher[0]",),
            How.STATEMENT,
            Role.TEACHER,
            "teaches this section",
        ),
    )


def test_held_by_the_level_of_a_senior_whose_school_it_is() -> None:
    assert why(SUPERSET, (staff("north"),), "section:edit", ALGEBRA) == granted(
        "section:edit is held: staff at this section's school (roles.teacher[0] by the level of staff).",
        Ground(
            Role.STAFF,
            Scope.SCHOOL,
            "north",
            ("roles.teacher[0]",),
            How.LEVEL,
            Role.STAFF,
            "staff at this section's school",
        ),
    )


def test_held_by_the_level_of_a_senior_on_the_place_of_a_junior() -> None:
    principal = staff("north", title=("dean",))
    written = {**SUPERSET, "roles": {"teacher": TEACHER, "staff": [*STAFF[:2], {**STAFF[2], "when": {}}]}}
    assert why(written, (principal, teacher("biology")), "report:export", BIOLOGY) == granted(
        "report:export is held: teaches this section (roles.staff[2] by the level of staff).",
        Ground(
            Role.STAFF, Scope.SECTION, "biology", ("roles.staff[2]",), How.LEVEL, Role.TEACHER, "teaches this section"
        ),
    )


def test_a_junior_s_condition_that_is_met_counts_towards_the_level() -> None:
    written = {**SUPERSET, "roles": {"teacher": [{**TEACHER[0], "when": {"title": "Coach"}}], "staff": STAFF}}
    roles = (staff("north"), teacher(title=("coach",)))
    assert [ground.how for ground in why(written, roles, "section:edit", ALGEBRA).grounds] == [How.LEVEL]
    assert not why(written, (staff("north"), teacher()), "section:edit", ALGEBRA).held


def test_own_statements_come_before_the_level_and_near_places_before_far_ones() -> None:
    found = why(SUPERSET, (staff("north"), teacher("algebra")), "section:view", ALGEBRA)
    assert [(ground.scope, ground.role, ground.how, ground.statements) for ground in found.grounds] == [
        (Scope.SECTION, Role.TEACHER, How.STATEMENT, ("roles.teacher[0]",)),
        (Scope.SECTION, Role.STAFF, How.LEVEL, ("roles.staff[0]", "roles.teacher[0]")),
        (Scope.SCHOOL, Role.STAFF, How.STATEMENT, ("roles.staff[0]",)),
    ]
    assert found.summary == (
        "section:view is held: teaches this section (roles.teacher[0]); teaches this section (roles.staff[0] and "
        "roles.teacher[0] by the level of staff); staff at this section's school (roles.staff[0])."
    )


def test_held_in_the_whole_district() -> None:
    written = {"rule": "scoped", "roles": {"district_admin": [{"allow": ["section:view"], "over": "district"}]}}
    fact = "district admin of this section's district"
    assert why(written, (held(Role.DISTRICT_ADMIN, {Scope.DISTRICT: ("zeta",)}),), "section:view", ALGEBRA) == granted(
        f"section:view is held: {fact} (roles.district_admin[0]).",
        Ground(Role.DISTRICT_ADMIN, *ZETA, ("roles.district_admin[0]",), How.STATEMENT, Role.DISTRICT_ADMIN, fact),
    )


def test_held_by_the_maximum_on_the_place_of_another_role() -> None:
    written = {
        "rule": "maximum",
        "roles": {"teacher": TEACHER, "student": [{"allow": ["grade:view"], "over": "sections"}]},
    }
    roles = (teacher("biology"), student("algebra"))
    assert why(written, roles, "grade:view", BIOLOGY) == granted(
        "grade:view is held: teaches this section (roles.student[0] by rule: maximum).",
        Ground(
            Role.STUDENT,
            Scope.SECTION,
            "biology",
            ("roles.student[0]",),
            How.MAXIMUM,
            Role.TEACHER,
            "teaches this section",
        ),
    )
    assert why(written, roles, "section:edit", ALGEBRA).missing == (
        reach(Role.TEACHER, Scope.SECTION, "teaches 1 section, not this one", "roles.teacher[0]"),
    )


def test_held_on_a_condition_that_the_request_meets() -> None:
    unless = {"resource.status": ["archived", 1], "action.soft": True}
    written = {"rule": "scoped", "roles": {"teacher": [{**TEACHER[0], "unless": unless}]}}
    asks = RequestCondition(unless=(("action.soft", (True,)), ("resource.status", ("archived", 1))))
    asked = {"resource.status": "active", "action.soft": False}
    assert why(written, (teacher("algebra"),), "section:edit", ALGEBRA, asked=asked) == granted(
        "section:edit is held: teaches this section "
        "(roles.teacher[0] where action.soft is not true and resource.status is not archived or 1).",
        Ground(
            Role.TEACHER,
            Scope.SECTION,
            "algebra",
            ("roles.teacher[0]",),
            How.STATEMENT,
            Role.TEACHER,
            "teaches this section",
            asks,
        ),
    )


def test_held_over_themselves() -> None:
    written = {"rule": "scoped", "roles": {"student": [{"allow": ["user:view"], "over": "self"}]}}
    found = why(written, (student(),), "user:view", frozenset({(Scope.SELF, "ada"), ZETA}))
    assert found.summary == "user:view is held: is this user (roles.student[0])."


def test_every_section_of_a_student_that_the_user_teaches_is_a_ground() -> None:
    written = {"rule": "scoped", "roles": {"teacher": [{"allow": ["student:view"], "over": "sections"}]}}
    found = why(written, (teacher("algebra", "biology", "chess"),), "student:view", PUPIL)
    assert [ground.id for ground in found.grounds] == ["algebra", "biology"]
    assert found.summary == "student:view is held: teaches one of this student's sections (roles.teacher[0])."


# Not held: the places.


def test_missing_because_the_sections_and_schools_are_others() -> None:
    roles = (staff("east", "west"), teacher("algebra", "chess", "drama"))
    assert why(SUPERSET, roles, "section:edit", BIOLOGY) == Explanation(
        Reason.NOT_IN_REACH,
        (),
        (
            reach(Role.TEACHER, Scope.SECTION, "teaches 3 sections, not this one", "roles.teacher[0]"),
            reach(Role.STAFF, Scope.SCHOOL, "staff at 2 schools, this section's school is another", "roles.teacher[0]"),
        ),
        "section:edit is not held: teaches 3 sections, not this one; "
        "staff at 2 schools, this section's school is another.",
    )


def test_a_place_where_the_permission_says_nothing_is_not_missed() -> None:
    roles = (staff("east"), teacher("algebra"))
    assert why(SUPERSET, roles, "school:view", NORTH).missing == (
        reach(Role.STAFF, Scope.SCHOOL, "staff at 1 school, not this one", "roles.staff[0]"),
    )


@pytest.mark.parametrize(
    ("role", "permission", "location", "detail"),
    [
        (teacher("algebra"), "section:edit", BIOLOGY, "teaches 1 section, not this one"),
        (teacher(), "section:edit", BIOLOGY, "teaches no section"),
        (teacher("algebra"), "section:edit", NORTH, "teaches 1 section, not the whole school"),
        (teacher("drama"), "section:edit", PUPIL, "teaches 1 section, none of them this student's"),
        (staff("east"), "section:view", HOMELESS, "staff at 1 school, and this section lies in none"),
        (staff("east", "west"), "section:view", DISTRICT, "staff at 2 schools, not the whole district"),
    ],
)
def test_how_far_a_role_reaches(role: HeldRole, permission: str, location: Location, detail: str) -> None:
    written = {**SUPERSET, "rule": "scoped"}
    assert why(written, (role,), permission, location).missing[0].detail == detail


def test_missing_because_only_they_themselves_are_reached() -> None:
    written = {"rule": "scoped", "roles": {"student": [{"allow": ["user:view"], "over": "self"}]}}
    assert why(written, (student("algebra"),), "user:view", EVE).missing == (
        reach(Role.STUDENT, Scope.SELF, "as a student, over themselves only", "roles.student[0]"),
    )


def test_held_under_maximum_where_a_student_is_and_staff_are_too_is_by_the_employees_place() -> None:
    written = {
        "rule": "maximum",
        "roles": {
            "staff": [{"allow": ["school:view"], "over": "schools"}],
            "student": [{"allow": ["grade:view"], "over": "sections"}, {"allow": ["club:join"], "over": "schools"}],
        },
    }
    roles = (staff("north"), student("algebra", schools=("north",)))
    assert why(written, roles, "grade:view", NORTH).grounds == (
        Ground(
            *(Role.STUDENT, Scope.SCHOOL, "north", ("roles.student[0]",)),
            *(How.MAXIMUM, Role.STAFF, "staff at this school"),
        ),
    )


def test_missing_under_minimum_because_a_contact_gives_it_for_some_students_only() -> None:
    given = {"allow": ["grade:view"], "over": "students", "when": {"type": "Guardian"}}
    written = {
        "rule": "minimum",
        "roles": {"teacher": [{"allow": ["grade:view"], "over": "sections"}], "contact": [given]},
    }
    found = why(written, (teacher("algebra"), contact(("pupil", "guardian"))), "grade:view", ALGEBRA)
    detail = "under rule: minimum every held role has to give it, and contact does so for some students only"
    assert [each.detail for each in found.missing if each.lack is Lack.RULE] == [detail]


def test_missing_under_maximum_is_the_place_of_any_employees_role() -> None:
    written = {
        "rule": "maximum",
        "roles": {
            "teacher": TEACHER,
            "staff": [{"allow": ["school:view"], "over": "schools"}],
            "student": [{"allow": ["grade:view"], "over": "schools"}, {"allow": ["user:view"], "over": "self"}],
            "contact": [{"allow": ["grade:view"], "over": "students"}],
        },
    }
    roles = (staff("north"), teacher("algebra"), student(schools=("south",)), contact(("pupil", "guardian")))
    assert why(written, roles, "section:edit", BIOLOGY).missing == (
        reach(Role.TEACHER, Scope.SECTION, "teaches 1 section, not this one", "roles.teacher[0]"),
        reach(Role.STAFF, Scope.SCHOOL, "staff at 1 school, this section's school is another", "roles.teacher[0]"),
    )


@pytest.mark.parametrize("unconfirmed", [("north",), None])
def test_missing_because_the_policy_drops_an_unconfirmed_school(unconfirmed: tuple[str, ...] | None) -> None:
    written = {**SUPERSET, "schools": {"unconfirmed": "drop"}}
    role = HeldRole(Role.STAFF, (Standing(((Scope.SCHOOL, ("north",)),), unconfirmed=unconfirmed),))
    detail = (
        "staff at this section's school, but Clever's own list of the user's schools does not confirm it, "
        "and the policy drops such schools"
    )
    assert why(written, (role,), "section:view", ALGEBRA) == Explanation(
        Reason.NOT_PERMITTED,
        (),
        (
            Missing(Lack.UNCONFIRMED, Role.STAFF, ("roles.staff[0]", "roles.teacher[0]"), detail, Scope.SCHOOL),
            Missing(Lack.ROLE, Role.TEACHER, ("roles.teacher[0]",), NO_TEACHER),
        ),
        f"section:view is not held: {detail}; no teacher {UNSHARED}",
    )


# Not held: roles.


def test_missing_because_no_such_role_is_shared() -> None:
    assert why(SUPERSET, (), "section:edit", ALGEBRA) == Explanation(
        Reason.NOT_PERMITTED,
        (),
        (
            Missing(Lack.ROLE, Role.STAFF, ("roles.teacher[0]",), NO_STAFF),
            Missing(Lack.ROLE, Role.TEACHER, ("roles.teacher[0]",), NO_TEACHER),
        ),
        f"section:edit is not held: no staff or teacher {UNSHARED}",
    )


def test_several_roles_that_are_not_shared_are_reported_at_once() -> None:
    written = {**SUPERSET, "superset": {"staff": ["teacher"], "district_admin": ["staff"]}}
    assert why(written, (), "section:edit", ALGEBRA).summary == (
        f"section:edit is not held: no district admin, staff or teacher {UNSHARED}"
    )


def test_missing_because_another_role_gives_it() -> None:
    found = why(SUPERSET, (staff("north"), teacher("algebra")), "school:view", NORTH, role=Role.TEACHER)
    detail = "staff gives it here, but only teacher was asked about"
    assert found == Explanation(
        Reason.NOT_PERMITTED,
        (),
        (Missing(Lack.CONTEXT, Role.STAFF, ("roles.staff[0]",), detail),),
        f"school:view is not held as teacher: {detail}.",
    )


def test_missing_whether_or_not_the_role_left_out_would_have_given_it() -> None:
    found = why(SUPERSET, (staff("south"), teacher("algebra")), "school:view", NORTH, role=Role.TEACHER)
    assert [each.detail for each in found.missing] == ["staff was left out: only teacher was asked about"]


def test_a_role_context_that_holds_it_says_so() -> None:
    found = why(SUPERSET, (staff("north"), teacher("algebra")), "section:edit", ALGEBRA, role=Role.TEACHER)
    assert found.summary == "section:edit is held as teacher: teaches this section (roles.teacher[0])."


# Not held: conditions.


def condition(statement: str, detail: str, scope: Scope = Scope.SCHOOL) -> Missing:
    role = Role(statement.split(".")[1].partition("[")[0])
    return Missing(Lack.CONDITION, role, (statement,), detail, scope)


def test_missing_because_the_title_is_another() -> None:
    detail = "staff title is head of house, not Principal or Dean"
    assert why(SUPERSET, (staff("north", title=("head of house",)),), "report:export", ALGEBRA) == Explanation(
        Reason.NOT_PERMITTED, (), (condition("roles.staff[2]", detail),), f"report:export is not held: {detail}."
    )


@pytest.mark.parametrize(
    ("fields", "permission", "detail"),
    [
        ({}, "report:export", "staff title is absent, not Principal or Dean"),
        ({}, "device:manage", "staff roles are absent, not SchoolTechLead"),
        ({"roles": ("PortalOnly",)}, "device:manage", "staff roles are PortalOnly, not SchoolTechLead"),
        (
            {"roles": ("PortalOnly", "medicaladmin")},
            "device:manage",
            "staff roles are PortalOnly and medicaladmin, not SchoolTechLead",
        ),
        ({"title": (UNREADABLE,)}, "report:export", "staff title is unreadable, not Principal or Dean"),
    ],
)
def test_a_field_is_compared_with_the_policy(fields: dict[str, Any], permission: str, detail: str) -> None:
    found = why(SUPERSET, (staff("north", **fields),), permission, NORTH)
    assert [each.detail for each in found.missing] == [detail]


def test_both_the_place_and_the_condition_may_be_missing() -> None:
    assert why(SUPERSET, (staff("east"),), "report:export", NORTH).missing == (
        reach(Role.STAFF, Scope.SCHOOL, "staff at 1 school, not this one", "roles.staff[2]"),
        condition("roles.staff[2]", "staff title is absent, not Principal or Dean"),
    )


def test_the_condition_is_that_of_the_student_s_own_entry() -> None:
    written = {
        "rule": "scoped",
        "roles": {"contact": [{"allow": ["student:view"], "over": "students", "unless": {"type": "Emergency"}}]},
    }
    roles = (contact(("pupil", "emergency"), ("sibling", "guardian")),)
    assert why(written, roles, "student:view", PUPIL).missing == (
        condition("roles.contact[0]", "contact type is Emergency, which rules it out", Scope.STUDENT),
    )
    elsewhere = frozenset({(Scope.STUDENT, "cousin"), ZETA})
    assert why(written, roles, "student:view", elsewhere).missing == (
        reach(Role.CONTACT, Scope.STUDENT, "is a contact of 2 students, not this one", "roles.contact[0]"),
    )


def test_what_cannot_be_read_is_explained_as_ruling_out_what_it_may_be() -> None:
    written = {
        "rule": "scoped",
        "roles": {"contact": [{"allow": ["student:view"], "over": "students", "unless": {"type": ["Doctor", ""]}}]},
    }
    assert why(written, (contact(("pupil", UNREADABLE)),), "student:view", PUPIL).missing == (
        condition(
            "roles.contact[0]",
            "contact type is unreadable and may be Doctor or absent, which rules it out",
            Scope.STUDENT,
        ),
    )


def test_what_a_contact_is_to_a_student_is_not_shown() -> None:
    when = {"type": "Guardian", "relationship": "Parent"}
    written = {"rule": "scoped", "roles": {"contact": [{"allow": ["student:view"], "over": "students", "when": when}]}}
    found = why(written, (contact(("pupil", "guardian")),), "student:view", PUPIL)
    assert [each.detail for each in found.missing] == ["contact relationship is not Parent"]


def test_several_values_are_written_as_a_list() -> None:
    when = {"type": ["Guardian", "Family ", "\u200b"]}
    written = {"rule": "scoped", "roles": {"contact": [{"allow": ["student:view"], "over": "students", "when": when}]}}
    found = why(written, (contact(("pupil", "doctor")),), "student:view", PUPIL)
    assert [each.detail for each in found.missing] == ["contact type is not Guardian, Family or absent"]


def test_a_condition_that_is_met_is_no_reason() -> None:
    unless = {"department": "Kitchen", "title": "Cook"}
    written = {"rule": "scoped", "roles": {"staff": [{"allow": ["school:view"], "over": "schools", "unless": unless}]}}
    found = why(written, (staff("north", title=("cook",)),), "school:view", NORTH)
    assert [each.detail for each in found.missing] == ["staff title is Cook, which rules it out"]


@pytest.mark.parametrize(
    ("asked", "detail"),
    [
        ({}, "teacher only where resource.status is draft, of which this question says nothing"),
        ({"resource.status": "final"}, "teacher only where resource.status is draft"),
    ],
)
def test_missing_because_the_request_does_not_say_so(asked: RequestValues, detail: str) -> None:
    written = {"rule": "scoped", "roles": {"teacher": [{**TEACHER[0], "when": {"resource.status": "draft"}}]}}
    assert why(written, (teacher("algebra"),), "section:edit", ALGEBRA, asked=asked) == Explanation(
        Reason.CONDITION_NOT_MET,
        (),
        (Missing(Lack.REQUEST, Role.TEACHER, ("roles.teacher[0]",), detail, Scope.SECTION),),
        f"section:edit is not held: {detail}.",
    )


@pytest.mark.parametrize(
    ("asked", "detail"),
    [
        ({}, ", of which this question says nothing"),
        (
            {"resource.archived": "true"},
            ", and action.hard is not said and resource.archived is a text here, which cannot be compared with that",
        ),
        (
            {"resource.archived": [], "action.hard": False},
            ", and resource.archived is such a list here, which cannot be compared with that",
        ),
        (
            {"resource.archived": False, "action.hard": 0},
            ", and action.hard is a number here, which cannot be compared with that",
        ),
        (
            {"resource.archived": {}, "action.hard": False},
            ", and resource.archived is an object here, which cannot be compared with that",
        ),
        (
            {"resource.archived": True},
            "",
        ),
    ],
)
def test_missing_because_what_the_request_says_cannot_be_compared(asked: RequestValues, detail: str) -> None:
    unless = {"resource.archived": True, "action.hard": True}
    written = {"rule": "scoped", "roles": {"teacher": [{**TEACHER[0], "unless": unless}]}}
    found = why(written, (teacher("algebra"),), "section:edit", ALGEBRA, asked=asked)
    assert found.reason is (Reason.CONDITION_NOT_COMPARABLE if detail else Reason.CONDITION_NOT_MET)
    assert [each.detail for each in found.missing] == [
        f"teacher only where action.hard is not true and resource.archived is not true{detail}"
    ]


# Not held: the rule.


def test_missing_under_minimum_because_another_role_does_not_give_it() -> None:
    written = {**SUPERSET, "rule": "minimum"}
    detail = "under rule: minimum every held role has to give it, and staff does not"
    assert why(written, (staff("north"), teacher("algebra")), "section:edit", ALGEBRA) == Explanation(
        Reason.NOT_PERMITTED, (), (Missing(Lack.RULE, Role.STAFF, (), detail),), f"section:edit is not held: {detail}."
    )


def test_missing_under_minimum_is_no_other_role_where_none_gives_it() -> None:
    found = why({**SUPERSET, "rule": "minimum"}, (teacher("algebra"),), "school:view", NORTH)
    assert [(each.lack, each.role) for each in found.missing] == [(Lack.ROLE, Role.STAFF)]


def test_missing_under_minimum_is_whatever_reads_the_request() -> None:
    written = {"rule": "minimum", "roles": {"teacher": [{**TEACHER[0], "unless": {"context.purpose": "play"}}]}}
    assert [each.detail for each in why(written, (teacher("algebra"),), "section:edit", ALGEBRA).missing] == [
        "teacher only where context.purpose is not play, and under rule: minimum no such statement counts"
    ]


# Whatever the question.


@pytest.mark.parametrize(
    ("reason", "summary"),
    [
        (Reason.UNKNOWN_ACTION, "section:edit is not held: the policy names no such permission."),
        (Reason.NOT_APPLICABLE, "section:edit is not held: it says nothing inside the places named."),
        (Reason.UNKNOWN_RESOURCE, "section:edit is not held: no such place is shared with this application."),
        (
            Reason.PLACES_DISAGREE,
            "section:edit is not held: the places named are not all there, or do not fit together at Clever.",
        ),
    ],
)
def test_a_question_that_comes_to_nothing_misses_nothing_of_the_user(reason: Reason, summary: str) -> None:
    assert explanation_of_denial("section:edit", reason) == Explanation(reason, (), (), summary)


@law
@given(people(), policies(), locations, requests, st.data())
def test_what_is_held_has_grounds_and_what_is_denied_has_something_missing(
    facts: Facts, written: Written, there: Location, asked: RequestValues, data: st.DataObject
) -> None:
    location = there | {(Scope.DISTRICT, "a")}
    role = data.draw(st.sampled_from([None, *facts.held()]))
    for rule in RULES:
        policy = under(rule, written)
        access = access_of(facts, policy, role)
        for permission in policy.permissions:
            reason = decide(access, permission, location, asked)
            found = explanation_of(access, policy, permission, location, asked)
            assert (found.reason, found.held) == (reason, reason is Reason.GRANTED)
            assert bool(found.grounds) == found.held
            assert bool(found.missing) == (not found.held)
            assert {(ground.scope, ground.id) for ground in found.grounds} <= location
