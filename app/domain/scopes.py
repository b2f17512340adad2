"""Scopes: the kinds of place where a permission holds, and which permissions apply in each.

A district contains its schools, a school its sections, a section its students: what is allowed on a place is allowed on
everything in it.
"""

from enum import StrEnum


class Scope(StrEnum):
    """A kind of place, from the widest to the narrowest; answers list grants in this order."""

    DISTRICT = "district"
    SCHOOL = "school"
    SECTION = "section"
    STUDENT = "student"
    SELF = "self"


_LIES_IN: dict[str, frozenset[Scope]] = {
    "district": frozenset({Scope.DISTRICT}),
    "school": frozenset({Scope.DISTRICT, Scope.SCHOOL}),
    "section": frozenset({Scope.DISTRICT, Scope.SCHOOL, Scope.SECTION}),
    "student": frozenset({Scope.DISTRICT, Scope.SCHOOL, Scope.SECTION, Scope.STUDENT}),
    "user": frozenset({Scope.DISTRICT, Scope.SELF}),
}
_ANYWHERE = frozenset(Scope)

CLEVER_TYPES = frozenset(_LIES_IN)
"""The types that are Clever's; every other type is the application's own."""


def applies_in(permission: str, scope: Scope) -> bool:
    """Whether a permission (``type:action``) applies in a scope.

    Clever's types apply only where Clever puts them: ``school:view`` does not apply in a section. The application's own
    types (``assignment``, ``report``) can lie in any scope.
    """
    kind = permission.partition(":")[0]
    return scope in _LIES_IN.get(kind, _ANYWHERE)
