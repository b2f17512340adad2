"""`rosterguard rehearse`: who gains and who loses permissions by the switch to API 3.x."""

import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.sandbox.faults import Fault, Faults
from tests.conftest import TOKEN, Sandbox

POLICY = """\
version: 1
rule: superset
superset: {staff: [teacher], district_admin: [staff, teacher]}
roles:
  teacher:
    - {allow: [section:view, section:edit], over: sections}
  staff:
    - {allow: [school:view, section:view], over: schools}
    - {allow: [device:manage], over: schools, when: {roles: [SchoolTechLead]}}
  district_admin:
    - {allow: [district:view], over: district}
  student:
    - {allow: [section:view], over: sections}
"""
STRICTER = POLICY.replace("[section:view, section:edit], over: sections", "[section:view], over: sections")

NORTH, SOUTH, WEST, DISTRICT = "North Case School", "South Case School", "West Case School", "the district"

Told = tuple[str, str, str]


def rehearse(folder: Path, sandbox: Sandbox, *options: str, district: str = "") -> Result:
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "stricter.yaml").write_text(STRICTER)
    settings = {
        "ROSTERGUARD_CLEVER_URL": sandbox.url,
        "ROSTERGUARD_CLEVER_TOKEN": TOKEN,
        "ROSTERGUARD_POLICY": "policy.yaml",
    }
    # Away from the project's own folder, where an operator may have an .env.
    with chdir(folder):
        return CliRunner().invoke(app, ["rehearse", "--district", district or sandbox.district, *options], env=settings)


def report(folder: Path, sandbox: Sandbox, *options: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(rehearse(folder, sandbox, *options, "--format", "json").stdout)
    return document


def rows(document: dict[str, Any], sandbox: Sandbox, case: str) -> Mapping[str, set[Told]]:
    """Return what each account of a case gains, by its role; sections stand for the schools in which they lie."""
    found = [each for each in document["differences"] if each["user"] == sandbox.user(case)]
    assert not any(each["lost"] for each in found)
    return {
        each["account"]["role"]: {told for change in each["gained"] for told in gains(change, sandbox)}
        for each in found
    }


def gains(change: dict[str, Any], sandbox: Sandbox) -> Iterator[Told]:
    names = {school.id: school.name for school in sandbox.world.districts[0].all_schools}
    if change["scope"] == "district":
        yield change["permission"], DISTRICT, change["reason"]
    for school in change["schools"]:
        yield change["permission"], f"{change['scope']} of {names[school]}", change["reason"]


STAFF_OF_NORTH = {
    ("school:view", f"school of {NORTH}", "merged_role"),
    ("section:view", f"school of {NORTH}", "merged_role"),
    ("section:edit", f"school of {NORTH}", "superset"),
}
WHOLE_DISTRICT = {
    ("district:view", DISTRICT, "merged_role"),
    *((name, DISTRICT, "superset") for name in ("school:view", "section:view", "section:edit", "device:manage")),
}
OF_ALL_ROLES: Mapping[str, Mapping[str, set[Told]]] = {
    # Their staff account could do all of it before: the section lies in their own school.
    "staff_who_also_teach_same_school": {"teacher": STAFF_OF_NORTH},
    "staff_who_also_teach_elsewhere": {
        "teacher": STAFF_OF_NORTH,
        "staff": {(f"section:{what}", f"section of {SOUTH}", "merged_role") for what in ("view", "edit")},
    },
    "all_three_roles": {
        "teacher": WHOLE_DISTRICT,
        "staff": WHOLE_DISTRICT,
        # Before API 3.0 nobody is known to be a School Tech Lead.
        "district_admin": {("device:manage", DISTRICT, "superset")},
    },
    "co_teacher": {},
}


@pytest.mark.parametrize("old", ["v2.1", "v1.2"])
def test_each_account_of_somebody_with_several_roles_has_a_row(tmp_path: Path, sandbox: Sandbox, old: str) -> None:
    document = report(tmp_path, sandbox, "--from", old)
    assert {case: rows(document, sandbox, case) for case in OF_ALL_ROLES} == OF_ALL_ROLES


def test_separate_accounts_keep_to_their_role(tmp_path: Path, sandbox: Sandbox) -> None:
    document = report(tmp_path, sandbox, "--from", "v2.1", "--mode", "separate")
    # Before API 3.0 nobody is known to be a School Tech Lead.
    tech_lead = {("device:manage", f"school of {SOUTH}", "role_fields")}
    assert {case: rows(document, sandbox, case) for case in OF_ALL_ROLES} == {
        **{case: {} for case in OF_ALL_ROLES},
        "all_three_roles": {"staff": tech_lead},
    }


def test_every_account_and_every_user_without_one_is_compared(tmp_path: Path, sandbox: Sandbox) -> None:
    district = sandbox.world.districts[0]
    accounts = {each.id for each in district.before_v3.all_users}
    ids = [
        {user.id, *(each for role in user.roles for each in user.ids_in(role, "legacy_id"))}
        for user in district.all_users
    ]
    without = sum(accounts.isdisjoint(each) for each in ids)
    assert without > 0
    assert report(tmp_path, sandbox, "--from", "v2.1")["compared"] == len(accounts) + without


def test_between_versions_since_3_nobody_gains_or_loses(tmp_path: Path, sandbox: Sandbox) -> None:
    result = rehearse(tmp_path, sandbox, "--from", "v3.0", "--fail-on-loss", "--format", "json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["differences"]) == (0, [])
    assert document["compared"] == len(sandbox.world.districts[0].all_users)


def test_another_policy_is_told_as_the_reason_and_can_fail_the_run(tmp_path: Path, sandbox: Sandbox) -> None:
    options = ("--from", "v3.1", "--policy-to", "stricter.yaml", "--fail-on-loss", "--format", "csv")
    result = rehearse(tmp_path, sandbox, *options)
    lost = [*csv.DictReader(result.stdout.splitlines())]
    assert result.exit_code == 1
    assert {(each["permission"], each["reason"]) for each in lost} == {("section:edit", "policy")}
    assert sandbox.user("teacher_only") in {each["user"] for each in lost}
    assert "lose permissions" in result.stderr


def test_a_report_takes_its_place_when_it_is_whole(tmp_path: Path, sandbox: Sandbox) -> None:
    result = rehearse(tmp_path, sandbox, "--from", "v2.1", "--format", "html", "--output", "report.html")
    assert (result.exit_code, result.stdout) == (0, "")
    assert sandbox.user("all_three_roles") in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_nothing_is_written_where_one_version_cannot_be_read(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.app.state.faults.put(
        Faults(faults=(Fault.model_validate({"path": "/v3.1/sections", "kind": "status", "status": 401}),))
    )
    result = rehearse(tmp_path, sandbox, "--from", "v2.1", "--output", "report.txt")
    assert (result.exit_code, result.stdout, [*tmp_path.glob("*report*")]) == (1, "", [])
    assert "Error: the district cannot be read in v3.1" in result.stderr


def test_a_district_that_is_not_connected_ends_it(tmp_path: Path, sandbox: Sandbox) -> None:
    result = rehearse(tmp_path, sandbox, "--from", "v2.1", district="0" * 24)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("Error: the district cannot be read in v2.1: not_connected\n")
