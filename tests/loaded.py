"""A district loaded by hand, and decisions from it with a Clever that nothing may be asked of."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import cast

from app.domain.ids import DistrictId
from app.domain.read_context import OWN
from app.roster.district import AsOf, District, Whom
from app.roster.ports import Clever, PageOf
from app.roster.roster import Roster
from app.services.decision_point import DecisionPoint
from tests.rosters import roster_over


async def loaded_by(roster: Roster, district: DistrictId, whom: Whom = Whom.EVERYONE) -> District:
    """Read a whole district by its lists."""
    clever = roster.clever
    loaded = District(district, whom, AsOf(roster.clock(), roster.store.wall()))
    await _whole(lambda after: clever.school_page(district, OWN, loaded.put_school, after))
    await _whole(lambda after: clever.section_page(district, OWN, loaded.put_section, after))
    await _whole(lambda after: clever.people_page(district, None, OWN, loaded.put_person, after))
    loaded.put_calendar(await clever.calendar(district, OWN, with_terms=True))
    return loaded


async def _whole(page: Callable[[str | None], Awaitable[PageOf[str]]]) -> None:
    cursor = (await page(None)).cursor
    while cursor is not None:
        cursor = (await page(cursor)).cursor


@dataclass(frozen=True)
class SilentClever:
    """A Clever of which it is known which districts are connected, and that nothing else may be asked of."""

    connected: frozenset[DistrictId]

    def known_districts(self) -> frozenset[DistrictId]:
        return self.connected

    def circuit_open(self, _district: DistrictId) -> None:
        return None


def from_loaded(pdp: DecisionPoint, district: District) -> DecisionPoint:
    """Decide by the same policy from a loaded district alone."""
    silent = SilentClever(frozenset({district.id}))
    clock, wall = pdp.roster.clock, pdp.roster.store.wall
    roster = roster_over(cast(Clever, silent), clock, wall=wall, id_shape=pdp.roster.id_shape)
    roster.store.put_district(district)
    return replace(pdp, roster=roster, accesses={}, accesses_of_alike={})
