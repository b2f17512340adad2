"""The versions of Clever's API that can be read, and what each has to offer.

To add a version, write a module like ``v3``: where its users and its calendar are, and what its events are about, with
models of what comes where that is not in ``records`` yet. ``mapping`` makes facts of users in the form of API 3.x:
``older`` brings the accounts of versions before that into it. Then give the version a row in ``FAMILIES``; nothing else
knows of versions but the settings.
"""

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from app.clever import v1, v2, v3
from app.clever.events import RecordTypes
from app.clever.pagination import DistrictApi, ReadPage
from app.domain.calendar import Calendar
from app.domain.facts import Facts, Role
from app.domain.ids import UserId
from app.domain.places import Place

Version = Literal["v1.1", "v1.2", "v2.0", "v2.1", "v3.0", "v3.1"]


class Family(Protocol):
    """What differs between versions that are read in different ways; a module implements it.

    Attributes:
        USER_REQUESTS: how many requests it takes to read one user, at most.
        RECORD_TYPES: what the events are about; empty where events are not followed.

    Each read is of one district, and raises ``RecordUnknown`` where that has no such record, and ``CleverError`` where
    something could not be read for certain.
    """

    USER_REQUESTS: int
    RECORD_TYPES: RecordTypes

    async def read_user(self, api: DistrictApi, user: UserId, *, confirm_schools: bool, grace: float) -> Facts:
        """Read one user, or raise ``UserUnknown``; wait ``grace`` seconds for what no role of theirs needs."""

    async def read_people(
        self, api: DistrictApi, place: Place, role: Role | None, most_pages: int | None
    ) -> tuple[Facts, ...]:
        """Read the people of a place, by ascending id; ``ValueError`` if Clever cannot be asked for them."""

    async def read_calendar(self, api: DistrictApi, *, with_terms: bool) -> Calendar:
        """Read the calendar of the district; its terms only if asked for. It is there, or that is a ``CleverError``."""

    async def read_people_page(
        self, api: DistrictApi, role: Role | None, after: str | None, take: Callable[[Facts], object]
    ) -> ReadPage[str]:
        """Read one page of all people of the district, perhaps of one role, and return their ids.

        Each is handed to ``take`` as soon as it is read; ``after`` is an earlier page's cursor.
        """


FAMILIES: Mapping[Version, Family] = {
    "v1.1": v1.V1_1,
    "v1.2": v1.V1_2,
    "v2.0": v2.V2_0,
    "v2.1": v2.V2_1,
    "v3.0": v3,
    "v3.1": v3,
}
"""The family of each supported version."""
