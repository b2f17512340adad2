"""API 1.1 and 1.2: accounts, the status of a district apart from it, and terms only as a part of sections.

Such a term has no id, so that sections count as without a term.
"""

from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from app.clever.mapping import calendar_of
from app.clever.models import Entry
from app.clever.older import OlderFamily
from app.clever.pagination import DistrictApi
from app.clever.records import DistrictRecord
from app.domain.calendar import Calendar
from app.domain.errors import CleverRecordMissing, RecordUnknown


def _only_one(listed: Any) -> Any:
    """Return the record of a list of one; anything else as it is, which is no record."""
    match listed:
        case [{"data": only}]:
            return only
        case _:
            return listed


_STATUS = Entry[Annotated[DistrictRecord, BeforeValidator(_only_one)]]


async def _read_calendar(api: DistrictApi, *, with_terms: bool) -> Calendar:
    """Read the status of the district; in 1.1 it tells nothing of pause and launch."""
    try:
        status = await api.record("/districts/{}/status", api.district, _STATUS)
    except RecordUnknown as error:
        # The token is the district's own: that it is not there says nothing of it.
        raise CleverRecordMissing("Clever has no status of the district") from error
    return calendar_of(status, () if with_terms else None, api.odd)


_BARE: Final = frozenset({"/district_admins", "/students/{}/contacts"})

V1_1: Final = OlderFamily(_read_calendar, _BARE, names_all_schools=False)
V1_2: Final = OlderFamily(_read_calendar, _BARE)
