"""`rosterguard policy diff`: what changes from one policy to another."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app

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


def _run(files: list[str], facts: str, *options: str) -> Result:
    given = [facts if each == "FACTS" else each for each in options]
    return CliRunner().invoke(app, ["policy", "diff", *files, *given])


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
    assert (result.exit_code, result.stderr) == (2, "Error: html shows users: say which with --facts\n")


def test_a_mistake_in_a_policy_ends_it(tmp_path: Path) -> None:
    result = diff_in(tmp_path, new="version: 2\n")()
    assert (result.exit_code, result.stdout) == (1, "")
    assert "new.yaml" in result.stderr
