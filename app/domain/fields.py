"""The fields of roles that conditions read: which values are kept, and how conditions compare them.

Every value is kept in some form: if an unknown value were dropped, `unless` would take it for absent and hold.
"""

import re
import unicodedata
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache

from app.domain.text import LONGEST, normal, shown

Values = tuple[str, ...]

STAFF_ROLES = {name.casefold(): name for name in ("PortalOnly", "SchoolTechLead")}
"""The staff roles that Clever documents, by their casefolded names; districts may have others."""

_RELATIONSHIPS = (
    *("Parent", "Grandparent", "Self", "Aunt/Uncle", "Sibling", "Other"),
    *("Parent/Guardian", "Emergency", "Primary", "Secondary", "Family"),
)
RELATIONSHIPS = frozenset(name.casefold() for name in _RELATIONSHIPS)
"""The relationships and their types that Clever documents, casefolded; one set, since SISs mix them up."""

DOCUMENTED: Mapping[str, frozenset[str]] = {
    "roles": frozenset(STAFF_ROLES),
    "relationship": RELATIONSHIPS,
    "type": RELATIONSHIPS,
}
"""The values that Clever documents, by field, in their normal form; other fields hold free text."""

_SPELT = {normal(name): name for name in (*STAFF_ROLES.values(), *_RELATIONSHIPS)}

UNREADABLE = "\0unreadable"
"""Replaces a text that is not kept, which may or may not equal a value in a condition."""

_LONGEST_LABEL = 40
_OTHER = "other"
_MARKS = frozenset(" /-'.&()")
_PERSONAL = re.compile(r"@|[0-9](?:[ ./()-]*[0-9]){6}")
_RANK = re.compile(r"(?<=[^\W\d_]) ?[0-9]$")
"""The digit of a label such as ``emergency 2``; no phone number or date is this short."""


def free_text(text: str | None) -> Values:
    """Return the kept value of a title or department; Clever sends "" if there is none."""
    seen = shown(text or "")
    if len(seen) > LONGEST:
        return (UNREADABLE,)
    kept = normal(seen)
    return (kept,) if kept else ()


def staff_roles(texts: tuple[str, ...]) -> Values:
    """Return the kept staff roles, sorted: documented ones in Clever's spelling, others as free text.

    An email, a phone number or an over-long text is replaced by ``other`` and ``UNREADABLE``.
    """
    return tuple(sorted({STAFF_ROLES.get(kept, kept) for text in texts for kept in _role_name(text)}))


def _role_name(text: str) -> Values:
    kept = free_text(text)
    return (UNREADABLE, _OTHER) if UNREADABLE in kept or any(map(_PERSONAL.search, kept)) else kept


def label(text: str | None) -> Values:
    """Return the kept value of a contact's relationship or type.

    An undocumented value is kept if it looks like a label. Anything else may be a phone number or an address, and is
    replaced by ``other`` and ``UNREADABLE``.
    """
    kept = free_text(text)
    if all(value in RELATIONSHIPS or _is_label(value) for value in kept):
        return kept
    return (UNREADABLE, _OTHER)


def _is_label(text: str) -> bool:
    return len(text) <= _LONGEST_LABEL and all(
        character in _MARKS or unicodedata.category(character)[0] in "LM" for character in _RANK.sub("", text)
    )


_form = lru_cache(maxsize=1_000)(normal)
"""Cached: many people share few values."""


def has(values: Values, wanted: frozenset[str]) -> bool:
    """Whether a field has one of the ``wanted`` values, which are in normal form; "" matches an absent field."""
    return any(value != UNREADABLE and _form(value) in wanted for value in values) if values else "" in wanted


def may_have(field: str, values: Values, unwanted: frozenset[str]) -> bool:
    """Whether a field has one of the ``unwanted`` values, or may have one because it is unreadable."""
    if UNREADABLE in values and not unwanted <= DOCUMENTED.get(field, frozenset()) | {""}:
        return True
    return has(values, unwanted)


def spellings(field: str) -> tuple[str, ...]:
    """Return the values that Clever documents for a field, in its spelling."""
    return tuple(name for kept, name in _SPELT.items() if kept in DOCUMENTED[field])


def nearest(field: str, text: str) -> str | None:
    """Return the documented value most like ``text``, in Clever's spelling, or None."""
    found = get_close_matches(normal(text), sorted(DOCUMENTED[field] - {_OTHER}), 1)
    return _SPELT[found[0]] if found else None
