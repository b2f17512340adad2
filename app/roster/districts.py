"""Which district a question means: the one that it names, or the only one that the caller may ask about."""

from math import inf

from app.domain.callers import Caller
from app.domain.errors import DistrictUnnamed, NotCached, UserUnknown
from app.domain.ids import DistrictId
from app.roster.freshness import Freshness
from app.roster.roster import Roster
from app.waiting import deadline


def cached_district_of(roster: Roster, named: str | None, caller: Caller) -> DistrictId | None:
    """Return what ``district_of`` would without asking Clever; None where it would raise, or has to ask."""
    connected = roster.clever.known_districts()
    if connected is None:
        return None
    theirs = connected if caller.districts is None else caller.districts
    if named is None:
        if len(theirs) != 1:
            return None
        (district,) = theirs
    else:
        district = DistrictId(named)
    return district if district in theirs and district in connected else None


async def district_of(roster: Roster, named: str | None, freshness: Freshness) -> DistrictId:
    """Take the district that the question names, else the only one that the caller may ask about; never guess it.

    Whether the caller may ask about it is decided first, so that the time taken tells nothing of other districts.

    One that was not connected when Clever was last asked has it asked again, at most every few seconds in all.

    Raises:
        MalformedId, DistrictUnnamed: what is named is no id, or nothing is named and there are several.
        UserUnknown: the district is not connected, or is none of the caller's.
        NotCached: it has to be asked whether the district is connected by now, and only the cache may answer.
        CleverError: which districts are connected is not known yet, or has to be asked again, and cannot be.
    """
    cached = cached_district_of(roster, named, freshness.caller)
    if cached is not None:
        return cached
    theirs = freshness.caller.districts
    if named is not None:
        district = roster.id_shape.district(named)
        if not freshness.caller.may_ask_about(district):
            raise UserUnknown
    else:
        if theirs is None:
            theirs = await _connected(roster, freshness) or await _connected_now(roster, freshness)
        district = _the_only(theirs)
    if district in await _connected(roster, freshness) or district in await _connected_now(roster, freshness):
        return district
    raise UserUnknown


def _the_only(districts: frozenset[DistrictId]) -> DistrictId:
    if len(districts) > 1:
        raise DistrictUnnamed
    if not districts:
        raise UserUnknown
    (district,) = districts
    return district


async def _connected(roster: Roster, freshness: Freshness) -> frozenset[DistrictId]:
    known = roster.clever.known_districts()
    if known is not None:
        return known
    async with deadline(freshness.until):
        return await roster.clever.districts()


async def _connected_now(roster: Roster, freshness: Freshness) -> frozenset[DistrictId]:
    """Return the connected districts for a question about one that is not connected as far as is known."""
    if (freshness.only_if_cached or freshness.without_waiting) and not roster.clever.districts_are_settled():
        raise NotCached
    asked_at = roster.clock() if freshness.asked_at is None else freshness.asked_at
    oldest = 0 if freshness.no_cache else inf if freshness.max_age is None else freshness.max_age
    async with deadline(freshness.until):
        return await roster.clever.districts_now(asked_at - oldest)
