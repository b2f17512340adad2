"""Whole districts: what is known of them, and their loads, for callers who may ask about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from app.domain.callers import Caller
from app.domain.errors import RecordUnknown, UserUnknown
from app.domain.ids import DistrictId
from app.roster.districts import district_of
from app.roster.following import Following, Mode
from app.roster.freshness import Freshness
from app.roster.loading import Loading, Progress
from app.roster.roster import Roster


class Loads(NamedTuple):
    """What loads districts, and what follows those that are loaded."""

    loading: Loading
    following: Following


@dataclass(frozen=True, slots=True)
class DistrictView:
    """What is known of a district.

    Attributes:
        district: which.
        mode: where answers about it come from.
        as_of: when all that is loaded was true, in Unix seconds; None if it is not loaded.
        lag_seconds: how long ago that is.
        counts: how much is loaded, by what it is.
        last_error: why a page could not be read, or the load was given up, the last time; a fixed word.
    """

    district: DistrictId
    mode: Mode
    as_of: float | None = None
    lag_seconds: float | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    last_error: str | None = None


async def known_district(roster: Roster, named: str, freshness: Freshness) -> DistrictId:
    """Return a connected district that the caller may ask about; raises ``RecordUnknown`` for any other."""
    try:
        return await district_of(roster, named, freshness)
    except UserUnknown as error:
        raise RecordUnknown from error


async def districts_of(roster: Roster, loads: Loads, caller: Caller) -> list[DistrictView]:
    """Return what is known of each connected district that the caller may ask about, sorted by id."""
    connected = await roster.clever.districts()
    return [view_of(loads, district) for district in sorted(connected) if caller.may_ask_about(district)]


def view_of(loads: Loads, district: DistrictId) -> DistrictView:
    """Return what is known of a district."""
    progress, followed = loads.loading.progress(district), loads.following.followed(district)
    loaded = None if followed is None else followed.district
    if followed is None or loaded is None:
        mode = Mode.ON_DEMAND if progress.is_over() else Mode.LOADING
        return DistrictView(district, mode, last_error=progress.last_error)
    return DistrictView(
        district,
        followed.mode,
        loaded.as_of.at,
        loads.following.lag_seconds(district),
        loaded.counts(),
        followed.last_error or progress.last_error,
    )


async def load(roster: Roster, loading: Loading, named: str, freshness: Freshness) -> Progress:
    """Load a district in every process; raises ``RecordUnknown``, or ``LoadAlone`` where only this one would."""
    return loading.start_everywhere(await known_district(roster, named, freshness))


async def progress_of(roster: Roster, loading: Loading, named: str, freshness: Freshness) -> Progress:
    """Return how the latest load of a district fares in this process; raises ``RecordUnknown``."""
    return loading.progress(await known_district(roster, named, freshness))
