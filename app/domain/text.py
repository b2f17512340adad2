"""The normal form in which texts from policies, policy tests, requests and Clever are compared."""

import json
import re
from unicodedata import normalize

LONGEST = 500
"""The most characters of a text that is compared; no real value is longer, and normalising it could take seconds."""

# Unicode's Default_Ignorable_Code_Point, as in NFKC_Casefold, the rest of the category Cf, control characters but for
# blanks, and the Braille pattern without a dot.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u2800\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def normal(text: str) -> str:
    """Return the normal form of a text, which is equal for texts that differ only in case, blanks and composition.

    Compatible characters are unified (NFKC), case is folded, invisible characters are dropped, runs of blanks become
    one space, and blanks at the ends are dropped (Unicode Standard, section 3.13: NFKC_Casefold).
    """
    # Most texts, and by far the fastest.
    if text.isascii() and text.isprintable():
        return " ".join(text.lower().split())
    # Folding case can take composed characters apart.
    return " ".join(normalize("NFKC", normalize("NFKC", shown(text)).casefold()).split())


def shown(text: str) -> str:
    """Return a text without invisible characters, runs of blanks as one space; takes time linear in its length."""
    return " ".join(_UNSEEN.sub("", text).split())


def is_writable(value: object) -> bool:
    """Whether a JSON value can be written as UTF-8; half of a surrogate pair cannot."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
