"""`rosterguard policy diff`: what changes from one policy to another."""

import json
from collections.abc import Callable, Mapping
from contextlib import chdir
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.sandbox.faults import Fault, Faults
from tests.conftest import TOKEN, Sandbox

OLD = """\
version: 1
rule: scoped
roles:
  teacher:
    - {allow: [section:view, section:edit], over: sections}
"""
NEW = OLD.replace(", section:edit", "")
FACTS = """\
- facts: {user: eve, roles: {teacher: {sections: [algebra], schools: [north]}}}
  sections: {algebra: {school: north}}
- facts: {roles: {staff: {schools: [north]}}}
- description: A policy test may stand here as it is.
  facts: {roles: {teacher: {sections: [biology]}}}
  questions: [{action: view, resource: {type: section, id: biology}, wanted: true}]
"""

Diff = Callable[..., Result]


def diff_in(folder: Path, old: str = OLD, new: str = NEW, facts: str = FACTS) -> Diff:
    for name, text in (("old.yaml", old), ("new.yaml", new), ("facts.yaml", facts)):
        (folder / name).write_text(text)
    files = [str(folder / "old.yaml"), str(folder / "new.yaml")]
    return partial(_run, files, str(folder / "facts.yaml"))


def _run(files: list[str], facts: str, *options: str, settings: Mapping[str, str] | None = None) -> Result:
    given = [facts if each == "FACTS" else each for each in options]
    return CliRunner().invoke(app, ["policy", "diff", *files, *given], env=settings)


def test_what_roles_lose_is_told_and_fails_only_if_asked_to(tmp_path: Path) -> None:
    diff = diff_in(tmp_path)
    result = diff()
    assert (result.exit_code, result.stdout.count("section:edit")) == (0, 1)
    assert diff("--fail-on-loss").exit_code == 1
    assert json.loads(diff("--format", "json").stdout)["changes"][0]["permission"] == "section:edit"


def test_what_is_only_gained_does_not_fail(tmp_path: Path) -> None:
    assert diff_in(tmp_path, old=NEW, new=OLD)("--fail-on-loss").exit_code == 0


def test_a_policy_beside_itself_changes_nothing(tmp_path: Path) -> None:
    result = diff_in(tmp_path, new=OLD)("--fail-on-loss")
    assert result.exit_code == 0
    assert result.stdout.endswith(": nothing changes.\n")


def test_over_facts_each_user_has_what_they_lose_and_where(tmp_path: Path) -> None:
    result = diff_in(tmp_path)("--facts", "FACTS", "--format", "csv", "--fail-on-loss")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1:] == [
        "eve,,,teacher,lost,section:edit,section,algebra,north,policy,The policy says otherwise.,no",
        "user-3,,,teacher,lost,section:edit,section,biology,,policy,The policy says otherwise.,no",
    ]


def test_over_facts_there_is_a_page_to_look_through(tmp_path: Path) -> None:
    result = diff_in(tmp_path)("--facts", "FACTS", "--format", "html")
    assert result.stdout.startswith("<!doctype html>")
    assert '"eve"' in result.stdout


def test_the_facts_of_one_user_need_no_list(tmp_path: Path) -> None:
    diff = diff_in(tmp_path, facts="facts: {user: eve, roles: {teacher: {sections: [algebra]}}}")
    assert json.loads(diff("--facts", "FACTS", "--format", "json").stdout)["differences"][0]["user"] == "eve"


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ("- facts: {roles: {teacher: {sections: [algebra]}}}\n- facts: {roles: {boss: {}}}\n", "line 2"),
        ("facts: {roles: {teacher: {titel: Dean}}}\n", "line 1: facts.roles.teacher.titel"),
        ("just a word\n", "line 1"),
    ],
)
def test_a_mistake_in_the_facts_is_told_with_its_line(tmp_path: Path, facts: str, told: str) -> None:
    result = diff_in(tmp_path, facts=facts)("--facts", "FACTS")
    assert (result.exit_code, result.stdout) == (1, "")
    assert told in result.stderr


def test_a_page_needs_users(tmp_path: Path) -> None:
    result = diff_in(tmp_path)("--format", "html")
    assert (result.exit_code, result.stderr) == (2, "Error: html shows users: say which with --facts or --district\n")


def test_a_mistake_in_a_policy_ends_it(tmp_path: Path) -> None:
    result = diff_in(tmp_path, new="version: 2\n")()
    assert (result.exit_code, result.stdout) == (1, "")
    assert "new.yaml" in result.stderr


def test_over_a_district_each_user_of_it_has_what_they_lose(tmp_path: Path, sandbox: Sandbox) -> None:
    result = over_district(tmp_path, sandbox, sandbox.district, "--format", "json", "--fail-on-loss")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    users = sandbox.world.districts[0].users.values()
    losing = {each["user"] for each in document["differences"]}
    assert document["compared"] == len(users)
    assert sandbox.user("teacher_only") in losing
    assert losing <= {user.id for user in users if "teacher" in user.roles}
    [lost] = next(each for each in document["differences"] if each["user"] == sandbox.user("teacher_only"))["lost"]
    assert (lost["permission"], lost["scope"], bool(lost["schools"])) == ("section:edit", "section", True)


def test_a_district_that_is_not_connected_ends_it(tmp_path: Path, sandbox: Sandbox) -> None:
    result = over_district(tmp_path, sandbox, "0" * 24)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("Error: the district cannot be read: not_connected\n")


def test_a_policy_that_needs_a_calendar_that_cannot_be_read_is_not_compared(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.app.state.faults.put(
        Faults(faults=(Fault.model_validate({"path": "*/terms", "kind": "status", "status": 403}),))
    )
    result = over_district(tmp_path, sandbox, sandbox.district, new=f"{NEW}sections: {{terms: current}}\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("Error: a policy needs the district's calendar, and that cannot be read\n")


def test_users_come_from_one_place(tmp_path: Path, sandbox: Sandbox) -> None:
    result = over_district(tmp_path, sandbox, sandbox.district, "--facts", "FACTS")
    assert (result.exit_code, result.stderr) == (2, "Error: give --facts or --district, not both\n")


def over_district(folder: Path, sandbox: Sandbox, district: str, *options: str, new: str = NEW) -> Result:
    settings = {"ROSTERGUARD_CLEVER_URL": sandbox.url, "ROSTERGUARD_CLEVER_TOKEN": TOKEN}
    # Away from the project's own folder, where an operator may have an .env.
    with chdir(folder):
        return diff_in(folder, new=new)("--district", district, *options, settings=settings)
