"""The log of decisions: who asked, about whom, what, and what the answer was."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import msgspec

from app.telemetry.current_request import CURRENT
from app.telemetry.events import Event
from app.telemetry.log_writer import LogWriter

Told = Callable[[str], str]


"""Returns what logs say in the place of an id."""


_DIGEST_BYTES = 12


_REMEMBERED = 10_000


_EVENT = Event.DECISION.value


def hashed(secret: bytes) -> Told:
    """Return a keyed hash of ids, 24 hexadecimal digits; the key is derived from ``secret`` for this one purpose."""
    key = hmac.digest(secret, b"rosterguard: ids in logs", "sha256")

    @lru_cache(maxsize=_REMEMBERED)
    def told(named: str) -> str:
        return hashlib.blake2b(named.encode(), digest_size=_DIGEST_BYTES, key=key).hexdigest()

    return told


def plain(named: str) -> str:
    """Return an id as it is."""
    return named


_ENCODER = msgspec.json.Encoder()


def as_line(told: msgspec.Struct) -> bytes:
    """Return what is told as a line of JSON."""
    return _ENCODER.encode(told) + b"\n"


def stamp(at: float) -> str:
    """Return Unix seconds as RFC 3339 has them, in UTC and to the microsecond."""
    whole = int(at)
    return f"{_second(whole)}.{int((at - whole) * 1_000_000):06d}Z"


@lru_cache(maxsize=2)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class Decided(NamedTuple):
    """What was decided; nothing that a caller wrote freely gets in here.

    Attributes:
        kind: ``permissions``, ``roles``, ``explanation``, ``evaluation`` or ``search``.
        user: whom it is about, by a well-formed id; None where the question names none.
        permission: what was asked for, where the policy names it.
        resource: the type and, of Clever's types, the well-formed id of what it was asked on.
        answer: whether it is allowed; of a permission set the tag of the answer, of a search how many were found.
        reason: why, in one fixed word.
        revision: of the policy.
        age: of the oldest reading behind it, in seconds.
        stale: why an older reading answers, in one fixed word; None while it is fresh.
    """

    kind: str
    revision: str
    answer: bool | str | int
    district: str | None = None
    user: str | None = None
    role: str | None = None
    permission: str | None = None
    resource: tuple[str, str | None] | None = None
    reason: str | None = None
    age: int | None = None
    stale: str | None = None

    @property
    def denied(self) -> bool:
        """Whether the answer is no."""
        return self.answer is False


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which decisions are told.

    Attributes:
        part: how many of them, from 0 to 1.
        every_denial: whether all denials are told nonetheless.
        draw: a number from 0 up to 1, another each time.
    """

    part: float
    every_denial: bool
    draw: Callable[[], float]

    def tells(self, decided: Decided) -> bool:
        """Draw whether a decision is told."""
        if self.part >= 1 or (self.every_denial and decided.denied):
            return True
        return self.draw() < self.part


class DecisionLogWriter:
    """Tells decisions: that of a request which asks for one stands in the request's own line, others in their own."""

    def __init__(self, lines: LogWriter, sampling: Sampling, told: Told, wall: Callable[[], float]) -> None:
        """Tell decisions to ``lines``, with ids as ``told`` has them, at the Unix seconds of ``wall``."""
        self._lines = lines
        self._sampling = sampling
        self._told = told
        self._wall = wall

    def decided(self, decided: Decided, *, caller: str, alone: bool) -> None:
        """Tell a decision.

        Args:
            decided: what was decided.
            caller: the name of who asked.
            alone: whether the request asked for this and nothing else.
        """
        if not self._sampling.tells(decided):
            return
        request = CURRENT.get()
        said = self._said(decided)
        if alone and request is not None:
            request.decision = said
        else:
            named, trace = (request.id, request.trace) if request else (msgspec.UNSET, msgspec.UNSET)
            self._lines.put(as_line(_Line(stamp(self._wall()), "info", _EVENT, named, trace, caller, said)))

    def _said(self, decided: Decided) -> "_Said":
        kind, revision, answer, district, user, role, permission, resource, reason, age, stale = decided
        where = None if district is None else self._told(district)
        who = None if user is None else self._told(user)
        what = None if resource is None else self._resource(*resource)
        # A tag is made of a body that names the user: whoever guesses that can make the tag.
        tells = self._told(answer) if isinstance(answer, str) else answer
        return _Said(kind, revision, tells, where, who, role, permission, what, reason, age, stale)

    def _resource(self, kind: str, named: str | None) -> "_Resource":
        return _Resource(kind, None if named is None else self._told(named))


class _Resource(msgspec.Struct, gc=False):
    type: str
    id: str | None


class _Said(msgspec.Struct, gc=False):
    """A decision as it is told, in the order in which it is written."""

    kind: str
    revision: str
    answer: bool | str | int
    district: str | None
    user: str | None
    role: str | None
    permission: str | None
    resource: _Resource | None
    reason: str | None
    age: int | None
    stale: str | None


class _Line(msgspec.Struct, gc=False):
    """The line of a decision that is one of many."""

    time: str
    level: str
    event: str
    request_id: str | msgspec.UnsetType
    trace_id: str | msgspec.UnsetType
    caller: str
    decision: _Said
