"""What the roster needs from outside, as protocols; ``main`` passes in what implements them."""

from collections.abc import Callable, Hashable, Sequence
from math import inf
from typing import Any, Protocol, TypeVar

from app.domain.calendar import Calendar
from app.domain.errors import CleverCircuitOpen, CleverError
from app.domain.events import EventPage, Passage
from app.domain.facts import Facts, Role
from app.domain.ids import DistrictId, SchoolId, SectionId, UserId
from app.domain.places import Place, Section
from app.domain.read_context import ReadContext
from app.domain.snapshot import Found, Snapshot

Said = TypeVar("Said")
Said_co = TypeVar("Said_co", covariant=True)

Clock = Callable[[], float]
"""Returns seconds that only go forward, from an arbitrary start."""


class CleverState(Protocol):
    """The state of Clever, as far as this process has seen."""

    @property
    def accepted_once(self) -> bool:
        """Whether Clever has accepted a token since the process began."""

    @property
    def outcome(self) -> str:
        """How the last request ended, in one fixed word."""


class PageOf(Protocol[Said_co]):
    """A page of a list."""

    @property
    def records(self) -> Sequence[Said_co]:
        """What is on it."""

    @property
    def cursor(self) -> str | None:
        """Where the next page is; None if this is the last."""


class Clever(Protocol):
    """The Clever API, as far as use cases know it."""

    @property
    def user_requests(self) -> int:
        """How many requests it takes to read one user, at most."""

    def circuit_open(self, district: DistrictId) -> CleverCircuitOpen | None:
        """Return why nothing of a district can be read just now if that is known without a request, else None."""

    def unaffordable(self, district: DistrictId, read_context: ReadContext, requests: int) -> CleverError | None:
        """Return why this minute has no room left for so many requests, if a whole minute has; else None."""

    def known_districts(self) -> frozenset[DistrictId] | None:
        """Return the connected districts, or None where they are not known yet."""

    async def districts(self) -> frozenset[DistrictId]:
        """Return the connected districts, asking Clever only where that is not known yet; raises ``CleverError``."""

    def districts_are_settled(self) -> bool:
        """Tell whether ``districts_now`` would answer without a request to Clever."""

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
            read_context: who waits for it, and until when.
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
            read_context: who waits for it, and until when.
            most_pages: give up on a list that has more; None for one of any length that a list may have.

        Returns:
            Facts that are complete but for sections: of those they hold the one asked for, or none. The list of each
            user's schools is not read, so administered schools are unconfirmed.

        Raises:
            RecordUnknown: the district has no such section, school or student.
            CleverError: the list could not be read for certain, or is longer than ``most_pages``.
        """

    async def calendar(self, district: DistrictId, read_context: ReadContext, *, with_terms: bool) -> Calendar:
        """Read the calendar of a district.

        Args:
            district: a connected district.
            read_context: who waits for it, and until when.
            with_terms: whether the terms are needed, which are a list of their own.

        Raises:
            UserUnknown: the district is not connected.
            CleverError: it could not be read for certain.
        """

    async def newest_event(self, district: DistrictId, read_context: ReadContext) -> str | None:
        """Read the id of the district's newest event.

        Returns:
            None if there are no events: nothing has happened in 30 days, or events are not enabled at Clever.

        Raises:
            RecordUnknown: the district is not connected.
            CleverError: it could not be read for certain.
        """

    async def events(self, district: DistrictId, after: str, read_context: ReadContext) -> EventPage:
        """Read the events of the district that are newer than one, or the oldest of them.

        Args:
            district: a connected district.
            after: the id of that event.
            read_context: who waits for it, and until when.

        Raises:
            EventsLost: Clever no longer knows that event: whatever it said since is lost.
            RecordUnknown: the district is not connected.
            CleverError: the events could not be read for certain.
        """

    async def people_page(
        self,
        district: DistrictId,
        role: Role | None,
        read_context: ReadContext,
        take: Callable[[Facts], object],
        after: str | None = None,
    ) -> PageOf[str]:
        """Read one page of all users of a district, as many as Clever gives at once.

        Args:
            district: a connected district.
            role: only those who hold this role.
            read_context: what it is for; ``Urgency.LOAD``.
            take: is called with each user as soon as it is read, whose facts have no sections; after that the page may
                still turn out to be unreadable, and be read again.
            after: the cursor of an earlier page, whose next one is read; None for the first.

        Returns:
            The ids of the users, in Clever's order, and as often as they stand there: whoever reads page by page has to
            see to it that no record comes twice.

        Raises:
            RecordUnknown: the district is not connected.
            CleverError: the page could not be read for certain; ``CleverPagingBroken`` if the list has to be begun
                again, since it changed or the cursor is of no use any more.
        """

    async def section_page(
        self,
        district: DistrictId,
        read_context: ReadContext,
        take: Callable[[Section], object],
        after: str | None = None,
    ) -> PageOf[str]:
        """Read one page of all sections of a district; see ``people_page``."""

    async def school_page(
        self,
        district: DistrictId,
        read_context: ReadContext,
        take: Callable[[SchoolId], object],
        after: str | None = None,
    ) -> PageOf[str]:
        """Read one page of all schools of a district; see ``people_page``."""

    def state(self) -> CleverState:
        """Return the state of Clever, without a request."""


class Cache(Protocol):
    """A bounded store of snapshots."""

    def __len__(self) -> int:
        """Return how many snapshots are held."""

    def get(self, key: Hashable) -> Snapshot[Any] | None:
        """Return the snapshot under ``key``, or None if there is none that is recent enough to be of use."""

    def put(self, key: Hashable, snapshot: Snapshot[Any]) -> None:
        """Keep a snapshot, unless a newer one is there."""

    def forget(self, key: Hashable, began: float = inf) -> None:
        """Drop the snapshot under ``key`` if its fetch began no later than ``began``, by the clock."""


class Shared(Protocol[Said]):
    """Snapshots that all replicas share.

    No method raises when the store fails: it acts as if it were empty.
    """

    async def find(self, key: str) -> Found[Said] | None:
        """Return what another replica has read under ``key``, or None; it takes a few milliseconds at most."""

    async def lead(self, key: str, until: float | None) -> bool:
        """Take the lead in fetching, or wait for the replica that has it.

        Args:
            key: what is to be fetched.
            until: when the answer has to be there, in seconds of the event loop's clock.

        Returns:
            True if this replica is to fetch: no other is fetching, or the other put nothing in time. False if another
            replica has put its snapshot: look again.
        """

    def put(self, key: str, said: Said, at: float) -> None:
        """Share what was read ``at`` Unix seconds, unless there is something newer; nobody waits for that."""

    def forget(self, key: str, at: float) -> None:
        """Have all replicas drop what they read no later than ``at``: there is no such user any more."""

    def give_up(self, key: str) -> None:
        """Let others take the lead: the fetch failed."""


class EventStream(Protocol):
    """The events of districts, as one replica after another reads them from Clever and passes them on to the others.

    No method raises when the store fails: each replica then acts as if it were alone.
    """

    async def polled(self, district: DistrictId) -> Found[str] | None:
        """Return up to which event a replica last asked Clever, and when; None if that is not known."""

    async def lead(self, district: DistrictId) -> bool:
        """Tell whether this replica is to ask Clever now; if another is asking, wait for it."""

    def give_up(self, district: DistrictId) -> None:
        """Let another replica ask: Clever could not be read."""

    def put(self, district: DistrictId, passages: Sequence[Passage], polled: Found[str]) -> None:
        """Pass on what was read, perhaps nothing new; nobody waits for that."""

    async def end(self, district: DistrictId) -> str | None:
        """Return the position behind all that has been passed on; None if that is not known."""

    async def read(self, district: DistrictId, position: str) -> tuple[str, Sequence[Passage]] | None:
        """Return what was passed on after a position, or the first of it, and the next position; None if unknown."""

    async def wait(self, district: DistrictId, seconds: float) -> None:
        """Wait until something is passed on, for so many seconds at most."""
