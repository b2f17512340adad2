from importlib.resources import files
from typing import Any

import pytest
from ruamel.yaml import YAML

from app.domain.errors import Mistake, PolicyMistakes
from app.domain.facts import Role
from app.domain.policy_lint import warnings
from app.policy_files.yaml import read_policy

ROLES = "district_admin, staff, teacher, student, contact"
NO_ROLE = f"unknown key: Clever's roles are {ROLES}; a librarian is staff with a title"
DEFAULT = (files("app.policy_files") / "default.yaml").read_text()

HEAD = "version: 1\nrule: scoped\n"
SMALL = HEAD + "roles:\n  teacher:\n    - allow: [section:view]\n      over: sections\n"
NOT_A_PERMISSION = "a permission is type:action, such as section:edit; only a whole part can be *"
NOT_A_VALUE = "a value is text, a number, true or false, or a list of these"
NOT_A_NAME = "a name begins with a letter and holds letters, digits, _, . and -"
REQUEST = "what a request says: resource.…, action.… or context.…"
STAFF_FIELDS = "'roles', 'title' or 'department'"
CONTACT_FIELDS = "'relationship' or 'type'"
A_TYPE = "this should be 'district', 'school', 'section', 'student' or 'user'"
A_ROLE = "this should be 'district_admin', 'staff' or 'teacher'"
NO_RANK = (
    "cannot be senior or junior: what a student or a contact may do holds for their own sections or students, "
    "and no other role can inherit it"
)


def mistakes_in(text: str) -> list[str]:
    with pytest.raises(PolicyMistakes) as refused:
        read_policy(text)
    return [str(mistake) for mistake in refused.value.mistakes]


def teacher(statement: str) -> str:
    return f"{HEAD}roles:\n  teacher:\n    - allow: [section:view]\n      over: sections\n    - {statement}\n"


def titled(title: str) -> str:
    return teacher(f"{{allow: [section:view], over: sections, when: {{title: {title}}}}}")


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (HEAD + "roles:\n  janitor: []\n", f"line 4: roles.janitor: {NO_ROLE}"),
        (HEAD + "roles: {}\nrulez: x\n", "line 4: rulez: unknown key"),
        (SMALL + "      on: sections\n", "line 7: roles.teacher[0].on: unknown key"),
        (HEAD + "roles: {}\nschools:\n  unconfirm: drop\n", "line 5: schools.unconfirm: unknown key"),
        (HEAD + "roles: {}\ndistrict:\n  paus: deny\n", "line 5: district.paus: unknown key"),
        (HEAD + "roles: {}\nalias: {}\n", "line 4: alias: unknown key"),
        (HEAD + "roles: {}\naliases: []\n", "line 4: aliases: this should be a mapping of keys to values"),
        (HEAD + "roles: {}\naliases:\n  a: section\n  1b: section\n", f"line 6: aliases.1b: {NOT_A_NAME}"),
        (HEAD + "roles: {}\naliases: {room: lesson}\n", f"line 4: aliases.room: {A_TYPE}"),
        (
            HEAD + "roles: {}\naliases:\n  user: student\n",
            "line 5: aliases.user: user is a type of Clever's: it cannot stand for another",
        ),
        (
            teacher("{allow: [a:b], over: sections, when: {subject.role: x}}"),
            f"line 7: roles.teacher[1].when.subject.role: a condition of this role reads 'title' or {REQUEST}",
        ),
        (
            HEAD + "roles:\n  student:\n    - allow: [a:b]\n      over: self\n      unless:\n        title: x\n",
            f"line 8: roles.student[0].unless.title: a condition of this role reads {REQUEST}",
        ),
        (
            HEAD + "roles: {staff: [{allow: [a:b], over: schools, when: {grade: x}}]}\n",
            f"line 3: roles.staff[0].when.grade: a condition of this role reads {STAFF_FIELDS} or {REQUEST}",
        ),
        (
            HEAD + "roles: {contact: [{allow: [a:b], over: self, when: {resource.a.b: x}}]}\n",
            f"line 3: roles.contact[0].when.resource.a.b: a condition of this role reads {CONTACT_FIELDS} or {REQUEST}",
        ),
        (
            teacher("{allow: [a:b], over: sections, when: {resource.status: {}}}"),
            f"line 7: roles.teacher[1].when.resource.status: {NOT_A_VALUE}",
        ),
        (
            teacher("{allow: [1], over: sections}"),
            "line 7: roles.teacher[1].allow[0]: this should be text; a number, true or false is text in quotes",
        ),
        (
            teacher("{allow: [a:b], over: students}"),
            "line 7: roles.teacher[1].over: this should be 'sections', 'schools' or 'self'",
        ),
        (teacher("allow: [a:b]"), "line 7: roles.teacher[1].over: this key is missing"),
        (teacher("over: sections"), "line 7: roles.teacher[1].allow: this key is missing"),
        (teacher("{allow: a:b, over: sections}"), "line 7: roles.teacher[1].allow: this should be a list"),
        (
            teacher("{allow: [], over: sections}"),
            "line 7: roles.teacher[1].allow: this list should not be empty",
        ),
        (teacher("view"), "line 7: roles.teacher[1]: this should be a mapping of keys to values"),
        (HEAD + "roles:\n", "line 3: roles: this should be a mapping of keys to values"),
        (HEAD + "roles:\n  teacher:\n", "line 4: roles.teacher: this should be a list"),
        (
            teacher("allow: [section:view, school:view]\n      over: sections"),
            "line 7: roles.teacher[1].allow[1]: school:view says nothing over sections: a school does not lie there",
        ),
        (
            teacher("{allow: [section:view], over: self}"),
            "line 7: roles.teacher[1].allow[0]: section:view says nothing over self: a section does not lie there",
        ),
        (
            teacher("{allow: ['*:edit'], over: sections}"),
            "line 7: roles.teacher[1].allow[0]: *:edit matches no permission that the policy names in full",
        ),
        (
            SMALL + "district:\n  read_only:\n    - '*:view'\n    - 'device:*'\n",
            "line 10: district.read_only[1]: device:* matches no permission that the policy names in full",
        ),
        (
            HEAD + "roles: {}\ndistrict: {read_only: ['*:view']}\n",
            "line 4: district.read_only[0]: *:view matches no permission that the policy names in full",
        ),
        (
            HEAD + "roles: {}\ndistrict: {paused: maybe}\n",
            "line 4: district.paused: this should be 'allow', 'read_only' or 'deny'",
        ),
        (
            HEAD + "roles: {}\ndistrict: {before_launch: read_only}\n",
            "line 4: district.before_launch: this should be 'allow' or 'deny'",
        ),
        (
            HEAD + "roles: {}\nschools: {unconfirmed: yes}\n",
            "line 4: schools.unconfirmed: this should be 'keep' or 'drop'",
        ),
        (HEAD + "superset: {head: [staff]}\nroles: {}\n", f"line 3: superset.head: {A_ROLE}"),
        (HEAD + "superset:\n  staff:\n    - janitor\nroles: {}\n", f"line 5: superset.staff[0]: {A_ROLE}"),
        (HEAD + "superset:\n  staff:\n    - contact\nroles: {}\n", f"line 5: superset.staff[0]: contact {NO_RANK}"),
        (HEAD + "superset:\n  student: []\nroles: {}\n", f"line 4: superset.student: student {NO_RANK}"),
        (HEAD + "superset: {staff: [[teacher]]}\nroles: {}\n", f"line 3: superset.staff[0]: {A_ROLE}"),
        (HEAD + "superset: {staff: teacher}\nroles: {}\n", "line 3: superset.staff: this should be a list"),
        (
            HEAD + "superset:\n  staff: [staff]\nroles: {}\n",
            "line 4: superset.staff: staff stands above itself: a circle",
        ),
        (
            "version: 1\nrule: superset\nroles: {}\n",
            "line 1: superset: rule: superset needs to know which role is senior to which",
        ),
        (
            "version: 1\nrule: superset\nsuperset: {staff: []}\nroles: {}\n",
            "line 3: superset: rule: superset needs to know which role is senior to which",
        ),
        ("version: 1\nroles: {}\n", "line 1: rule: this key is missing"),
        (
            "version: 1\nrule: most\nroles: {}\n",
            "line 2: rule: this should be 'scoped', 'superset', 'maximum' or 'minimum'",
        ),
        ("rule: scoped\nroles: {}\n", "line 1: version: this key is missing"),
        ("rule: scoped\nversion: 2\nroles: {}\n", "line 2: version: this should be 1"),
        ("rule: scoped\nversion: '1'\nroles: {}\n", "line 2: version: this should be 1"),
        ("version: 1\nrule: scoped\n", "line 1: roles: this key is missing"),
        ("- version\n", "line 1: the file: this should be a mapping of keys to values"),
        ("hello\n", "line 1: the file: this should be a mapping of keys to values"),
        ("", "the file: this should be a mapping of keys to values"),
        ("# nothing but a comment\n", "the file: this should be a mapping of keys to values"),
        (titled("[]"), f"line 7: roles.teacher[1].when.title: {NOT_A_VALUE}"),
        (titled("~"), f"line 7: roles.teacher[1].when.title: {NOT_A_VALUE}"),
        (titled("{a: b}"), f"line 7: roles.teacher[1].when.title: {NOT_A_VALUE}"),
        *(
            (titled(some), f"line 7: roles.teacher[1].when.title: {NOT_A_VALUE}")
            for some in (".nan", "[-.inf]", "1e999")
        ),
        (titled("[[a]]"), f"line 7: roles.teacher[1].when.title: {NOT_A_VALUE}"),
    ],
)
def test_a_mistake_is_reported_with_its_path_and_line(text: str, mistake: str) -> None:
    assert mistakes_in(text) == [mistake]


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        *((name, True) for name in ("a:b", "section:edit", "a.b-c_d:E2", "Section:view")),
        *((name, False) for name in ("section", "section:", ":view", "a:b:c", "a b:c", "sec*:view", "section:vi*")),
        *((name, False) for name in ("", "1a:b", "a:1b", "'*'", "'**:view'", "é:view", '"a:b\\n"', '" a:b"', "1", "~")),
    ],
)
def test_a_permission_is_type_and_action(name: str, fits: bool) -> None:
    text = teacher(f"{{allow: [{name or chr(39) * 2}, a:b], over: sections}}")
    if fits:
        assert read_policy(text).file.roles.teacher[1].allow == (name, "a:b")
    else:
        assert mistakes_in(text)[0].startswith("line 7: roles.teacher[1].allow[0]: ")


@pytest.mark.parametrize(
    ("role", "over", "fields"),
    [
        ("district_admin", "district", ["title"]),
        ("staff", "schools", ["roles", "title", "department"]),
        ("teacher", "sections", ["title"]),
        ("student", "sections", []),
        ("contact", "students", ["relationship", "type"]),
    ],
)
@pytest.mark.parametrize("key", ["when", "unless"])
def test_a_condition_reads_fields_that_the_role_has_and_requests(
    role: str, over: str, fields: list[str], key: str
) -> None:
    fields = [*fields, "resource.status", "action.soft", "context.title"]
    unread = ("subject.title", "resource.", "title.x")
    for field in (
        "title",
        "department",
        "roles",
        "relationship",
        "type",
        "grade",
        "sis_id",
        "resource",
        *fields,
        *unread,
    ):
        text = f"{HEAD}roles:\n  {role}:\n    - allow: [a:b]\n      over: {over}\n      {key}:\n        {field}: [x]\n"
        if field in fields:
            assert read_policy(text).clauses
        else:
            [told] = mistakes_in(text)
            assert told.startswith(f"line 8: roles.{role}[0].{key}.{field}: ")


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("district_admin", {"district", "self"}),
        ("staff", {"schools", "self"}),
        ("teacher", {"sections", "schools", "self"}),
        ("student", {"sections", "schools", "self"}),
        ("contact", {"students", "self"}),
    ],
)
def test_a_role_stands_over_its_own_places_only(role: str, allowed: set[str]) -> None:
    for over in ("district", "schools", "sections", "students", "self", "school"):
        text = f"{HEAD}roles:\n  {role}:\n    - allow: [a:b]\n      over: {over}\n"
        if over in allowed:
            assert read_policy(text).clauses
        else:
            [told] = mistakes_in(text)
            assert told.startswith(f"line 6: roles.{role}[0].over: this should be ")


def test_everyone_in_a_circle_is_reported() -> None:
    text = HEAD + "superset:\n  district_admin: [staff]\n  staff: [teacher]\n  teacher: [staff]\nroles: {}\n"
    assert mistakes_in(text) == [
        "line 5: superset.staff: staff stands above itself: a circle",
        "line 6: superset.teacher: teacher stands above itself: a circle",
    ]


def test_all_mistakes_are_reported_at_once() -> None:
    text = "version: 2\nrule: scoped\nroles:\n  teacher:\n    - {allow: [view, a:b], over: district}\n  janitor: []\n"
    told = mistakes_in(text)
    assert [mistake.partition(": this")[0].partition(": a perm")[0] for mistake in told] == [
        "line 1: version",
        "line 5: roles.teacher[0].allow[0]",
        "line 5: roles.teacher[0].over",
        f"line 6: roles.janitor: {NO_ROLE}",
    ]


def test_the_error_says_all_its_mistakes() -> None:
    error = PolicyMistakes([Mistake(("roles", "staff", 0), "one", 3), Mistake((), "two")])
    assert str(error) == "line 3: roles.staff[0]: one; the file: two"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("version: [1\nrule: x\n", 2),
        ("version: 1\n\trule: scoped\n", 2),
        ('version: "\\q"\n', 1),
        ("version: 1\nrule: 'scoped\n", 3),
        ("version: 1\n} rule\n", 2),
        ("%YAML 9.9\n---\nversion: 1\n", 1),
        ("%YAML 1.2\n%YAML 1.2\n---\nversion: 1\n", 2),
    ],
)
def test_what_is_not_yaml_is_reported_with_its_line(text: str, line: int) -> None:
    [told] = mistakes_in(text)
    assert told.startswith(f"line {line}: the file: this is not YAML: ")


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("version: 1\nversion: 1\n", "line 2: version: this key comes twice"),
        ("roles: {}\nrule: scoped\nroles: {}\n", "line 3: roles: this key comes twice"),
        (SMALL + "      over: schools\n", "line 7: roles.teacher[0].over: this key comes twice"),
        (SMALL + "      'over': schools\n", "line 7: roles.teacher[0].over: this key comes twice"),
        ("version: 1\n---\nversion: 1\n", "line 2: the file: there is a second document; a file holds one"),
        ("version: *one\n", "line 1: version: nothing complete is anchored as one"),
        ("version: !one 1\n", "line 1: version: tags such as !!int have no meaning here"),
        ("version: !!int one\n", "line 1: version: tags such as !!int have no meaning here"),
        ("version: 1\nrule: !!bool scoped\n", "line 2: rule: tags such as !!int have no meaning here"),
        ("version: 1\nroles: &all {teacher: *all}\n", "line 2: roles.teacher: nothing complete is anchored as all"),
        ("version: 1\nroles: " + "[" * 2000 + "]" * 2000, "line 2: the file: this is nested too deep"),
        ("version: " + "1" * 5000, "line 1: version: this number has too many digits"),
        ("? {a: b}\n: 1\n", "line 1: the file: a key has to be text"),
        ("? [a]\n: 1\n", "line 1: the file: a key has to be text"),
        ("version: 1\nsuperset: {? [staff] : [teacher]}\n", "line 2: superset: a key has to be text"),
        (SMALL + "1: x\n", "line 7: the file: a key has to be text"),
        (SMALL + "true: x\n", "line 7: the file: a key has to be text"),
        (SMALL + "~: x\n", "line 7: the file: a key has to be text"),
        (SMALL + "<<: {rule: maximum}\n", "line 7: <<: unknown key"),
    ],
)
def test_yaml_that_says_nothing_to_us_is_reported_with_its_line(text: str, mistake: str) -> None:
    assert mistakes_in(text) == [mistake]


def test_an_alias_stands_for_what_was_anchored() -> None:
    text = SMALL.replace("allow: [", "allow: &seen [") + "    - {allow: *seen, over: schools}\n"
    assert read_policy(text).file.roles.teacher[1].allow == ("section:view",)


def test_a_mistake_behind_an_alias_is_reported_where_the_alias_stands() -> None:
    text = SMALL.replace("allow: [", "allow: &seen [") + "    - {allow: *seen, over: self}\n"
    assert mistakes_in(text) == [
        "line 7: roles.teacher[1].allow[0]: section:view says nothing over self: a section does not lie there"
    ]


def test_aliases_of_aliases_are_not_written_out() -> None:
    bomb = "".join(f"a{depth}: &a{depth} [{', '.join([f'*a{depth - 1}'] * 9)}]\n" for depth in range(1, 20))
    assert "line 2: a1: unknown key" in mistakes_in("a0: &a0 []\n" + bomb)


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\ud800", "\ufffe"])
def test_characters_that_yaml_forbids_are_a_mistake(character: str) -> None:
    assert mistakes_in(SMALL + "# " + character) == [
        "the file: this is not YAML: it holds characters that YAML forbids"
    ]


@pytest.mark.parametrize(
    ("written", "mistake"),
    [
        (r"\ud800", "half of a surrogate pair, which is no character"),
        (r"a\udfffb", "half of a surrogate pair, which is no character"),
        (r"\ud83d\ude00", "half of a surrogate pair, which is no character"),
        (r"\0unreadable", "a control character"),
        (r"\e[31m", "a control character"),
        (r"\x9b31m", "a control character"),
    ],
)
def test_what_an_escape_spells_and_cannot_be_written_is_a_mistake(written: str, mistake: str) -> None:
    told = f"this text holds {mistake}"
    asking = teacher(f'{{allow: [a:b], over: sections, unless: {{resource.status: "{written}"}}}}')
    assert mistakes_in(asking) == [f"line 7: roles.teacher[1].unless.resource.status: {told}"]
    assert mistakes_in(titled(f'[x, "{written}"]')) == [f"line 7: roles.teacher[1].when.title[1]: {told}"]
    assert mistakes_in(SMALL + f'aliases: {{"{written}": section}}') == [
        f"line {len(SMALL.splitlines()) + 1}: aliases: {told}"
    ]


def test_a_text_that_is_too_long_to_be_compared_is_a_mistake() -> None:
    told = "a text that is compared has 500 characters at most"
    assert mistakes_in(titled("x" * 501)) == [f"line 7: roles.teacher[1].when.title: {told}"]
    assert read_policy(titled("x" * 500)).permissions


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert read_policy("\ufeff" + SMALL).clauses == read_policy(SMALL).clauses


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("Principal", {"principal"}),
        ("[Principal]", {"principal"}),
        ("[Principal, DEAN]", {"principal", "dean"}),
        ("STRASSE", {"strasse"}),
        ("Straße", {"strasse"}),
        ("on", {"on"}),
        ("off", {"off"}),
        ("yes", {"yes"}),
        ("[No, Y, n]", {"no", "y", "n"}),
        ("true", set()),
        ("[True, false]", set()),
        ("1", set()),
        ("[1.5, 0x10, 1e3, 010]", set()),
        ("'1'", {"1"}),
        ("'true'", {"true"}),
        ("1:30", {"1:30"}),
        ("''", {""}),
    ],
)
def test_values_are_text_as_in_yaml_1_2(written: str, wanted: set[str]) -> None:
    assert read_policy(titled(written)).clauses[Role.TEACHER][1].when == (("title", frozenset(wanted)),)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("Active", ("Active",)),
        ("[yes, 'true', true, \"1\", 1, 1.0]", ("yes", "true", True, "1", 1, 1.0)),
        ("0x10", (16,)),
        ("2024-01-01", ("2024-01-01",)),
    ],
)
def test_values_of_requests_keep_their_kind(written: str, wanted: tuple[object, ...]) -> None:
    policy = read_policy(teacher(f"{{allow: [a:b], over: sections, when: {{resource.status: {written}}}}}"))
    asks = policy.clauses[Role.TEACHER][1].condition
    assert asks is not None
    assert repr(asks.when) == repr((("resource.status", wanted),))


def test_an_empty_condition_is_none() -> None:
    policy = read_policy(teacher("{allow: [a:b], over: sections, when: {}, unless: {}}"))
    assert policy.clauses[Role.TEACHER][1].unconditional


@pytest.mark.parametrize(
    "same",
    [
        "# a comment\n" + SMALL,
        SMALL.replace("\n", "\r\n"),
        SMALL.replace("version: 1\nrule: scoped\n", "rule: 'scoped'\n\n\nversion: 1   # one\n"),
        "{version: 1, rule: scoped, roles: {teacher: [{over: sections, allow: [section:view]}]}}",
        SMALL.replace("[section:view]", "\n        - section:view"),
    ],
)
def test_comments_and_layout_leave_the_revision(same: str) -> None:
    assert read_policy(same).revision == read_policy(SMALL).revision


@pytest.mark.parametrize(
    "other",
    [
        SMALL.replace("scoped", "maximum"),
        SMALL.replace("section:view", "section:edit"),
        SMALL.replace("sections", "schools"),
        SMALL.replace("teacher", "student"),
        SMALL + "      when: {title: Dean}\n",
        SMALL + "      unless: {title: Dean}\n",
        SMALL + "      when: {title: 1}\n",
        SMALL + "      when: {title: '1'}\n",
        SMALL + "      when: {title: true}\n",
        SMALL + "schools: {unconfirmed: drop}\n",
        SMALL + "district: {paused: deny}\n",
        SMALL + "district: {before_launch: deny}\n",
        SMALL + "sections: {grace_days: 7}\n",
        SMALL + "superset: {staff: [teacher]}\n",
        SMALL + "aliases: {classroom: section}\n",
        SMALL + "      when: {resource.status: 1}\n",
        SMALL + "      when: {resource.status: true}\n",
        SMALL + "      unless: {resource.status: true}\n",
    ],
)
def test_content_changes_the_revision(other: str) -> None:
    assert read_policy(other).revision != read_policy(SMALL).revision


def test_a_revision_is_eight_hex_digits() -> None:
    revision = read_policy(SMALL).revision
    assert (len(revision), set(revision) <= set("0123456789abcdef")) == (8, True)


TRUSTED = ["Parent/Guardian", "Parent", "Primary", "Secondary", "Family"]


def test_the_default_policy_is_the_documented_one() -> None:
    written: Any = YAML(typ="safe", pure=True).load(DEFAULT)
    assert written == {
        "version": 1,
        "rule": "superset",
        "superset": {"staff": ["teacher"], "district_admin": ["staff", "teacher"]},
        "roles": {
            "teacher": [
                {"allow": ["section:view", "section:edit", "student:view", "assignment:grade"], "over": "sections"}
            ],
            "staff": [
                {"allow": ["school:view", "section:view", "student:view"], "over": "schools"},
                {"allow": ["device:manage"], "over": "schools", "when": {"roles": ["SchoolTechLead"]}},
                {
                    "allow": ["report:export"],
                    "over": "schools",
                    "when": {"title": ["Principal", "Assistant Principal"]},
                },
            ],
            "district_admin": [
                {
                    "allow": ["district:view", "school:view", "section:view", "student:view", "report:export"],
                    "over": "district",
                }
            ],
            "student": [
                {"allow": ["section:view", "assignment:submit"], "over": "sections"},
                {"allow": ["user:view"], "over": "self"},
            ],
            "contact": [{"allow": ["student:view"], "over": "students", "when": {"type": TRUSTED}}],
        },
        "district": {"paused": "allow", "before_launch": "deny"},
    }


def test_the_default_policy_can_be_used_and_nothing_is_odd_about_it() -> None:
    policy = read_policy(DEFAULT)
    assert list(warnings(policy.file)) == []
    assert (policy.rule, policy.drops_unconfirmed_schools) == ("superset", False)


@pytest.mark.parametrize("version", ["true", "1.0"])
def test_a_version_is_a_whole_number(version: str) -> None:
    assert mistakes_in(SMALL.replace("version: 1", f"version: {version}")) == ["line 1: version: this should be 1"]


@pytest.mark.parametrize("text", ["2024-01-01", "2024-13-45", "1_000", "0b11", "1:30", "=", "0o8", "nan", "1e", "."])
def test_whatever_the_core_schema_does_not_know_is_text_in_yaml_1_2(text: str) -> None:
    assert read_policy(titled(text)).clauses[Role.TEACHER][1].when == (("title", frozenset({text})),)


def test_a_directive_does_not_turn_yes_into_true() -> None:
    policy = read_policy("%YAML 1.1\n---\n" + titled("yes"))
    assert policy.clauses[Role.TEACHER][1].when == (("title", frozenset({"yes"})),)


def test_one_mistake_is_reported_once() -> None:
    assert mistakes_in(teacher("{allow: [view], over: sections}")) == [
        f"line 7: roles.teacher[1].allow[0]: {NOT_A_PERMISSION}"
    ]


def test_the_order_of_keys_is_layout() -> None:
    one = HEAD + "superset: {district_admin: [staff], staff: [teacher]}\nroles: {}\n"
    other = HEAD + "superset: {staff: [teacher], district_admin: [staff]}\nroles: {}\n"
    assert read_policy(one).revision == read_policy(other).revision
