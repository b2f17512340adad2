"""What the head of a request says that may be answered at hand; and heads that need not be parsed again.

A client says the same of itself each time. Where a packet has a head that the parser has read before, but for target
and credential, all that it would say of it is known: how the fields of a head are read depends on nothing else in it.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from app.telemetry.requests import NAMES

Headers = Sequence[tuple[bytes, bytes]]

MOST_HEADS = 256
"""Heads that are known at a time; there are few kinds of client."""

_MOST_FIELDS_BYTES, _MOST_CREDENTIAL_BYTES = 1024, 4096
"""Of a head that is known, which with any target stays far below what a connection takes; others are parsed."""

_UNUSUAL = frozenset({b"cache-control", b"origin", b"expect", b"upgrade"})
_SAME_EACH_TIME = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"authorization",
        b"connection",
        b"content-length",
        b"content-type",
        b"host",
        b"user-agent",
    }
)
"""What stands in a head that is kept: nothing that is secret, but for the credential, which is left out."""

_BEARER = b"Bearer "
_PRINTABLE = bytes(range(0x20, 0x7F))
_JSON = b"application/json"
_LINE = re.compile(rb"(GET|POST) (/[A-Za-z0-9_/?=&.~%-]{1,512}) HTTP/1\.1")


class Head(msgspec.Struct, frozen=True, gc=False):
    """What the headers of a request say.

    Attributes:
        credential: what is presented as a bearer's, if anything is.
        is_json: whether its body is JSON.
        held: what it says in If-None-Match, if it does.
        names: the headers, where some of them name the request.
    """

    credential: bytes | None
    is_json: bool
    held: bytes | None = None
    names: Headers = ()


class Packet(NamedTuple):
    """A whole request."""

    method: bytes
    target: bytes
    head: Head
    body: bytes


def head_of(headers: Headers) -> Head | None:
    """Return what headers say, their names in lower case; None where they say anything unusual."""
    said = dict(headers)
    if len(said) != len(headers) or not _UNUSUAL.isdisjoint(said):
        return None
    credential = said.get(b"authorization")
    if credential is not None and not (credential.startswith(_BEARER) and credential.isascii()):
        return None
    return Head(
        None if credential is None else credential[len(_BEARER) :],
        said.get(b"content-type") == _JSON,
        said.get(b"if-none-match"),
        () if NAMES.isdisjoint(said) else headers,
    )


class _Known(NamedTuple):
    """What a head says of the body after it: its type, and its length in bytes."""

    is_json: bool
    length: int


class Heads:
    """The heads that are known, by what stands in them before and after the credential."""

    def __init__(self, most: int = MOST_HEADS) -> None:
        """Know none yet, and ``most`` at a time."""
        self._known: dict[tuple[bytes, bytes | None], _Known] = {}
        self._most = most

    def read(self, packet: bytes) -> Packet | None:
        """Return the request that makes up ``packet``, or None where only the parser can tell.

        The packet is what came on a connection on which nothing else was under way.
        """
        # What is known holds no empty line, so that it is the same from which end one is looked for.
        head, _, body = packet.rpartition(b"\r\n\r\n")
        line, _, fields = head.partition(b"\r\n")
        before, credential, after = _parted(fields)
        known = self._known.get((before, after))
        asked = _LINE.fullmatch(line)
        if known is None or known.length != len(body) or asked is None:
            return None
        if credential is not None and not _is_plain(credential):
            return None
        return Packet(asked[1], asked[2], Head(credential, known.is_json), body)

    def learn(self, packet: bytes, headers: Headers, head: Head, body: bytes) -> None:
        """Know the head of a request that was answered at hand, if it is such as a client sends each time.

        Args:
            packet: what came on an idle connection; unless it is that request and nothing else, nothing is learnt.
            headers: what the parser has read of the request.
            head: what they say.
            body: what the parser has read of it.
        """
        said, _, rest = packet.partition(b"\r\n\r\n")
        line, _, fields = said.partition(b"\r\n")
        before, credential, after = _parted(fields)
        is_plain = (
            rest == body
            and len(fields) - len(credential or b"") <= _MOST_FIELDS_BYTES
            and _SAME_EACH_TIME.issuperset(name for name, _ in headers)
            and (credential is None or before.rpartition(b"\r\n")[2].lower() == b"authorization: ")
            and _LINE.fullmatch(line) is not None
        )
        if is_plain:
            if len(self._known) >= self._most:
                self._known.clear()
            self._known[before, after] = _Known(head.is_json, len(body))


def _is_plain(credential: bytes) -> bool:
    """Tell whether the parser would take it as it is: it strips spaces at the end, and takes no control characters."""
    is_printable = not credential.translate(None, _PRINTABLE)
    return is_printable and 0 < len(credential) <= _MOST_CREDENTIAL_BYTES and not credential.endswith(b" ")


def _parted(fields: bytes) -> tuple[bytes, bytes | None, bytes | None]:
    """Return what stands before the credential among the fields of a head, itself, and what stands after it."""
    before, bearer, rest = fields.partition(_BEARER)
    if not bearer:
        return fields, None, None
    credential, _, after = rest.partition(b"\r")
    return before, credential, after
