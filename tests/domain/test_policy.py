from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from ruamel.yaml import YAML

from app.domain.conditions import RequestCondition
from app.domain.errors import PolicyMistakes
from app.domain.facts import Role, Standing
from app.domain.fields import UNREADABLE
from app.domain.policy import Clause, Policy, policy_of
from app.domain.policy_lint import expansions, warnings
from app.domain.policy_schema import PolicyFile, full_names
from app.domain.scopes import Scope

Written = dict[str, Any]
Fields = tuple[tuple[str, tuple[str, ...]], ...]

DEFAULT: Written = YAML(typ="safe", pure=True).load((files("app.policy_files") / "default.yaml").read_text())
TEACHER: Written = {"allow": ["section:view"], "over": "sections"}
SMALL: Written = {"version": 1, "rule": "scoped", "roles": {"teacher": [TEACHER]}}


def file_of(roles: Written, **others: object) -> PolicyFile:
    return PolicyFile.model_validate({"version": 1, "rule": "scoped", "roles": roles, **others})


def mistakes_in(file: PolicyFile) -> list[tuple[str, str, int | None]]:
    with pytest.raises(PolicyMistakes) as refused:
        policy_of(file)
    return [(mistake.where, mistake.message, mistake.line) for mistake in refused.value.mistakes]


def policy(roles: Written, **others: object) -> Policy:
    return policy_of(file_of(roles, **others))


def test_a_clause_holds_full_names_that_can_apply_over_its_places() -> None:
    statement = {"allow": ["*:view", "grade:edit"], "over": "sections", "when": {"title": ["Dean", 1]}}
    staff = {"allow": ["school:view", "section:view"], "over": "schools", "unless": {"department": "IT", "title": "X"}}
    assert policy({"teacher": [statement], "staff": [staff]}).clauses == {
        Role.STAFF: (
            Clause(
                "roles.staff[0]",
                Scope.SCHOOL,
                frozenset({"school:view", "section:view"}),
                unless=(("department", frozenset({"it"})), ("title", frozenset({"x"}))),
            ),
        ),
        Role.TEACHER: (
            Clause(
                "roles.teacher[0]",
                Scope.SECTION,
                frozenset({"grade:edit", "section:view"}),
                when=(("title", frozenset({"dean"})),),
            ),
        ),
    }


def test_a_statement_left_with_nothing_is_no_clause_and_keeps_its_number() -> None:
    teacher = [{"allow": ["district:*"], "over": "sections"}, TEACHER]
    admin = [{"allow": ["district:view"], "over": "district"}]
    found = policy({"teacher": teacher, "district_admin": admin}).clauses[Role.TEACHER]
    assert found == (Clause("roles.teacher[1]", Scope.SECTION, frozenset({"section:view"})),)


DEAN: Fields = (("title", ("dean",)), ("roles", ("portalonly", "schooltechlead")))


@pytest.mark.parametrize(
    ("fields", "when", "unless", "holds"),
    [
        (DEAN, {}, {}, True),
        (DEAN, {"title": "dean"}, {}, True),
        (DEAN, {"title": "DEAN"}, {}, True),
        (DEAN, {"title": ["Head", "Dean"]}, {}, True),
        (DEAN, {"title": "Head"}, {}, False),
        (DEAN, {"title": "Dea"}, {}, False),
        (DEAN, {"roles": "SchoolTechLead"}, {}, True),
        (DEAN, {"title": "Dean", "roles": "PortalOnly"}, {}, True),
        (DEAN, {"title": "Dean", "department": "IT"}, {}, False),
        (DEAN, {}, {"title": "Dean"}, False),
        (DEAN, {}, {"title": "Head"}, True),
        (DEAN, {}, {"title": "Head", "roles": "PortalOnly"}, False),
        (DEAN, {}, {"department": "IT"}, True),
        (DEAN, {"title": "Dean"}, {"roles": "PortalOnly"}, False),
        (DEAN, {"title": "Head"}, {"department": "IT"}, False),
        ((), {"title": "Dean"}, {}, False),
        ((), {}, {"title": "Dean"}, True),
        ((("title", ("1",)),), {"title": 1}, {}, False),
        ((("title", ("1",)),), {"title": "1"}, {}, True),
        ((("title", ("1",)),), {}, {"title": [1, 1.0]}, True),
        ((("title", ("true",)),), {"title": True}, {}, False),
        ((("title", ("true",)),), {"title": "True"}, {}, True),
        ((("title", ("straße",)),), {"title": "STRASSE"}, {}, True),
        ((("title", ("Dean",)),), {"title": "dean"}, {}, True),
        ((("title", ("substitute",)),), {}, {"title": "Substitute "}, False),
        ((("title", ("dean of girls",)),), {"title": "Dean\u00a0 of\tgirls"}, {}, True),
        ((("title", ("délégué",)),), {"title": "De\u0301le\u0301gue\u0301"}, {}, True),
        ((), {}, {"title": ["nurse", ""]}, False),
        ((), {}, {"title": " \u00a0"}, False),
        ((), {"title": ""}, {}, True),
        (DEAN, {"title": ""}, {}, False),
        (DEAN, {}, {"title": ["nurse", ""]}, True),
        ((("roles", ("medicaladmin",)),), {"roles": "MedicalAdmin"}, {}, True),
        ((("roles", ("medicaladmin",)),), {}, {"roles": "MedicalAdmin"}, False),
        ((("title", (UNREADABLE,)),), {"title": "Dean"}, {}, False),
        ((("title", (UNREADABLE,)),), {}, {"title": "Dean"}, False),
        ((("title", (UNREADABLE,)),), {}, {"title": ""}, True),
        ((("roles", (UNREADABLE,)),), {}, {"roles": "PortalOnly"}, True),
        ((("roles", (UNREADABLE,)),), {}, {"roles": ["PortalOnly", "MedicalAdmin"]}, False),
    ],
)
def test_when_and_unless(fields: Fields, when: Written, unless: Written, holds: bool) -> None:
    statement = {"allow": ["school:view"], "over": "schools", "when": when, "unless": unless}
    [clause] = policy({"staff": [statement]}).clauses[Role.STAFF]
    assert clause.holds(Standing(fields=fields)) is holds
    assert clause.unconditional is not bool(when or unless)


def test_a_clause_tells_conditions_on_the_role_from_those_on_the_request() -> None:
    statement = {
        "allow": ["section:edit"],
        "over": "sections",
        "when": {"title": "Dean", "resource.status": ["Active", 1, True], "action.soft": True},
        "unless": {"context.purpose": "fun"},
    }
    [clause] = policy({"teacher": [statement]}).clauses[Role.TEACHER]
    assert clause == Clause(
        "roles.teacher[0]",
        Scope.SECTION,
        frozenset({"section:edit"}),
        when=(("title", frozenset({"dean"})),),
        condition=RequestCondition(
            when=(("action.soft", (True,)), ("resource.status", ("Active", 1, True))),
            unless=(("context.purpose", ("fun",)),),
        ),
    )
    assert [clause.holds(Standing(fields=fields)) for fields in (DEAN, ())] == [True, False]


@pytest.mark.parametrize(
    ("statement", "unconditional", "ruled"),
    [
        ({"over": "sections"}, True, True),
        ({"over": "sections", "when": {"title": "Dean"}}, False, True),
        ({"over": "sections", "unless": {"title": "Dean"}}, False, True),
        ({"over": "sections", "when": {"resource.status": "active"}}, False, False),
        ({"over": "sections", "unless": {"resource.status": "active"}}, False, False),
        ({"over": "sections", "when": {}, "unless": {}}, True, True),
        ({"over": "self"}, True, False),
        ({"over": "self", "when": {"action.soft": True}}, False, False),
    ],
)
def test_what_the_rules_combine(statement: Written, unconditional: bool, ruled: bool) -> None:
    [clause] = policy({"teacher": [{"allow": ["a:b"], **statement}]}).clauses[Role.TEACHER]
    assert (clause.unconditional, clause.ruled) == (unconditional, ruled)


def test_an_alias_stands_for_its_type_wherever_a_type_is_read() -> None:
    found = policy(
        {"teacher": [{"allow": ["classroom:edit", "pupil:*", "student:view"], "over": "sections"}]},
        aliases={"classroom": "section", "pupil": "student"},
        district={"read_only": ["classroom:*", "pupil:view"]},
    )
    assert found.clauses[Role.TEACHER] == (
        Clause("roles.teacher[0]", Scope.SECTION, frozenset({"section:edit", "student:view"})),
    )
    assert found.permissions == {"section:edit", "student:view"}
    assert [found.type_of(each) for each in ("classroom", "pupil", "section", "report")] == [
        *("section", "student", "section", "report"),
    ]


def test_mistakes_of_aliases_carry_their_path() -> None:
    statement = {"allow": ["classroom:view", "classroom:edit", "campus:*"], "over": "self"}
    aliases = {"classroom": "section", "campus": "school", "user": "student"}
    assert mistakes_in(file_of({"teacher": [statement]}, aliases=aliases, district={"read_only": ["campus:*"]})) == [
        ("roles.teacher[0].allow[0]", "section:view says nothing over self: a section does not lie there", None),
        ("roles.teacher[0].allow[1]", "section:edit says nothing over self: a section does not lie there", None),
        ("roles.teacher[0].allow[2]", "school:* matches no permission that the policy names in full", None),
        ("district.read_only[0]", "school:* matches no permission that the policy names in full", None),
        ("aliases.user", "user is a type of Clever's: it cannot stand for another", None),
    ]


def test_mistakes_of_the_whole_carry_their_path() -> None:
    statement = {"allow": ["section:view", "school:view", "device:*"], "over": "sections"}
    found = mistakes_in(file_of({"teacher": [statement]}, superset={"staff": ["staff"]}))
    assert found == [
        ("roles.teacher[0].allow[1]", "school:view says nothing over sections: a school does not lie there", None),
        ("roles.teacher[0].allow[2]", "device:* matches no permission that the policy names in full", None),
        ("superset.staff", "staff stands above itself: a circle", None),
    ]


def test_superset_without_seniority_is_a_mistake() -> None:
    message = "rule: superset needs to know which role is senior to which"
    assert mistakes_in(file_of({}, rule="superset")) == [("superset", message, None)]
    assert mistakes_in(file_of({}, rule="superset", superset={"staff": []})) == [("superset", message, None)]


def test_a_wildcard_is_not_matched_by_what_read_only_names() -> None:
    found = mistakes_in(file_of({"teacher": [{"allow": ["*:x"], "over": "self"}]}, district={"read_only": ["a:x"]}))
    assert found == [("roles.teacher[0].allow[0]", "*:x matches no permission that the policy names in full", None)]


def test_read_only_need_not_match_where_it_is_not_written() -> None:
    assert policy({"teacher": [{"allow": ["a:b"], "over": "self"}]}).file.district.read_only == ("*:view",)


def test_a_senior_stands_above_the_juniors_of_its_juniors() -> None:
    superset = {"district_admin": ["staff"], "staff": ["teacher"], "teacher": []}
    assert policy({}, rule="superset", superset=superset).juniors == {
        Role.DISTRICT_ADMIN: {Role.STAFF, Role.TEACHER},
        Role.STAFF: {Role.TEACHER},
    }


def test_a_junior_reached_by_two_ways_is_no_circle() -> None:
    superset = {"district_admin": ["staff", "teacher"], "staff": ["teacher"]}
    assert policy({}, rule="superset", superset=superset).juniors[Role.DISTRICT_ADMIN] == {Role.STAFF, Role.TEACHER}


@pytest.mark.parametrize("rule", ["scoped", "maximum", "minimum"])
def test_seniority_counts_under_superset_only(rule: str) -> None:
    assert policy({}, rule=rule, superset={"staff": ["teacher"]}).juniors == {}


def test_permissions_are_known_by_where_they_say_something() -> None:
    names = ["district:view", "school:view", "section:view", "student:view", "user:view", "report:export"]
    found = policy({"district_admin": [{"allow": names, "over": "district"}]})
    assert found.permissions_in == {
        Scope.DISTRICT: set(names),
        Scope.SCHOOL: {"school:view", "section:view", "student:view", "report:export"},
        Scope.SECTION: {"section:view", "student:view", "report:export"},
        Scope.STUDENT: {"student:view", "report:export"},
        Scope.SELF: {"user:view", "report:export"},
    }


def test_expansions_tell_what_each_wildcard_stands_for() -> None:
    file = file_of(
        {
            "teacher": [{"allow": ["*:view", "grade:edit"], "over": "sections"}, {"allow": ["*:*"], "over": "self"}],
            "staff": [{"allow": ["school:view", "section:view", "section:*"], "over": "schools"}],
            "contact": [{"allow": ["school:*", "user:view"], "over": "self"}],
        },
        district={"read_only": ["*:view", "grade:edit", "grade:*"]},
    )
    assert list(expansions(file)) == [
        ("roles.staff[0].allow[2]", "section:*", ("section:view",)),
        ("roles.teacher[0].allow[0]", "*:view", ("section:view",)),
        ("roles.teacher[1].allow[0]", "*:*", ("grade:edit", "user:view")),
        ("roles.contact[0].allow[0]", "school:*", ()),
        ("district.read_only[0]", "*:view", ("school:view", "section:view", "user:view")),
        ("district.read_only[2]", "grade:*", ("grade:edit",)),
    ]


def test_expansions_of_aliases_are_shown_with_the_types_of_clever() -> None:
    statement = {"allow": ["classroom:*", "classroom:view", "section:edit"], "over": "sections"}
    reading = {"paused": "read_only", "read_only": ["classroom:*"]}
    file = file_of({"teacher": [statement]}, aliases={"classroom": "section"}, district=reading)
    assert list(expansions(file)) == [
        ("roles.teacher[0].allow[0]", "classroom:*", ("section:edit", "section:view")),
        ("district.read_only[0]", "classroom:*", ("section:edit", "section:view")),
    ]
    assert full_names(file) == {"section:edit", "section:view"}
    assert list(warnings(file)) == []


def test_names_in_full() -> None:
    file = file_of({"teacher": [{"allow": ["*:view", "a:view"], "over": "self"}], "staff": []})
    assert full_names(file) == {"a:view"}


def test_a_wildcard_stands_for_whole_parts_only() -> None:
    statement = {"allow": ["view:*", "view:a", "review:b", "preview:view", "view-x:c", "View:d"], "over": "self"}
    assert list(expansions(file_of({"teacher": [statement]}, district={"read_only": ["*:a"]}))) == [
        ("roles.teacher[0].allow[0]", "view:*", ("view:a",)),
        ("district.read_only[0]", "*:a", ("view:a",)),
    ]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("scoped", ["superset has no effect: the rule is scoped"]),
        ("minimum", ["superset has no effect: the rule is minimum"]),
        (
            "maximum",
            [
                "roles.teacher[1] reaches schools that are merely taught at: rule maximum gives staff rights there",
                "superset has no effect: the rule is maximum",
            ],
        ),
        (
            "superset",
            ["roles.teacher[1] reaches schools that are merely taught at: rule superset gives staff rights there"],
        ),
    ],
)
def test_teachers_over_schools_are_warned_of(rule: str, told: list[str]) -> None:
    roles = {
        "teacher": [TEACHER, {"allow": ["school:view"], "over": "schools"}],
        "student": [{"allow": ["school:view"], "over": "schools"}],
    }
    assert list(warnings(file_of(roles, rule=rule, superset={"staff": ["teacher"]}))) == told


@pytest.mark.parametrize("word", ["when", "unless"])
def test_teachers_over_schools_whose_condition_reads_the_request_are_not_warned_of(word: str) -> None:
    statement = {"allow": ["school:view"], "over": "schools", word: {"resource.status": "active"}}
    assert list(warnings(file_of({"teacher": [statement]}, rule="maximum"))) == []


def test_a_statement_left_with_nothing_is_warned_of() -> None:
    roles = {
        "teacher": [{"allow": ["district:*"], "over": "schools"}, TEACHER],
        "district_admin": [{"allow": ["district:view"], "over": "district"}],
    }
    assert list(warnings(file_of(roles, rule="maximum"))) == [
        "roles.teacher[0] says nothing: none of its permissions applies over schools"
    ]


ALLOWED = "district.read_only has no effect: nothing is read_only"


@pytest.mark.parametrize(
    ("blocks", "told"),
    [
        ({"district": {"paused": "deny", "before_launch": "deny"}, "sections": {"terms": "current"}}, []),
        ({"district": {"paused": "read_only", "read_only": ["*:view"]}}, []),
        ({"district": {"read_only": ["*:view"]}, "sections": {"terms": "current", "after": "read_only"}}, []),
        ({"district": {"paused": "deny", "read_only": ["*:view"]}}, [ALLOWED]),
        (
            {"district": {"read_only": ["*:view"]}, "sections": {"grace_days": 7, "after": "read_only"}},
            [
                ALLOWED,
                "sections.grace_days has no effect: terms is any",
                "sections.after has no effect: terms is any",
            ],
        ),
    ],
)
def test_what_has_no_effect_on_a_district_or_a_section_is_warned_of(blocks: Written, told: list[str]) -> None:
    assert list(warnings(file_of({"teacher": [TEACHER]}, **blocks))) == told


def test_terms_have_no_effect_where_nothing_stands_over_sections() -> None:
    by_term = {"sections": {"terms": "current"}}
    assert list(warnings(file_of({"staff": [STAFF]}, **by_term))) == [
        "sections.terms has no effect: no statement stands over sections"
    ]
    above = {**by_term, "rule": "superset", "superset": {"teacher": ["staff"]}}
    assert list(warnings(file_of({"staff": [STAFF]}, **above))) == []


def test_what_a_policy_has_to_know_of_a_district() -> None:
    known = [
        (each.needs_calendar, each.needs_terms)
        for each in (
            policy({"teacher": [TEACHER]}),
            policy({"teacher": [TEACHER]}, district={"paused": "read_only"}),
            policy({"teacher": [TEACHER]}, district={"before_launch": "deny"}),
            policy({"teacher": [TEACHER]}, sections={"terms": "current"}),
        )
    ]
    assert known == [(False, False), (True, False), (True, False), (True, True)]


STAFF: Written = {"allow": ["school:view"], "over": "schools"}
ARCHIVED: Written = {"resource.status": "archived"}


@pytest.mark.parametrize(
    ("roles", "others", "told"),
    [
        ({"teacher": [TEACHER]}, {"superset": {"staff": ["teacher"]}}, ["superset has no effect: the rule is scoped"]),
        (
            {"teacher": [TEACHER]},
            {"rule": "superset", "superset": {"staff": ["teacher"], "district_admin": []}},
            ["superset.district_admin has no effect: no junior is named"],
        ),
        (
            {"teacher": [{"allow": ["user:view"], "over": "self"}, {**TEACHER, "when": ARCHIVED}], "staff": [STAFF]},
            {"rule": "superset", "superset": {"district_admin": ["staff", "teacher"], "staff": ["teacher"]}},
            [
                "superset.district_admin[1] has no effect: no statement of teacher gives a senior anything",
                "superset.staff[0] has no effect: no statement of teacher gives a senior anything",
            ],
        ),
        (
            {"teacher": [TEACHER]},
            {"rule": "superset", "superset": {"district_admin": ["staff"], "staff": ["teacher"]}},
            [],
        ),
        (
            {"teacher": [TEACHER], "staff": [{"allow": ["user:view"], "over": "self"}]},
            {"schools": {"unconfirmed": "drop"}},
            ["schools.unconfirmed has no effect: no statement of staff stands over schools"],
        ),
        ({"staff": [STAFF]}, {"schools": {"unconfirmed": "drop"}}, []),
        (
            {"teacher": [TEACHER]},
            {
                "schools": {"unconfirmed": "drop"},
                "rule": "superset",
                "superset": {"staff": ["teacher"]},
            },
            [],
        ),
        (
            {"teacher": [TEACHER, {"allow": ["section:edit"], "over": "sections", "unless": ARCHIVED}]},
            {"rule": "minimum"},
            ["roles.teacher[1] has no effect: rule minimum leaves out statements whose conditions read the request"],
        ),
        (
            {"teacher": [{"allow": ["section:view", "school:*"], "over": "sections"}], "staff": [STAFF]},
            {},
            ["roles.teacher[0].allow[1]: school:* stands for nothing that applies over sections"],
        ),
        (
            {
                "teacher": [
                    {**TEACHER, "when": {"title": ["Dean", "Head"]}, "unless": {"title": ["HEAD", "dean", "aide"]}}
                ]
            },
            {},
            ["roles.teacher[0] never holds: whatever its when wants of title, its unless rules out"],
        ),
        ({"teacher": [{**TEACHER, "when": {"title": ["Dean", "Head"]}, "unless": {"title": ["head"]}}]}, {}, []),
        ({"teacher": [{**TEACHER, "when": {"action.n": [1]}, "unless": {"action.n": ["1", True]}}]}, {}, []),
        (
            {"teacher": [{**TEACHER, "unless": {"title": "Substitute"}}, TEACHER]},
            {},
            ["roles.teacher[0] adds nothing: roles.teacher[1] gives all of it without a condition"],
        ),
        (
            {"teacher": [TEACHER, TEACHER, {"allow": ["section:edit"], "over": "schools"}]},
            {},
            ["roles.teacher[1] adds nothing: roles.teacher[0] gives all of it without a condition"],
        ),
        (
            {"teacher": [TEACHER, {"allow": ["section:edit", "section:view"], "over": "sections"}]},
            {},
            ["roles.teacher[0] adds nothing: roles.teacher[1] gives all of it without a condition"],
        ),
        ({"teacher": [TEACHER, {"allow": ["section:view", "section:edit"], "over": "schools"}]}, {}, []),
    ],
)
def test_what_is_written_and_has_no_effect_is_warned_of(roles: Written, others: Written, told: list[str]) -> None:
    assert list(warnings(file_of(roles, **others))) == told


def test_conditions_that_no_user_can_meet_are_warned_of() -> None:
    contact = {
        "allow": ["student:view"],
        "over": "students",
        "unless": {"type": ["Ward", "emergency", "", "room 512"]},
    }
    staff = {
        "allow": ["school:view"],
        "over": "schools",
        "when": {"roles": "CurriculumLead", "title": ["Dean", 5, True], "resource.level": 5},
    }
    assert list(warnings(file_of({"contact": [contact], "staff": [staff]}))) == [
        "roles.staff[0]: Clever documents no 'CurriculumLead' for roles: it counts only where a district writes it so",
        "roles.staff[0]: no user has 5 for title, so that a when never holds for it",
        "roles.staff[0]: no user has true for title, so that a when never holds for it",
        "roles.contact[0]: Clever documents no 'Ward' for type: it counts only where a district writes it so",
        "roles.contact[0]: no user has 'room 512' for type, so that an unless rules out every type that is no label",
        "roles.contact[0]: an unless lets contacts of all other types pass: name those that you trust in a when",
    ]


def test_what_an_unless_on_a_field_cannot_rule_out_is_warned_of() -> None:
    staff = {"allow": ["school:view"], "over": "schools", "unless": {"title": [5, "substitute*"]}}
    assert list(warnings(file_of({"staff": [staff]}))) == [
        "roles.staff[0]: no user has 5 for title, so that an unless rules nobody out by it: text is written in quotes",
        "roles.staff[0]: the * in 'substitute*' for title stands for itself: there are no patterns",
    ]


def test_text_that_shows_nothing_is_warned_of_where_it_is_not_written_as_empty_text() -> None:
    staff = {
        "allow": ["school:view"],
        "over": "schools",
        "when": {"title": [" ", ""]},
        "unless": {"action.x": "\u200b"},
    }
    assert list(warnings(file_of({"staff": [staff]}))) == [
        "roles.staff[0]: nothing shows of ' ' for title: it stands for what is absent, as \"\" does",
        "roles.staff[0]: nothing shows of '\\u200b' for action.x: it stands for what is absent, as \"\" does",
    ]


def test_words_that_are_booleans_elsewhere_are_warned_of_where_they_are_held_against_a_request() -> None:
    teacher = {
        **TEACHER,
        "when": {"title": "Yes"},
        "unless": {"resource.archived": ["YES", "off", "true", True, "yesterday"]},
    }
    assert list(warnings(file_of({"teacher": [teacher]}))) == [
        f"roles.teacher[0]: in YAML 1.2 {word} for resource.archived is text, which never equals true or false"
        for word in ("'YES'", "'off'", "'true'")
    ]


def test_the_documented_value_that_may_be_meant_is_suggested() -> None:
    contact = {"allow": ["student:view"], "over": "students", "when": {"type": "Guardian", "relationship": "Mother"}}
    staff = {"allow": ["school:view"], "over": "schools", "unless": {"roles": "SchoolTechLaed"}}
    told = list(warnings(file_of({"contact": [contact], "staff": [staff]})))
    assert [one.rpartition("; ")[2] for one in told] == [
        "did you mean SchoolTechLead?",
        "did you mean Parent/Guardian?",
        "roles.contact[0]: Clever documents no 'Mother' for relationship: it counts only where a district writes it so",
    ]


def test_the_drop_of_unconfirmed_schools_is_asked_for() -> None:
    assert policy({}).drops_unconfirmed_schools is False
    assert policy({}, schools={"unconfirmed": "keep"}).drops_unconfirmed_schools is False
    assert policy({}, schools={"unconfirmed": "drop"}).drops_unconfirmed_schools is True


# The JSON Schema, by which editors complete and check the file.

SCHEMA = PolicyFile.model_json_schema()


def accepts(written: object) -> bool:
    return Draft202012Validator(SCHEMA).is_valid(written)


def teaching(**changes: object) -> Written:
    return {**SMALL, "roles": {"teacher": [{**TEACHER, **changes}]}}


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "written",
    [
        DEFAULT,
        SMALL,
        teaching(when={"title": "Dean"}),
        teaching(when={"title": ["Dean", 1, True]}, unless={}),
        teaching(allow=["*:view", "section:*", "*:*"]),
        {**SMALL, "superset": {"staff": ["teacher"]}, "schools": {"unconfirmed": "drop"}},
        {**SMALL, "roles": {}},
        {**SMALL, "aliases": {}},
        {**SMALL, "aliases": {"classroom": "section", "my.pupil-2_b": "student"}},
        teaching(when={"resource.status": "active", "action.soft": [True, 1, 1.5], "title": "Dean"}),
        teaching(unless={"context.is-it_So9": "x"}),
        {**SMALL, "roles": {"student": [{**TEACHER, "when": {"resource.status": "active"}}]}},
        {**SMALL, "roles": {"contact": [{"allow": ["a:b"], "over": "students", "when": {"action.a": 1, "type": "b"}}]}},
        {**SMALL, "roles": {"staff": [{"allow": ["a:b"], "over": "schools", "when": {"context.a": 1, "roles": "b"}}]}},
    ],
)
def test_the_schema_accepts_what_we_accept(written: Written) -> None:
    assert accepts(written)
    PolicyFile.model_validate(written)


@pytest.mark.parametrize(
    "written",
    [
        None,
        [],
        {},
        {**SMALL, "version": 2},
        {**SMALL, "version": "1"},
        {**SMALL, "rule": "most"},
        {**SMALL, "rulez": "scoped"},
        {**SMALL, "roles": None},
        {**SMALL, "roles": {"janitor": []}},
        {**SMALL, "roles": {"teacher": TEACHER}},
        {**SMALL, "superset": {"head": ["staff"]}},
        {**SMALL, "superset": {"staff": ["janitor"]}},
        {**SMALL, "superset": {"staff": ["contact"]}},
        {**SMALL, "superset": {"teacher": ["student"]}},
        {**SMALL, "superset": {"contact": ["student"]}},
        {**SMALL, "superset": {"student": []}},
        {**SMALL, "district": {"paused": "maybe"}},
        {**SMALL, "sections": {"terms": "all"}},
        {**SMALL, "sections": {"grace_days": -1}},
        {**SMALL, "sections": {"grace_days": "7"}},
        {**SMALL, "schools": {"unconfirmed": True}},
        {**SMALL, "roles": {"student": [{**TEACHER, "when": {"title": "Dean"}}]}},
        {**SMALL, "roles": {"contact": [{"allow": ["a:b"], "over": "students", "when": {"title": "Dean"}}]}},
        {**SMALL, "roles": {"staff": [TEACHER]}},
        teaching(over="students"),
        teaching(over=["sections"]),
        teaching(allow=[]),
        teaching(allow="section:view"),
        teaching(allow=["view"]),
        teaching(allow=["sec*:view"]),
        teaching(on="sections"),
        teaching(when={"department": "IT"}),
        teaching(when={"title": []}),
        teaching(when={"title": None}),
        teaching(when={"title": {"a": "b"}}),
        teaching(when={"subject.role": "admin"}),
        teaching(when={"resource.": "a"}),
        teaching(when={"resource": "a"}),
        teaching(when={"resource.a.b": "a"}),
        teaching(when={"resource.a b": "a"}),
        teaching(when={"Resource.status": "a"}),
        teaching(when={"x.resource.status": "a"}),
        teaching(when={"resource.status": None}),
        teaching(when={"resource.status": []}),
        teaching(unless={"resource.status": [{}]}),
        {**SMALL, "aliases": {"1a": "section"}},
        {**SMALL, "aliases": {"a b": "section"}},
        {**SMALL, "aliases": {"": "section"}},
        {**SMALL, "aliases": {"*": "section"}},
        {**SMALL, "aliases": {"classroom": "lesson"}},
        {**SMALL, "aliases": {"classroom": "*"}},
        {**SMALL, "aliases": None},
    ],
)
def test_the_schema_refuses_what_we_refuse(written: object) -> None:
    assert not accepts(written)
    with pytest.raises(ValueError, match="PolicyFile"):
        PolicyFile.model_validate(written)


@pytest.mark.parametrize("version", [True, 1.0])
def test_a_version_is_a_whole_number(version: object) -> None:
    with pytest.raises(ValueError, match="version"):
        PolicyFile.model_validate({**SMALL, "version": version})


@pytest.mark.parametrize("given", [[], None, {"a": "b"}, [["dean"]], float("nan")])
def test_a_condition_needs_at_least_one_text_number_or_boolean(given: object) -> None:
    with pytest.raises(ValidationError, match="a value is text, a number, true or false, or a list of these"):
        file_of({"teacher": [{**TEACHER, "when": {"title": given}}]})


def test_a_text_that_is_compared_has_500_characters_at_most() -> None:
    file_of({"teacher": [{**TEACHER, "when": {"title": "x" * 500}}]})
    with pytest.raises(ValidationError, match="a text that is compared has 500 characters at most"):
        file_of({"teacher": [{**TEACHER, "when": {"title": "x" * 501}}]})
