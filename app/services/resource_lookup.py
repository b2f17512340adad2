"""Where a resource lies: Clever's own types are looked up, the application's lie where the caller says they do."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from app.domain.decision import Reason
from app.domain.errors import MalformedId, RecordUnknown, UserUnknown
from app.domain.facts import Facts, Role
from app.domain.ids import DistrictId, SchoolId, UserId
from app.domain.places import (
    Location,
    Section,
    location_of_district,
    location_of_resource,
    location_of_school,
    location_of_section,
    location_of_student,
    location_of_user,
)
from app.domain.question import Entity
from app.domain.scopes import CLEVER_TYPES
from app.domain.serialization import PackedFacts, unpacked
from app.domain.snapshot import Snapshot, Staleness, staleness_of
from app.roster.freshness import Freshness
from app.roster.roster import Roster
from app.roster.store import Key
from app.services.decision_point import DecisionPoint
from app.telemetry import metrics

Said = TypeVar("Said")


class NotLocated(Exception):
    """There is no such resource, or the places that the caller names do not fit."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ResourceLookup:
    """Looks up where resources lie in one district, from data as recent as the request asks.

    Attributes:
        snapshots: all that was looked up so far, on which an answer rests.
    """

    pdp: DecisionPoint
    district: DistrictId
    freshness: Freshness
    snapshots: list[Snapshot[Any]] = field(default_factory=list)

    async def location(self, resource: Entity) -> Location:
        """Return every place in which ``resource`` lies.

        Raises:
            NotLocated: there is no such thing in the district, or the places named do not fit.
            NotCached, CleverError: it could not be looked up.
        """
        kind = self.pdp.policy.type_of(resource.type)
        if kind not in CLEVER_TYPES:
            return await self.of_named(resource.properties)
        found = cached_location(self.pdp.roster, self.district, kind, resource.id, self.freshness)
        if found is not None:
            for cache in found.caches:
                metrics.record_cache_lookup(cache, "hit")
            self.snapshots.extend(found.snapshots)
            return found.location
        try:
            return await self._of(kind, resource.id)
        except (MalformedId, RecordUnknown, UserUnknown) as error:
            raise NotLocated(Reason.UNKNOWN_RESOURCE) from error

    async def section(self, section: str) -> Section:
        """Return a section of the district; raises ``RecordUnknown`` or ``MalformedId``."""
        named = self.pdp.roster.id_shape.section(section)
        return self.use(await self.pdp.roster.section(self.district, named, self.freshness))

    async def school(self, school: str) -> SchoolId:
        """Return a school of the district; raises ``RecordUnknown`` or ``MalformedId``."""
        named = self.pdp.roster.id_shape.school(school)
        return self.use(await self.pdp.roster.school(self.district, named, self.freshness))

    async def user(self, user: str) -> Facts:
        """Return the facts of a user of the district; raises ``UserUnknown`` or ``MalformedId``."""
        return unpacked(self.use(await self.user_snapshot(self.pdp.roster.id_shape.user(user))))

    async def user_snapshot(self, user: UserId, freshness: Freshness | None = None) -> Snapshot[PackedFacts]:
        """Return what Clever says of a user of the district; raises as ``Roster.user``."""
        return await self.pdp.roster.user(self.district, user, freshness or self.freshness)

    async def student(self, student: str) -> Facts:
        """Return the facts of a user who is a student; raises ``UserUnknown`` for whoever is none."""
        if Key("user", self.district, student) in self.pdp.roster.prefetched.no_students:
            raise UserUnknown
        facts = await self.user(student)
        if Role.STUDENT not in facts.held():
            raise UserUnknown
        return facts

    def student_without_sections(self, resource: Entity) -> Snapshot[Facts] | None:
        """Return the facts, without sections, of the one student whom the resource is or names, if a list gave them.

        None if it is or names anything else, if no list that still counts gave them, or if full facts are in memory.
        """
        student = self._student_alone(resource)
        if student is None:
            return None
        return self.pdp.roster.user_without_sections(self.district, student, self.freshness)

    def _student_alone(self, resource: Entity) -> str | None:
        kind = self.pdp.policy.type_of(resource.type)
        if kind in CLEVER_TYPES:
            return resource.id if kind == "student" else None
        try:
            named = self.named(resource.properties)
        except NotLocated:
            return None
        # A place that is not where the student is keeps it from being anywhere.
        is_alone = named.keys() <= {"student", "district"} and named.get("district", self.district) == self.district
        return named.get("student") if is_alone else None

    def use(self, snapshot: Snapshot[Said]) -> Said:
        """Return what a snapshot says, and record that an answer rests on it."""
        self.snapshots.append(snapshot)
        return snapshot.facts

    def staleness(self) -> Staleness | None:
        """Return how stale an answer is that rests on all that was looked up."""
        return staleness_of(self.snapshots)

    async def _of(self, kind: str, named: str) -> Location:
        if kind == "section":
            return location_of_section(await self.section(named))
        if kind == "school":
            return location_of_school(await self.school(named), self.district)
        if kind == "student":
            return location_of_student(await self.student(named))
        if kind == "user":
            return location_of_user(await self._record(named))
        if named != self.district:
            raise RecordUnknown
        return location_of_district(self.district)

    async def _record(self, user: str) -> Facts:
        """Return the facts of a user, perhaps without sections; raises as ``user``."""
        record = self.pdp.roster.prefetched.records.get(Key("user", self.district, user))
        return self.use(record) if record else await self.user(user)

    async def of_named(self, properties: Mapping[str, object]) -> Location:
        """Return every place in which something lies that lies in all the places named; raises as ``location``."""
        named = self.named(properties)
        if not named:
            raise NotLocated(Reason.NO_PLACE)
        # Where nothing else is named the sections of a user do not matter.
        read_user = self._record if named.keys() <= {"user", "district"} else self.user
        try:
            section, school, student, user = await asyncio.gather(
                self.section(named["section"]) if "section" in named else _nothing(),
                self.school(named["school"]) if "school" in named else _nothing(),
                self.student(named["student"]) if "student" in named else _nothing(),
                read_user(named["user"]) if "user" in named else _nothing(),
            )
        except (MalformedId, RecordUnknown, UserUnknown) as error:
            raise NotLocated(Reason.PLACES_DISAGREE) from error
        location = location_of_resource(self.district, section=section, school=school, student=student, user=user)
        if location is None or named.get("district", self.district) != self.district:
            raise NotLocated(Reason.PLACES_DISAGREE)
        return location

    def named(self, properties: Mapping[str, object]) -> Mapping[str, str]:
        """Return the places that a caller names, by Clever's types; raises ``NotLocated`` where one is named twice."""
        named: dict[str, str] = {}
        for key, value in properties.items():
            kind = self.pdp.policy.type_of(key)
            if kind not in CLEVER_TYPES or value is None:
                continue
            if not isinstance(value, str) or named.setdefault(kind, value) != value:
                raise NotLocated(Reason.PLACES_DISAGREE)
        return named


class CachedLocation(msgspec.Struct, frozen=True, gc=False):
    """Where a resource of Clever's lies, the snapshots that say so, if needed, and the caches that hold them."""

    location: Location
    snapshots: tuple[Snapshot[Any], ...] = ()
    caches: tuple[str, ...] = ()


def cached_location(
    roster: Roster, district: DistrictId, kind: str, named: str, freshness: Freshness
) -> CachedLocation | None:
    """Return what ``ResourceLookup.location`` would for one of Clever's types, or None if it is not fresh in memory."""
    if kind == "district":
        return CachedLocation(location_of_district(district)) if named == district else None
    if kind in _OF_PLACE:
        place = roster.cached_place(kind, district, named, freshness)
        return None if place is None else CachedLocation(_OF_PLACE[kind](place.facts, district), (place,), _PLACES)
    person = roster.cached_user(district, named, freshness)
    if person is None:
        return None
    facts = unpacked(person.facts)
    if kind == "user":
        return CachedLocation(location_of_user(facts), (person,), _USERS)
    return CachedLocation(location_of_student(facts), (person,), _USERS) if Role.STUDENT in facts.held() else None


_USERS, _PLACES = ("users",), ("places",)

_OF_PLACE: Mapping[str, Callable[[Any, DistrictId], Location]] = {
    "section": lambda section, _district: location_of_section(section),
    "school": location_of_school,
}


async def _nothing() -> None:
    """Return None, in place of a lookup that is not needed."""
