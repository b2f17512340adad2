"""`rosterguard key new`, whose entry has to be one that the service takes."""

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.auth.api_key_file import read_keys
from app.cli import app


def printed(*arguments: str) -> tuple[str, dict[str, object]]:
    result = CliRunner().invoke(app, ["key", "new", *arguments])
    assert result.exit_code == 0
    key, entry = (line.partition(":")[2].strip() for line in result.stdout.splitlines())
    return key, json.loads(entry.removeprefix("entry for ROSTERGUARD_API_KEYS:"))


def test_an_entry_says_what_was_given_and_no_more() -> None:
    key, entry = printed("gradebook")
    assert entry == {"name": "gradebook", "sha256": hashlib.sha256(key.encode()).hexdigest()}


def test_scopes_and_districts_are_part_of_the_entry() -> None:
    _, entry = printed("ops", "--scope", "metrics:read", "--scope", "facts:refresh", "--district", "d1")
    assert (entry["scopes"], entry["districts"]) == (["facts:refresh", "metrics:read"], ["d1"])
    [read] = read_keys(json.dumps([entry]).encode())
    assert (read.scopes, read.districts) == (frozenset({"facts:refresh", "metrics:read"}), frozenset({"d1"}))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["grade book"], "Error: a name has 1 to 64 letters, digits, dots, hyphens and underscores.\n"),
        (
            ["gradebook", "--scope", "permissions:write"],
            (
                "Error: the scopes are permissions:read, access:evaluate, access:search, policy:read, facts:refresh, "
                "metrics:read, districts:load.\n"
            ),
        ),
        (
            ["gradebook", "--district", "d1", "--district", "d\udcff"],
            "Error: the id of a district has 1 to 64 letters, digits, hyphens and underscores.\n",
        ),
    ],
)
def test_what_cannot_be_in_an_entry_is_refused(arguments: list[str], told: str) -> None:
    result = CliRunner().invoke(app, ["key", "new", *arguments])
    assert (result.exit_code, result.stderr) == (2, told)


def test_serving_does_not_begin_on_a_bad_file_of_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys.json").write_text('[{"name": "gradebook", "key": "rg_secret"}]')
    given = {"ROSTERGUARD_CLEVER_TOKEN": "t", "ROSTERGUARD_API_KEYS_FILE": "keys.json"}
    result = CliRunner().invoke(app, ["serve"], env=given)
    assert (result.exit_code, result.stderr.splitlines()) == (
        2,
        [
            "Error: ROSTERGUARD_API_KEYS_FILE[0].sha256: Field required",
            "Error: ROSTERGUARD_API_KEYS_FILE[0].…: Extra inputs are not permitted",
        ],
    )
