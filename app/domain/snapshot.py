"""A snapshot: data from Clever, the time of its fetch, and the answers rendered from it so far."""

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
        reason: why: a code of ``CleverError`` such as ``unreachable``, or ``slow``, or ``accepted``.
        as_of: when the fetch of its oldest snapshot began, in Unix seconds.
    """

    reason: str
    as_of: float


Said = TypeVar("Said")
Part = TypeVar("Part")


class Rendered(msgspec.Struct, frozen=True, gc=False):
    """The body of an answer, a tag that changes with the body, and the question that it answers."""

    body: bytes
    tag: str
    question: Hashable = None

    @classmethod
    def of(cls, body: bytes, question: Hashable = None) -> "Rendered":
        """Return a body tagged with its hash, so that equal answers have equal tags."""
        return cls(body, hashlib.blake2b(body, digest_size=12).hexdigest(), question)


_MOST_RENDERED = 8
"""Answers kept per snapshot: enough for the few roles and views that callers ask for."""


class Snapshot(msgspec.Struct, Generic[Said], gc=False):
    """Data from Clever and the time of its fetch.

    A process may hold a hundred thousand. None is part of a reference cycle, so the garbage collector ignores them.

    Attributes:
        facts: the packed facts of one user, complete for the roles held; or a section, or a list.
        began: when its fetch began, in seconds of the process's clock; the age of an answer counts from here.
        at: the same in Unix seconds.
        renew_at: from this time of the process's clock on, a request renews it.
        stale: why it is used although it is not fresh; None while it is fresh.
        rendered: answers, the latest last.
        fresh: for a stale snapshot, the original.
        load: the number of the load of a whole district from which the facts come; None for what was read alone.
    """

    facts: Said
    began: float
    at: float = 0.0
    renew_at: float = inf
    stale: str | None = None
    rendered: tuple[Rendered, ...] = ()
    fresh: "Snapshot[Said] | None" = None
    load: int | None = None

    def aged(self, reason: str) -> "Snapshot[Said]":
        """Return the same snapshot, marked stale; both share their rendered answers."""
        return msgspec.structs.replace(self, stale=reason, rendered=(), fresh=self.fresh or self)

    def of(self, part: "Part") -> "Snapshot[Part]":
        """Return a snapshot of what follows from this one, as recent and as stale."""
        return Snapshot(part, self.began, self.at, stale=self.stale)

    def answer(self, question: Hashable) -> Rendered | None:
        """Return the kept answer to a question, which holds all that the answer depends on beside the snapshot."""
        for rendered in (self.fresh or self).rendered:
            if rendered.question == question:
                return rendered
        return None

    def keep(self, answer: Rendered) -> Rendered:
        """Keep an answer, dropping the oldest if there are too many, and return it."""
        keeper = self.fresh or self
        keeper.rendered = (*keeper.rendered[1 - _MOST_RENDERED :], answer)
        return answer

    def staleness(self) -> Staleness | None:
        """Return the staleness of an answer from this snapshot; None if it is fresh."""
        return None if self.stale is None else Staleness(self.stale, self.at)


class Found(NamedTuple, Generic[Said]):
    """Data that another process read, and when its fetch began, in Unix seconds."""

    said: Said
    at: float


def staleness_of(snapshots: Iterable[Snapshot[Any]]) -> Staleness | None:
    """Return the staleness of an answer from several snapshots: that of the oldest stale one, None if all are fresh."""
    oldest = None
    for snapshot in snapshots:
        if snapshot.stale is not None and (oldest is None or snapshot.at < oldest.at):
            oldest = snapshot
    return None if oldest is None else oldest.staleness()
