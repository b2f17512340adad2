"""People, places and the calendar of a policy test, from the case instead of Clever.

A case may leave things open, so a resource has two locations: one from the case alone, and one in which everything left
open favours the user. If they lead to different answers, the case is incomplete.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time

from app.domain.calendar import ALWAYS, DistrictStatus, status_at
from app.domain.decision import SCOPE_OF, Reason
from app.domain.facts import Facts, HeldRole, Role, SectionOf, Standing, standings_by_term
from app.domain.ids import DistrictId, SchoolId, SectionId, UserId
from app.domain.places import (
    Location,
    Place,
    Section,
    location_of_district,
    location_of_resource,
    location_of_school,
    location_of_section,
    location_of_student,
    location_of_user,
)
from app.domain.policy import Policy
from app.domain.policy_test_schema import CaseFacts, CaseFile, Places, Resource
from app.domain.scopes import CLEVER_TYPES, Scope

LocationOrReason = Location | Reason
"""A location, or why there is none."""


def locations(resource: Resource, case: CaseFile, policy: Policy) -> tuple[LocationOrReason, LocationOrReason]:
    """Return the location of a resource from the case alone, and the widest one that the case leaves open."""
    kind = policy.type_of(resource.type)
    return _Reading(case, most=False).of(kind, resource), _Reading(case, most=True).of(kind, resource)


def known_person(user: str, case: CaseFile) -> Facts | None:
    """Return a person's facts, with the schools and terms of their sections, or None if the case has none."""
    asking = case.facts
    if user == asking.user:
        return subject(case)
    roles = case.people.get(user)
    if roles is None:
        return None
    return _with_sections(CaseFacts(user=user, district=asking.district, roles=roles).facts(), case)


def subject(case: CaseFile) -> Facts:
    """Return the facts of the user about whom the case asks, with the schools and terms of their sections."""
    return _with_sections(case.facts.facts(), case)


def status(case: CaseFile, policy: Policy) -> DistrictStatus:
    """Return what the calendar of the district means on the day of the questions."""
    said = case.facts.calendar
    if said is None:
        return ALWAYS
    return status_at(said.calendar(), policy, datetime.combine(said.today, time(), UTC).timestamp())


def known_section(section: str, case: CaseFile) -> Section | None:
    """Return a section, or None if the case has no facts about it."""
    facts = case.sections.get(section)
    if facts is None:
        return None
    school = SchoolId(facts.school) if facts.school else None
    return Section(SectionId(section), DistrictId(case.facts.district), school, facts.students, term=facts.term)


@dataclass(frozen=True)
class _Reading:
    """A reading of a case; with ``most`` everything that the case leaves open favours the user."""

    case: CaseFile
    most: bool

    @property
    def district(self) -> DistrictId:
        return DistrictId(self.case.facts.district)

    def of(self, kind: str, resource: Resource) -> LocationOrReason:
        """Return the location of a resource as the service would find it."""
        places = resource.places
        districts = {*places.district, *([resource.id] if kind == "district" and resource.id else [])}
        if districts - {self.district}:
            return Reason.UNKNOWN_RESOURCE if kind in CLEVER_TYPES else Reason.PLACES_DISAGREE
        if kind not in CLEVER_TYPES:
            return self._of_the_applications(places)
        named = (resource.id,) if resource.id else getattr(places, kind)
        return self._of_clevers(kind, named[0], places) if named else self._listed(places, kind)

    def _of_clevers(self, kind: str, named: str, places: Places) -> LocationOrReason:
        if kind == "district":
            return location_of_district(self.district)
        if kind == "school":
            return location_of_school(named, self.district)
        if kind == "user":
            return location_of_user(Facts(UserId(named), self.district))
        if kind == "section":
            return frozenset[Place]().union(*(location_of_section(each) for each in self._sections(named, places)))
        student = known_person(named, self.case)
        if student is None:
            return self._listed(places.model_copy(update={"student": (named,)}), kind)
        return location_of_student(student) if _learns(student) else Reason.UNKNOWN_RESOURCE

    def _of_the_applications(self, places: Places) -> LocationOrReason:
        if any(len(getattr(places, kind)) > 1 for kind in SCOPE_OF):
            # Only a student's places form a list; no request names several of a kind.
            return Reason.PLACES_DISAGREE if places.user else self._listed(places, "student" if places.student else "")
        if not _pairs(places):
            return Reason.NO_PLACE
        student, user = self._student(places), self._user(places)
        if student and not _learns(student):
            return Reason.PLACES_DISAGREE
        school = SchoolId(places.school[0]) if places.school else None
        sections = self._sections(places.section[0], places) if places.section else [None]
        found = [
            location_of_resource(self.district, section=each, school=school, student=student, user=user)
            for each in sections
        ]
        fitting = [each for each in found if each is not None]
        return frozenset[Place]().union(*fitting) if fitting else Reason.PLACES_DISAGREE

    def _listed(self, places: Places, kind: str) -> LocationOrReason:
        """Return the places that the case lists; with ``most`` also all places of the kinds that it leaves out."""
        there = _pairs(places)
        if not there:
            return Reason.NO_PLACE
        unsaid = {Scope.SCHOOL} if "school" not in places.model_fields_set else set()
        if "section" not in places.model_fields_set and kind == "student":
            unsaid.add(Scope.SECTION)
        if self.most and (kind == "student" or places.section):
            there |= {place for place in self._reached() if place[0] in unsaid}
        return there | location_of_district(self.district)

    def _sections(self, named: str, places: Places) -> list[Section]:
        """Return the section from the case, or else a candidate for each school that could matter."""
        known = known_section(named, self.case)
        if known:
            return [known]
        unsaid = self.most and "school" not in places.model_fields_set
        schools = {place for scope, place in self._reached() if scope is Scope.SCHOOL} if unsaid else set()
        return [
            Section(
                SectionId(named), self.district, SchoolId(school) if school else None, tuple(self._learning_in(named))
            )
            for school in (*(places.school[:1] or (None,)), *sorted(schools))
        ]

    def _learning_in(self, section: str) -> Iterator[str]:
        if self.most:
            yield from (place for scope, place in self._reached() if scope is Scope.STUDENT)
        for user in (self.case.facts.user, *self.case.people):
            person = known_person(user, self.case)
            if person and (Scope.SECTION, section) in _places_of(person, Role.STUDENT):
                yield user

    def _student(self, places: Places) -> Facts | None:
        if not places.student:
            return None
        known = known_person(places.student[0], self.case)
        if known:
            return known
        there = {*_pairs(places), *(self._reached() if self.most else ())}
        ids = {scope: tuple(sorted(place for kind, place in there if kind is scope)) for scope in _LEARNED_IN}
        return Facts(
            UserId(places.student[0]), self.district, (HeldRole(Role.STUDENT, (Standing(tuple(ids.items())),)),)
        )

    def _user(self, places: Places) -> Facts | None:
        if not places.user:
            return None
        anybody = (HeldRole(Role.DISTRICT_ADMIN, (Standing(((Scope.DISTRICT, (self.district,)),)),)),)
        unknown = Facts(UserId(places.user[0]), self.district, anybody if self.most else ())
        return known_person(places.user[0], self.case) or unknown

    def _reached(self) -> set[Place]:
        """Return every place that anybody in the case reaches: no other can make a difference."""
        people = (known_person(user, self.case) for user in (self.case.facts.user, *self.case.people))
        return {place for person in people if person for place in _places_of(person, *Role)}


_LEARNED_IN = (Scope.SCHOOL, Scope.SECTION)


def _learns(person: Facts) -> bool:
    return Role.STUDENT in person.held()


def _pairs(places: Places) -> Location:
    return frozenset((scope, place) for kind, scope in SCOPE_OF.items() for place in getattr(places, kind))


def _places_of(person: Facts, *roles: Role) -> set[Place]:
    standings = [standing for held in person.roles if held.role in roles for standing in held.standings]
    own = {(scope, place) for standing in standings for scope, ids in standing.places for place in ids}
    return own | {(Scope.SCHOOL, school) for standing in standings for school in standing.section_schools}


def _with_sections(facts: Facts, case: CaseFile) -> Facts:
    def of(standing: Standing) -> tuple[Standing, ...]:
        ids = standing.ids(Scope.SECTION)
        known = ((section, known_section(section, case)) for section in ids)
        sections = [SectionOf(named, found.school, found.term) if found else SectionOf(named) for named, found in known]
        others = tuple((scope, some) for scope, some in standing.places if scope is not Scope.SECTION)
        return standings_by_term(replace(standing, places=others), sections) if ids else (standing,)

    return replace(
        facts,
        roles=tuple(
            replace(held, standings=tuple(each for standing in held.standings for each in of(standing)))
            for held in facts.roles
        ),
    )
