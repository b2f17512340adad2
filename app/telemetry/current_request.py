"""The request that is being answered: its ids in logs and traces, and what was decided for it.

`X-Request-ID` may be any text; `traceparent` is that of W3C Trace Context, level 1.
"""

import random
import re
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass

import msgspec

REQUEST_ID, TRACEPARENT = b"x-request-id", b"traceparent"
NAMES = frozenset({REQUEST_ID, TRACEPARENT})
"""The headers by which a caller identifies a request."""

_FIT_FOR_LOGS = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True)
class Parent:
    """The caller's span that a request belongs to."""

    trace: str
    span: str
    sampled: bool


class Request(msgspec.Struct):
    """A request in progress.

    Attributes:
        named: the caller's ids for it, byte for byte, or a generated one.
        id: the first of them that is fit for a log, else empty.
        trace: the trace that it belongs to, in 32 hexadecimal digits.
        parent: the caller's span; None if it names none.
        decision: its decision as the decision log shows it; None if it is not logged there.
    """

    named: list[bytes]
    id: str
    trace: str
    parent: Parent | None = None
    decision: object = None

    def id_headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that identify its answer: one for each id."""
        return [(REQUEST_ID, each) for each in self.named]


CURRENT: ContextVar[Request | None] = ContextVar("request", default=None)
"""The request on whose behalf something happens, also in background tasks that it starts."""


def random_id() -> str:
    """Return 32 random hexadecimal digits, which are unique but no secret."""
    # Not from the system's generator, which would cost each request a system call.
    return random.getrandbits(128).to_bytes(16).hex()


def request_of(headers: Iterable[tuple[bytes, bytes]], made_up: Callable[[], str] = random_id) -> Request:
    """Return the request with these headers; missing ids are generated."""
    named, parents = list[bytes](), list[bytes]()
    for name, value in headers:
        if name == REQUEST_ID:
            named.append(value)
        elif name == TRACEPARENT:
            parents.append(value)
    return request_with(named, parents[0] if len(parents) == 1 else None, made_up)


def request_with(named: list[bytes], parent: bytes | None, made_up: Callable[[], str] = random_id) -> Request:
    """Return the request with these values of ``X-Request-ID`` and with this ``traceparent``; see ``request_of``."""
    span = None if parent is None else _parent(parent)
    trace = made_up() if span is None else span.trace
    if named:
        return Request(named, _fit_for_logs(named), trace, span)
    own = trace if span is None else made_up()
    return Request([own.encode()], own, trace, span)


def _fit_for_logs(named: list[bytes]) -> str:
    for value in named:
        if _FIT_FOR_LOGS.fullmatch(value):
            return value.decode()
    return ""


def _parent(said: bytes) -> Parent | None:
    found = _TRACEPARENT.fullmatch(said)
    if found is None or (found[4] is not None and said.startswith(b"00")):
        return None
    return Parent(found[1].decode(), found[2].decode(), bool(int(found[3], 16) & 1))
