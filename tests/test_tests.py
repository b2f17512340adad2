"""What the tests keep to: no private name of the application, next to no sleeps, few fixtures."""

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

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
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
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
            case ast.Call(func=ast.Attribute(attr="setattr" | "patch"), args=[*_, ast.Constant(value=str(name)), _]):
                if is_private(name.rpartition(".")[2]):
                    yield name.rpartition(".")[2]


def calls(tree: ast.Module, name: str) -> int:
    return sum(isinstance(each, ast.Call) and ast.unparse(each.func).endswith(name) for each in ast.walk(tree))


def test_no_test_reaches_into_a_private_name_of_the_application() -> None:
    private = {name for _, tree in trees(APP) for name in defined(tree)}
    found = {(file, name) for file, tree in trees(TESTS) for name in reached(tree)}
    assert {(file, name) for file, name in found if name in private} == set()


def test_tests_hardly_sleep() -> None:
    sleeps = {
        file: times
        for file, tree in trees(TESTS)
        if BY_HAND.isdisjoint(Path(file).parts) and (times := calls(tree, ".sleep"))
    }
    assert sum(sleeps.values()) <= 5, sleeps


def test_fixtures_are_few() -> None:
    fixtures = {
        (file, node.name)
        for file, tree in trees(TESTS)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and any(ast.unparse(each).startswith("pytest.fixture") for each in node.decorator_list)
    }
    assert len(fixtures) <= 45
