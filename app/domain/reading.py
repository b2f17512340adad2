"""A reading: something that Clever said, dated, with what has been worked out from it so far."""

import hashlib
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, Generic, TypeVar

from app.domain.access import Access
from app.domain.staleness import Staleness

Said = TypeVar("Said")


@dataclass(frozen=True, slots=True)
class Rendered:
    """The body of an answer, and a tag that changes with it."""

    body: bytes
    tag: str

    @classmethod
    def of(cls, body: bytes) -> "Rendered":
        """Tag ``body`` with a hash of it: equal answers are equal bytes, and so have equal tags."""
        return cls(body, hashlib.blake2b(body, digest_size=12).hexdigest())


@dataclass(slots=True)
class Reading(Generic[Said]):
    """What Clever said, and when.

    Attributes:
        facts: of one user, complete as far as the roles held need them; or of one section, or a list.
        began: when the reading began, in seconds of the process's clock; the age of an answer counts from here.
        at: the same in Unix seconds.
        renew_at: when a question makes it worth renewing, by the process's clock.
        stale: why it answers although it is not fresh; None while it is.
        accesses: what has been worked out from the facts, by all that it depends on beside them.
        rendered: answers, likewise; both fall with the reading.
    """

    facts: Said
    began: float
    at: float = 0.0
    renew_at: float = inf
    stale: str | None = None
    accesses: dict[Hashable, Access] = field(default_factory=dict)
    rendered: dict[Hashable, Rendered] = field(default_factory=dict)

    def aged(self, reason: str) -> "Reading[Said]":
        """Return the same reading, marked stale; what is worked out from it is worked out for both."""
        return replace(self, stale=reason)

    def staleness(self) -> Staleness | None:
        """Return how stale it is, or None where it is fresh."""
        return None if self.stale is None else Staleness(self.stale, self.at)


def staleness_of(readings: Iterable[Reading[Any]]) -> Staleness | None:
    """Return how stale an answer from several readings is: as the oldest of those that are, or None."""
    stale = [staleness for reading in readings if (staleness := reading.staleness())]
    return min(stale, key=lambda staleness: staleness.as_of, default=None)
