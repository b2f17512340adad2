"""SECURITY.md speaks of what is there: every risk has its row, and every test that it names exists."""

import ast
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.settings import PREFIX, Settings

HOUSE = Path(__file__).parent.parent
PAGE = (HOUSE / "SECURITY.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if re.match(r"\| API\d", line)
]

RISKS = [
    "Broken object level authorization",
    "Broken authentication",
    "Broken object property level authorization",
    "Unrestricted resource consumption",
    "Broken function level authorization",
    "Unrestricted access to sensitive business flows",
    "Server side request forgery",
    "Security misconfiguration",
    "Improper inventory management",
    "Unsafe consumption of APIs",
]


def test_all_ten_risks_of_owasp_are_there() -> None:
    assert [row[0] for row in ROWS] == [f"API{number} {risk}" for number, risk in enumerate(RISKS, 1)]


@pytest.mark.parametrize("row", ROWS, ids=[row[0].split()[0] for row in ROWS])
def test_every_test_of_a_row_is_there(row: Sequence[str]) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row[2])
    assert named
    assert [one for one in named if one[1] not in functions_of(HOUSE / one[0])] == []
    assert row[2].count("`") == 2 * len(named)


def functions_of(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def test_every_setting_and_target_that_is_named_exists() -> None:
    settings = {PREFIX + name.upper() for name in Settings.model_fields}
    makefile = (HOUSE / "Makefile").read_text(encoding="utf-8")
    assert set(re.findall(r"ROSTERGUARD_\w+", PAGE)) - settings == set()
    assert [target for target in re.findall(r"`make (\w+)`", PAGE) if f"\n{target}:" not in makefile] == []
