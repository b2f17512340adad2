"""Which district a question is about, where nobody names it and none was connected."""

from dataclasses import dataclass
from math import inf

import pytest

from app.domain.callers import ANYONE
from app.domain.errors import DistrictUnnamed, NotCached, UserUnknown
from app.domain.ids import DistrictId
from app.roster.districts import district_of
from app.roster.freshness import Freshness
from tests.conftest import MovedClock
from tests.services.counting import NORTH, CountingClever, asked_of

SOUTH = DistrictId("south")
WHOEVER = Freshness(caller=ANYONE)


@dataclass
class EmptyAtFirst(CountingClever):
    """A Clever that knew of no district, and by now knows of some."""

    now: frozenset[DistrictId] = frozenset()

    def known_districts(self) -> frozenset[DistrictId] | None:
        return frozenset()

    def districts_are_settled(self) -> bool:
        return False

    async def districts_now(self, after: float = -inf) -> frozenset[DistrictId]:
        return self.now


async def test_the_first_district_that_connects_is_meant_though_nobody_names_it(clock: MovedClock) -> None:
    roster = asked_of(EmptyAtFirst(now=frozenset({NORTH})), clock).roster
    assert await district_of(roster, None, WHOEVER) == NORTH


@pytest.mark.parametrize(("now", "error"), [((), UserUnknown), ((NORTH, SOUTH), DistrictUnnamed)])
async def test_none_and_several_are_not_guessed(
    now: tuple[DistrictId, ...], error: type[Exception], clock: MovedClock
) -> None:
    with pytest.raises(error):
        await district_of(asked_of(EmptyAtFirst(now=frozenset(now)), clock).roster, None, WHOEVER)


async def test_what_only_the_cache_may_answer_looks_for_no_district(clock: MovedClock) -> None:
    roster = asked_of(EmptyAtFirst(now=frozenset({NORTH})), clock).roster
    for freshness in (Freshness(only_if_cached=True), WHOEVER.at_once()):
        with pytest.raises(NotCached):
            await district_of(roster, None, freshness)
