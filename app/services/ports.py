"""What a use case needs of the world, as protocols; ``main`` hands in what satisfies them."""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.domain.facts import Facts, Role
from app.domain.ids import DistrictId, IdShape, SchoolId, SectionId, UserId
from app.domain.places import Place, Section
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

    async def section(self, section: SectionId, district: DistrictId) -> Section:
        """Read one section; raises ``RecordUnknown`` where the district has none such, or ``CleverError``."""

    async def school(self, school: SchoolId, district: DistrictId) -> SchoolId:
        """Read whether there is such a school; raises ``RecordUnknown`` where there is none, or ``CleverError``."""

    async def sections(self, place: Place, district: DistrictId) -> tuple[Section, ...]:
        """Read all sections that lie in a school, or in the district; raises as ``section``."""

    async def schools(self, district: DistrictId) -> tuple[SchoolId, ...]:
        """Read the ids of all schools of the district; raises ``CleverError``."""

    async def people(self, place: Place, district: DistrictId, role: Role | None = None) -> tuple[Facts, ...]:
        """Read the users who stand in relation to a place, with what they are there.

        Args:
            place: a section (its teachers and students), a school (everybody of it), a student (their contacts), or the
                district (everybody in it).
            district: a connected district.
            role: only those who hold this role; one of those that Clever can ask the place for.

        Returns:
            Facts that are complete but for sections: of those they hold the one asked for, or none. The list of each
            user's schools is not read, so administered schools are unconfirmed.

        Raises:
            RecordUnknown: the district has no such section, school or student.
            CleverError: the list could not be read for certain.
        """

    def state(self) -> CleverState:
        """Tell how Clever fares, without asking it."""


class Cache(Protocol):
    """A bounded store of readings."""

    def get(self, key: Hashable) -> Reading[Any] | None:
        """Return the reading under ``key``, or None where there is none young enough to be of use."""

    def put(self, key: Hashable, reading: Reading[Any]) -> None:
        """Keep a reading, unless a newer one is there."""

    def forget(self, key: Hashable) -> None:
        """Drop whatever is kept under ``key``."""


@dataclass(frozen=True, slots=True)
class Flight:
    """A reading under way, for everyone who waits for it: when it began by the clock, and the task that reads."""

    began: float
    task: asyncio.Task[Reading[Any]]


@dataclass(slots=True)
class Context:
    """What every use case takes as its first argument: the ports, and what holds for the whole process.

    Attributes:
        users: what Clever said of users, each complete.
        places: what Clever said of sections and schools, and lists of what lies or stands in them.
        fresh_seconds: how long a reading answers without being renewed.
        batch_readers: how many users of batch calls are read at once.
        secret: from which keys are derived, one for each purpose; the same in every process that shares answers.
        reasons: whether decisions say why.
        flights: the readings that are under way, by what they will be kept under.
    """

    clever: Clever
    users: Cache
    places: Cache
    clock: Clock
    policy: Policy
    id_shape: IdShape
    fresh_seconds: int
    batch_readers: asyncio.Semaphore
    secret: bytes
    reasons: bool
    flights: dict[Hashable, Flight] = field(default_factory=dict)
