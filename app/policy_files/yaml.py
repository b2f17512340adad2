"""Reads the core schema of YAML 1.2 into plain values, with the line of each.

A parser with more dates, numbers or booleans than the core schema would turn a title such as ``2024-01-01`` or ``yes``
into a value that never matches; so scalars are resolved here (YAML 1.2.2 section 10.3.2).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from app.domain.errors import Mistake, PolicyMistakes
from app.domain.facts import Role
from app.domain.policy import Policy, policy_of
from app.domain.policy_schema import PolicyFile
from app.domain.text import is_writable

Path = tuple[str | int, ...]

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]

DEEPEST = 50

LONGEST_NUMBER = 100

_WORDS: dict[str, Plain] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")

_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(slots=True)
class Marked:
    """A value, and the line of each of its parts by path; lines count from 1."""

    value: Plain = None
    lines: dict[Path, int] = field(default_factory=dict)


def parse(text: str) -> Marked:
    """Read one YAML document; raises ``PolicyMistakes`` with the line if it is invalid."""
    events = YAML(typ="safe", pure=True).parse(text)
    try:
        return _document(events)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise PolicyMistakes([Mistake((), f"this is not YAML: {error.problem or error.context}", line)]) from error
    except YAMLError as error:
        raise PolicyMistakes([Mistake((), "this is not YAML: it holds characters that YAML forbids")]) from error


def _document(events: Iterator[Event]) -> Marked:
    marked, documents = Marked(), 0
    for event in events:
        if isinstance(event, DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _mistake(event, (), "there is a second document; a file holds one")
            marked.value = _Builder(events, marked.lines).value(next(events), ())
    return marked


class _Builder:
    """Builds a value from events, and keeps anchored values for their aliases."""

    def __init__(self, events: Iterator[Event], lines: dict[Path, int]) -> None:
        self._events = events
        self._lines = lines
        self._anchored: dict[str, Plain] = {}

    def value(self, event: Event, path: Path) -> Plain:
        self._lines.setdefault(path, event.start_mark.line + 1)
        if len(path) > DEEPEST:
            raise _mistake(event, (), "this is nested too deep")
        if isinstance(event, AliasEvent):
            if event.anchor not in self._anchored:
                raise _mistake(event, path, f"nothing complete is anchored as {event.anchor}")
            return self._anchored[event.anchor]
        if getattr(event, "tag", None) is not None:
            raise _mistake(event, path, "tags such as !!int have no meaning here")
        built = self._built(event, path)
        if isinstance(event, NodeEvent) and event.anchor is not None:
            self._anchored[event.anchor] = built
        return built

    def _built(self, event: Event, path: Path) -> Plain:
        if isinstance(event, MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, SequenceStartEvent):
            items = iter(self._next_unless(SequenceEndEvent), None)
            return [self.value(item, (*path, place)) for place, item in enumerate(items)]
        if isinstance(event, ScalarEvent):
            return _scalar(event, path)
        raise _mistake(event, path, "a value is missing")

    def _mapping(self, path: Path) -> Plain:
        built: dict[str, Plain] = {}
        for key in iter(self._next_unless(MappingEndEvent), None):
            name = _scalar(key, path) if isinstance(key, ScalarEvent) else None
            if not isinstance(name, str):
                raise _mistake(key, path, "a key has to be text")
            if name in built:
                raise _mistake(key, (*path, name), "this key comes twice")
            self._lines[*path, name] = key.start_mark.line + 1
            built[name] = self.value(next(self._events), (*path, name))
        return built

    def _next_unless(self, end: type[Event]) -> Callable[[], Event | None]:
        """Return a function that returns the next event, or None at the end of the collection."""

        def following() -> Event | None:
            event = next(self._events)
            return None if isinstance(event, end) else event

        return following


def _scalar(event: ScalarEvent, path: Path) -> Plain:
    text = event.value
    # An escape can produce characters that YAML forbids in a file.
    if not is_writable(text):
        raise _mistake(event, path, "this text holds half of a surrogate pair, which is no character")
    if _CONTROL.search(text):
        raise _mistake(event, path, "this text holds a control character")
    if event.style is not None:  # quoted, or a block
        return str(text)
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) or _FLOAT.fullmatch(text):
        if len(text) > LONGEST_NUMBER:
            raise _mistake(event, path, "this number has too many digits")
        return _number(text)
    return str(text)


def _number(text: str) -> int | float:
    if not _INTEGER.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def _mistake(event: Event, path: Path, message: str) -> PolicyMistakes:
    return PolicyMistakes([Mistake(path, message, event.start_mark.line + 1)])


Made = TypeVar("Made")

NO_ROLE = f"unknown key: Clever's roles are {', '.join(Role)}; a librarian is staff with a title"
"""The message for a role that Clever does not have."""

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
    """Read YAML 1.2 and pass its value to ``make``; errors get their lines.

    Args:
        text: one document of YAML.
        make: may raise ``ValidationError`` or ``PolicyMistakes``.

    Raises:
        PolicyMistakes: every mistake has its path, and its line if that is known.
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
        # pydantic also calls a list too short if one of its items is wrong.
        is_repeated = each["type"] == "too_short" and any(
            other["loc"][: len(path)] == path for other in found if other != each
        )
        if not is_repeated:
            yield _described(path, each["type"], each["msg"])


def _described(path: Path, kind: str, message: str) -> Mistake:
    plain = _PLAINER.get(kind, message.removeprefix("Value error, ").replace("Input should", "this should"))
    if kind == "string_pattern_mismatch" and path[-1] == "[key]":
        plain = _NAME
    if kind == "extra_forbidden" and path[-2:-1] == ("roles",):
        plain = NO_ROLE
    return Mistake(tuple(step for step in path if step != "[key]"), plain)


def _placed(mistakes: Iterable[Mistake], lines: Mapping[Path, int]) -> list[Mistake]:
    return sorted((_with_line(mistake, lines) for mistake in mistakes), key=lambda mistake: mistake.line or 0)


def _with_line(mistake: Mistake, lines: Mapping[Path, int]) -> Mistake:
    """Add the line of the deepest part of the path that is in the file: for a missing key, the line of its mapping."""
    known = (lines[mistake.path[:depth]] for depth in range(len(mistake.path), -1, -1) if mistake.path[:depth] in lines)
    return Mistake(mistake.path, mistake.message, next(known, None))


def read_policy(text: str) -> Policy:
    """Read a policy from the YAML 1.2 of its file.

    Raises:
        PolicyMistakes: the file is invalid; every mistake has its path, and its line if that is known.
    """
    return made_of(text, lambda written: policy_of(PolicyFile.model_validate(written)))
