"""From the text of a file to what it says, with the line of every mistake."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from pydantic import ValidationError

from app.domain.errors import Mistake, PolicyMistakes
from app.domain.facts import Role
from app.services.marked_yaml import Path, Plain, parse

Made = TypeVar("Made")

NO_ROLE = f"unknown key: Clever's roles are {', '.join(Role)}; a librarian is staff with a title"
"""What is told of a role that Clever has not."""

_PLAINER = {
    "extra_forbidden": "unknown key",
    "model_type": "this should be a mapping of keys to values",
    "dict_type": "this should be a mapping of keys to values",
    "tuple_type": "this should be a list",
    "string_type": "this should be text; a number, true or false is text in quotes",
    "too_short": "this list should not be empty",
    "string_too_short": "this text should not be empty",
    "missing": "this key is missing",
    "string_pattern_mismatch": "a permission is type:action, such as section:edit; only a whole part can be *",
}
_NAME = "a name begins with a letter and holds letters, digits, _, . and -"


def made_of(text: str, make: Callable[[Plain], Made]) -> Made:
    """Let ``make`` build something of what a text says in YAML 1.2.

    Args:
        text: one document of YAML.
        make: raises ``ValidationError`` or ``PolicyMistakes`` where it cannot.

    Raises:
        PolicyMistakes: every mistake has its path, and its line where one can be told.
    """
    written = parse(text)
    try:
        return make(written.value)
    except ValidationError as error:
        raise PolicyMistakes(_placed(_mistakes(error), written.lines)) from error
    except PolicyMistakes as error:
        raise PolicyMistakes(_placed(error.mistakes, written.lines)) from error


def _mistakes(error: ValidationError) -> Iterator[Mistake]:
    found = error.errors()
    for each in found:
        path = each["loc"]
        # A list is called too short when what it holds is wrong: that is told already.
        told = each["type"] == "too_short" and any(
            other["loc"][: len(path)] == path for other in found if other != each
        )
        if not told:
            yield _mistake(path, each["type"], each["msg"])


def _mistake(path: Path, kind: str, message: str) -> Mistake:
    plain = _PLAINER.get(kind, message.removeprefix("Value error, ").replace("Input should", "this should"))
    if kind == "string_pattern_mismatch" and path[-1] == "[key]":
        plain = _NAME
    if kind == "extra_forbidden" and path[-2:-1] == ("roles",):
        plain = NO_ROLE
    return Mistake(tuple(step for step in path if step != "[key]"), plain)


def _placed(mistakes: Iterable[Mistake], lines: Mapping[Path, int]) -> list[Mistake]:
    return sorted((_with_line(mistake, lines) for mistake in mistakes), key=lambda mistake: mistake.line or 0)


def _with_line(mistake: Mistake, lines: Mapping[Path, int]) -> Mistake:
    """Add the line of the deepest part of the path that the file has: a missing key is told where it is missed."""
    known = (lines[mistake.path[:depth]] for depth in range(len(mistake.path), -1, -1) if mistake.path[:depth] in lines)
    return Mistake(mistake.path, mistake.message, next(known, None))
