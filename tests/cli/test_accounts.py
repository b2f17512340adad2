"""`rosterguard accounts match`, over the sandbox: what it writes, what it says and how it ends."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.sandbox.faults import Fault, Faults
from app.sandbox.serialization import email_of, name_of, role_of
from tests.conftest import CLEAN, TOKEN, Sandbox

COLUMNS = ("account_id", "role", "clever_id", "email", "sis_id", "student_number", "first_name", "last_name")
Row = dict[str, str]


def arguments_and_settings(
    sandbox: Sandbox, arguments: Sequence[object], district: str | None = None
) -> tuple[list[str], Mapping[str, str]]:
    named = ["accounts", "match", *map(str, arguments), "--district", district or sandbox.district]
    return named, {"ROSTERGUARD_CLEVER_URL": sandbox.url, "ROSTERGUARD_CLEVER_TOKEN": TOKEN}


def run(sandbox: Sandbox, *arguments: object, given: bytes | None = None, district: str | None = None) -> Result:
    named, settings = arguments_and_settings(sandbox, arguments, district)
    # Away from the project's own folder, where an operator may have an .env.
    with TemporaryDirectory() as elsewhere, chdir(elsewhere):
        return CliRunner().invoke(app, named, env=settings, input=given)


def accounts(sandbox: Sandbox) -> list[Row]:
    """Three accounts of one person from before API 3.0, one of a student by fields, and a few others."""
    users = sandbox.world.districts[0].users
    person = users[sandbox.user("all_three_roles")]
    student = next(user for user in users.values() if "student" in user.roles and user.number > 1_000)
    contact = users[sandbox.user("contact_of_two")]
    words = {"staff": "school_admin"}
    rows: list[dict[str, object]] = [
        {"account_id": f"of-{role}", "role": words.get(role, role), "clever_id": person.ids_in(role, "legacy_id")[0]}
        for role in ("teacher", "staff", "district_admin")
    ]
    known = role_of(student, "student")
    name = name_of(student)
    rows += [
        {
            "account_id": "student",
            "role": "student",
            **{column: known[column] for column in ("sis_id", "student_number")},
            "email": email_of(student).upper(),
            "first_name": name["first"],
            "last_name": name["last"],
        },
        {"account_id": "contact", "role": "contact", "clever_id": contact.ids_in("contact", "legacy_id")[0]},
        {"account_id": "named", "role": "student", "first_name": name["first"], "last_name": name["last"]},
        {"account_id": "gone", "role": "teacher", "clever_id": "f" * 24},
        {"account_id": "=bad", "role": "boss"},
    ]
    return [{column: str(row.get(column, "")) for column in COLUMNS} for row in rows]


def written(path: Path, rows: list[Row]) -> Path:
    with path.open("w", newline="") as file:
        if path.suffix == ".csv":
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.writelines(f"{json.dumps(row)}\n" for row in rows)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file)) if path.suffix == ".csv" else [json.loads(line) for line in file]


def joined(value: object) -> str:
    return ";".join(value) if isinstance(value, list) else str(value)


@pytest.mark.parametrize("ending", ["csv", "ndjson"])
def test_each_account_gets_its_user_and_each_user_what_there_is_to_do(
    sandbox: Sandbox, tmp_path: Path, ending: str
) -> None:
    rows, target, users = accounts(sandbox), tmp_path / f"result.{ending}", tmp_path / f"users.{ending}"
    ended = run(sandbox, written(tmp_path / f"accounts.{ending}", rows), "--output", target, "--users", users)
    assert (ended.exit_code, ended.stdout) == (0, "")
    result = read(target)
    assert [{column: row[column] for column in COLUMNS} for row in result] == rows
    person, path = sandbox.user("all_three_roles"), f"/v1/users/{sandbox.user('all_three_roles')}/permissions"
    roles = "district_admin;staff;teacher"
    merged = "teacher:of-teacher;staff:of-staff;district_admin:of-district_admin"
    for row in result[:3]:
        told = [joined(row[column]) for column in ("result", "user", "matched_on", "certainty", "candidates", "reason")]
        assert told == ["matched", person, "clever_id", "id", "", ""]
        assert [joined(row[each]) for each in ("user_roles", "user_accounts", "permissions")] == [roles, merged, path]
    rest = [(row["account_id"], row["result"], joined(row["matched_on"]), row["certainty"]) for row in result[3:]]
    assert rest == [
        ("student", "matched", "sis_id;student_number;email;name", "confirmed"),
        ("contact", "unmatched", "", ""),
        ("named", "ambiguous", "", ""),
        ("gone", "unmatched", "", ""),
        ("=bad", "bad_row", "", ""),
    ]
    of_user = {row["user"]: row for row in read(users)}
    everybody = sandbox.world.districts[0].users.values()
    assert of_user.keys() == {user.id for user in everybody if any(role is not None for role in user.roles.values())}
    assert [joined(value) for value in of_user[person].values()] == [person, "merge", roles, merged, ""]
    assert Counter(row["step"] for row in of_user.values()).keys() == {"merge", "keep", "create"}
    number = 9 if ending == "csv" else 8
    assert ended.stderr.splitlines() == [
        "8 accounts: 4 matched, 2 unmatched, 1 ambiguous, 1 bad_row",
        "matched by certainty: 3 id, 1 confirmed",
        f"users: {len(of_user) - 2} to create, 1 to merge, 1 to keep",
        f"row {number}, column role: this is none of contact, district_admin, school_admin, staff, student, teacher",
    ]


def test_separate_accounts_keep_their_role_under_one_clever_id(sandbox: Sandbox, tmp_path: Path) -> None:
    rows, users = accounts(sandbox)[:2], tmp_path / "users.csv"
    given = written(tmp_path / "accounts.csv", rows).read_bytes()
    arguments = ("-", "--format", "csv", "--mode", "separate", "--users", users)
    ended = run(sandbox, *arguments, given=given)
    assert ended.exit_code == 0, ended.stderr
    person = sandbox.user("all_three_roles")
    path = f"/v1/users/{person}/permissions?role="
    result = list(csv.DictReader(ended.stdout.splitlines()))
    assert [(row["user"], row["user_roles"], row["permissions"]) for row in result] == [
        (person, "teacher", f"{path}teacher"),
        (person, "staff", f"{path}staff"),
    ]
    [row] = [row for row in read(users) if row["user"] == person]
    assert (row["step"], row["accounts"]) == ("separate", "teacher:of-teacher;staff:of-staff")
    assert row["roles_without_account"] == "district_admin"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("accounts.csv", "account_id\n", "there is no column role"),
        ("accounts.csv", None, "the file cannot be read: No such file or directory"),
        ("accounts.txt", "", "give the --format: the name ends with none of .csv, .ndjson, .jsonl"),
    ],
)
def test_a_file_that_is_unusable_ends_the_run_before_clever_is_asked(
    sandbox: Sandbox, tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    ended = run(sandbox, tmp_path / name)
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert message in ended.stderr
    assert sandbox.requests == {}


def test_result_and_users_do_not_go_to_one_file(sandbox: Sandbox, tmp_path: Path) -> None:
    given, target = written(tmp_path / "accounts.csv", accounts(sandbox)), tmp_path / "result.csv"
    ended = run(sandbox, given, "--output", target, "--users", tmp_path / "." / "result.csv")
    assert (ended.exit_code, target.exists()) == (1, False)
    assert "--output and --users name the same file" in ended.stderr


@pytest.mark.parametrize(
    ("fault", "district", "message"),
    [
        (None, "d" * 24, "Error: no district with this id is connected\n"),
        (Fault(kind="half_json"), None, "Error: the district cannot be read: "),
    ],
)
def test_a_district_that_cannot_be_read_leaves_no_file(
    sandbox: Sandbox, tmp_path: Path, fault: Fault | None, district: str | None, message: str
) -> None:
    given = written(tmp_path / "accounts.csv", accounts(sandbox))
    if fault is not None:
        sandbox.app.state.faults.put(Faults(faults=(fault,)))
    ended = run(sandbox, given, "--output", tmp_path / "result.csv", district=district)
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert ended.stderr.startswith(message)
    assert list(tmp_path.iterdir()) == [given]


@contextmanager
def started(sandbox: Sandbox, *arguments: object) -> "Iterator[subprocess.Popen[bytes]]":
    named, settings = arguments_and_settings(sandbox, arguments)
    line = [sys.executable, "-m", "app.cli", *named]
    with subprocess.Popen(line, env={**CLEAN, **settings}, stdout=subprocess.PIPE) as process:
        yield process


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_broken_off_leaves_nothing_behind(
    sandbox: Sandbox, tmp_path: Path, ending: signal.Signals
) -> None:
    users = tmp_path / "users.csv"
    users.write_text("before")
    # It writes the result to a pipe that nobody reads, and so never comes to its end.
    rows = accounts(sandbox) * 1_000
    given = written(tmp_path / "accounts.csv", rows)
    with started(sandbox, given, "--users", users) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"a"
        os.kill(process.pid, ending)
        process.stdout.close()
        assert process.wait(timeout=30) != 0
    assert users.read_text() == "before"
    assert set(tmp_path.iterdir()) == {given, users}
