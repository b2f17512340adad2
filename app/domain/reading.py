"""A reading: the facts of one user, dated, with the answers rendered from them so far."""

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass, field

from app.domain.facts import Facts


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
class Reading:
    """What Clever said of one user, and when.

    Attributes:
        facts: complete, as far as the roles held need them.
        began: when the reading began, in seconds of the process's clock; the age of an answer counts from here.
        rendered: answers by all that they depend on beside the facts; they fall with the reading.
    """

    facts: Facts
    began: float
    rendered: dict[Hashable, Rendered] = field(default_factory=dict)
