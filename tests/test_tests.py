"""What the tests keep to: no private name of the application, next to no sleeps, few fixtures."""

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
APP = TESTS.parent / "app"
BY_HAND = {"bench", "chaos", "clients"}
"""Programs that are run by hand, which wait as long as they have to."""


@cache
def trees(folder: Path) -> Sequence[tuple[str, ast.Module]]:
    files = [file for file in sorted(folder.rglob("*.py")) if "node_modules" not in file.parts]
    return [(str(file.relative_to(TESTS.parent)), ast.parse(file.read_text(encoding="utf-8"))) for file in files]


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def defined(tree: ast.Module) -> Iterator[str]:
    """The private names that a module defines: functions, classes, variables, attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found = name
            case (
                ast.Name(id=name, ctx=ast.Store())
                | ast.Attribute(attr=name, value=ast.Name(id="self" | "cls"), ctx=ast.Store())
            ):
                found = name
            case _:
                continue
        if is_private(found):
            yield found


def reached(tree: ast.Module) -> Iterator[str]:
    """The private names that a module reaches for beyond itself, be it by an import, an attribute or a patch."""
    own = set(defined(tree))
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(names=names):
                yield from (each.name for each in names if is_private(each.name))
            case ast.Attribute(attr=name, value=of) if is_private(name) and name not in own:
                if not (isinstance(of, ast.Name) and of.id in {"self", "cls"}):
                    yield name
            case ast.Call(func=ast.Attribute(attr="setattr" | "patch" | "object") | ast.Name(id="getattr"), args=args):
                for each in args:
                    if isinstance(each, ast.Constant) and is_private(name := str(each.value).rpartition(".")[2]):
                        yield name


def sleeps_in(tree: ast.Module) -> int:
    called = [ast.unparse(each.func) for each in ast.walk(tree) if isinstance(each, ast.Call)]
    return sum(name.rpartition(".")[2] == "sleep" for name in called)


def fixtures_in(tree: ast.Module) -> list[str]:
    return [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and any(ast.unparse(each).partition("(")[0].rpartition(".")[2] == "fixture" for each in node.decorator_list)
    ]


def test_no_test_reaches_into_a_private_name_of_the_application() -> None:
    private = {name for _, tree in trees(APP) for name in defined(tree)}
    found = {(file, name) for file, tree in trees(TESTS) for name in reached(tree)}
    assert {(file, name) for file, name in found if name in private} == set()


def test_tests_hardly_sleep() -> None:
    sleeps = {
        file: times
        for file, tree in trees(TESTS)
        if BY_HAND.isdisjoint(Path(file).parts) and (times := sleeps_in(tree))
    }
    assert sum(sleeps.values()) <= 5, sleeps


def test_fixtures_are_few() -> None:
    fixtures = [(file, name) for file, tree in trees(TESTS) for name in fixtures_in(tree)]
    assert len(fixtures) <= 45


@pytest.mark.parametrize(
    "written",
    [
        "from app.clever.client import _read",
        "app.clever.client._read()",
        "client._read = None",
        "getattr(client, '_read')",
        "monkeypatch.setattr(client, '_read', None)",
        "monkeypatch.setattr('app.clever.client._read', None)",
        "mock.patch('app.clever.client._read')",
        "mock.patch.object(client, '_read')",
    ],
)
def test_however_a_private_name_is_reached_it_is_found(written: str) -> None:
    assert list(reached(ast.parse(written))) == ["_read"]


def test_however_a_sleep_or_a_fixture_is_written_it_is_found() -> None:
    assert [sleeps_in(ast.parse(each)) for each in ("sleep(1)", "time.sleep(1)", "await asyncio.sleep(0)")] == [1, 1, 1]
    written = "@{}\ndef one(): pass\n@{}(scope='module')\nasync def two(): pass"
    assert [fixtures_in(ast.parse(written.format(name, name))) for name in ("fixture", "pytest.fixture")] == [
        ["one", "two"],
        ["one", "two"],
    ]
