"""Searches: who may do something, to what, and what may be done; each result is one that a decision would grant."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from msgspec import structs

from app.domain.calendar import DistrictStatus
from app.domain.decision import SCOPE_OF, Reason, decide, denied_to_everyone, denied_unread, is_applicable
from app.domain.errors import CleverError, MalformedId, RecordUnknown, RoleNotHeld, UserUnknown
from app.domain.evaluation import Access
from app.domain.facts import Role
from app.domain.ids import UserId
from app.domain.places import Location, Place, Section, location_of_section, location_of_student
from app.domain.policy import Policy
from app.domain.question import Entity, Question, district_named, is_user, permission_asked, role_asked
from app.domain.scopes import CLEVER_TYPES, Scope
from app.domain.snapshot import Staleness, staleness_of
from app.roster.concurrency import FEW, several
from app.roster.district import HERE, Alike
from app.roster.districts import cached_district_of, district_of
from app.roster.freshness import Freshness
from app.services.decision_log import Answered, asked_in, log_decision
from app.services.decision_point import NO_DECISION_LOG, DecisionPoint
from app.services.needed_reads import subject_of
from app.services.resource_lookup import NotLocated, ResourceLookup, cached_location
from app.telemetry import metrics


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: ids or names, sorted; and how stale that is, None where it is fresh."""

    results: list[str]
    stale: Staleness | None = None


_NOTHING = Found([])


@dataclass(frozen=True, slots=True)
class ListReader:
    """Lists what is in one district, as recent as the request asks."""

    lookup: ResourceLookup

    async def people(self, place: Place, roles: tuple[Role, ...]) -> Sequence[Alike]:
        """Return the users who stand in a place in one of these roles, those together who are alike to every decision.

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
        listed = lookup.use(alike)
        if not lookup.pdp.policy.drops_unconfirmed_schools:
            return listed
        return await several(listed, self._confirmed)

    async def lying_in(self, places: Collection[Place], scope: Scope) -> set[str]:
        """Return the ids of everything of kind ``scope`` that lies in one of ``places``; raises as ``people``."""
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
        """Whether it costs less to read each place by itself than to read lists of the whole district."""
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
        lying = [each for each in self.lookup.use(sections) if not there.isdisjoint(location_of_section(each))]
        if people is None:
            return {section.id for section in lying}
        enrolled = {student for section in lying for student in section.students}
        return {
            person.user
            for person in self.lookup.use(people)
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
            return lookup.use(await lookup.pdp.roster.sections(lookup.district, place, lookup.freshness))
        except RecordUnknown:
            # The school is not shared; its sections may be.
            every = await self._sections((Scope.DISTRICT, self.lookup.district))
            return [section for section in every if section.school == place[1]]

    async def _section_ids(self, place: Place) -> Sequence[str]:
        if place[0] not in {Scope.SCHOOL, Scope.DISTRICT}:
            return ()
        try:
            lookup = self.lookup
            return lookup.use(await lookup.pdp.roster.section_ids(lookup.district, place, lookup.freshness))
        except RecordUnknown:
            return [section.id for section in await self._sections(place)]

    async def _user_ids(self, place: Place, role: Role | None) -> Sequence[str]:
        lookup = self.lookup
        return lookup.use(await lookup.pdp.roster.user_ids(lookup.district, place, role, lookup.freshness))

    async def _schools(self) -> Sequence[str]:
        lookup = self.lookup
        return lookup.use(await lookup.pdp.roster.schools(lookup.district, lookup.freshness))

    async def _confirmed(self, alike: Alike) -> Alike:
        if alike.facts.confirmed():
            return alike
        try:
            return alike._replace(facts=await self.lookup.user(alike.facts.user))
        except UserUnknown:
            return Alike(alike.facts, ())


async def subjects(pdp: DecisionPoint, question: Question, freshness: Freshness) -> Found:
    """Return the ids of all users who may do this to that resource; the question's own subject id is ignored.

    The district is the one that the resource names, else the subject.

    Raises:
        DistrictUnnamed: several districts are connected and the question names none.
        NotCached, CleverError: something that the answer rests on could not be read.
    """
    cached = cached_subjects(pdp, question, freshness)
    if cached is not None:
        return cached
    asked = _about_nobody(pdp.policy, question)
    return _logged(pdp, asked, freshness, await _subjects(pdp, asked, freshness))


def cached_subjects(pdp: DecisionPoint, question: Question, freshness: Freshness) -> Found | None:
    """Return what ``subjects`` would where the district is loaded, and all else is fresh in memory; logged likewise.

    None, and nothing is logged, where something has to be read, or the search ends in an error.
    """
    asked = _about_nobody(pdp.policy, question)
    found = _cached_subjects(pdp, asked, freshness)
    return None if found is None else _logged(pdp, asked, freshness, found)


def _about_nobody(policy: Policy, question: Question) -> Question:
    """Return a question with the district that it names, and without the id of its subject."""
    subject, resource = question.subject, question.resource
    named = district_named(policy, resource.properties)
    if named is None:
        named = district_named(policy, subject.properties)
    return structs.replace(question, subject=Entity(subject.type, "", {"district": named}))


def _cached_subjects(pdp: DecisionPoint, question: Question, freshness: Freshness) -> Found | None:
    policy, roster, resource = pdp.policy, pdp.roster, question.resource
    permission, kind = permission_asked(policy, question.action.name, resource.type), policy.type_of(resource.type)
    named = question.subject.properties["district"]
    if denied_unread(policy, permission, question) or kind not in CLEVER_TYPES or not isinstance(named, str | None):
        return None
    district = cached_district_of(roster, named, freshness.caller)
    if district is None or roster.loaded(district, freshness) is None:
        return None
    located = cached_location(roster, district, kind, resource.id, freshness)
    now = pdp.cached_now(district, freshness)
    if located is None or now is None:
        return None
    try:
        wanted = _Wanted(pdp, question, permission, role_asked(question), located.location, now.status)
    except RoleNotHeld:
        return None
    found = set[str]()
    for place, roles in wanted.places():
        people = None if place[0] is Scope.SELF else roster.cached_alike(district, place, roles, freshness)
        if people is None or (policy.drops_unconfirmed_schools and not all(each.facts.confirmed() for each in people)):
            return None
        found.update(wanted.permitted(people, place[0]))
    for cache in located.caches:
        metrics.record_cache_lookup(cache, "hit")
    return Found(sorted(found), staleness_of((*located.snapshots, *now.snapshots)))


async def _subjects(pdp: DecisionPoint, question: Question, freshness: Freshness) -> Found:
    permission = permission_asked(pdp.policy, question.action.name, question.resource.type)
    if denied_unread(pdp.policy, permission, question):
        return _NOTHING
    named = question.subject.properties["district"]
    if named is not None and not isinstance(named, str):
        return _NOTHING
    try:
        lookup = ResourceLookup(pdp, await district_of(pdp.roster, named, freshness), freshness)
    except (MalformedId, UserUnknown):
        return _NOTHING
    try:
        location, role = await lookup.location(question.resource), role_asked(question)
    except (RoleNotHeld, NotLocated):
        return Found([], lookup.staleness())
    now = await pdp.now(lookup.district, freshness)
    lookup.snapshots.extend(now.snapshots)
    wanted, found = _Wanted(pdp, question, permission, role, location, now.status), set[str]()
    for place, roles in wanted.places():
        found.update(wanted.permitted(await ListReader(lookup).people(place, roles), place[0]))
    return Found(sorted(found), lookup.staleness())


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Who is searched: whoever holds a permission, perhaps in one role, on what lies in a location, at this time."""

    pdp: DecisionPoint
    question: Question
    permission: str
    role: Role | None
    location: Location
    status: DistrictStatus

    def places(self) -> Iterator[tuple[Place, tuple[Role, ...]]]:
        """Yield the places to whose people the policy can give the permission, with the roles that reach there."""
        policy = self.pdp.policy
        for place in sorted(self.location):
            roles = policy.roles_reaching[place[0]] if self.permission in policy.permissions_in[place[0]] else ()
            if roles:
                yield place, roles

    def permitted(self, people: Iterable[Alike], scope: Scope) -> Iterator[UserId]:
        """Yield the ids of those to whom the permission is given, of people in a place of this kind."""
        there = self.location | {(scope, HERE)}
        for alike in people:
            if self.role is None or self.role in alike.facts.held():
                access = self.pdp.access_of_alike(alike, self.role, self.status)
                if decide(access, self.permission, there, self.question) is Reason.GRANTED:
                    yield from alike.users


async def resources(pdp: DecisionPoint, question: Question, freshness: Freshness) -> Found:
    """Return the ids of all resources of the type asked to which the subject may do this; raises as ``subjects``.

    Resources of the application's own types are unknown here: for those the result is empty.
    """
    return _logged(pdp, question, freshness, await _resources(pdp, question, freshness))


async def _resources(pdp: DecisionPoint, question: Question, freshness: Freshness) -> Found:
    kind = pdp.policy.type_of(question.resource.type)
    permission = permission_asked(pdp.policy, question.action.name, question.resource.type)
    if kind not in CLEVER_TYPES or denied_to_everyone(pdp.policy, permission, question.resource.type):
        return _NOTHING
    subject = await _subject(pdp, question, freshness)
    if isinstance(subject, Found):
        return subject
    held = {place for place, names in subject.access.at.items() if permission in names}
    for given in subject.access.conditional:
        if permission in given.clause.permissions and given.clause.condition and given.clause.condition.holds(question):
            held.update(given.places)
    found = await ListReader(subject.lookup).lying_in(held, SCOPE_OF[kind])
    return Found(sorted(found), subject.lookup.staleness())


async def actions(pdp: DecisionPoint, question: Question, freshness: Freshness) -> Found:
    """Return the names of all that the subject may do to this resource; raises as ``subjects``.

    Names are as in a decision: ``view`` for the resource's own type, ``report:view`` for one that lies in it.
    """
    return _logged(pdp, question, freshness, await _actions(pdp, question, freshness))


async def _actions(pdp: DecisionPoint, question: Question, freshness: Freshness) -> Found:
    subject = await _subject(pdp, question, freshness)
    if isinstance(subject, Found):
        return subject
    kind = pdp.policy.type_of(question.resource.type)
    location = await _location_or_itself(subject.lookup, question, kind)
    found = sorted(
        permission.removeprefix(f"{kind}:")
        for permission in pdp.policy.permissions
        if is_applicable(permission, kind) and decide(subject.access, permission, location, question) is Reason.GRANTED
    )
    return Found(found, subject.lookup.staleness())


def _logged(pdp: DecisionPoint, question: Question, freshness: Freshness, found: Found) -> Found:
    """Return what was found, and log how many that were."""
    if pdp.decision_log is not NO_DECISION_LOG:
        log_decision(pdp, freshness, asked_in(pdp.policy, question, "search"), Answered(len(found.results)))
    return found


@dataclass(frozen=True, slots=True)
class _Subject:
    access: Access
    lookup: ResourceLookup


async def _subject(pdp: DecisionPoint, question: Question, freshness: Freshness) -> _Subject | Found:
    """Return what the subject may do, or that nothing is found where there is no such subject in that role."""
    if not is_user(pdp.policy, question.subject):
        return _NOTHING
    try:
        user, district = await subject_of(pdp, question.subject, freshness)
        snapshot, now = await pdp.user_now(district, user, freshness)
    except UserUnknown:
        return _NOTHING
    lookup = ResourceLookup(pdp, district, freshness, [snapshot, *now.snapshots])
    try:
        return _Subject(pdp.access(snapshot, role_asked(question), now.status), lookup)
    except RoleNotHeld:
        return Found([], lookup.staleness())


async def _location_or_itself(lookup: ResourceLookup, question: Question, kind: str) -> Location:
    """Return where the resource lies; what Clever does not know may still stand in the subject's own facts."""
    try:
        return await lookup.location(question.resource)
    except NotLocated:
        return frozenset({(SCOPE_OF[kind], question.resource.id)}) if kind in CLEVER_TYPES else frozenset()
