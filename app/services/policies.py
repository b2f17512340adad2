"""From the text of a policy file to a policy, with the line of every mistake."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML, MappingNode, Node, SequenceNode
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from app.domain.errors import Mistake, PolicyMistakes
from app.domain.policy import Policy, policy_of
from app.domain.policy_file import PolicyFile

Path = tuple[str | int, ...]

_PLAINER = {
    "extra_forbidden": "unknown key",
    "model_type": "this should be a mapping of keys to values",
    "tuple_type": "this should be a list",
    "missing": "this key is missing",
    "string_pattern_mismatch": "a permission is type:action, such as section:edit; only a whole part can be *",
}


def read_policy(text: str) -> Policy:
    """Read a policy from the YAML 1.2 of its file.

    Raises:
        PolicyMistakes: the file cannot be used; every mistake has its path, and its line where one can be told.
    """
    written, lines = _parsed(text)
    try:
        return policy_of(PolicyFile.model_validate(written))
    except ValidationError as error:
        mistakes = [_mistake(found["loc"], found["type"], found["msg"]) for found in error.errors()]
        raise PolicyMistakes([_with_line(mistake, lines) for mistake in mistakes]) from error
    except PolicyMistakes as error:
        raise PolicyMistakes([_with_line(mistake, lines) for mistake in error.mistakes]) from error


def _parsed(text: str) -> tuple[Any, Mapping[Path, int]]:
    # The pure loader speaks YAML 1.2, where `on`, `off`, `yes` and `no` are text.
    yaml = YAML(typ="safe", pure=True)
    try:
        return yaml.load(text), dict(_lines(yaml.compose(text), ()))
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise PolicyMistakes([Mistake((), f"this is not YAML: {error.problem or error.context}", line)]) from error
    except YAMLError as error:
        raise PolicyMistakes([Mistake((), "this is not YAML: it holds characters that YAML forbids")]) from error


def _lines(node: Node | None, path: Path) -> Iterator[tuple[Path, int]]:
    if node is None:
        return
    yield path, node.start_mark.line + 1
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield from _lines(value, (*path, key.value))
            yield (*path, key.value), key.start_mark.line + 1
    elif isinstance(node, SequenceNode):
        for position, value in enumerate(node.value):
            yield from _lines(value, (*path, position))


def _mistake(path: Path, kind: str, message: str) -> Mistake:
    plain = _PLAINER.get(kind, message.removeprefix("Value error, ").replace("Input should", "this should"))
    return Mistake(tuple(step for step in path if step != "[key]"), plain)


def _with_line(mistake: Mistake, lines: Mapping[Path, int]) -> Mistake:
    """Add the line of the deepest part of the path that the file has: a missing key is told where it is missed."""
    known = (lines[mistake.path[:depth]] for depth in range(len(mistake.path), -1, -1) if mistake.path[:depth] in lines)
    return Mistake(mistake.path, mistake.message, next(known, None))
