"""What lies and who stands in a place: lists from Clever, kept like facts."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from app.domain.errors import CleverError, RecordUnknown, UserUnknown
from app.domain.facts import Facts, Role
from app.domain.ids import SchoolId
from app.domain.places import Place, Section, location_of_section, location_of_student
from app.domain.read_context import ReadContext
from app.domain.scopes import Scope
from app.domain.snapshot import Snapshot
from app.roster.freshness import fresh, is_cold
from app.services.batch import FEW, several
from app.services.resource_lookup import ResourceLookup

Said = TypeVar("Said")


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
        if not self.lookup.context.policy.drops_unconfirmed_schools:
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
            sections = await self.sections(whole, len(places))
            of_students = scope is Scope.STUDENT
            people = await self.everybody(whole, Role.STUDENT, len(places)) if of_students else None
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
            return (
                {str(school) for school in self.lookup.noted(await self.schools())}
                if place[0] is Scope.DISTRICT
                else set()
            )
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
            return self.lookup.noted(await self.sections(place))
        except RecordUnknown:
            # The school is not shared; its sections may be.
            every = await self._sections((Scope.DISTRICT, self.lookup.district))
            return [section for section in every if section.school == place[1]]

    async def _people(self, place: Place, role: Role | None) -> Sequence[Facts]:
        return self.lookup.noted(await self.everybody(place, role))

    async def schools(self) -> Snapshot[Sequence[SchoolId]]:
        """Return the ids of all schools; raises as ``people``."""
        context, of = self.lookup.context, self.lookup.district
        return await self._read("schools", lambda read_context: context.clever.schools(of, read_context))

    async def sections(self, place: Place, pages: int | None = None) -> Snapshot[Sequence[Section]]:
        """Return all sections of a school or the district; raises as ``everybody``."""
        context, of = self.lookup.context, self.lookup.district
        return await self._read(
            "sections",
            lambda read_context: context.clever.sections(place, of, read_context, most_pages=pages),
            *place,
            pages=pages,
        )

    async def everybody(self, place: Place, role: Role | None, pages: int | None = None) -> Snapshot[Sequence[Facts]]:
        """Return whoever stands in a place, their facts complete but for sections.

        Args:
            place: where.
            role: only those who hold it.
            pages: more are not read.

        Raises:
            RecordUnknown: there is no such place.
            NotCached, CleverError: the list could not be read, or is longer.
        """
        context, of = self.lookup.context, self.lookup.district
        return await self._read(
            "people",
            lambda read_context: context.clever.people(place, of, role, read_context, most_pages=pages),
            *place,
            role or "any",
            pages=pages,
        )

    async def _read(
        self, kind: str, read: Callable[[ReadContext], Awaitable[Said]], *which: str, pages: int | None = None
    ) -> Snapshot[Said]:
        context, freshness = self.lookup.context, self.lookup.freshness
        wanted = self.lookup.wanted(kind, read, *which)
        # One that was read before is not too long, and may answer where Clever does not.
        is_read = context.places.get(wanted.key) is not None or not is_cold(
            context, context.places, wanted.key, freshness
        )
        if pages is None or is_read:
            return await fresh(context, wanted, freshness)
        # Under a key of its own: others must not join a fetch that gives up after so many pages.
        short = replace(wanted, key=f"{wanted.key}/{pages}")
        snapshot = await fresh(context, short, freshness)
        context.places.forget(short.key)
        if snapshot.stale is None:
            context.places.put(wanted.key, snapshot)
        return snapshot

    async def _confirmed(self, person: Facts) -> Facts:
        if person.confirmed():
            return person
        try:
            return await self.lookup.user(person.user)
        except UserUnknown:
            return Facts(person.user, person.district)
