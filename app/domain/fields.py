"""The fields of roles that conditions read: what is kept of each, and how a condition is held against it.

Whatever Clever says is kept in some form: were an unknown value left out, `unless` would take it for absent and pass.
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
"""What Clever documents for a relationship and for its type, casefolded, in one: some SISs put into one what belongs in
the other."""

DOCUMENTED: Mapping[str, frozenset[str]] = {
    "roles": frozenset(STAFF_ROLES),
    "relationship": RELATIONSHIPS,
    "type": RELATIONSHIPS,
}
"""The values that Clever documents, by field, in their normal form; other fields hold free text."""

_SPELT = {normal(name): name for name in (*STAFF_ROLES.values(), *_RELATIONSHIPS)}

UNREADABLE = "\0unreadable"
"""Stands for a text that is there and not kept, so that nobody knows whether it is one that a condition names."""

_LONGEST_LABEL = 40
_OTHER = "other"
_MARKS = frozenset(" /-'.&()")
_PERSONAL = re.compile(r"@|[0-9](?:[ ./()-]*[0-9]){6}")
_RANK = re.compile(r"(?<=[^\W\d_]) ?[0-9]$")
"""The digit of a label such as ``emergency 2``; no phone number and no date is as short."""


def free_text(text: str | None) -> Values:
    """Return what is kept of a title or department; Clever sends "" for what is not there."""
    seen = shown(text or "")
    if len(seen) > LONGEST:
        return (UNREADABLE,)
    kept = normal(seen)
    return (kept,) if kept else ()


def staff_roles(texts: tuple[str, ...]) -> Values:
    """Return what is kept of the roles of staff, sorted: documented ones as Clever spells them, others as free text.

    Of an email, a phone number or an over-long text ``other`` and ``UNREADABLE`` are kept.
    """
    return tuple(sorted({STAFF_ROLES.get(kept, kept) for text in texts for kept in _role_name(text)}))


def _role_name(text: str) -> Values:
    kept = free_text(text)
    return (UNREADABLE, _OTHER) if UNREADABLE in kept or any(map(_PERSONAL.search, kept)) else kept


def label(text: str | None) -> Values:
    """Return what is kept of a contact's relationship or type.

    What Clever does not document is kept where it looks like a label. Anything else may be a number or an address: of
    that, ``other`` and ``UNREADABLE`` are kept.
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
"""Few values are those of many people."""


def has(values: Values, wanted: frozenset[str]) -> bool:
    """Tell whether a field has one of the ``wanted`` values, in their normal form; "" means that it has none at all."""
    return any(value != UNREADABLE and _form(value) in wanted for value in values) if values else "" in wanted


def may_have(field: str, values: Values, unwanted: frozenset[str]) -> bool:
    """Tell whether a field has one of the ``unwanted`` values, or may have, since what it says is unreadable."""
    if UNREADABLE in values and not unwanted <= DOCUMENTED.get(field, frozenset()) | {""}:
        return True
    return has(values, unwanted)


def spellings(field: str) -> tuple[str, ...]:
    """Return the values that Clever documents for a field, as it spells them."""
    return tuple(name for kept, name in _SPELT.items() if kept in DOCUMENTED[field])


def nearest(field: str, text: str) -> str | None:
    """Return the documented value that ``text`` may be a misspelling of, as Clever spells it, or None."""
    found = get_close_matches(normal(text), sorted(DOCUMENTED[field] - {_OTHER}), 1)
    return _SPELT[found[0]] if found else None
