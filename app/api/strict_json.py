"""The body of a request as a JSON object, read by the strict rules of I-JSON (RFC 7493, AuthZEN section 11.5).

The framework's own reading would take a body without a Content-Type, the last of two equal names, and NaN.
"""

import json
import re
from collections.abc import Generator
from itertools import accumulate
from typing import Annotated, NoReturn

import msgspec
from fastapi import Depends, Request

from app.api.errors import Refused
from app.domain.text import is_writable
from app.services.batch import others_first

MOST_DEPTH = 64
"""How many objects and arrays may stand inside one another."""

MOST_PARTS = 200_000
"""How many objects and arrays there may be: twenty for each of as many questions as may be asked at once."""

MOST_MEMBERS = 1_000
"""How many members an object may have: each of ten thousand questions looks at what is said beside them."""

MOST_PART = 64 * 1024
"""How many characters one question of many may have, or what they share: as many as a question alone."""

MOST_ITEMS = 20_000
"""How many items an array in the outermost object may have: more than of anything that may be asked at once."""

USUAL_DEPTH = 8
"""How many of them stand inside one another in nearly every body, so that the rest need not be counted for it."""

USUAL_PART = 1024
"""How many characters nearly every part has, so that the rest need not be looked at for it."""

AT_A_STRETCH = 16 * 1024
"""How many characters are read before others have their turn: about a millisecond."""

_BLANKS = re.compile(r"[ \t\n\r]*")
_STEPS = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
_BUT_BRACKETS = bytes(byte for byte in range(256) if byte not in _STEPS)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def is_json(request: Request) -> bool:
    """Tell whether a request says that its body is JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0]
    return media_type.strip().lower() == "application/json"


async def said_by(request: Request) -> dict[str, object]:
    """Return what a request says: the object that its body is; raises ``Refused``."""
    if not is_json(request):
        raise Refused("the header Content-Type must be application/json")
    return await object_read_in(await request.body())


Said = Annotated[dict[str, object], Depends(said_by)]
"""The same, before a route begins."""


def object_in(body: bytes) -> dict[str, object]:
    """Return the object that ``body`` is, or raise ``Refused``; in time and memory bounded by its length."""
    steps = _steps(body)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            said: dict[str, object] = end.value
            return said


async def object_read_in(body: bytes) -> dict[str, object]:
    """Do the same, letting others have their turn meanwhile."""
    steps = _steps(body)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            said: dict[str, object] = end.value
            return said
        await others_first()


_Steps = Generator[None, None, dict[str, object]]
"""Work that can be interrupted wherever it yields, which it does every few milliseconds at most."""


def _steps(body: bytes) -> _Steps:
    if not body.strip():
        raise Refused("the body is empty")
    yield from _look_for_excess(body)
    try:
        whole = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("the body is not UTF-8") from error
    said = _short(whole)
    if said is not None:
        return said
    text = _Text(whole)
    if not text.takes("{"):
        text.part()
        text.ends()
        raise Refused("the body must be an object")
    members: list[tuple[str, object]] = []
    while not text.takes("}", after="," if members else ""):
        name = text.part()
        if not (isinstance(name, str) and text.takes(":")):
            raise _not_json()
        part = (yield from _array(text)) if text.takes("[") else text.part()
        members.append((name, part))
        yield from text.rest()
    text.ends()
    return _members(members)


def _short(text: str) -> dict[str, object] | None:
    """Return the object that a short text is, in one go; None for any other text, which is read part by part."""
    if len(text) > AT_A_STRETCH or _SURROGATE.search(text):
        return None
    try:
        said = _DECODER.decode(text)
    except (ValueError, Refused):
        return None
    return said if isinstance(said, dict) else None


def _array(text: "_Text") -> Generator[None, None, list[object]]:
    parts: list[object] = []
    while not text.takes("]", after="," if parts else ""):
        parts.append(text.part())
        if len(parts) > MOST_ITEMS:
            raise Refused(f"an array of the body has more than {MOST_ITEMS} items", 413)
        yield from text.rest()
    return parts


class _Text:
    """A text that is read from its beginning to its end: brackets of the outermost object, and parts in between."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = self._rested = 0
        self._pass()

    def _pass(self, to: int = 0) -> None:
        blanks = _BLANKS.match(self._text, to)
        self._at = blanks.end() if blanks else to

    def ends(self) -> None:
        """See that nothing follows."""
        if self._at < len(self._text):
            raise _not_json()

    def takes(self, sign: str, *, after: str = "") -> bool:
        """Go past ``sign`` if it comes next; if not, something has to come after all, and past ``after``."""
        if self._text.startswith(sign, self._at):
            self._pass(self._at + 1)
            return True
        if after and (not self.takes(after) or self._text.startswith(sign, self._at)):
            raise _not_json()
        return False

    def part(self) -> object:
        """Read a value whole."""
        for length in (USUAL_PART, MOST_PART):
            window = self._text[self._at : self._at + length + 1]
            try:
                said, end = _DECODER.raw_decode(window)
            except json.JSONDecodeError:
                continue
            except ValueError as error:
                raise _not_json() from error
            # A number that ends with the window may go on behind it.
            if end <= length or self._at + end == len(self._text):
                if _SURROGATE.search(window, 0, end) and not is_writable(said):
                    raise Refused("a string holds half of a surrogate pair")
                self._pass(self._at + end)
                return said
        if not self._is_json():
            raise _not_json()
        raise Refused(f"a part of the body is longer than {MOST_PART} characters", 413)

    def rest(self) -> Generator[None]:
        """Let others have their turn, if enough was read since they had it."""
        if self._at - self._rested > AT_A_STRETCH:
            self._rested = self._at
            yield

    def _is_json(self) -> bool:
        try:
            msgspec.json.decode(self._text, type=msgspec.Raw)
        except (msgspec.MsgspecError, UnicodeError):
            return False
        return True


def _not_json() -> Refused:
    return Refused("the body is not JSON")


def _look_for_excess(body: bytes) -> Generator[None]:
    """Count the brackets outside of strings, before anything is built of them or recurses into them."""
    if body.count(b"{") + body.count(b"[") <= MOST_DEPTH:
        return
    unescaped = body.replace(rb"\\", b"").replace(rb"\"", b"")
    stretches: list[bytes] = []
    quotes = depth = 0
    for start in range(0, len(unescaped), AT_A_STRETCH):
        pieces = unescaped[start : start + AT_A_STRETCH].split(b'"')
        stretches.append(b"".join(pieces[quotes % 2 :: 2]).translate(None, _BUT_BRACKETS))
        quotes += len(pieces) - 1
        yield
    if len(stretches) == 1 and _is_shallow(stretches[0]):
        return
    if sum(map(len, stretches)) > 2 * MOST_PARTS:
        raise Refused(f"the body holds more than {MOST_PARTS} objects and arrays", 413)
    for brackets in stretches:
        depths = list(accumulate(map(_STEPS.__getitem__, brackets), initial=depth))
        if max(depths) > MOST_DEPTH:
            raise Refused(f"the body nests objects and arrays more than {MOST_DEPTH} deep")
        depth = depths[-1]
        yield


def _is_shallow(brackets: bytes) -> bool:
    """Tell whether few of them are inside of one another, of all that bodies usually hold; else they are counted."""
    for _ in range(USUAL_DEPTH):
        if not brackets:
            return True
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
    return False


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(pairs) > MOST_MEMBERS:
        raise Refused(f"an object has more than {MOST_MEMBERS} members", 413)
    members = dict(pairs)
    if len(members) < len(pairs):
        raise Refused("an object has two members of the same name")
    return members


def _no_number(name: str) -> NoReturn:
    raise Refused(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_no_number)
