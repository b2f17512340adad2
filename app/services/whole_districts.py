"""Whole districts: what is known of them, and their loads, for callers who may ask about them."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from app.domain.calendar import Calendar
from app.domain.callers import Caller
from app.domain.errors import CleverError, NotCached, RecordUnknown, UserUnknown
from app.domain.ids import DistrictId
from app.roster.districts import district_of
from app.roster.following import Following, Mode
from app.roster.freshness import Freshness
from app.roster.loading import Loading
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
        calendar: what Clever said last of its state, pause and launch; None if it was not asked, or did not say.
    """

    district: DistrictId
    mode: Mode
    as_of: float | None = None
    lag_seconds: float | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    last_error: str | None = None
    calendar: Calendar | None = None


async def known_district(roster: Roster, named: str, freshness: Freshness) -> DistrictId:
    """Return a connected district that the caller may ask about; raises ``RecordUnknown`` for any other."""
    try:
        return await district_of(roster, named, freshness)
    except UserUnknown as error:
        raise RecordUnknown from error


async def districts_of(roster: Roster, loads: Loads, caller: Caller) -> list[DistrictView]:
    """Return what is known of each connected district that the caller may ask about, sorted by id."""
    connected = await roster.clever.districts()
    return [_view(roster, loads, district) for district in sorted(connected) if caller.may_ask_about(district)]


async def view_of(roster: Roster, loads: Loads, district: DistrictId, freshness: Freshness) -> DistrictView:
    """Return what is known of a connected district; its calendar is read if it has to be."""
    with suppress(CleverError, NotCached):
        await roster.calendar(district, freshness)
    return _view(roster, loads, district)


def _view(roster: Roster, loads: Loads, district: DistrictId) -> DistrictView:
    progress, followed = loads.loading.progress(district), loads.following.followed(district)
    held = roster.store.find("calendar", district, "")
    calendar = None if held is None else held.facts
    loaded = None if followed is None else followed.district
    if followed is None or loaded is None:
        mode = Mode.ON_DEMAND if progress.is_over() else Mode.LOADING
        return DistrictView(district, mode, last_error=progress.last_error, calendar=calendar)
    return DistrictView(
        district,
        followed.mode,
        loaded.as_of.at,
        loads.following.lag_seconds(district),
        loaded.counts(),
        followed.last_error or progress.last_error,
        calendar,
    )
