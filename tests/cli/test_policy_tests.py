"""`rosterguard policy test`: a folder of cases on a policy, reported case by case."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner, Result

from app.cli import app
from app.policy_files.yaml import NO_ROLE, made_of

CASES = Path(__file__).parent.parent / "cases"

POLICY = """\
version: 1
rule: scoped
roles:
  teacher:
    - {allow: [section:view, section:edit], over: sections}
"""
NOT_TEXT = "this should be text; a number, true or false is text in quotes"
NOT_A_PERMISSION = "a permission is type:action, such as section:edit; only a whole part can be *"
NOT_THERE = "school:view says nothing over sections: a school does not lie there"
NOT_PLACED = "properties only feed conditions here: say with in: {{{}: …}} where this lies"
NO_CHARACTER = "this text holds half of a surrogate pair, which is no character"
NOT_ASKED = "a grant's condition reads what a request says: resource.…, action.… or context.…"
TEACHING = "facts:\n  roles:\n    teacher: {sections: [sec-a]}\n"
UNREAD = "the file: this cannot be read"
PASSING = """\
description: Teachers view what they teach.
facts:
  roles:
    teacher: {sections: [sec-a]}
questions:
  - {action: view, resource: {type: section, id: sec-a}, wanted: true}
"""
FAILING = """\
description: >
  Teachers grade
  what they teach.
facts:
  roles:
    teacher: {sections: [sec-a]}
wanted:
  - {scope: section, ids: [sec-a], permissions: [assignment:grade, section:view], via: [teacher]}
"""
ASKING = """\
description: Teachers delete nothing.
policy: ../policy.yaml
facts:
  roles:
    teacher: {sections: [sec-a]}
questions:
  - {action: delete, resource: {type: section, id: sec-a}, wanted: false, reason: unknown_action}
  - {action: edit, resource: {type: section, id: sec-a}, wanted: false, reason: not_permitted}
"""
MALFORMED = """\
description: Nothing is as it should be.
policy:
  version: 1
  rule: most
  roles:
    teacher:
      - {allow: [view], over: sections}
facts:
  roles:
    teacher: {sections: [42], department: Sports}
    staff:
questions:
  - {action: view, resource: {type: section}, wanted: yes}
"""
AT_ODDS = """\
description: Each part is well-formed.
policy:
  version: 1
  rule: scoped
  roles:
    teacher:
      - allow: [section:view, school:view]
        over: sections
facts: {roles: {}}
wanted: []
"""
PLACED = """\
description: Staff write no note at their school.
policy:
  version: 1
  rule: scoped
  aliases: {classroom: section}
  roles:
    staff:
      - {allow: [note:write], over: schools}
facts:
  roles:
    staff: {schools: [north]}
questions:
  - action: write
    resource: {type: note, id: n1, properties: {status: draft, school: north}}
    wanted: false
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["policy", *map(str, arguments)])


def folder_in(tmp_path: Path) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "cases").mkdir()
    return tmp_path / "cases"


def test_our_own_cases_pass() -> None:
    result = run("test", CASES)
    count = len(list(CASES.glob("*.yaml")))
    assert (result.exit_code, result.output) == (0, f"{count} cases: {count} passed, 0 failed\n")


def test_a_case_runs_on_the_policy_that_is_named_else_on_the_default_one(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    (folder / "one.yaml").write_text(PASSING.replace("view", "edit"))
    assert run("test", folder).output == "1 case: 1 passed, 0 failed\n"
    (folder.parent / "policy.yaml").write_text(POLICY.replace(", section:edit", ""))
    result = run("test", folder, "--policy", folder.parent / "policy.yaml")
    assert (result.exit_code, result.stdout.splitlines()) == (
        1,
        [
            f"{folder}/one.yaml: Teachers edit what they teach.",
            "  questions[0], edit on section sec-a: wanted true, found false (unknown_action)",
            "1 case: 0 passed, 1 failed",
        ],
    )


def test_everything_that_is_otherwise_than_wanted_is_reported_in_the_order_of_files(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    (folder / "deeper").mkdir()
    (folder / "deeper" / "asking.yml").write_text(ASKING.replace("../", "../../"))
    (folder / "failing.yaml").write_text(FAILING)
    (folder / "passing.yaml").write_text(PASSING)
    (folder / "notes.txt").write_text("no case")
    (folder / "folder.yaml").mkdir()
    result = run("test", folder, "--policy", folder.parent / "policy.yaml")
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout.splitlines() == [
        f"{folder}/deeper/asking.yml: Teachers delete nothing.",
        "  questions[1], edit on section sec-a: wanted false (not_permitted), found true (granted)",
        f"{folder}/failing.yaml: Teachers grade what they teach.",
        "  wanted section sec-a: assignment:grade, section:view via teacher",
        "  found  section sec-a: section:edit, section:view via teacher",
        "3 cases: 1 passed, 2 failed",
    ]


def test_each_mistake_of_a_malformed_case_is_reported_with_its_line(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    (folder / "malformed.yaml").write_text(MALFORMED)
    (folder / "passing.yaml").write_text(PASSING)
    result = run("test", folder)
    file = f"{folder}/malformed.yaml"
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{file}: line 4: policy.rule: this should be 'scoped', 'superset', 'maximum' or 'minimum'",
        f"{file}: line 7: policy.roles.teacher[0].allow[0]: {NOT_A_PERMISSION}",
        f"{file}: line 10: facts.roles.teacher.sections[0]: {NOT_TEXT}",
        f"{file}: line 10: facts.roles.teacher.department: unknown key",
        f"{file}: line 11: facts.roles.staff: nothing stands here: {{}} or [] says that it is there and empty",
        f"{file}: line 13: questions[0].resource: say which one (id), or where it lies (in)",
        f"{file}: line 13: questions[0].wanted: this should be a valid boolean",
        "2 cases: 1 passed, 0 failed, 1 malformed",
    ]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "the file: this should be a mapping of keys to values"),
        ("a: [", "line 1: the file: this is not YAML: expected the node content, but found '<stream end>'"),
        (
            PASSING.replace("facts:\n  roles:\n    teacher: {sections: [sec-a]}\n", ""),
            "line 1: facts: this key is missing",
        ),
        (PASSING.replace("facts:", "description: again\nfacts:"), "line 2: description: this key comes twice"),
        (PASSING + "wanted: []\n", "line 1: the file: a case has either the grants that are wanted, or questions"),
        (FAILING.replace("via:", "unless: {title: x}, via:"), f"line 8: wanted[0].unless.title: {NOT_ASKED}"),
        (AT_ODDS, f"line 7: policy.roles.teacher[0].allow[1]: {NOT_THERE}"),
        (ASKING.replace("../policy", "nowhere"), f"line 2: policy: nowhere.yaml: {UNREAD}: FileNotFoundError"),
        (ASKING.replace("../policy.yaml", ".."), f"line 2: policy: ..: {UNREAD}: IsADirectoryError"),
        (ASKING.replace("../policy", "../bad"), f"line 2: policy: ../bad.yaml: line 4: roles.boss: {NO_ROLE}"),
        (PLACED, f"line 14: questions[0].resource.properties.school: {NOT_PLACED.format('school')}"),
        (
            PLACED.replace("school:", "classroom:"),
            f"line 14: questions[0].resource.properties.classroom: {NOT_PLACED.format('section')}",
        ),
        (
            PLACED.replace("school: ", '"\\ud800": '),
            f"line 14: questions[0].resource.properties: {NO_CHARACTER}",
        ),
        (
            PASSING.replace("[sec-a]", '["\\udc00"]', 1),
            f"line 4: facts.roles.teacher.sections[0]: {NO_CHARACTER}",
        ),
        (ASKING.replace("../policy.yaml", "''"), "line 2: policy: this should be a mapping of keys to values"),
    ],
)
def test_a_mistake_is_reported_with_its_path_and_line(text: str, mistake: str, tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    (folder.parent / "bad.yaml").write_text("version: 1\nrule: scoped\nroles:\n  boss: []\n")
    (folder / "case.yaml").write_text(text)
    result = run("test", folder)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[:-1] == [f"{folder}/case.yaml: {mistake}"]


@pytest.mark.parametrize(
    ("resource", "told"),
    [
        ("{type: note, in: {school: south}, properties: {school: south}}", None),
        ("{type: note, in: {school: [south]}, properties: {status: draft, school: null}}", None),
        ("{type: school, id: south, properties: {school: north}}", None),
        ("{type: note, in: {}, properties: {school: north}}", "names no such school"),
        ("{type: note, in: {school: south}, properties: {school: north}}", "names no such school"),
    ],
)
def test_properties_name_no_place_that_the_case_does_not(resource: str, told: str | None, tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    placed = "{type: note, id: n1, properties: {status: draft, school: north}}"
    (folder / "case.yaml").write_text(PLACED.replace("write\n", "note:write\n").replace(placed, resource))
    output = run("test", folder).output
    assert told in output if told else output == "1 case: 1 passed, 0 failed\n"


def test_files_that_cannot_be_read_are_not_passed_over(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    (folder / "gone.yaml").symlink_to(folder / "nowhere")
    (folder / "latin.yaml").write_bytes("description: Schüler".encode("latin-1"))
    assert run("test", folder).stdout.splitlines() == [
        f"{folder}/gone.yaml: the file: this cannot be read: FileNotFoundError",
        f"{folder}/latin.yaml: the file: this is not UTF-8",
        "2 cases: 0 passed, 0 failed, 2 malformed",
    ]


def test_a_folder_without_cases_is_no_success(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    result = run("test", folder)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"{folder}: there is no case here\n")


def test_a_policy_with_mistakes_is_reported_before_anything_is_run(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    (folder / "passing.yaml").write_text(PASSING)
    policy = folder.parent / "policy.yaml"
    policy.write_text(POLICY.replace("sections", "students"))
    result = run("test", folder, "--policy", policy)
    told = f"{policy}: line 5: roles.teacher[0].over: this should be 'sections', 'schools' or 'self'\n"
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", told)


@pytest.mark.parametrize(
    "arguments", [["nowhere"], [__file__], [CASES, "--policy", "nowhere"], [CASES, "--policy", CASES]]
)
def test_what_is_not_there_is_a_mistake_of_the_call(arguments: list[object]) -> None:
    assert run("test", *arguments).exit_code == 2


def test_the_schema_of_cases_has_an_editor_write_no_null() -> None:
    assert '"default": null' not in run("test-schema").stdout


def test_the_schema_of_cases_fits_our_own() -> None:
    result = run("test-schema")
    assert result.exit_code == 0
    schema = json.loads(result.stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for case in CASES.glob("*.yaml"):
        made_of(case.read_text(), Draft202012Validator(schema).validate)
