"""A reading: something that Clever said, dated, with what has been worked out from it so far."""

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from app.domain.access import Access

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
        accesses: what has been worked out from the facts, by all that it depends on beside them.
        rendered: answers, likewise; both fall with the reading.
    """

    facts: Said
    began: float
    accesses: dict[Hashable, Access] = field(default_factory=dict)
    rendered: dict[Hashable, Rendered] = field(default_factory=dict)
