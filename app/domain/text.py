"""Text as it is compared: one normal form, for what policies, cases, requests and Clever write alike."""

import json
import re
from unicodedata import normalize

LONGEST = 500
"""Characters of a text that is compared: to normalise a longer one could cost seconds, and nothing real is as long."""

# Unicode's Default_Ignorable_Code_Point, which NFKC_Casefold leaves out as well, the rest of the category Cf, control
# characters that are no blanks, and the Braille pattern without a dot.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u2800\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def normal(text: str) -> str:
    """Return the normal form of ``text``: of texts that look the same but for case and blanks it is the same.

    Compatible characters are one (NFKC), case is folded, characters that show nothing are left out, and blanks of any
    kind and number are one space, none at the ends (Unicode Standard, section 3.13: NFKC_Casefold).
    """
    # Folding case can take composed characters apart.
    return " ".join(normalize("NFKC", normalize("NFKC", shown(text)).casefold()).split())


def shown(text: str) -> str:
    """Return what shows of ``text``, blanks of any kind and number as one space; in time that grows as its length."""
    return " ".join(_UNSEEN.sub("", text).split())


def is_writable(said: object) -> bool:
    """Tell whether a text or a value of JSON can be written as UTF-8, which half of a surrogate pair cannot be."""
    try:
        json.dumps(said, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
