"""What a use case needs of the world, as protocols; ``main`` hands in what satisfies them."""

import asyncio
import random
from collections.abc import Callable, Hashable, MutableMapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, Protocol, TypeVar

from cachetools import LRUCache

from app.domain.errors import CleverCircuitOpen, CleverError
from app.domain.evaluation import Access
from app.domain.facts import Facts, Role
from app.domain.ids import DistrictId, IdShape, SchoolId, SectionId, UserId
from app.domain.places import Place, Section
from app.domain.policy import Policy
from app.domain.read_context import ReadContext
from app.domain.serialization import PackedFacts
from app.domain.snapshot import Found, Snapshot
from app.roster.concurrency import ReadSlots
from app.telemetry.decision_log import Decided

Said = TypeVar("Said")

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

    def circuit_open(self, district: DistrictId) -> CleverCircuitOpen | None:
        """Return why nothing can be read of a district just now, where that is known without asking; else None."""

    def unaffordable(self, district: DistrictId, read_context: ReadContext, requests: int) -> CleverError | None:
        """Return why so many requests about a district are too many for now, but not for a whole minute; else None."""

    def known_districts(self) -> frozenset[DistrictId] | None:
        """Return the connected districts, or None where they are not known yet."""

    async def districts(self) -> frozenset[DistrictId]:
        """Return the connected districts, asking Clever only where that is not known yet; raises ``CleverError``."""

    def districts_are_settled(self) -> bool:
        """Tell whether ``districts_now`` would answer without asking Clever."""

    async def districts_now(self, after: float = -inf) -> frozenset[DistrictId]:
        """Return the connected districts, asking Clever unless it was asked seconds ago; raises ``CleverError``.

        Args:
            after: when Clever has to have been asked at the earliest, by the clock.
        """

    async def facts(
        self, user: UserId, district: DistrictId, read_context: ReadContext, *, confirm_schools: bool
    ) -> Facts:
        """Read one user.

        Args:
            user: whom to read.
            district: a connected district; any other is answered like an unknown user.
            read_context: what the reading is for.
            confirm_schools: whether administered schools need Clever's own list of the user's schools, so that its
                absence is an error and not merely facts that are unconfirmed.

        Raises:
            UserUnknown: Clever has no such user in that district.
            CleverError: something that is needed could not be read for certain.
        """

    async def section(self, section: SectionId, district: DistrictId, read_context: ReadContext) -> Section:
        """Read one section; raises ``RecordUnknown`` where the district has none such, or ``CleverError``."""

    async def school(self, school: SchoolId, district: DistrictId, read_context: ReadContext) -> SchoolId:
        """Read whether there is such a school; raises ``RecordUnknown`` where there is none, or ``CleverError``."""

    async def sections(
        self, place: Place, district: DistrictId, read_context: ReadContext, *, most_pages: int | None = None
    ) -> tuple[Section, ...]:
        """Read all sections that lie in a school, or in the district; raises as ``people``."""

    async def schools(self, district: DistrictId, read_context: ReadContext) -> tuple[SchoolId, ...]:
        """Read the ids of all schools of the district; raises ``CleverError``."""

    async def people(
        self,
        place: Place,
        district: DistrictId,
        role: Role | None,
        read_context: ReadContext,
        *,
        most_pages: int | None = None,
    ) -> tuple[Facts, ...]:
        """Read the users who stand in relation to a place, with what they are there.

        Args:
            place: a section (its teachers and students), a school (everybody of it), a student (their contacts), or the
                district (everybody in it).
            district: a connected district.
            role: only those who hold this role; one of those that Clever can ask the place for.
            read_context: what the reading is for.
            most_pages: give up on a list that has more; None for one of any length that a list may have.

        Returns:
            Facts that are complete but for sections: of those they hold the one asked for, or none. The list of each
            user's schools is not read, so administered schools are unconfirmed.

        Raises:
            RecordUnknown: the district has no such section, school or student.
            CleverError: the list could not be read for certain, or is longer than ``most_pages``.
        """

    def state(self) -> CleverState:
        """Tell how Clever fares, without asking it."""


class Cache(Protocol):
    """A bounded store of readings."""

    def __len__(self) -> int:
        """Return how many readings are held."""

    def get(self, key: Hashable) -> Snapshot[Any] | None:
        """Return the reading under ``key``, or None where there is none young enough to be of use."""

    def put(self, key: Hashable, snapshot: Snapshot[Any]) -> None:
        """Keep a reading, unless a newer one is there."""

    def forget(self, key: Hashable, began: float = inf) -> None:
        """Drop what is kept under ``key`` and began no later than ``began``, by the clock."""


class Shared(Protocol[Said]):
    """Readings that all replicas share. Whatever goes wrong with it, it is as if it had nothing."""

    async def find(self, key: str) -> Found[Said] | None:
        """Return what is there under ``key``, or None; in a few milliseconds in any case."""

    async def lead(self, key: str, until: float | None) -> bool:
        """Tell whether to read now, so that one replica reads for all.

        Args:
            key: what is to be read.
            until: when the answer has to be there, in seconds of the event loop's clock.

        Returns:
            False once another replica's reading has been put; True where nobody else reads, or whoever does has put
            nothing in time.
        """

    def put(self, key: str, said: Said, at: float) -> None:
        """Share a reading that began ``at`` Unix seconds, unless a newer one is there; nobody waits for that."""

    def forget(self, key: str, at: float) -> None:
        """Have all replicas drop what began no later than ``at``: there is no such user any more."""

    def give_up(self, key: str) -> None:
        """Let others read: the reading failed."""


class DecisionLog(Protocol):
    """Where decisions are told."""

    def decided(self, decided: Decided, *, caller: str, alone: bool) -> None:
        """Tell a decision, the name of who asked, and whether the request asked for this and nothing else."""


class _NoDecisionLog:
    def decided(self, decided: Decided, *, caller: str, alone: bool) -> None:
        """Tell nobody."""


NO_DECISION_LOG: DecisionLog = _NoDecisionLog()
"""Where decisions are not told."""


@dataclass(slots=True)
class Fetch:
    """A reading under way, for everyone who waits for it.

    Attributes:
        read_context: what it is for.
        is_recent: tells by when a reading began whether another process's will do; None where none will.
        began: when it began, by the clock; None while it waits for its turn.
        task: comes to what is read.
    """

    read_context: ReadContext
    is_recent: Callable[[float], bool] | None = None
    began: float | None = None
    task: asyncio.Task[Snapshot[Any]] | None = None


MOST_ACCESSES = 2_000
"""Users of whom is kept in the form in which questions are decided what they may do: it is large, and soon made."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long requests may take, in seconds.

    Attributes:
        alone: for one user.
        many: for a batch or a search.
        slow: for one user where an older reading could answer.
    """

    alone: float = 6
    many: float = 60
    slow: float = 0.5


@dataclass(slots=True)
class Context:
    """What every use case takes as its first argument: the ports, and what holds for the whole process.

    Attributes:
        users: what Clever said of users, each complete.
        places: what Clever said of sections and schools, and lists of what lies or stands in them.
        gone: what Clever lately said that there is not, as the error that tells it.
        outdated: when a reading began that is known to make those before it untrue, wherever they may come from.
        wall: Unix seconds, to say since when a stale answer has been true.
        fresh_seconds: how long a reading answers without being renewed.
        stale_seconds: how old a reading may be that answers where Clever cannot be read.
        deadlines: how long requests may take.
        read_slots: who may begin to read.
        secret: from which keys are derived, one for each purpose; the same in every process that shares answers.
        reasons: whether decisions say why.
        shared: what other processes have read of users; None where there is no such store.
        accesses: what has been worked out from facts, by all that it depends on.
        fetches: the readings that are under way, by what they will be kept under.
        refused: when a reading began that Clever refused, by district and, where its token is good and only this kind
            of thing is forbidden, by that kind; gone with the next one that it answers.
        answered: when the last one began that it answered, by the same.
        jitter: spreads renewals, from 0 up to 1.
        decision_log: where decisions are told.
    """

    clever: Clever
    users: Cache
    places: Cache
    gone: Cache
    outdated: Cache
    clock: Clock
    wall: Clock
    policy: Policy
    id_shape: IdShape
    fresh_seconds: int
    stale_seconds: int
    deadlines: Deadlines
    read_slots: ReadSlots
    secret: bytes
    reasons: bool
    shared: Shared[PackedFacts] | None = None
    accesses: MutableMapping[Hashable, Access] = field(default_factory=lambda: LRUCache(MOST_ACCESSES))
    fetches: dict[str, Fetch] = field(default_factory=dict)
    refused: dict[tuple[DistrictId, str | None], float] = field(default_factory=dict)
    answered: dict[tuple[DistrictId, str | None], float] = field(default_factory=dict)
    jitter: Callable[[], float] = random.random
    decision_log: DecisionLog = NO_DECISION_LOG
