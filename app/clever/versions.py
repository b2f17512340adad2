"""The versions of Clever's API that can be read, and what each has to offer.

To add a version, write a module like ``v3``: the paths of its reads, with models of what comes and a mapping to the
facts of the domain. Then give it a row in ``FAMILIES``; nothing else knows of versions but the settings.
"""

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from app.clever import v3
from app.clever.pagination import DistrictApi, ReadPage
from app.domain.calendar import Calendar
from app.domain.events import EventPage
from app.domain.facts import Facts, Role
from app.domain.ids import SchoolId, SectionId, UserId
from app.domain.places import Place, Section

Version = Literal["v3.0", "v3.1"]


class Family(Protocol):
    """The reads of versions that send the same where it matters; a module implements it.

    Each read is of one district, and raises ``RecordUnknown`` where that has no such record, and ``CleverError`` where
    something could not be read for certain.
    """

    async def read_user(self, api: DistrictApi, user: UserId, *, confirm_schools: bool, grace: float) -> Facts:
        """Read one user, or raise ``UserUnknown``; wait ``grace`` seconds for what no role of theirs needs."""

    async def read_section(self, api: DistrictApi, section: SectionId) -> Section:
        """Read one section."""

    async def read_school(self, api: DistrictApi, school: SchoolId) -> SchoolId:
        """Read whether there is such a school."""

    async def read_sections(self, api: DistrictApi, place: Place, most_pages: int | None) -> tuple[Section, ...]:
        """Read all sections of a place, by ascending id; ``ValueError`` if Clever lists none of such a place."""

    async def read_schools(self, api: DistrictApi) -> tuple[SchoolId, ...]:
        """Read the ids of all schools of the district, in ascending order."""

    async def read_people(
        self, api: DistrictApi, place: Place, role: Role | None, most_pages: int | None
    ) -> tuple[Facts, ...]:
        """Read the people of a place, by ascending id; ``ValueError`` if Clever cannot be asked for them."""

    async def read_calendar(self, api: DistrictApi, *, with_terms: bool) -> Calendar:
        """Read the calendar of the district; its terms only if asked for. It is there, or that is a ``CleverError``."""

    async def newest_event(self, api: DistrictApi) -> str | None:
        """Read the id of the newest event; None if there is none, as where an application has not enabled events."""

    async def read_events(self, api: DistrictApi, after: str) -> EventPage:
        """Read the events after one, or the first of them; raises ``EventsLost`` if Clever no longer knows that one."""

    async def read_people_page(
        self, api: DistrictApi, role: Role | None, after: str | None, take: Callable[[Facts], object]
    ) -> ReadPage[str]:
        """Read one page of all people of the district, perhaps of one role, and return their ids.

        Each is handed to ``take`` as soon as it is read; ``after`` is an earlier page's cursor.
        """

    async def read_section_page(
        self, api: DistrictApi, after: str | None, take: Callable[[Section], object]
    ) -> ReadPage[str]:
        """Read one page of all sections of the district, as above."""

    async def read_school_page(
        self, api: DistrictApi, after: str | None, take: Callable[[SchoolId], object]
    ) -> ReadPage[str]:
        """Read one page of all schools of the district, as above."""


FAMILIES: Mapping[Version, Family] = {"v3.0": v3, "v3.1": v3}
"""The family of each supported version."""
