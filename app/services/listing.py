"""What lies and who stands in a place: lists from Clever, kept like facts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.domain.errors import RecordUnknown, UserUnknown
from app.domain.facts import Facts, Role
from app.domain.ids import SchoolId
from app.domain.places import Place, Section
from app.domain.scopes import Scope
from app.services.locating import Seeker
from app.services.many import several
from app.services.reading import fresh


@dataclass(frozen=True, slots=True)
class Lister:
    """Lists what one district holds, as recent as the caller demands."""

    seeker: Seeker

    async def people(self, place: Place) -> Sequence[Facts]:
        """Return those whom a place can give something: of the district its admins, elsewhere whoever stands there.

        Raises:
            NotCached, CleverError: the list could not be read.
        """
        scope, named = place
        try:
            if scope is Scope.SELF:
                return [await self.seeker.user(named)]
            listed = await self._people(place, Role.DISTRICT_ADMIN if scope is Scope.DISTRICT else None)
        except (RecordUnknown, UserUnknown):
            return []
        if not self.seeker.context.policy.drops_unconfirmed_schools:
            return listed
        return await several(listed, self._confirmed)

    async def lying_in(self, places: Iterable[Place], scope: Scope) -> set[str]:
        """Return the ids of everything of kind ``scope`` that lies in one of ``places``; raises likewise."""
        found: set[str] = set()
        for place in sorted(places):
            found |= {place[1]} if place[0] is scope else await self._within(place, scope)
        return found

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
                shared = await self._people((Scope.DISTRICT, self.seeker.district), Role.STUDENT)
                found |= enrolled & {person.user for person in shared}
        return found

    async def _sections(self, place: Place) -> Sequence[Section]:
        context, of = self.seeker.context, self.seeker.district
        if place[0] not in {Scope.SCHOOL, Scope.DISTRICT}:
            return ()
        wanted = self.seeker.wanted("sections", lambda errand: context.clever.sections(place, of, errand), *place)
        try:
            return self.seeker.noted(await fresh(context, wanted, self.seeker.demand))
        except RecordUnknown:
            # The school is not shared; its sections may be.
            every = await self._sections((Scope.DISTRICT, of))
            return [section for section in every if section.school == place[1]]

    async def _schools(self) -> Sequence[SchoolId]:
        context, of = self.seeker.context, self.seeker.district
        wanted = self.seeker.wanted("schools", lambda errand: context.clever.schools(of, errand))
        return self.seeker.noted(await fresh(context, wanted, self.seeker.demand))

    async def _people(self, place: Place, role: Role | None) -> Sequence[Facts]:
        context, of = self.seeker.context, self.seeker.district
        wanted = self.seeker.wanted(
            "people", lambda errand: context.clever.people(place, of, role, errand), *place, role or "any"
        )
        return self.seeker.noted(await fresh(context, wanted, self.seeker.demand))

    async def _confirmed(self, person: Facts) -> Facts:
        if person.confirmed():
            return person
        try:
            return await self.seeker.user(person.user)
        except UserUnknown:
            return Facts(person.user, person.district)
