"""The decision log: who asked, about whom, what, and what the answer was."""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from app.telemetry.current_request import CURRENT
from app.telemetry.events import Event
from app.telemetry.log_writer import LogWriter

ShownId = Callable[[str], str]
"""Returns what the log shows for an id."""

_DIGEST_BYTES = 12

_REMEMBERED = 10_000

_EVENT = Event.DECISION.value


def hashed(secret: bytes) -> ShownId:
    """Return a function that hashes ids to 24 hexadecimal digits, with a key derived from ``secret``."""
    key = hmac.digest(secret, b"rosterguard: ids in logs", "sha256")

    @lru_cache(maxsize=_REMEMBERED)
    def shown(named: str) -> str:
        return hashlib.blake2b(named.encode(), digest_size=_DIGEST_BYTES, key=key).hexdigest()

    return shown


def plain(named: str) -> str:
    """Return an id as it is."""
    return named


_ENCODER = msgspec.json.Encoder()


def as_line(entry: msgspec.Struct) -> bytes:
    """Return a log entry as a line of JSON."""
    return _ENCODER.encode(entry) + b"\n"


def stamp(at: float) -> str:
    """Return Unix seconds in the form of RFC 3339, in UTC and with microseconds."""
    whole = int(at)
    return f"{_second(whole)}.{int((at - whole) * 1_000_000):06d}Z"


@lru_cache(maxsize=2)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class About(msgspec.Struct, frozen=True, gc=False):
    """What was asked, and about whom; the decisions of one request may share it.

    Neither this nor a decision has any free text of a caller.

    Attributes:
        kind: ``permissions``, ``roles``, ``explanation``, ``evaluation`` or ``search``.
        revision: that of the policy.
        user: the well-formed id of the user; None if the request has none.
        permission: the permission, if the policy names it.
    """

    kind: str
    revision: str
    district: str | None = None
    user: str | None = None
    role: str | None = None
    permission: str | None = None


class Decided(msgspec.Struct, frozen=True, gc=False):
    """A decision.

    Attributes:
        answer: whether it is allowed; for a permission set the tag of the answer, for a search how many were found.
        resource: the type of the resource, and, for Clever's types, its well-formed id.
        reason: why, in one fixed word.
        age: that of the oldest snapshot behind the decision, in seconds.
        stale: why an older snapshot answers, in one fixed word; None if it is fresh.
    """

    about: About
    answer: bool | str | int
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
    """Which decisions are logged.

    Attributes:
        part: which part of them, from 0 to 1.
        every_denial: whether all denials are logged all the same.
        draw: draws a number from 0 up to 1.
    """

    part: float
    every_denial: bool
    draw: Callable[[], float]

    def takes(self, decided: Decided) -> bool:
        """Tell, at random, whether a decision is logged."""
        if self.part >= 1 or (self.every_denial and decided.denied):
            return True
        return self.draw() < self.part


class DecisionLogWriter:
    """Logs decisions: a request's only decision in the line of the request, each of many in a line of its own."""

    def __init__(self, lines: LogWriter, sampling: Sampling, shown: ShownId, wall: Callable[[], float]) -> None:
        """Log to ``lines``, with ids as ``shown`` returns them, and times by ``wall``, in Unix seconds."""
        self._lines = lines
        self._sampling = sampling
        self._shown = shown
        self._wall = wall

    def log(self, decisions: Sequence[Decided], *, caller: str, alone: bool) -> None:
        """Log decisions of one request.

        Args:
            decisions: the decisions.
            caller: the name of the caller.
            alone: whether the request asked for one and nothing else.
        """
        request = CURRENT.get()
        entries = [self._entry(decided) for decided in decisions if self._sampling.takes(decided)]
        if alone and request is not None:
            request.decision = entries[0] if entries else None
            return
        named, trace = (request.id, request.trace) if request else (msgspec.UNSET, msgspec.UNSET)
        line = _Line(stamp(self._wall()), "info", _EVENT, named, trace, caller)
        for each in entries:
            line.decision = each
            self._lines.put(as_line(line))

    def _entry(self, decided: Decided) -> "_Entry":
        about, answer = decided.about, decided.answer
        where = None if about.district is None else self._shown(about.district)
        who = None if about.user is None else self._shown(about.user)
        what = None if decided.resource is None else self._resource(*decided.resource)
        # The tag is a hash of a body with the user's id in it: whoever guesses the id can compute the tag.
        shown = self._shown(answer) if isinstance(answer, str) else answer
        return _Entry(
            about.kind,
            about.revision,
            shown,
            where,
            who,
            about.role,
            about.permission,
            what,
            decided.reason,
            decided.age,
            decided.stale,
        )

    def _resource(self, kind: str, named: str | None) -> "_Resource":
        return _Resource(kind, None if named is None else self._shown(named))


class _Resource(msgspec.Struct, gc=False):
    type: str
    id: str | None


class _Entry(msgspec.Struct, gc=False):
    """A decision as it is logged; its fields are written in this order."""

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
    """The line of a decision that is one of many, which differ in the decision alone."""

    time: str
    level: str
    event: str
    request_id: str | msgspec.UnsetType
    trace_id: str | msgspec.UnsetType
    caller: str
    decision: _Entry | None = None
