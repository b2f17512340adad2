"""Places and the people in them: one section or school, and whole lists, filtered to what can be used."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from app import telemetry
from app.clever.paging import MOST_PAGES, records_of
from app.clever.reads import Endpoint, R, not_waited_for_in_the_end, record_of
from app.clever.records import Page, SectionRecord, UserRecord
from app.clever.transport import Transport
from app.clever.v3 import Answers
from app.clever.warrant import Warrant
from app.domain.errors import CleverRecordMissing, RecordUnknown
from app.domain.facts import Facts, Oddity, Role
from app.domain.ids import DistrictId, SchoolId
from app.domain.places import Place, Section
from app.domain.scopes import Scope

_SECTIONS: Mapping[Scope, str] = {Scope.DISTRICT: "/sections", Scope.SCHOOL: "/schools/{}/sections"}

_PEOPLE: Mapping[Scope, tuple[str, frozenset[Role]]] = {
    Scope.DISTRICT: ("/users", frozenset(Role)),
    Scope.SCHOOL: ("/schools/{}/users", frozenset({Role.STAFF, Role.TEACHER, Role.STUDENT})),
    Scope.SECTION: ("/sections/{}/users", frozenset({Role.TEACHER, Role.STUDENT})),
    Scope.STUDENT: ("/users/{}/mycontacts", frozenset()),
}
"""Where Clever lists the people of a place, and the roles for which it can be asked there (dev.clever.com's spec)."""

_AT_A_STRETCH = 200  # users; a whole district at once would hold up everybody else for seconds


class Lookups:
    """Reads places and the people in them, with a warrant that is handed in."""

    def __init__(self, transport: Transport, endpoint: Endpoint) -> None:
        self._transport = transport
        self._endpoint = endpoint

    async def section(self, section: str, district: DistrictId, warrant: Warrant) -> Section:
        """Read one section; raises ``RecordUnknown`` where the district has none such, or ``CleverError``."""
        odd: Counter[Oddity] = Counter()
        found = self._section_of(await self._section(section, district, warrant), district, odd)
        _tell(odd)
        return found

    async def school(self, school: str, district: DistrictId, warrant: Warrant) -> SchoolId:
        """Read whether there is such a school; raises ``RecordUnknown`` where there is none, or ``CleverError``."""
        url, shape = self._url("/schools/{}", school), self._endpoint.family.school
        return SchoolId((await record_of(self._transport, url, warrant, shape, (school, district))).id)

    async def sections(
        self, place: Place, district: DistrictId, warrant: Warrant, most_pages: int | None = None
    ) -> tuple[Section, ...]:
        """Read all sections of a school or of the district, by ascending id.

        Raises:
            RecordUnknown: the district has no such school.
            CleverError: the list could not be read for certain.
            ValueError: Clever lists no sections of such a place.
        """
        if place[0] not in _SECTIONS:
            raise ValueError(f"Clever lists no sections of a {place[0]}")
        odd: Counter[Oddity] = Counter()
        records = await self._list(
            place, _SECTIONS[place[0]], warrant, self._endpoint.family.sections, most_pages=most_pages
        )
        found = tuple(self._section_of(record, district, odd) for record in self._own(records, district, odd))
        _tell(odd)
        return found

    async def schools(self, district: DistrictId, warrant: Warrant) -> tuple[SchoolId, ...]:
        """Read the ids of all schools of the district, in ascending order; raises ``CleverError``."""
        odd: Counter[Oddity] = Counter()
        records = await self._list((Scope.DISTRICT, district), "/schools", warrant, self._endpoint.family.schools)
        found = tuple(SchoolId(record.id) for record in self._own(records, district, odd))
        _tell(odd)
        return found

    async def people(
        self, place: Place, district: DistrictId, role: Role | None, warrant: Warrant, most_pages: int | None = None
    ) -> tuple[Facts, ...]:
        """Read the people of a place, by ascending id.

        Raises:
            RecordUnknown: the district has no such section, school or student.
            CleverError: the list could not be read for certain.
            ValueError: Clever lists no people of such a place, or cannot be asked for this role there.
        """
        path, roles = _PEOPLE.get(place[0], ("", frozenset()))
        if not path or (role is not None and role not in roles):
            raise ValueError(f"Clever cannot be asked for the people of a {place[0]} by the role {role}")
        users = asyncio.create_task(
            self._list(place, path, warrant, self._endpoint.family.users, most_pages=most_pages, role=role)
        )
        async with not_waited_for_in_the_end(users):
            of_section = place[0] is Scope.SECTION
            sections = (await self._section(place[1], district, warrant),) if of_section else ()
            return await self._facts_of(await users, sections, district, role)

    async def _facts_of(
        self,
        records: Iterable[UserRecord],
        sections: Sequence[SectionRecord],
        district: DistrictId,
        role: Role | None,
    ) -> tuple[Facts, ...]:
        found, odd = [], Counter[Oddity]()
        for number, record in enumerate(self._own(records, district, odd), 1):
            answers = Answers(record, sections, schools=None)
            facts, times = self._endpoint.family.facts_of(answers, district, self._endpoint.id_shape)
            odd.update(times)
            # A server that ignored the parameter would widen the answer.
            if role is None or role in facts.held():
                found.append(facts)
            if number % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)
        _tell(odd)
        return tuple(found)

    async def _section(self, section: str, district: DistrictId, warrant: Warrant) -> SectionRecord:
        url, shape = self._url("/sections/{}", section), self._endpoint.family.section
        return await record_of(self._transport, url, warrant, shape, (section, district))

    def _section_of(self, record: SectionRecord, district: DistrictId, odd: Counter[Oddity]) -> Section:
        section, times = self._endpoint.family.section_of(record, district, self._endpoint.id_shape)
        odd.update(times)
        return section

    async def _list(  # noqa: PLR0913 -- what is asked, and how much of it
        self,
        place: Place,
        path: str,
        warrant: Warrant,
        shape: type[Page[R]],
        *,
        most_pages: int | None = None,
        role: Role | None = None,
    ) -> list[R]:
        limit = self._endpoint.page_limit
        asked = f"?limit={limit}" + (f"&role={role}" if role else "")
        of_district = place[0] is Scope.DISTRICT
        url = self._endpoint.api + path if of_district else self._url(path, place[1])
        try:
            most = MOST_PAGES if most_pages is None else min(most_pages, MOST_PAGES)
            return await records_of(self._transport, url + asked, warrant, shape, limit=limit, most_pages=most)
        except CleverRecordMissing as error:
            # That the lists of a connected district are gone says nothing of any record.
            if of_district:
                raise
            raise RecordUnknown from error

    def _url(self, path: str, asked: str) -> str:
        """Return the URL of what is asked for; what cannot be an id never gets into one and is nobody's."""
        if not self._endpoint.id_shape.fits(asked):
            raise RecordUnknown
        return self._endpoint.api + path.format(asked)

    def _own(self, records: Iterable[R], district: DistrictId, odd: Counter[Oddity]) -> list[R]:
        """Keep the district's own records with a proper id, each once, by id; the rest is counted."""
        each = {record.id: record for record in records}
        ours = [record for record in each.values() if record.district == district]
        fit = [record for record in ours if self._endpoint.id_shape.fits(record.id)]
        odd.update({Oddity.DISTRICT_FOREIGN: len(each) - len(ours), Oddity.ID_MALFORMED: len(ours) - len(fit)})
        return sorted(fit, key=lambda record: record.id)


def _tell(odd: Counter[Oddity]) -> None:
    telemetry.odd_data({kind.value: times for kind, times in odd.items() if times})
