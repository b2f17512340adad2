"""The body of a request as a JSON object, read by the strict rules of I-JSON (RFC 7493, AuthZEN section 11.5).

The framework's own reading would take a body without a Content-Type, the last of two equal names, and NaN.
"""

import json
import re
from itertools import accumulate
from typing import Annotated, NoReturn

from fastapi import Depends, Request

from app.api.messages import Refused
from app.domain.text import is_writable

MOST_DEPTH = 64
"""How many objects and arrays may stand inside one another."""

MOST_PARTS = 200_000
"""How many objects and arrays there may be: twenty for each of as many questions as may be asked at once."""

MOST_MEMBERS = 1_000
"""How many members an object may have: each of ten thousand questions looks at what is said beside them."""

_STEPS = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
_BUT_BRACKETS = bytes(byte for byte in range(256) if byte not in _STEPS)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def is_json(request: Request) -> bool:
    """Tell whether a request says that its body is JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0]
    return media_type.strip().lower() == "application/json"


async def _said(request: Request) -> dict[str, object]:
    if not is_json(request):
        raise Refused("the header Content-Type must be application/json")
    return object_in(await request.body())


Said = Annotated[dict[str, object], Depends(_said)]
"""What a request says: the object that its body is."""


def object_in(body: bytes) -> dict[str, object]:
    """Return the object that ``body`` is, or raise ``Refused``; in time and memory bounded by its length."""
    if not body.strip():
        raise Refused("the body is empty")
    _look_for_excess(body)
    try:
        text = body.decode("utf-8")
        said = _DECODER.decode(text)
        _look_for_lone_surrogates(text, said)
    except UnicodeDecodeError as error:
        raise Refused("the body is not UTF-8") from error
    except ValueError as error:
        raise Refused("the body is not JSON") from error
    if not isinstance(said, dict):
        raise Refused("the body must be an object")
    return said


def _look_for_excess(body: bytes) -> None:
    """Count the brackets outside of strings, before anything is built of them or recurses into them."""
    unescaped = body.replace(rb"\\", b"").replace(rb"\"", b"")
    brackets = b"".join(unescaped.split(b'"')[::2]).translate(None, _BUT_BRACKETS)
    if len(brackets) > 2 * MOST_PARTS:
        raise Refused(f"the body holds more than {MOST_PARTS} objects and arrays", 413)
    if max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MOST_DEPTH:
        raise Refused(f"the body nests objects and arrays more than {MOST_DEPTH} deep")


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(pairs) > MOST_MEMBERS:
        raise Refused(f"an object has more than {MOST_MEMBERS} members", 413)
    members = dict(pairs)
    if len(members) < len(pairs):
        raise Refused("an object has two members of the same name")
    return members


def _no_number(name: str) -> NoReturn:
    raise Refused(f"{name} is not JSON")


def _look_for_lone_surrogates(text: str, said: object) -> None:
    if _SURROGATE.search(text) and not is_writable(said):
        raise Refused("a string holds half of a surrogate pair")


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_no_number)
