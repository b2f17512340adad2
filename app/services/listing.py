"""What lies and who stands in a place: lists from Clever, kept like facts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from app.domain.errors import CleverError, RecordUnknown, UserUnknown
from app.domain.facts import Facts, Role
from app.domain.places import Place, Section, location_of_section, location_of_student
from app.domain.scopes import Scope
from app.roster.concurrency import FEW, several
from app.services.resource_lookup import ResourceLookup


@dataclass(frozen=True, slots=True)
class ListReader:
    """Lists what is in one district, as recent as the request asks."""

    lookup: ResourceLookup

    async def people(self, place: Place) -> Sequence[Facts]:
        """Return those whom a place can give something: of the district its admins, elsewhere whoever stands there.

        Raises:
            NotCached, CleverError: the list could not be read.
        """
        scope, named = place
        try:
            if scope is Scope.SELF:
                return [await self.lookup.user(named)]
            listed = await self._people(place, Role.DISTRICT_ADMIN if scope is Scope.DISTRICT else None)
        except (RecordUnknown, UserUnknown):
            return []
        if not self.lookup.pdp.policy.drops_unconfirmed_schools:
            return listed
        return await several(listed, self._confirmed)

    async def lying_in(self, places: Collection[Place], scope: Scope) -> set[str]:
        """Return the ids of everything of kind ``scope`` that lies in one of ``places``; raises likewise."""
        found = {named for kind, named in places if kind is scope}
        others = sorted(place for place in places if place[0] is not scope)
        whole = [place for place in others if place[0] is Scope.DISTRICT]
        of_district = None if whole or len(others) <= FEW else await self._lying_in_many(others, scope)
        if of_district is not None:
            return found | of_district
        # What lies in a part of the district lies in the district.
        for place in whole or others:
            found |= await self._within(place, scope)
        return found

    async def _lying_in_many(self, places: Sequence[Place], scope: Scope) -> set[str] | None:
        """Return what lies in many sections and schools by lists of the district, where these are short; else None."""
        whole = (Scope.DISTRICT, self.lookup.district)
        if scope not in {Scope.SECTION, Scope.STUDENT}:
            return None
        try:
            lookup, roster = self.lookup, self.lookup.pdp.roster
            sections = await roster.sections(lookup.district, whole, lookup.freshness, pages=len(places))
            people = None
            if scope is Scope.STUDENT:
                people = await roster.people(lookup.district, whole, Role.STUDENT, lookup.freshness, pages=len(places))
        except CleverError:
            return None
        there = frozenset(places)
        lying = [each for each in self.lookup.noted(sections) if not there.isdisjoint(location_of_section(each))]
        if people is None:
            return {section.id for section in lying}
        enrolled = {student for section in lying for student in section.students}
        return {
            person.user
            for person in self.lookup.noted(people)
            if person.user in enrolled or not there.isdisjoint(location_of_student(person))
        }

    async def _within(self, place: Place, scope: Scope) -> set[str]:
        if scope is Scope.SCHOOL:
            return set(await self._schools()) if place[0] is Scope.DISTRICT else set()
        if scope is Scope.SECTION:
            return {section.id for section in await self._sections(place)}
        if scope is Scope.STUDENT:
            return await self._students(place)
        if scope is Scope.SELF and place[0] is Scope.DISTRICT:
            return {person.user for person in await self._people(place, None)}
        return set()

    async def _students(self, place: Place) -> set[str]:
        """Return the students of a section, a school or the district; a school also holds those of its sections."""
        if place[0] not in {Scope.SECTION, Scope.SCHOOL, Scope.DISTRICT}:
            return set()
        try:
            found: set[str] = {person.user for person in await self._people(place, Role.STUDENT)}
        except RecordUnknown:
            found = set()
        if place[0] is Scope.SCHOOL:
            enrolled = {student for section in await self._sections(place) for student in section.students}
            if enrolled - found:
                # A section may list students who are not shared with us.
                shared = await self._people((Scope.DISTRICT, self.lookup.district), Role.STUDENT)
                found |= enrolled & {person.user for person in shared}
        return found

    async def _sections(self, place: Place) -> Sequence[Section]:
        if place[0] not in {Scope.SCHOOL, Scope.DISTRICT}:
            return ()
        try:
            lookup = self.lookup
            return lookup.noted(await lookup.pdp.roster.sections(lookup.district, place, lookup.freshness))
        except RecordUnknown:
            # The school is not shared; its sections may be.
            every = await self._sections((Scope.DISTRICT, self.lookup.district))
            return [section for section in every if section.school == place[1]]

    async def _people(self, place: Place, role: Role | None) -> Sequence[Facts]:
        lookup = self.lookup
        return lookup.noted(await lookup.pdp.roster.people(lookup.district, place, role, lookup.freshness))

    async def _schools(self) -> Sequence[str]:
        lookup = self.lookup
        return lookup.noted(await lookup.pdp.roster.schools(lookup.district, lookup.freshness))

    async def _confirmed(self, person: Facts) -> Facts:
        if person.confirmed():
            return person
        try:
            return await self.lookup.user(person.user)
        except UserUnknown:
            return Facts(person.user, person.district)
