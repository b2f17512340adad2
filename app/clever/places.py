"""Reads sections and schools, which lie at the same paths in every version of the API, and the district itself."""

import asyncio
from collections.abc import Callable, Mapping

from app.clever.bulk import BulkList, handed_over
from app.clever.mapping import AnySection, calendar_of, section_of
from app.clever.models import Entry, Page
from app.clever.pagination import DistrictApi, ReadPage, records_of, records_of_place
from app.clever.records import DistrictRecord, SchoolFields, SchoolRecord, SectionFields, SectionRecord, TermRecord
from app.domain.calendar import Calendar
from app.domain.errors import CleverRecordMissing, RecordUnknown
from app.domain.ids import SchoolId, SectionId
from app.domain.places import Place, Section
from app.domain.scopes import Scope
from app.waiting import cancel

# Made once: to name a generic model's parameter takes as long as to parse a small record.
SECTION, SECTIONS = Entry[SectionRecord], Page[SectionRecord]
SCHOOL, SCHOOLS = Entry[SchoolRecord], Page[SchoolRecord]
_DISTRICT, _TERMS = Entry[DistrictRecord], Page[TermRecord]

_ALL_SECTIONS, _ALL_SCHOOLS = BulkList(SectionFields), BulkList(SchoolFields)

_SECTION_PATHS: Mapping[Scope, str] = {Scope.DISTRICT: "/sections", Scope.SCHOOL: "/schools/{}/sections"}


async def read_section(api: DistrictApi, section: SectionId) -> Section:
    """Read one section."""
    record = await api.record("/sections/{}", section, SECTION)
    return _section_of(api, record)


async def read_school(api: DistrictApi, school: SchoolId) -> SchoolId:
    """Read whether there is such a school."""
    return SchoolId((await api.record("/schools/{}", school, SCHOOL)).id)


async def read_sections(api: DistrictApi, place: Place, most_pages: int | None) -> tuple[Section, ...]:
    """Read all sections of a school or of the district, by ascending id."""
    if place[0] not in _SECTION_PATHS:
        raise ValueError(f"Clever lists no sections of a {place[0]}")
    pages = api.pages(_SECTION_PATHS[place[0]], SECTIONS, of=place[1], most_pages=most_pages)
    records = await records_of_place(place, pages)
    return tuple(_section_of(api, record) for record in api.own(records))


async def read_schools(api: DistrictApi) -> tuple[SchoolId, ...]:
    """Read the ids of all schools of the district, in ascending order."""
    records = await records_of(api.pages("/schools", SCHOOLS))
    return tuple(SchoolId(record.id) for record in api.own(records))


async def read_calendar(api: DistrictApi, *, with_terms: bool, terms_name_district: bool = True) -> Calendar:
    """Read the calendar of the district, as API 2.0 and later have it; in 2.0 terms do not say whose they are."""
    terms = asyncio.create_task(records_of(api.pages("/terms", _TERMS))) if with_terms else None
    try:
        record = await api.record("/districts/{}", api.district, _DISTRICT)
        listed = None if terms is None else await terms
        if listed is not None and not terms_name_district:
            listed = [term.model_copy(update={"district": term.district or api.district}) for term in listed]
        return calendar_of(record, None if listed is None else api.own(listed), api.odd)
    except RecordUnknown as error:
        # The token is the district's own: that it is not there says nothing of it.
        raise CleverRecordMissing("Clever has no record of the district") from error
    finally:
        await cancel(() if terms is None else (terms,))


async def read_section_page(api: DistrictApi, after: str | None, take: Callable[[Section], object]) -> ReadPage[str]:
    """Read one page of all sections of the district."""

    def sections(records: list[SectionFields]) -> list[str]:
        found = [_section_of(api, record) for record in api.listed(records)]
        return handed_over(found, take, lambda section: section.id)

    return await api.bulk_page("/sections", _ALL_SECTIONS.of(sections), "", after)


async def read_school_page(api: DistrictApi, after: str | None, take: Callable[[SchoolId], object]) -> ReadPage[str]:
    """Read one page of all schools of the district."""

    def schools(records: list[SchoolFields]) -> list[str]:
        return handed_over([SchoolId(record.id) for record in api.listed(records)], take, str)

    return await api.bulk_page("/schools", _ALL_SCHOOLS.of(schools), "", after)


def _section_of(api: DistrictApi, record: AnySection) -> Section:
    return section_of(record, api.district, api.endpoint.id_shape, api.odd)
