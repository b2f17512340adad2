"""Conditions on what a request says of resource, action or context: small, typed, and resting on nothing else."""

from dataclasses import dataclass
from typing import Protocol

from app.domain.policy_file import Value

REQUEST_PARTS = ("resource.", "action.", "context.")


class Asked(Protocol):
    """What a request says, by key: ``resource.status``, ``action.soft``, ``context.purpose``; values are JSON's."""

    def get(self, key: str, /) -> object:
        """Return what is said under ``key``, or None where nothing is."""


Written = tuple[tuple[str, tuple[Value, ...]], ...]


@dataclass(frozen=True, slots=True)
class RequestCondition:
    """What a request has to say for a statement to hold.

    Attributes:
        when: for each key the values of which the request must have one; a key that it lacks has none.
        unless: for each key the values of which it must have none.
    """

    when: Written = ()
    unless: Written = ()

    def holds(self, asked: Asked) -> bool:
        """Tell whether a request meets the condition."""
        return all(_has(asked, *wanted) for wanted in self.when) and not any(
            _has(asked, *wanted) for wanted in self.unless
        )


def is_of_request(key: str) -> bool:
    """Tell whether a condition's key reads the request, and not a field of the role."""
    return key.startswith(REQUEST_PARTS)


def _has(asked: Asked, key: str, wanted: tuple[Value, ...]) -> bool:
    said = asked.get(key)
    return any(_same(each, value) for each in (said if isinstance(said, list) else [said]) for value in wanted)


def _same(said: object, wanted: Value) -> bool:
    """Compare text without case, booleans and numbers as such: Python takes 1 for true, and we do not."""
    if isinstance(said, bool) or isinstance(wanted, bool):
        return said is wanted
    if isinstance(said, str) and isinstance(wanted, str):
        return said.casefold() == wanted.casefold()
    return isinstance(said, int | float) and isinstance(wanted, int | float) and said == wanted
