"""Conditions on what a request says of resource, action or context: small, typed, and resting on nothing else."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from app.domain.policy_file import Value
from app.domain.text import LONGEST, normal

REQUEST_PARTS = ("resource.", "action.", "context.")


class Asked(Protocol):
    """What a request says, by key: ``resource.status``, ``action.soft``, ``context.purpose``; values are JSON's."""

    def get(self, key: str, /) -> object:
        """Return what is said under ``key``, or None where nothing is."""


Written = tuple[tuple[str, tuple[Value, ...]], ...]


@dataclass(frozen=True, slots=True)
class RequestCondition:
    """What a request has to say for a statement to hold.

    Text equals text as policies compare it, booleans and numbers equal their like. Of a list each value counts. "" also
    means that nothing is said.

    Attributes:
        when: for each key the values of which the request must have one.
        unless: for each key the values of which it must have none. Where it says nothing, or a value of another kind
            than all of these, the condition is not met.
    """

    when: Written = ()
    unless: Written = ()

    def holds(self, asked: Asked) -> bool:
        """Tell whether a request meets the condition."""
        return self._excludes_nothing(asked) and not self._incomparable(asked)

    def not_comparable(self, asked: Asked) -> tuple[str, ...]:
        """Return the keys for which alone it does not hold: what is said under them cannot be compared."""
        return self._incomparable(asked) if self._excludes_nothing(asked) else ()

    def _excludes_nothing(self, asked: Asked) -> bool:
        return all(_has(asked.get(key), wanted) for key, wanted in self.when) and not any(
            _has(asked.get(key), unwanted) for key, unwanted in self.unless
        )

    def _incomparable(self, asked: Asked) -> tuple[str, ...]:
        return tuple(key for key, unwanted in self.unless if not _can_be_compared(asked.get(key), unwanted))


def is_of_request(key: str) -> bool:
    """Tell whether a condition's key reads the request, and not a field of the role."""
    return key.startswith(REQUEST_PARTS)


def _has(said: object, wanted: Iterable[Value]) -> bool:
    if said is None:
        return any(isinstance(value, str) and not normal(value) for value in wanted)
    return any(_same(each, value) for each in (said if isinstance(said, list) else [said]) for value in wanted)


def _same(said: object, wanted: Value) -> bool:
    """Compare values of one kind: Python takes 1 for true, and we do not."""
    if isinstance(said, bool) or isinstance(wanted, bool):
        return said is wanted
    if isinstance(said, str) and isinstance(wanted, str):
        return len(said) <= LONGEST and normal(said) == normal(wanted)
    return isinstance(said, int | float) and isinstance(wanted, int | float) and said == wanted


def _can_be_compared(said: object, values: Iterable[Value]) -> bool:
    kinds = {_kind(value) for value in values}
    each = said if isinstance(said, list) else [said]
    return bool(each) and all(_kind(value) in kinds - {""} for value in each)


_EXACT = 2.0**53
"""From here on a float may stand for another number than was written."""


def _kind(value: object) -> str:
    """Return what a value compares with; "" where that is nothing: objects, numbers that are none, over-long text."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str) and len(value) <= LONGEST:
        return "text"
    if isinstance(value, int) or (isinstance(value, float) and abs(value) < _EXACT):
        return "number"
    return ""
