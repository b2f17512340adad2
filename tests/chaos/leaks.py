"""What must not get out: it is planted beforehand, and all that comes out is looked through for it.

Planted are the marks of a sandbox, the secrets that a service runs with, and marks in what callers send.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from tests.marking import MARK, TITLE, found_in
from tests.planted import SECRETS, secrets_in

SENT = "sent-astray-"
"""What is sent in paths, headers and credentials: it is repeated to nobody and stands in no log."""

SAID = "said-astray-"
"""What is said in queries and bodies: an answer may repeat to who said it what is asked for; no log does."""

CALLED = "called-astray-"
"""What requests are called by, in `X-Request-ID`: it comes back there, and stands in logs as the id of the request."""

_AS_REQUEST_ID = re.compile(rb'"request_id":"' + CALLED.encode() + rb'[0-9]+"')


@dataclass(frozen=True, slots=True)
class Planted:
    """What one request sent that its answer may repeat.

    Attributes:
        named: its values of `X-Request-ID`, which come back byte for byte in that header.
        said: what it said, which may be repeated in the body.
        titled: whether it asks for roles, which are told with their titles.
    """

    named: tuple[bytes, ...] = ()
    said: bytes = b""
    titled: bool = False


@dataclass
class Lookout:
    """Looks through all that comes out.

    Attributes:
        looked: how many bytes were looked through, by where they came out.
        found: how often what was found where it must not be.
        welcome: how often what is planted was found where it may be: so it would have been found elsewhere.
    """

    looked: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    welcome: Counter[str] = field(default_factory=Counter)

    def answer(self, whole: bytes, planted: Planted, where: str) -> None:
        """Look through an answer, as it came over the wire."""
        for value in planted.named:
            whole = self._without(whole, b"\r\nx-request-id: " + value + b"\r\n", b"\r\n", "request id")
        head, between, body = whole.partition(b"\r\n\r\n")
        if planted.said:
            body = self._without(body, planted.said, b"", "said")
        self.welcome["title"] += planted.titled and bool(found_in(body, TITLE))
        begins = (MARK, SENT, SAID, CALLED) if planted.titled else (MARK, TITLE, SENT, SAID, CALLED)
        self._look(head + between, (MARK, TITLE, SENT, SAID, CALLED), "in the head", f" of {where}")
        self._look(body, begins, "in the body", f" of {where}")

    def written(self, text: bytes, where: str) -> None:
        """Look through a log, or metrics: only ids of requests are of callers."""
        text, times = _AS_REQUEST_ID.subn(b"", text)
        self.welcome[f"request id in {where}"] += times
        self._look(text, (MARK, TITLE, SENT, SAID, CALLED), f"in {where}")

    def _without(self, text: bytes, part: bytes, left: bytes, what: str) -> bytes:
        self.welcome[what] += part in text
        return text.replace(part, left)

    def _look(self, text: bytes, begins: Iterable[str], where: str, of: str = "") -> None:
        self.looked[where] += len(text)
        self.found.update(f"{what} {where}{of}" for what in _leaks(text, begins))


def _leaks(text: bytes, begins: Iterable[str]) -> Iterator[str]:
    """Return what stands in a text, as it is, percent-encoded or in Base64."""
    plain = unquote_to_bytes(text.replace(b"+", b" ")) if b"%" in text or b"+" in text else b""
    for begin in begins:
        if found_in(text, begin) or found_in(plain, begin):
            yield f"{begin}…"
    yield from {*secrets_in(text), *secrets_in(plain)} | {
        one for one, secret in SECRETS.items() if found_in(text, secret)
    }
