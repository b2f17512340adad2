"""The log of decisions: who asked, about whom, what, and what the answer was."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import NamedTuple

import orjson

from app.telemetry.lines import Lines
from app.telemetry.pseudonyms import Told
from app.telemetry.requests import CURRENT, Request

AS_LINE = orjson.OPT_APPEND_NEWLINE


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


class DecisionLog:
    """Tells decisions: that of a request which asks for one stands in the request's own line, others in their own."""

    def __init__(self, lines: Lines, sampling: Sampling, told: Told, wall: Callable[[], float]) -> None:
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
        if alone and request is not None:
            request.decision = partial(self._said, decided)
        else:
            self._lines.put(partial(self._line, self._wall(), request, caller, decided))

    def _line(self, at: float, request: Request | None, caller: str, decided: Decided) -> bytes:
        line: dict[str, object] = {"time": stamp(at), "level": "info", "event": "decision"}
        if request is not None:
            line |= {"request_id": request.id, "trace_id": request.trace}
        return orjson.dumps(line | {"caller": caller, "decision": self._said(decided)}, option=AS_LINE)

    def _said(self, decided: Decided) -> Mapping[str, object]:
        kind, revision, answer, district, user, role, permission, resource, reason, age, stale = decided
        return {
            "kind": kind,
            "revision": revision,
            "answer": answer,
            "district": None if district is None else self._told(district),
            "user": None if user is None else self._told(user),
            "role": role,
            "permission": permission,
            "resource": None if resource is None else self._resource(*resource),
            "reason": reason,
            "age": age,
            "stale": stale,
        }

    def _resource(self, kind: str, named: str | None) -> Mapping[str, str | None]:
        return {"type": kind, "id": None if named is None else self._told(named)}
