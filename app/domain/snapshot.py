"""A snapshot: something that Clever said, with its time, and with the answers rendered from it so far."""

import hashlib
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from math import inf
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec


@dataclass(frozen=True, slots=True)
class Staleness:
    """How stale an answer is.

    Attributes:
        reason: such as ``unreachable``; the words are those of ``CleverError``, and ``slow`` and ``accepted``.
        as_of: when the fetch of the oldest snapshot behind the answer began, in Unix seconds.
    """

    reason: str
    as_of: float


Said = TypeVar("Said")


class Rendered(msgspec.Struct, frozen=True, gc=False):
    """The body of an answer, its tag, which changes with it, and the question that it answers."""

    body: bytes
    tag: str
    question: Hashable = None

    @classmethod
    def of(cls, body: bytes, question: Hashable = None) -> "Rendered":
        """Tag ``body`` with a hash of it: equal answers are equal bytes, and so have equal tags."""
        return cls(body, hashlib.blake2b(body, digest_size=12).hexdigest(), question)


_MOST_RENDERED = 8
"""How many answers are kept with one snapshot: enough for the few roles and views that are asked for."""


class Snapshot(msgspec.Struct, Generic[Said], gc=False):
    """What Clever said, and when.

    There may be a hundred thousand, so the garbage collector ignores them: none is ever part of a cycle.

    Attributes:
        facts: of one user, packed, and complete as far as the roles held need them; or a section, or a list.
        began: when its fetch began, in seconds of the process's clock; the age of an answer counts from here.
        at: the same in Unix seconds.
        renew_at: from when on a request has it renewed, by the process's clock.
        stale: why it answers although it is not fresh; None while it is.
        rendered: answers, the latest last; they are dropped with the snapshot.
        fresh: if this is stale, the same snapshot as it was when it was fresh.
    """

    facts: Said
    began: float
    at: float = 0.0
    renew_at: float = inf
    stale: str | None = None
    rendered: tuple[Rendered, ...] = ()
    fresh: "Snapshot[Said] | None" = None

    def aged(self, reason: str) -> "Snapshot[Said]":
        """Return the same snapshot, marked stale; both share their rendered answers."""
        return msgspec.structs.replace(self, stale=reason, rendered=(), fresh=self.fresh or self)

    def answer(self, question: Hashable) -> Rendered | None:
        """Return the answer to ``question``, all that it depends on beside the snapshot, or None if there is none."""
        for rendered in (self.fresh or self).rendered:
            if rendered.question == question:
                return rendered
        return None

    def keep(self, answer: Rendered) -> Rendered:
        """Keep an answer, in place of the oldest if there are too many, and return it."""
        keeper = self.fresh or self
        keeper.rendered = (*keeper.rendered[1 - _MOST_RENDERED :], answer)
        return answer

    def staleness(self) -> Staleness | None:
        """Return how stale it is, or None if it is fresh."""
        return None if self.stale is None else Staleness(self.stale, self.at)


class Found(NamedTuple, Generic[Said]):
    """What another process has read, and when its fetch began, in Unix seconds."""

    said: Said
    at: float


def staleness_of(snapshots: Iterable[Snapshot[Any]]) -> Staleness | None:
    """Return how stale an answer from several snapshots is: as its oldest stale one, or None if all are fresh."""
    stale = [snapshot for snapshot in snapshots if snapshot.stale is not None]
    return min(stale, key=lambda snapshot: snapshot.at).staleness() if stale else None
