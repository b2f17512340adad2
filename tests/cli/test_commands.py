"""The command `rosterguard`: what it prints and how it ends."""

import hashlib
import json
import subprocess
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.policy_files.yaml import NO_ROLE
from tests.conftest import TOKEN, Sandbox, rosterguard_process

BAD_POLICY = "version: 1\nrule: superset\nroles:\n  boss: []\n  staff:\n    - {allow: [school:view], over: sections}\n"


def run(*arguments: str, **environment: str) -> Result:
    # Away from the project's own folder, where an operator may have an .env.
    with TemporaryDirectory() as elsewhere, chdir(elsewhere):
        return CliRunner().invoke(app, list(arguments), env={"ROSTERGUARD_CLEVER_TOKEN": TOKEN, **environment})


def test_policy_check_says_ok_and_what_wildcards_stand_for(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(
        "version: 1\nrule: maximum\nroles:\n  teacher:\n    - {allow: [school:view, section:view], over: schools}\n"
        '    - {allow: ["*:view"], over: sections}\n'
    )
    result = run("policy", "check", str(file))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[:-1] == [
        "roles.teacher[1].allow[0]: *:view stands for section:view",
        "warning: roles.teacher[0] reaches schools that are merely taught at: rule maximum gives staff rights there",
    ]
    assert result.stdout.splitlines()[-1].startswith("OK: rule maximum, revision ")


def test_policy_check_warns_of_what_has_no_effect(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("version: 1\nrule: scoped\nroles: {}\ndistrict: {paused: read_only}\nsections: {terms: current}\n")
    result = run("policy", "check", str(file))
    assert (result.exit_code, result.stdout.splitlines()[:-1]) == (
        0,
        [
            "warning: sections.terms has no effect: no statement stands over sections",
        ],
    )


def test_policy_check_names_each_mistake_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(BAD_POLICY)
    result = run("policy", "check", str(file))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        f"{file}: line 4: roles.boss: {NO_ROLE}",
        f"{file}: line 6: roles.staff[0].over: this should be 'schools' or 'self'",
    ]


def test_policy_check_of_what_is_not_text(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    result = run("policy", "check", str(file))
    assert (result.exit_code, result.stderr) == (1, f"{file}: the file is not UTF-8\n")


def test_a_key_is_printed_once_and_its_entry_holds_only_the_hash() -> None:
    result = run("key", "new", "backend-1")
    key_line, entry_line = result.stdout.splitlines()
    key, entry = key_line.split(": ")[1].strip(), json.loads(entry_line.split(": ", 1)[1])
    assert entry == {"name": "backend-1", "sha256": hashlib.sha256(key.encode()).hexdigest()}
    assert key != run("key", "new", "backend-1").stdout.splitlines()[0].split(": ")[1].strip()


def test_a_key_needs_a_name_that_can_stand_in_a_log() -> None:
    result = run("key", "new", "my backend\n")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: a name has 1 to 64 letters, digits, dots, hyphens and underscores.\n"


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        (
            ["--no-auth", "--host", "0.0.0.0"],
            {},
            "Error: --no-auth is for loopback alone, and 0.0.0.0 can be reached from elsewhere.",
        ),
        ([], {}, "Error: ROSTERGUARD_API_KEYS: give API keys, or --no-auth on loopback: neither is there"),
        (
            ["--no-auth"],
            {"ROSTERGUARD_API_KEYS": json.dumps([{"name": "a", "sha256": "0" * 64}])},
            "Error: ROSTERGUARD_API_KEYS: give API keys, or --no-auth on loopback: both are there",
        ),
        (
            ["--no-auth"],
            {"ROSTERGUARD_FRESH_SECONDS": "soon"},
            "Error: ROSTERGUARD_FRESH_SECONDS: Input should be a valid integer, unable to parse string as an integer",
        ),
        (
            ["--no-auth"],
            {"ROSTERGUARD_CLEVER_TOKEN": "a secret\n"},
            "Error: ROSTERGUARD_CLEVER_…: a token has visible ASCII characters only",
        ),
        (
            ["--no-auth"],
            {"ROSTERGUARD_POLICY": "/no/such/file"},
            "Error: ROSTERGUARD_POLICY: the file cannot be read: FileNotFoundError",
        ),
        *(
            (
                ["--no-auth"],
                {"ROSTERGUARD_DECISION_LOG": log},
                "Error: ROSTERGUARD_DECISION_LOG: the file cannot be read and written to",
            )
            for log in ("/", "./" + "x" * 256, "/no/such/folder/decisions.log", "/dev/null/decisions.log")
        ),
        (
            ["--no-auth", "--workers", "2"],
            {},
            "Error: ROSTERGUARD_SECRET: several workers need one, to accept each other's page tokens",
        ),
    ],
)
def test_a_mistake_ends_the_start(arguments: list[str], environment: dict[str, str], told: str) -> None:
    result = run("serve", *arguments, **environment)
    assert (result.exit_code, result.stderr.splitlines()) == (2, [told])


@pytest.mark.parametrize(("fresh", "stale", "is_odd"), [(300, 301, False), (300, 300, True), (300, 0, False)])
def test_a_stale_time_without_effect_is_warned_of_at_the_start(*, fresh: int, stale: int, is_odd: bool) -> None:
    times = {"ROSTERGUARD_FRESH_SECONDS": str(fresh), "ROSTERGUARD_STALE_SECONDS": str(stale)}
    # It ends for want of a secret, which is looked for last.
    told = run("serve", "--no-auth", "--workers", "2", **times).stderr.splitlines()
    warned = [line for line in told if line.startswith("Warning: ROSTERGUARD_STALE_SECONDS is not over")]
    assert (len(told), bool(warned)) == (1 + is_odd, is_odd)


def test_a_bad_policy_ends_the_start_with_each_mistake(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(BAD_POLICY)
    result = run("serve", "--no-auth", ROSTERGUARD_POLICY=str(file))
    assert (result.exit_code, result.stderr.splitlines()) == (
        2,
        [
            f"Error: the policy: line 4: roles.boss: {NO_ROLE}",
            "Error: the policy: line 6: roles.staff[0].over: this should be 'schools' or 'self'",
        ],
    )


def test_a_service_that_others_reach_warns_that_metadata_needs_a_url(sandbox: Sandbox) -> None:
    keys = json.dumps([{"name": "a", "sha256": "0" * 64}])
    with rosterguard_process(
        "--host",
        "0.0.0.0",
        stderr=subprocess.PIPE,
        ROSTERGUARD_CLEVER_URL=sandbox.url,
        ROSTERGUARD_API_KEYS=keys,
    ) as (process, url):
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Warning: ROSTERGUARD_PUBLIC_URL is not set")
        assert httpx.get(f"{url}/.well-known/authzen-configuration", timeout=30).status_code == 404


def test_the_demo_shows_four_people_and_ends() -> None:
    result = run("demo", "--once")
    assert result.exit_code == 0
    assert result.stdout.count('curl -H "Authorization: Bearer rg_') == 4
    assert result.stdout.count('"stale": false') == 4
