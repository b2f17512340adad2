"""Every event that is logged is in the README, and nothing is logged without one."""

import ast
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import app
from app import telemetry
from app.telemetry import Event

APP = Path(app.__path__[0])
README = (APP.parent / "README.md").read_text(encoding="utf-8")
ALERTS = resources.files(telemetry).joinpath("boards/alerts.yml").read_text(encoding="utf-8")
METHODS = {"debug", "info", "warning", "error", "critical", "log"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for file in APP.rglob("*.py"):
        yield str(file.relative_to(APP)), ast.parse(file.read_text(encoding="utf-8"))


def test_every_event_is_in_the_table_of_the_readme_and_nothing_else_is() -> None:
    [table] = re.findall(r"\| `event` \| .*\n\| --- \| --- \|\n((?:\|.*\n)+)", README)
    named = [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(named) == sorted(Event)


def test_every_event_is_logged_somewhere() -> None:
    used = {
        node.attr
        for _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Event"
    }
    assert used == set(Event.__members__)


def test_nobody_logs_but_by_an_event() -> None:
    # An exception that nobody expected is an event by itself, so that `exception` needs none.
    calls = [
        (name, ast.unparse(node))
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in METHODS
        and ast.unparse(node.func.value) in {"_log", "log", "logger", "logging"}
    ]
    assert [name for name, _ in calls] == ["telemetry/events.py"], calls


def test_what_an_alert_names_is_an_event() -> None:
    named = set(re.findall(r'event="(\w+)"', ALERTS))
    assert named
    assert named <= set(Event)
