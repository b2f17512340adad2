"""What a use case needs of the world, as protocols; ``main`` hands in what satisfies them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from app.domain.facts import Facts
from app.domain.ids import DistrictId, IdShape, UserId
from app.domain.policy import Policy
from app.domain.reading import Reading

Clock = Callable[[], float]
"""Seconds that only ever go forward, from an arbitrary start."""


class CleverState(Protocol):
    """How Clever fares, as far as this process has seen."""

    @property
    def accepted_once(self) -> bool:
        """Whether Clever has accepted a token since the process began."""

    @property
    def word(self) -> str:
        """What came of the last request, in one fixed word."""


class Clever(Protocol):
    """The Clever API, as far as use cases know it."""

    async def districts(self) -> frozenset[DistrictId]:
        """Return the connected districts, asking Clever only where that is not known yet; raises ``CleverError``."""

    async def facts(self, user: UserId, district: DistrictId, *, confirm_schools: bool) -> Facts:
        """Read one user.

        Args:
            user: whom to read.
            district: a connected district; any other is answered like an unknown user.
            confirm_schools: whether administered schools need Clever's own list of the user's schools, so that its
                absence is an error and not merely facts that are unconfirmed.

        Raises:
            UserUnknown: Clever has no such user in that district.
            CleverError: something that is needed could not be read for certain.
        """

    def state(self) -> CleverState:
        """Tell how Clever fares, without asking it."""


class Cache(Protocol):
    """A bounded store of readings."""

    def get(self, user: UserId, district: DistrictId) -> Reading | None:
        """Return the reading of a user, or None where there is none young enough to be of use."""

    def put(self, reading: Reading) -> None:
        """Keep a reading, unless a newer one of the same user is there."""

    def forget(self, user: UserId, district: DistrictId) -> None:
        """Drop whatever is kept of a user."""


@dataclass(frozen=True, slots=True)
class Flight:
    """A reading under way, for everyone who waits for it: when it began by the clock, and the task that reads."""

    began: float
    task: asyncio.Task[Reading]


@dataclass(slots=True)
class Context:
    """What every use case takes as its first argument: the ports, and what holds for the whole process.

    Attributes:
        fresh_seconds: how long a reading answers without being renewed.
        batch_readers: how many users of batch calls are read at once.
        flights: the readings that are under way, by district and user.
    """

    clever: Clever
    cache: Cache
    clock: Clock
    policy: Policy
    id_shape: IdShape
    fresh_seconds: int
    batch_readers: asyncio.Semaphore
    flights: dict[tuple[DistrictId, UserId], Flight] = field(default_factory=dict)
