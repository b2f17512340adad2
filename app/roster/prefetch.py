"""Reads lists for many questions at once, if that costs fewer requests than to read each record alone.

What a list says of one record is cached as if it had been read alone, dated by the fetch of the list. That a record is
missing in it is believed for as short a time as if it had been asked for alone.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from msgspec.structs import replace

from app.domain.errors import CleverError, CleverRefusedToken, QuestionError, RecordUnknown, UserUnknown
from app.domain.facts import Facts, HeldRole, Role
from app.domain.ids import DistrictId, SchoolId, SectionId, UserId
from app.domain.places import Place, Section, with_sections
from app.domain.scopes import Scope
from app.domain.serialization import packed, unpacked
from app.domain.snapshot import Snapshot
from app.roster.concurrency import FEW, outcome_of, several
from app.roster.freshness import Freshness
from app.roster.roster import Roster
from app.roster.store import Key, Prefetched
from app.waiting import give_way

_MOST_NEAR, _PROBES = 2, 2
_PER_PAGE = 64  # things for which a page of the district's list is worth trying
_ABSENT_SECONDS = 10

Listed = TypeVar("Listed")


@dataclass(frozen=True)
class _Kind(Generic[Listed]):
    """A kind of thing that Clever lists.

    Attributes:
        listed: reads the list of a place, of so many pages at most.
        name: tells the id of a thing in it.
        take: notes what a list says of one thing.
        miss: notes that there is none of an id.
        schools_of: reads one thing alone, and tells in which schools others like it may lie.
        requests: what it costs to read one thing alone.
    """

    listed: Callable[[Place, int, Freshness], Awaitable[Snapshot[Sequence[Listed]]]]
    name: Callable[[Listed], str]
    take: Callable[[Listed, Snapshot[Any]], None]
    miss: Callable[[str, Snapshot[Any]], None]
    schools_of: Callable[[str], Awaitable[Collection[str]]] | None = None
    requests: int = 1


class Prefetch:
    """Reads ahead for the questions of one request, as recent as it asks.

    An error here is ignored: it comes again when the record is read alone, and is answered there.

    Attributes:
        known: what was read.
        roster: the same roster with that in front.
    """

    def __init__(self, roster: Roster, freshness: Freshness) -> None:
        """Read by ``roster``."""
        self._behind = roster
        self._freshness = freshness
        self.known = Prefetched()
        self.roster = dataclasses.replace(roster, prefetched=self.known)

    def lacks_user(self, district: DistrictId, user: str) -> bool:
        """Tell whether a user would have to be read."""
        return self._lacks(Key("user", district, user))

    def lacks_place(self, kind: str, district: DistrictId, place: str) -> bool:
        """Tell whether a section or school would have to be read."""
        return self._lacks(Key(kind, district, place))

    def _lacks(self, key: Key) -> bool:
        return key not in self.known.snapshots and self._behind.is_cold(key, self._freshness)

    def is_unread(self, kind: str, district: DistrictId, named: str) -> bool:
        """Tell whether something would have to be read and nothing older could answer."""
        if kind == "district" or not self._behind.id_shape.fits(named):
            return False
        key = Key(kind if kind in {"section", "school"} else "user", district, named)
        return self._behind.store.find(*key) is None and self._lacks(key)

    def afford(self, district: DistrictId, *, users: int, places: int = 0) -> None:
        """Raise ``CleverLimited`` or ``CallerOverspent`` where not enough requests are left now, and will be soon.

        Args:
            district: of which one by one is read.
            users: how many users.
            places: how many sections and schools.
        """
        requests = users * self._behind.clever.user_requests + places
        refusal = self._behind.clever.unaffordable(district, self._freshness.read_context(held=False), requests)
        if refusal is not None:
            raise refusal

    async def calendar(self, district: DistrictId) -> None:
        """Read the calendar of a district, once for all questions."""
        if district not in self.known.calendars:
            found = await outcome_of(self._behind.calendar(district, self._freshness))
            if isinstance(found, Snapshot | CleverError):
                self.known.calendars[district] = found

    async def schools(self, district: DistrictId, schools: Iterable[str]) -> None:
        """Read which of these schools there are."""
        kind = _Kind[SchoolId](
            lambda _place, _pages, freshness: self._behind.schools(district, freshness),
            lambda school: school,
            lambda school, of: self._know(Key("school", district, school), school, of),
            lambda school, of: self._miss(Key("school", district, school), RecordUnknown, of),
        )
        await self._look_around(district, kind, set(schools))

    async def sections(self, district: DistrictId, sections: Iterable[str], near: Collection[str] = ()) -> None:
        """Read where these sections lie; perhaps in one of the schools that are ``near``."""

        async def schools_of(section: str) -> Collection[str]:
            found = await outcome_of(self._behind.section(district, SectionId(section), self._freshness))
            return [found.facts.school] if isinstance(found, Snapshot) and found.facts.school else []

        kind = _Kind[Section](
            lambda place, pages, freshness: self._behind.sections(district, place, freshness, pages=pages),
            lambda section: section.id,
            lambda section, of: self._know(Key("section", district, section.id), section, of),
            lambda section, of: self._miss(Key("section", district, section), RecordUnknown, of),
            schools_of,
        )
        await self._look_around(district, kind, set(sections), near)

    async def students(self, district: DistrictId, students: Iterable[str], near: Collection[str] = ()) -> None:
        """Read which of these are students, and their own schools; ``complete`` reads the rest where that is needed."""

        async def schools_of(student: str) -> Collection[str]:
            roles = await self._roles_of(district, student)
            return [school for held in roles if held.role is Role.STUDENT for school in held.ids(Scope.SCHOOL)]

        kind = _Kind[Facts](
            lambda place, pages, freshness: self._behind.people(district, place, Role.STUDENT, freshness, pages=pages),
            lambda person: person.user,
            self._know_in_part,
            lambda student, _of: self.known.no_students.add(Key("user", district, student)),
            schools_of,
            requests=self._behind.clever.user_requests,
        )
        await self._look_around(district, kind, await self._nowhere_else(district, students), near)

    async def complete(self, district: DistrictId, users: Collection[str]) -> None:
        """Read the sections of users of whom a list has told the rest."""
        if len(users) <= FEW:
            return
        at_most = self._behind.clever.user_requests * len(users)
        sections = await self._quietly(
            district,
            self._behind.sections(district, (Scope.DISTRICT, district), self._freshness, pages=at_most),
        )
        if sections is not None:
            by_person = await _by_person(sections.facts, users)
            for place, user in enumerate(users):
                record = self.known.records[Key("user", district, user)]
                self._know_user(record.facts, by_person, record if record.began <= sections.began else sections)
                await give_way(place)

    async def records(self, district: DistrictId, users: Iterable[str], near: Collection[str] = ()) -> None:
        """Read which of these users there are and their roles, but not their sections."""

        async def schools_of(user: str) -> Collection[str]:
            return {school for held in await self._roles_of(district, user) for school in held.ids(Scope.SCHOOL)}

        kind = _Kind[Facts](
            lambda place, pages, freshness: self._behind.people(district, place, None, freshness, pages=pages),
            lambda person: person.user,
            self._know_in_part,
            lambda user, of: self._miss(Key("user", district, user), UserUnknown, of),
            schools_of,
            requests=self._behind.clever.user_requests,
        )
        await self._look_around(district, kind, await self._nowhere_else(district, users), near)

    async def users(self, district: DistrictId, users: Iterable[str], near: Collection[str] = ()) -> None:
        """Read all of these users: their own records, and all sections, where they may stand."""
        every = [*users]
        await self.records(district, every, near)
        in_part = (user for user in every if Key("user", district, user) in self.known.records)
        await self.complete(district, [user for user in in_part if self.lacks_user(district, user)])

    async def _look_around(
        self, district: DistrictId, kind: _Kind[Listed], left: set[str], near: Collection[str] = ()
    ) -> None:
        """Look for what is left: in near schools, in a short list of the district, where others lie, in a long list."""
        everywhere = (Scope.DISTRICT, district)
        if len(left) <= FEW:
            return
        for school in sorted(near) if len(near) <= _MOST_NEAR else ():
            await self._look(district, kind, left, (Scope.SCHOOL, school))
        await self._look(district, kind, left, everywhere, max(1, len(left) // _PER_PAGE))
        for _ in range(_PROBES if kind.schools_of else 0):
            if not await self._probe(district, kind, left):
                break
        await self._look(district, kind, left, everywhere, kind.requests * len(left))

    async def _probe(self, district: DistrictId, kind: _Kind[Listed], left: set[str]) -> bool:
        """Look where one of them lies, and tell whether that was worth it: most things asked together lie together."""
        if len(left) <= FEW or kind.schools_of is None or district in self.known.refused:
            return False
        before, first = len(left), min(left)
        left.discard(first)
        for school in sorted(await kind.schools_of(first))[:_MOST_NEAR]:
            if len(left) > before // 2:
                await self._look(district, kind, left, (Scope.SCHOOL, school))
        return len(left) < before - 1

    async def _look(
        self, district: DistrictId, kind: _Kind[Listed], left: set[str], place: Place, pages: int | None = None
    ) -> None:
        """Take out of what is left what a list tells of, and where it is the district's what is not there."""
        if len(left) <= FEW or district in self.known.refused:
            return
        at_most = kind.requests * len(left) if pages is None else pages
        listed = await self._quietly(district, kind.listed(place, at_most, self._freshness))
        await self._take(kind, left, listed)
        if listed is None or place[0] is not Scope.DISTRICT:
            return
        if len(left) > FEW and not self._is_recent(listed):
            anew = replace(self._freshness, no_cache=True, max_age=None, asked_at=self._behind.clock())
            listed = await self._quietly(district, kind.listed(place, at_most, anew))
            await self._take(kind, left, listed)
        if listed is not None and self._is_recent(listed):
            for each in left:
                kind.miss(each, listed)
            left.clear()

    async def _take(self, kind: _Kind[Listed], left: set[str], listed: Snapshot[Sequence[Listed]] | None) -> None:
        for place, each in enumerate(() if listed is None else listed.facts):
            name = kind.name(each)
            if listed is not None and name in left:
                kind.take(each, listed)
                left.discard(name)
            await give_way(place)

    async def _quietly(self, district: DistrictId, snapshot: Awaitable[Snapshot[Any]]) -> Snapshot[Any] | None:
        try:
            return await snapshot
        except CleverRefusedToken as error:
            # It is refused for whatever else is read with it, too.
            self.known.refused[district] = error
            return None
        except (CleverError, QuestionError):
            return None

    def _is_recent(self, listed: Snapshot[Any]) -> bool:
        return listed.stale is None and self._behind.clock() - listed.began <= _ABSENT_SECONDS

    def _know_in_part(self, person: Facts, of: Snapshot[Any]) -> None:
        key = Key("user", person.district, person.user)
        record = self.known.records[key] = Snapshot(person, of.began, of.at, stale=of.stale)
        if of.stale is None and Role.STUDENT in person.held():
            self._behind.store.put(key._replace(kind="record"), record)

    def _know_user(self, person: Facts, by_person: Mapping[str, Sequence[Section]], of: Snapshot[Any]) -> None:
        facts = packed(with_sections(person, by_person.get(person.user, ())))
        self._know(Key("user", person.district, person.user), facts, of)

    def _know(self, key: Key, said: Any, listed: Snapshot[Any]) -> None:
        if key.kind != "user" or self._behind.suffices(said):
            self.known.snapshots[key] = self._behind.store.put_listed(key, said, listed)

    def _miss(self, key: Key, error: type[QuestionError], listed: Snapshot[Any]) -> None:
        store, shared = self._behind.store, self._behind.shared
        was_there = store.find(*key) is not None
        store.put_gone(key, Snapshot(error, listed.began, listed.at))
        if was_there and shared is not None and key.kind == "user":
            shared.forget(key.text, listed.at)
        self.known.snapshots[key] = error

    async def _roles_of(self, district: DistrictId, user: str) -> Sequence[HeldRole]:
        found = await outcome_of(self._behind.user(district, UserId(user), self._freshness))
        return unpacked(found.facts).roles if isinstance(found, Snapshot) else ()

    async def _nowhere_else(self, district: DistrictId, users: Iterable[str]) -> set[str]:
        """Return the users that no other process has read, as recent as they have to be."""
        left = set(users)
        if self._behind.shared is None or len(left) <= FEW or self._freshness.no_cache:
            return left
        await several([*left], lambda user: self._behind.find_elsewhere(district, UserId(user)))
        return {user for user in left if self.lacks_user(district, user)}


async def _by_person(sections: Iterable[Section], people: Collection[str]) -> dict[str, list[Section]]:
    """Return the sections of each of these people, whether they teach or learn there."""
    wanted, found = set(people), dict[str, list[Section]]()
    for place, section in enumerate(sections):
        for person in wanted.intersection((*section.teachers, *section.students)):
            found.setdefault(person, []).append(section)
        await give_way(place)
    return found
