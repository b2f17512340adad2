"""The body of a request as a JSON object, read by the strict rules of I-JSON (RFC 7493, AuthZEN section 11.5).

The framework's own reading would take a body without a Content-Type, the last of two equal names, and NaN. A body is
read whole, or, where it may be long, taken apart first, so that whoever reads the parts can let others have their turn.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import jiter
import msgspec
from fastapi import Depends, Request
from msgspec import Raw

from app.api.errors import Refused

MOST_DEPTH = 200
"""How many objects and arrays may stand inside one another; jiter reads no deeper."""

MOST_VALUES = 200_000
"""How many values a body may hold, by its commas: twenty for each of as many questions as may be asked at once."""

MOST_PART = 64 * 1024
"""How many bytes one question of many may have, or what they share: as many as a question alone."""


def is_json(request: Request) -> bool:
    """Tell whether a request says that its body is JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0]
    return media_type.strip().lower() == "application/json"


async def body_of(request: Request) -> bytes:
    """Return the body of a request; raises ``Refused`` where it does not say that this is JSON."""
    if not is_json(request):
        raise Refused("the header Content-Type must be application/json")
    return await request.body()


async def said_by(request: Request) -> dict[str, Any]:
    """Return what a request says: the object that its body is; raises ``Refused``."""
    return object_in(await body_of(request))


Said = Annotated[dict[str, Any], Depends(said_by)]
"""The same, before a route begins."""


def object_in(body: bytes) -> dict[str, Any]:
    """Return the object that ``body`` is; raises ``Refused``."""
    said = value_in(body)
    if not isinstance(said, dict):
        raise Refused(_NO_OBJECT)
    return said


def value_in(text: bytes) -> Any:
    """Return the value that a text is; raises ``Refused``."""
    try:
        # Strings are not cached: what a caller says must not outlast the request.
        return jiter.from_json(text, allow_inf_nan=False, cache_mode="keys", catch_duplicate_keys=True)
    except ValueError as error:
        raise _refusal(text, str(error)) from None


def values_in(parts: Sequence[Raw]) -> list[Any]:
    """Return the values that parts of a long body are; raises ``Refused``, also where one of them is too long."""
    joined = b",".join(parts)
    if len(joined) > MOST_PART and any(len(memoryview(part)) > MOST_PART for part in parts):
        raise Refused(f"a part of the body is longer than {MOST_PART} bytes", 413)
    values: list[Any] = value_in(b"[%b]" % joined)
    return values


def members_in(body: bytes) -> dict[str, Raw]:
    """Return the members of the object that a long body is, none of them read; raises ``Refused``."""
    if body.count(b",") > MOST_VALUES:
        raise Refused(f"the body holds more than {MOST_VALUES} values", 413)
    names: set[str] = set()

    def once(_: type, name: str) -> _Name:
        if name in names:
            raise Refused(_TWICE)
        names.add(name)
        return _Name(name)

    try:
        members = msgspec.json.decode(body, type=dict[_Name, Raw], dec_hook=once)
    except msgspec.ValidationError:
        raise Refused(_NO_OBJECT) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise _refusal(body, str(error)) from None
    return {str(name): part for name, part in members.items()}


class _Name(str):
    """The name of a member, about which msgspec asks its hook: of two that are equal it would keep the last."""

    __slots__ = ()


def items_in(part: Raw, name: str) -> Sequence[Raw]:
    """Return the items of the array that the member ``name`` is, none of them read; raises ``Refused``."""
    try:
        return _ITEMS.decode(part) or ()
    except msgspec.ValidationError:
        raise Refused(f"{name} must be an array") from None


_ITEMS = msgspec.json.Decoder(list[Raw] | None)

_NO_OBJECT = "the body must be an object"
_TWICE = "an object has two members of the same name"
_TOO_DEEP = f"the body nests objects and arrays more than {MOST_DEPTH} deep"
_MISTAKES = {
    "Detected duplicate key": _TWICE,
    "recursion limit exceeded": _TOO_DEEP,
    "maximum recursion depth exceeded": _TOO_DEEP,
    "lone leading surrogate": "a string holds half of a surrogate pair",
    "unexpected end of hex escape": "a string holds half of a surrogate pair",
}


def _refusal(text: bytes, error: str) -> Refused:
    """Say what is wrong in words that do not depend on the library, nor hold anything of what was sent."""
    if not text.strip():
        return Refused("the body is empty")
    try:
        text.decode()
    except UnicodeDecodeError:
        return Refused("the body is not UTF-8")
    known = (said for start, said in _MISTAKES.items() if error.startswith(start))
    return Refused(next(known, "the body is not JSON"))
