"""What the head of a request says that may be answered at hand; and forms of heads that need not be parsed again.

A client says the same of itself each time, but for a few values. Where a packet has the form of one that the parser has
read before, all that it would say of it is known: how the fields of a head are read depends on nothing else in it.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from app.telemetry.current_request import NAMES

Headers = Sequence[tuple[bytes, bytes]]

MOST_FORMS = 256
"""Forms that are known at a time; there are few kinds of client."""

_MOST_PATTERN_BYTES = 1536
"""Of a form; with all that it leaves open a head stays far below what a connection takes."""

_UNUSUAL = frozenset({b"cache-control", b"origin", b"expect", b"upgrade"})
_SAME_EACH_TIME = frozenset({b"accept", b"accept-encoding", b"connection", b"content-type", b"host", b"user-agent"})
"""What stands in a form: nothing that is secret."""

_OTHER_EACH_TIME = {
    b"authorization": rb"Bearer (?P<credential>[^\r]{1,4096})",
    b"content-length": rb"(?P<length>[0-9]{1,9})",
    b"if-none-match": rb"(?P<held>[!-~]{1,256})",
    b"traceparent": rb"(?P<traceparent>[!-~]{1,256})",
    b"x-request-id": rb"(?P<x_request_id>[!-~]{1,256})",
}
"""What a form leaves open, and how it is written where the parser takes it as it is."""

_BEARER = b"Bearer "
_PRINTABLE = bytes(range(0x20, 0x7F))
_JSON = b"application/json"
_TARGET = rb"(?P<target>/[A-Za-z0-9_/?=&.~%-]{1,512})"
_LINE = re.compile(rb"(GET|POST) %b HTTP/1\.1" % _TARGET)


class Head(msgspec.Struct, frozen=True, gc=False):
    """What the headers of a request say.

    Attributes:
        credential: what is presented as a bearer's, if anything is.
        is_json: whether its body is JSON.
        held: what it says in If-None-Match, if it does.
        names: those of the headers that name the request.
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
        () if NAMES.isdisjoint(said) else tuple([line for line in headers if line[0] in NAMES]),
    )


class Form:
    """The form of a head: what a client says each time, with room for the values that are others each time."""

    def __init__(self, pattern: bytes, method: bytes, head: Head) -> None:
        """Read what has the ``pattern`` that was found in a request with this method and head."""
        self._pattern = re.compile(pattern)
        self._method = method
        self._is_json = head.is_json
        self._names = [(name, name.decode().replace("-", "_")) for name, _ in head.names]

    def read(self, packet: bytes) -> Packet | None:
        """Return the request that makes up ``packet``, or None where only the parser can tell.

        The packet is what came on a connection on which nothing else was under way.
        """
        found = self._pattern.match(packet)
        if found is None:
            return None
        said, body = found.groupdict(), packet[found.end() :]
        credential = said.get("credential")
        if int(said.get("length", 0)) != len(body):
            return None
        if credential is not None and (credential.translate(None, _PRINTABLE) or credential.endswith(b" ")):
            # Control characters are not taken, and spaces at the end may be no part of it.
            return None
        names = tuple([(name, said[group]) for name, group in self._names])
        return Packet(self._method, said["target"], Head(credential, self._is_json, said.get("held"), names), body)


class Forms:
    """The forms that are known, by their patterns."""

    def __init__(self, most: int = MOST_FORMS) -> None:
        """Know none yet, and ``most`` at a time."""
        self._known: dict[bytes, Form | None] = {}
        self._most = most

    def form(self, packet: bytes, headers: Headers, head: Head, body: bytes) -> Form | None:
        """Return the form of a request that was answered at hand, if it is such as a client sends each time.

        Args:
            packet: what came on an idle connection; unless it is that request and nothing else, it has none.
            headers: what the parser has read of the request.
            head: what they say.
            body: what the parser has read of it.
        """
        pattern = _pattern(packet, headers, body)
        if pattern is None:
            return None
        if pattern not in self._known:
            # It costs more than a request to make a form, so none is made of what is only seen once.
            if len(self._known) >= self._most:
                self._known.clear()
            self._known[pattern] = None
            return None
        form = self._known[pattern]
        if form is None:
            form = self._known[pattern] = Form(pattern, packet.partition(b" ")[0], head)
        return form


def _pattern(packet: bytes, headers: Headers, body: bytes) -> bytes | None:
    said, _, rest = packet.partition(b"\r\n\r\n")
    line, *fields = said.split(b"\r\n")
    asked, names = _LINE.fullmatch(line), [field.partition(b":")[0] for field in fields]
    if asked is None or rest != body or [name.lower() for name in names] != [name for name, _ in headers]:
        return None
    patterns = [_field(*each) for each in zip(names, fields, strict=True)]
    pattern = b"\r\n".join([rb"%b %b HTTP/1\.1" % (asked[1], _TARGET), *filter(None, patterns), b"\r\n"])
    return None if None in patterns or len(pattern) > _MOST_PATTERN_BYTES else pattern


def _field(name: bytes, field: bytes) -> bytes | None:
    """Return the pattern of a field, None for one that has no place in a form."""
    if name.lower() in _SAME_EACH_TIME:
        return re.escape(field)
    said = _OTHER_EACH_TIME.get(name.lower())
    return None if said is None else b"%b: %b" % (name, said)
