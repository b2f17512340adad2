"""Conditions on the properties that a request sends for its resource, action and context.

Conditions on fields of the role are `Clause.holds` in `policy.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from app.domain.policy_schema import Value
from app.domain.text import LONGEST, normal

REQUEST_PARTS = ("resource.", "action.", "context.")


class RequestValues(Protocol):
    """The JSON values of a request by key: ``resource.status``, ``action.soft``, ``context.purpose``."""

    def get(self, key: str, /) -> object:
        """Return the value of ``key``, or None if the request has none."""


ConditionEntries = tuple[tuple[str, tuple[Value, ...]], ...]


@dataclass(frozen=True, slots=True)
class RequestCondition:
    """A condition on a request.

    Texts are compared in their normal form; booleans and numbers equal only their own kind. Every value of a list is
    compared. "" also matches a missing value.

    Attributes:
        when: for each key, the request must have one of these values.
        unless: for each key, the request must have none of these values. The condition fails if the value is missing,
            or is of another kind than all of these; "" has no kind beside other values.
    """

    when: ConditionEntries = ()
    unless: ConditionEntries = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that the condition reads."""
        return tuple(key for key, _ in (*self.when, *self.unless))

    def holds(self, request: RequestValues) -> bool:
        """Whether a request meets the condition."""
        return self._rules_nothing_out(request) and not self._incomparable(request)

    def not_comparable(self, request: RequestValues) -> tuple[str, ...]:
        """Return the keys whose values cannot be compared, if the condition fails for that reason alone."""
        return self._incomparable(request) if self._rules_nothing_out(request) else ()

    def _rules_nothing_out(self, request: RequestValues) -> bool:
        return all(_has(request.get(key), wanted) for key, wanted in self.when) and not any(
            _has(request.get(key), unwanted) for key, unwanted in self.unless
        )

    def _incomparable(self, request: RequestValues) -> tuple[str, ...]:
        return tuple(key for key, unwanted in self.unless if not _can_be_compared(request.get(key), unwanted))


def is_of_request(key: str) -> bool:
    """Whether a condition's key reads the request rather than a field of the role."""
    return key.startswith(REQUEST_PARTS)


_Form = tuple[str, Value]
"""The kind of a value and its compared form; the kind is needed because Python takes 1 for true."""

_EXACT = 2.0**53
"""From here on a float may differ from the number that was written."""


def _form(value: object) -> _Form | None:
    """Return None for values that equal nothing: objects, lists, inexact floats and over-long text."""
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
    # "" matches a missing value: beside true it must not make every text comparable.
    alone = all(form == _NONE for form in written)
    kinds = {form[0] for form in written if form and (alone or form != _NONE)}
    forms = _forms(said)
    return bool(forms) and all(form and form[0] in kinds for form in forms)


def _forms(said: object) -> list[_Form | None]:
    return [_form(each) for each in said] if isinstance(said, list) else [_form(said)]
