"""Users of API 3.x by their ids from before (dev.clever.com/docs/migrating-to-api-30): each role has one of its own."""

from collections.abc import Sequence
from typing import NamedTuple

from app.domain.errors import DistrictNotLoaded, UserUnknown
from app.domain.ids import DistrictId
from app.roster.district import LegacyHolder
from app.roster.districts import district_of
from app.roster.freshness import Freshness
from app.roster.roster import Roster


class Holders(NamedTuple):
    """Who holds a legacy id in a district, and when that was true, in Unix seconds."""

    district: DistrictId
    users: Sequence[LegacyHolder]
    as_of: float


async def holders_of(roster: Roster, legacy_id: str, named: str | None, freshness: Freshness) -> Holders:
    """Return who holds a legacy id in a loaded district, and in which role; Clever has no search for it.

    Raises:
        MalformedId, DistrictUnnamed: what is named is no id, or no district is named and there are several.
        UserUnknown: nobody who is loaded holds it, or the district is none of the caller's.
        DistrictNotLoaded: the district is not loaded, or too long ago.
        CleverError: which districts are connected is not known.
    """
    asked = roster.id_shape.user(legacy_id)
    district = await district_of(roster, named, freshness)
    loaded = roster.loaded(district, freshness)
    if loaded is None:
        raise DistrictNotLoaded
    users = loaded.by_legacy_id(asked)
    if not users:
        raise UserUnknown
    return Holders(district, users, loaded.as_of.at)
