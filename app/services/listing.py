"""What lies and who stands in a place: lists from Clever, kept like facts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from app.domain.errors import CleverError, RecordUnknown, UserUnknown
from app.domain.facts import Role
from app.domain.places import Place, Section, location_of_section, location_of_student
from app.domain.scopes import Scope
from app.roster.concurrency import FEW, several
from app.roster.district import Alike
from app.services.resource_lookup import ResourceLookup


@dataclass(frozen=True, slots=True)
class ListReader:
    """Lists what is in one district, as recent as the request asks."""

    lookup: ResourceLookup

    async def people(self, place: Place, roles: Collection[Role]) -> Sequence[Alike]:
        """Return those to whom one of their ``roles`` can give something in a place, if they stand there.

        Raises:
            NotCached, CleverError: the list could not be read.
        """
        scope, named = place
        lookup = self.lookup
        try:
            if scope is Scope.SELF:
                person = await lookup.user(named)
                return [Alike(person, (person.user,))]
            alike = await lookup.pdp.roster.alike(lookup.district, place, roles, lookup.freshness)
        except (RecordUnknown, UserUnknown):
            return []
        listed = lookup.noted(alike)
        if not lookup.pdp.policy.drops_unconfirmed_schools:
            return listed
        return await several(listed, self._confirmed)

    async def lying_in(self, places: Collection[Place], scope: Scope) -> set[str]:
        """Return the ids of everything of kind ``scope`` that lies in one of ``places``; raises likewise."""
        found = {named for kind, named in places if kind is scope}
        others = sorted(place for place in places if place[0] is not scope)
        whole = [place for place in others if place[0] is Scope.DISTRICT]
        of_district = None if whole or self._is_cheap(others) else await self._lying_in_many(others, scope)
        if of_district is not None:
            return found | of_district
        # What lies in a part of the district lies in the district.
        for place in whole or others:
            found |= await self._within(place, scope)
        return found

    def _is_cheap(self, places: Collection[Place]) -> bool:
        """Tell whether to look into each place takes less than to read lists of the district."""
        loaded = self.lookup.pdp.roster.loaded(self.lookup.district, self.lookup.freshness)
        return len(places) <= FEW or (loaded is not None and loaded.lists(Role.STUDENT))

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
            return set(await self._section_ids(place))
        if scope is Scope.STUDENT:
            return await self._students(place)
        if scope is Scope.SELF and place[0] is Scope.DISTRICT:
            return set(await self._user_ids(place, None))
        return set()

    async def _students(self, place: Place) -> set[str]:
        """Return the students of a section, a school or the district; a school also holds those of its sections."""
        if place[0] not in {Scope.SECTION, Scope.SCHOOL, Scope.DISTRICT}:
            return set()
        try:
            found: set[str] = set(await self._user_ids(place, Role.STUDENT))
        except RecordUnknown:
            found = set()
        if place[0] is Scope.SCHOOL:
            enrolled = {student for section in await self._sections(place) for student in section.students}
            if enrolled - found:
                # A section may list students who are not shared with us.
                found |= enrolled.intersection(
                    await self._user_ids((Scope.DISTRICT, self.lookup.district), Role.STUDENT)
                )
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

    async def _section_ids(self, place: Place) -> Sequence[str]:
        if place[0] not in {Scope.SCHOOL, Scope.DISTRICT}:
            return ()
        try:
            lookup = self.lookup
            return lookup.noted(await lookup.pdp.roster.section_ids(lookup.district, place, lookup.freshness))
        except RecordUnknown:
            return [section.id for section in await self._sections(place)]

    async def _user_ids(self, place: Place, role: Role | None) -> Sequence[str]:
        lookup = self.lookup
        return lookup.noted(await lookup.pdp.roster.user_ids(lookup.district, place, role, lookup.freshness))

    async def _schools(self) -> Sequence[str]:
        lookup = self.lookup
        return lookup.noted(await lookup.pdp.roster.schools(lookup.district, lookup.freshness))

    async def _confirmed(self, alike: Alike) -> Alike:
        if alike.facts.confirmed():
            return alike
        try:
            return alike._replace(facts=await self.lookup.user(alike.facts.user))
        except UserUnknown:
            return Alike(alike.facts, ())
