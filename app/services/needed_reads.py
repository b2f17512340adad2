"""What questions need to be read for them: their subjects, where their resources lie; read ahead for many at once."""

import dataclasses
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from msgspec.structs import replace

from app.domain.errors import MalformedId, RosterguardError, UserUnknown
from app.domain.facts import Role
from app.domain.ids import DistrictId, UserId
from app.domain.places import schools_of
from app.domain.question import Entity, district_named, is_user
from app.domain.scopes import CLEVER_TYPES
from app.domain.serialization import unpacked
from app.domain.snapshot import Snapshot
from app.roster.concurrency import FEW, halfway_to, outcome_of, several
from app.roster.districts import district_of
from app.roster.freshness import Freshness
from app.roster.prefetch import Prefetch
from app.roster.store import Key
from app.services.decision_point import DecisionPoint
from app.services.resource_lookup import NotLocated, ResourceLookup
from app.waiting import give_way


class Asking(Protocol):
    """A question, as far as it matters here."""

    @property
    def subject(self) -> Entity:
        """Whom it is about."""

    @property
    def resource(self) -> Entity:
        """What it is about."""


async def subject_of(pdp: DecisionPoint, subject: Entity, freshness: Freshness) -> tuple[UserId, DistrictId]:
    """Return the user and district that a subject names; raises ``UserUnknown`` or ``DistrictUnnamed``."""
    named = district_named(pdp.policy, subject.properties)
    if named is not None and not isinstance(named, str):
        raise UserUnknown
    try:
        return pdp.roster.id_shape.user(subject.id), await district_of(pdp.roster, named, freshness)
    except MalformedId as error:
        raise UserUnknown from error


class ReadAhead:
    """Reads ahead what the questions of one request need.

    Attributes:
        pdp: the decision point, with what was read in front of its roster.
        steps: each reads the next of what these questions lack; ``afford`` may come behind them.
    """

    def __init__(self, pdp: DecisionPoint, freshness: Freshness) -> None:
        self._requested_freshness = replace(freshness, until=halfway_to(freshness.until))
        self._ahead = Prefetch(pdp.roster, self._requested_freshness)
        self.pdp = dataclasses.replace(pdp, roster=self._ahead.roster)
        self.steps = (self._subjects, self._places, self._sections_of_students)

    async def _subjects(self, questions: Sequence[Asking]) -> None:
        every: dict[DistrictId, set[UserId]] = defaultdict(set)
        async for _, user, district in self._each(questions):
            every[district].add(user)
        for district, users in every.items():
            if self.pdp.policy.needs_calendar:
                await self._ahead.calendar(district)
            await self._ahead.users(district, {user for user in users if self._ahead.lacks_user(district, user)})
            # Of few subjects it is to be known soon what they may do: it may decide, and tells where to look.
            freshness = self._requested_freshness if len(users) <= FEW else self._requested_freshness.at_once()
            await several([*users], lambda user, of=district, freshness=freshness: self._pin(of, user, freshness))  # type: ignore[misc]

    async def _pin(self, district: DistrictId, user: UserId, freshness: Freshness) -> None:
        """Hold on to what is known of a subject: all else that is read may push it out of the cache."""
        snapshot = await outcome_of(self.pdp.roster.user(district, user, freshness))
        if isinstance(snapshot, Snapshot):
            self._ahead.known.snapshots.setdefault(Key("user", district, user), snapshot)

    async def _places(self, questions: Sequence[Asking]) -> None:
        every: dict[DistrictId, _Needed] = defaultdict(_Needed)
        async for question, user, district in self._each(questions):
            if not self._ahead.lacks_user(district, user):
                every[district].add(user, self._of_resource(district, question.resource))
        for district, needed in every.items():
            near = await self._near(district, needed.subjects)
            await self._ahead.schools(district, self._lacking(district, "school", needed))
            await self._ahead.sections(district, self._lacking(district, "section", needed), near)
            await self._ahead.students(district, self._lacking(district, "student", needed), near)
            await self._ahead.records(district, self._lacking(district, "user", needed), near)
            await self._ahead.users(district, self._lacking(district, "whole user", needed), near)

    async def _sections_of_students(self, questions: Sequence[Asking]) -> None:
        students: dict[DistrictId, set[str]] = defaultdict(set)
        async for question, _, district in self._each(questions):
            for kind, named in self._of_resource(district, question.resource):
                if kind == "student" and Key("user", district, named) in self._ahead.known.records:
                    students[district].add(named)
        for district, of_district in students.items():
            await self._ahead.complete(district, of_district)

    async def afford(self, questions: Sequence[Asking]) -> None:
        """Look whether enough requests are left to read one by one what no list has told, before any is spent on that.

        Raises:
            CleverLimited, CallerOverspent: they are not, and will be in a while.
        """
        every: dict[DistrictId, set[tuple[str, str]]] = defaultdict(set)
        async for question, user, district in self._each(questions):
            if self._ahead.lacks_user(district, user):
                every[district].add(("user", user))
            for kind, named in self._of_resource(district, question.resource):
                if self._ahead.is_unread(kind, district, named):
                    every[district].add((kind, named))
        for district, things in every.items():
            places = sum(kind in {"section", "school"} for kind, _ in things)
            self._ahead.afford(district, users=len(things) - places, places=places)

    async def _each(self, questions: Sequence[Asking]) -> AsyncIterator[tuple[Asking, UserId, DistrictId]]:
        """Yield the questions about a user of a connected district, with both."""
        at_once = self._requested_freshness.at_once()
        for place, question in enumerate(questions):
            if is_user(self.pdp.policy, question.subject):
                found = await outcome_of(subject_of(self.pdp, question.subject, at_once))
                if not isinstance(found, RosterguardError):
                    yield question, *found
            await give_way(place)

    def _of_resource(self, district: DistrictId, resource: Entity) -> list[tuple[str, str]]:
        """Return what has to be known to say where a resource lies, by kind and id."""
        kind = self.pdp.policy.type_of(resource.type)
        if kind in CLEVER_TYPES:
            return [(kind, resource.id)]
        try:
            named = ResourceLookup(self.pdp, district, self._requested_freshness).named(resource.properties)
        except NotLocated:
            return []
        # The sections of a user matter only beside another place.
        user = "user" if named.keys() <= {"user", "district"} else "whole user"
        return [(user if kind == "user" else kind, each) for kind, each in named.items()]

    def _lacking(self, district: DistrictId, kind: str, needed: "_Needed") -> set[str]:
        proper = {each for each in needed.ids[kind] if self.pdp.roster.id_shape.fits(each)}
        if kind in {"section", "school"}:
            return {each for each in proper if self._ahead.lacks_place(kind, district, each)}
        return {each for each in proper if self._ahead.lacks_user(district, each)}

    async def _near(self, district: DistrictId, subjects: set[UserId]) -> set[str]:
        """Return the schools of the only subject."""
        if len(subjects) != 1:
            return set()
        (subject,) = subjects
        snapshot = await outcome_of(self.pdp.roster.user(district, subject, self._requested_freshness.at_once()))
        if isinstance(snapshot, RosterguardError):
            return set()
        return schools_of(unpacked(snapshot.facts), *Role)


@dataclass(frozen=True, slots=True)
class _Needed:
    """What questions about one district need: their subjects, and ids by kind."""

    subjects: set[UserId] = field(default_factory=set)
    ids: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, subject: UserId, things: Iterable[tuple[str, str]]) -> None:
        self.subjects.add(subject)
        for kind, named in things:
            self.ids[kind].add(named)
