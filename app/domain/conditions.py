"""Conditions on what a request says of resource, action or context: small, typed, and resting on nothing else."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from app.domain.policy_schema import Value
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
            than all of these, the condition is not met; "" counts for no kind beside others.
    """

    when: Written = ()
    unless: Written = ()

    def holds(self, asked: Asked) -> bool:
        """Tell whether a request meets the condition."""
        return self._rules_nothing_out(asked) and not self._incomparable(asked)

    def not_comparable(self, asked: Asked) -> tuple[str, ...]:
        """Return the keys for which alone it does not hold: what is said under them cannot be compared."""
        return self._incomparable(asked) if self._rules_nothing_out(asked) else ()

    def _rules_nothing_out(self, asked: Asked) -> bool:
        return all(_has(asked.get(key), wanted) for key, wanted in self.when) and not any(
            _has(asked.get(key), unwanted) for key, unwanted in self.unless
        )

    def _incomparable(self, asked: Asked) -> tuple[str, ...]:
        return tuple(key for key, unwanted in self.unless if not _can_be_compared(asked.get(key), unwanted))


def is_of_request(key: str) -> bool:
    """Tell whether a condition's key reads the request, and not a field of the role."""
    return key.startswith(REQUEST_PARTS)


_Form = tuple[str, Value]
"""A value in the form in which it is compared, behind its kind: Python takes 1 for true, and we do not."""

_EXACT = 2.0**53
"""From here on a float may stand for another number than was written."""


def _form(value: object) -> _Form | None:
    """Return None for what equals nothing: objects and lists, floats that are not exact, and over-long text."""
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, str):
        return ("text", normal(value)) if len(value) <= LONGEST else None
    if isinstance(value, int) or (isinstance(value, float) and abs(value) < _EXACT):
        return "number", value
    return None


_NONE: _Form = ("text", "")
_written = lru_cache(maxsize=1_000, typed=True)(_form)


def _has(said: object, wanted: Iterable[Value]) -> bool:
    forms = [_written(value) for value in wanted]
    return any(form in forms for form in ([_NONE] if said is None else _forms(said)) if form)


def _can_be_compared(said: object, values: Iterable[Value]) -> bool:
    written = [_written(value) for value in values]
    # "" stands for nothing said: beside true it must not make every text comparable.
    alone = all(form == _NONE for form in written)
    kinds = {form[0] for form in written if form and (alone or form != _NONE)}
    forms = _forms(said)
    return bool(forms) and all(form and form[0] in kinds for form in forms)


def _forms(said: object) -> list[_Form | None]:
    return [_form(each) for each in said] if isinstance(said, list) else [_form(said)]
