"""A whole district in memory: everybody's facts, all sections and all schools, in a compact form.

Nothing is read here: what loads a district puts its records in, what follows Clever's events puts and drops them. As
Python objects a district of 100,000 users would take a gigabyte; ids are therefore kept once, by number, and records
as bytes.
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache
from itertools import count
from typing import Final, NamedTuple, TypeAlias, cast

import msgspec

from app.domain.calendar import Calendar
from app.domain.facts import EMPLOYEES, Facts, HeldRole, Role, SectionOf, Standing, standings_by_term
from app.domain.ids import DistrictId, SchoolId, SectionId, UserId
from app.domain.places import Place, Section
from app.domain.scopes import Scope
from app.domain.serialization import long_id, long_ids, packed, packed_roles, short_id, unpacked_roles


class Whom(StrEnum):
    """Who is held of a district."""

    STAFF = "staff"
    """District admins, staff and teachers: those who hold no other role."""
    EVERYONE = "everyone"
    """All users, students and contacts too."""


class AsOf(NamedTuple):
    """When all that a district holds was true at the latest.

    Attributes:
        began: by the process's clock.
        at: in Unix seconds.
    """

    began: float
    at: float


HERE = ""
"""Stands in facts for the id of the place that was asked about, so that they are the same in many places."""


class Alike(NamedTuple):
    """Users whom no decision at one place can tell apart.

    Attributes:
        facts: what they are there, of nobody in particular. Of their places it has the one asked about, and no other.
        users: who they are.
        key: facts under the same key are the same; None for those of one user.
    """

    facts: Facts
    users: Sequence[UserId]
    key: Hashable = None


class LegacyHolder(NamedTuple):
    """The user who holds an id from before API 3.0, and the role that it belongs to."""

    user: UserId
    role: Role


_NOBODY = UserId("")
_ROLES = tuple(Role)
_MOST_ALIKE = 10_000

_load_numbers = count(1)

_NUMBER: Final = "I"  # of an array: four bytes

# Unlike a set or a list, a dictionary of what refers to nothing is no work for the garbage collector: with 100,000
# entries that would hold up everybody for some milliseconds, again and again.
_Numbers: TypeAlias = dict[int, None]

_PERSON = msgspec.msgpack.Decoder(tuple[bytes, tuple[int | None, ...]])
"""A user's roles, without sections and legacy ids, and the legacy id of each role."""


class _SectionRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    school: int | None
    term: int | None
    teachers: bytes
    students: bytes
    """As numbers where everyone is held, else as ids: of those who are not held nothing but their ids is known."""


_SECTION = msgspec.msgpack.Decoder(_SectionRecord)
_SHORT_IDS = msgspec.msgpack.Decoder(tuple[bytes, ...])

_packed = msgspec.msgpack.Encoder().encode
# The sections of a school's people name the same schools and terms.
_long_id_of_few = lru_cache(maxsize=2_000)(long_id)
_roles_of = lru_cache(maxsize=2_000)(unpacked_roles)


@lru_cache(maxsize=2_000)
def _kind_of(roles: bytes) -> bytes:
    """Return roles without ids, packed: few users differ in that."""
    return packed_roles(map(_anywhere, _roles_of(roles)))


class District:
    """What Clever says of a whole district.

    Every change returns the ids of the users whose facts may have changed, perhaps of some who are not held here.

    Attributes:
        id: the district.
        whom: who is held.
        number: that of the load: no other district in this process has it.
        as_of: when what is held was true; whoever loads or follows the district moves it forward.
        on_change: is called with what a change returns, before it returns.
        read_since: of whom Clever said something else when they were read alone later, and when that reading began.
    """

    def __init__(self, district: DistrictId, whom: Whom, as_of: AsOf) -> None:
        """Hold nothing yet."""
        self.id = district
        self.whom = whom
        self.number = next(_load_numbers)
        self.as_of = as_of
        self.on_change: Callable[[Collection[UserId]], None] = _ignore
        self.read_since: dict[str, float] = {}
        self._ids = _Ids()
        self._people: dict[int, bytes] = {}
        self._sections: dict[int, bytes] = {}
        self._schools: _Numbers = {}
        self._calendar: Calendar | None = None
        # The rest is found from these.
        self._taught_by = _Index()
        self._attended_by = _Index()
        self._contacts_of = _Index()
        self._holders_of = _Index()
        # Of each holder the kind; there are few, and each is kept once.
        self._in_role: dict[Role, dict[int, bytes]] = {role: {} for role in Role}
        self._kinds: dict[bytes, bytes] = {}
        # Of schools and the district, whose people are asked for with each section; forgotten with every change.
        self._alike_in: dict[tuple[Place, tuple[Role, ...]], Sequence[Alike]] = {}
        self._people_at: dict[tuple[int, Role], _Numbers] = {}
        self._sections_at: dict[int, _Numbers] = {}
        self._sections_in_terms = 0

    def put_person(self, facts: Facts) -> Collection[UserId]:
        """Hold a user, whose sections are known from ``put_section`` and whose schools are confirmed by ``put_school``.

        Args:
            facts: what a list says of the user; sections and what is unconfirmed do not matter.

        Raises:
            ValueError: the user is of another district.
        """
        self._check(facts.district)
        if not self.holds(facts.held()):
            return self.drop_person(facts.user)
        number, roles = self._ids.number(facts.user), tuple(map(_without_sections, facts.roles))
        legacy_ids = tuple(self._number(held.legacy_id) for held in facts.roles)
        person, before = _packed((packed_roles(roles), legacy_ids)), self._people.get(number)
        if person == before:
            return ()
        if before is not None:
            self._unlink(number, before)
        self._people[number] = person
        self._link(number, person)
        return self._announced((facts.user,))

    def drop_person(self, user: UserId) -> Collection[UserId]:
        """Forget a user; the sections still list them."""
        number = self._ids.known(user)
        before = self._people.pop(number, None)
        if before is None:
            # Of whomever is not held here a single read may be known.
            return () if self.whom is Whom.EVERYONE else self._announced((user,))
        self._unlink(number, before)
        return self._announced((user,))

    def put_section(self, section: Section) -> Collection[UserId]:
        """Hold a section; raises ``ValueError`` for one of another district."""
        before, after = self._hold_section(section)
        return () if before == after else self._announced(self._touched(before, after))

    def load_section(self, section: Section) -> None:
        """Hold a section as ``put_section`` does, while nobody is answered from here: whom it touches is of no use."""
        self._hold_section(section)

    def _hold_section(self, section: Section) -> tuple[_SectionRecord | None, _SectionRecord]:
        """Hold a section, and return its record as it was and as it is."""
        self._check(section.district)
        number, school, term = self._ids.number(section.id), self._number(section.school), self._number(section.term)
        teachers, students = self._ids.numbers(section.teachers), self._packed_students(section.students)
        before, after = self._section(number), _SectionRecord(school, term, teachers, students)
        if before != after:
            if before is not None:
                self._unlink_section(number, before)
            self._sections[number] = _packed(after)
            self._link_section(number, after)
        return before, after

    def drop_section(self, section: SectionId) -> Collection[UserId]:
        """Forget a section."""
        number = self._ids.known(section)
        before = self._section(number)
        if before is None:
            return ()
        self._unlink_section(number, before)
        del self._sections[number]
        return self._announced(self._touched(before, None))

    def put_school(self, school: SchoolId) -> Collection[UserId]:
        """Hold a school, which confirms that those who administer it do."""
        number = self._ids.number(school)
        if number in self._schools:
            return ()
        self._schools[number] = None
        self._alike_in.clear()
        return self._announced(self._names(self._people_at.get((number, Role.STAFF), ())))

    def drop_school(self, school: SchoolId) -> Collection[UserId]:
        """Forget a school."""
        number = self._ids.known(school)
        if number not in self._schools:
            return ()
        del self._schools[number]
        self._alike_in.clear()
        return self._announced(self._names(self._people_at.get((number, Role.STAFF), ())))

    def put_calendar(self, calendar: Calendar) -> None:
        """Hold what the district's record says of its time, and its terms; those known before if it comes without."""
        known = self._calendar.terms if self._calendar is not None else None
        terms = known if calendar.terms is None else tuple(sorted(calendar.terms, key=lambda term: term.id))
        self._calendar = replace(calendar, terms=terms)

    def drop_calendar(self) -> None:
        """Forget what the district's record says of its time: it is to be read alone."""
        self._calendar = None

    def calendar(self) -> Calendar | None:
        """Return the district's calendar with its terms, the same until it changes; None if it has to be read alone."""
        return self._calendar

    def holds(self, roles: Collection[Role]) -> bool:
        """Tell whether a user of these roles is held here, if there is such a user."""
        return self.whom is Whom.EVERYONE or (bool(roles) and EMPLOYEES.issuperset(roles))

    def lists(self, role: Role | None) -> bool:
        """Tell whether everybody in a role, or in any, is held here."""
        return self.whom is Whom.EVERYONE or role in EMPLOYEES

    def facts(self, user: str) -> Facts | None:
        """Return the facts of a user; None if none such is held."""
        number = self._ids.known(user)
        person = self._people.get(number)
        if person is None:
            return None
        packed_held, legacy_ids = _PERSON.decode(person)
        taught, attended = (self._stood_in(index.get(number)) for index in (self._taught_by, self._attended_by))
        whole = (
            self._held(role, self._name(legacy_id), taught, attended)
            for role, legacy_id in zip(_roles_of(packed_held), legacy_ids, strict=True)
        )
        return Facts(UserId(user), self.id, tuple(whole))

    def person(self, user: str) -> tuple[bytes, list[str | None]] | None:
        """Return what is held of a user alone, sections and schools left out; None if no such user is held."""
        person = self._people.get(self._ids.known(user))
        if person is None:
            return None
        roles, legacy_ids = _PERSON.decode(person)
        return roles, [*map(self._name, legacy_ids)]

    def alike(self, place: Place, roles: tuple[Role, ...]) -> Sequence[Alike]:
        """Return who is held and stands in a place in one of the roles, those together who are alike there."""
        found = self._alike_in.get((place, roles))
        if found is None:
            found = tuple(self._found_alike(place, roles))
            if place[0] in {Scope.SCHOOL, Scope.DISTRICT}:
                self._alike_in[place, roles] = found
        return found

    def _found_alike(self, place: Place, roles: tuple[Role, ...]) -> Iterator[Alike]:
        (scope, named), there, kinds = place, self._standing_in(place), defaultdict[bytes, set[int]](set)
        for role in roles:
            holders = self._in_role[role]
            for person in there.get(role, ()):
                if (kind := holders.get(person)) is not None:
                    kinds[kind].add(person)
        number = self._ids.known(named)
        term = self._name(_SECTION.decode(self._sections[number]).term) if kinds and scope is Scope.SECTION else None
        is_confirmed = scope is not Scope.SCHOOL or number in self._schools
        for kind, people in kinds.items():
            for stands, some in self._by_standing(kind, people, place, there).items():
                alike = _alike(self.id, kind, stands, scope, term, is_confirmed=is_confirmed)
                yield Alike(alike.facts, self._names(some), alike.key)

    def _by_standing(
        self, kind: bytes, people: Collection[int], place: Place, there: Mapping[Role, Collection[int]]
    ) -> Mapping[tuple[bool, ...], Collection[int]]:
        """Group users of one kind by which of their standings reach a place."""
        roles = _roles_of_standings(kind)
        if len(roles) == 1:
            return {(True,): people}
        scope, named = place
        found: dict[tuple[bool, ...], list[int]] = {}
        for person in people:
            if scope is Scope.STUDENT:
                held = _roles_of(_PERSON.decode(self._people[person])[0])
                stands = tuple(named in standing.ids(scope) for each in held for standing in each.standings)
            else:
                stands = tuple([person in there.get(role, ()) for role in roles])
            found.setdefault(stands, []).append(person)
        return found

    def has_terms(self) -> bool:
        """Tell whether any section is in a term."""
        return self._sections_in_terms > 0

    def section(self, section: str) -> Section | None:
        """Return a section; None if there is none such."""
        record = self._section(self._ids.known(section))
        if record is None:
            return None
        students, teachers = self._students(record), self._names(_numbers(record.teachers))
        return Section(SectionId(section), self.id, self._school(record), students, teachers, self._name(record.term))

    def school(self, school: str) -> SchoolId | None:
        """Return the id of a school; None if there is none such."""
        return SchoolId(school) if self._ids.known(school) in self._schools else None

    def people(self, place: Place, role: Role | None = None) -> list[UserId]:
        """Return the ids of whoever is held and stands in a place, sorted.

        Args:
            place: a section (its teachers and students), a school (everybody of it), a student (their contacts), or the
                district (everybody).
            role: only those who stand there in this role.
        """
        return sorted(map(UserId, map(self._ids.name, self._people_in(place, role))))

    def sections(self, place: Place) -> list[SectionId]:
        """Return the ids of the sections of a school, or of the district, sorted."""
        scope, named = place
        if scope is Scope.SCHOOL:
            numbers: Iterable[int] = self._sections_at.get(self._ids.known(named), ())
        elif scope is Scope.DISTRICT:
            numbers = self._sections if named == self.id else ()
        else:
            raise ValueError(f"Clever lists no sections of a {scope}")
        return sorted(map(SectionId, map(self._ids.name, numbers)))

    def schools(self) -> list[SchoolId]:
        """Return the ids of all schools, sorted."""
        return sorted(map(SchoolId, map(self._ids.name, self._schools)))

    def by_legacy_id(self, legacy_id: str) -> list[LegacyHolder]:
        """Return who holds an id from before API 3.0, in which role, sorted; more than one only if Clever errs."""
        number = self._ids.known(legacy_id)
        numbers = {number, *self._holders_of.get(number)} & self._people.keys()
        people = map(self.facts, map(self._ids.name, numbers))
        return sorted(
            LegacyHolder(person.user, held.role)
            for person in people
            if person is not None
            for held in person.roles
            if held.legacy_id == legacy_id
        )

    def counts(self) -> dict[str, int]:
        """Return how many users of each role and in all, sections, schools and terms are held."""
        roles = {role.value: len(holders) for role, holders in self._in_role.items()}
        terms = () if self._calendar is None else self._calendar.terms or ()
        places = {"sections": len(self._sections), "schools": len(self._schools), "terms": len(terms)}
        return {**roles, "users": len(self._people), **places}

    def listed(self) -> int:
        """Return how many people sections list: about as many as there are, before they are put."""
        return len(self._taught_by) + len(self._attended_by)

    def contents(self) -> Iterator[bytes]:
        """Yield all that is held, as bytes: the same for districts that hold the same, however they came to."""
        for user in self.people((Scope.DISTRICT, self.id)):
            if (facts := self.facts(user)) is not None:
                yield packed(facts)
        for section in self.sections((Scope.DISTRICT, self.id)):
            yield _packed(self.section(section))
        for school in self.schools():
            yield school.encode()
        yield _packed(self._calendar)

    def differences(self, other: "District") -> Iterator[bool]:
        """Yield, one by one, whether the users, sections and schools held here are others in another district."""
        mine, theirs = self.counts(), other.counts()
        yield any(mine[records] != theirs[records] for records in ("users", "sections", "schools"))
        for user in map(self._ids.name, self._people):
            yield self.person(user) != other.person(user)
        for section in map(self._ids.name, self._sections):
            yield self.section(section) != other.section(section)
        for school in map(self._ids.name, self._schools):
            yield other.school(school) is None

    def _announced(self, users: Collection[UserId]) -> Collection[UserId]:
        self.on_change(users)
        return users

    def _check(self, district: DistrictId) -> None:
        if district != self.id:
            raise ValueError("a record of another district")

    def _people_in(self, place: Place, role: Role | None) -> Iterable[int]:
        there = self._standing_in(place)
        if role is not None:
            return [number for number in there.get(role, ()) if number in self._in_role[role]]
        if there is self._in_role:
            # Some hold no role.
            return self._people
        return {number for each, numbers in there.items() for number in numbers if number in self._in_role[each]}

    def _standing_in(self, place: Place) -> Mapping[Role, Collection[int]]:
        """Return who stands in a place in each role, and of a section also who is listed and not held."""
        scope, named = place
        number = self._ids.known(named)
        if scope is Scope.DISTRICT:
            return self._in_role if named == self.id else {}
        if scope is Scope.SCHOOL:
            return {role: self._people_at.get((number, role), {}) for role in _ROLES}
        if scope is Scope.STUDENT:
            return {Role.CONTACT: self._contacts_of.get(number)}
        if scope is Scope.SECTION:
            record = self._section(number)
            if record is None:
                return {}
            return {Role.TEACHER: _numbers(record.teachers), Role.STUDENT: self._learners(record)}
        raise ValueError(f"Clever lists no people of a {scope}")

    def _section(self, number: int) -> _SectionRecord | None:
        record = self._sections.get(number)
        return None if record is None else _SECTION.decode(record)

    def _stood_in(self, sections: Sequence[int]) -> list[SectionOf]:
        records = map(_SECTION.decode, map(self._sections.__getitem__, sections))
        name = self._ids.name_of_few
        return [
            SectionOf(named, name(record.school), name(record.term))
            for named, record in zip(self._ids.names(sections), records, strict=True)
        ]

    def _school(self, record: _SectionRecord) -> SchoolId | None:
        return None if record.school is None else SchoolId(self._ids.name(record.school))

    def _held(
        self, role: HeldRole, legacy_id: str | None, taught: Iterable[SectionOf], attended: Iterable[SectionOf]
    ) -> HeldRole:
        """Return a role as held by one user: with its legacy id, its sections, and its schools confirmed or not."""
        standing = role.standings[0]
        if role.role is Role.STAFF:
            schools = standing.ids(Scope.SCHOOL)
            unconfirmed = tuple(each for each in schools if self._ids.known(each) not in self._schools)
            return HeldRole(role.role, (replace(standing, unconfirmed=unconfirmed),), legacy_id)
        if role.role is Role.TEACHER and taught:
            return HeldRole(role.role, standings_by_term(standing, taught), legacy_id)
        if role.role is Role.STUDENT and attended:
            return HeldRole(role.role, standings_by_term(standing, attended), legacy_id)
        return HeldRole(role.role, role.standings, legacy_id)

    def _number(self, named: str | None) -> int | None:
        return self._ids.number(named) if named else None

    def _name(self, number: int | None) -> str | None:
        return None if number is None else self._ids.name(number)

    def _names(self, numbers: Iterable[int]) -> tuple[UserId, ...]:
        return cast(tuple[UserId, ...], tuple(self._ids.names(numbers)))

    def _link(self, number: int, person: bytes) -> None:
        self._alike_in.clear()
        packed_held, legacy_ids = _PERSON.decode(person)
        kind = _kind_of(packed_held)
        kind = self._kinds.setdefault(kind, kind)
        for held in _roles_of(packed_held):
            self._in_role[held.role][number] = kind
            for school in held.ids(Scope.SCHOOL):
                self._people_at.setdefault((self._ids.number(school), held.role), {})[number] = None
            for student in held.ids(Scope.STUDENT):
                self._contacts_of.add(self._ids.number(student), number)
        for legacy_id in legacy_ids:
            # Every student's is the user's own id.
            if legacy_id not in {None, number}:
                self._holders_of.add(legacy_id, number)

    def _unlink(self, number: int, person: bytes) -> None:
        self._alike_in.clear()
        roles, legacy_ids = _PERSON.decode(person)
        for held in _roles_of(roles):
            self._in_role[held.role].pop(number, None)
            for school in held.ids(Scope.SCHOOL):
                self._people_at[self._ids.number(school), held.role].pop(number, None)
            for student in held.ids(Scope.STUDENT):
                self._contacts_of.discard(self._ids.number(student), number)
        for legacy_id in legacy_ids:
            if legacy_id not in {None, number}:
                self._holders_of.discard(legacy_id, number)

    def _link_section(self, number: int, record: _SectionRecord) -> None:
        if record.school is not None:
            self._sections_at.setdefault(record.school, {})[number] = None
        self._sections_in_terms += record.term is not None
        for index, people in self._listings(record):
            for person in people:
                index.add(person, number)

    def _unlink_section(self, number: int, record: _SectionRecord) -> None:
        if record.school is not None:
            self._sections_at[record.school].pop(number, None)
        self._sections_in_terms -= record.term is not None
        for index, people in self._listings(record):
            for person in people:
                index.discard(person, number)

    def _listings(self, record: _SectionRecord) -> tuple[tuple["_Index", set[int]], ...]:
        """Return where to find a section by its people, and whose sections have to be known there."""
        return (self._taught_by, {*_numbers(record.teachers)}), (self._attended_by, {*self._learners(record)})

    def _packed_students(self, students: Iterable[str]) -> bytes:
        # A number for each of 100,000 students would take 13 MB, their ids in each of their sections take 6.
        if self.whom is Whom.STAFF:
            return _packed(tuple(map(short_id, students)))
        return self._ids.numbers(students)

    def _students(self, record: _SectionRecord) -> tuple[UserId, ...]:
        if self.whom is Whom.STAFF:
            return tuple(map(UserId, map(long_id, _SHORT_IDS.decode(record.students))))
        return self._names(_numbers(record.students))

    def _learners(self, record: _SectionRecord) -> Sequence[int]:
        """Return which students of a section may be held: none where only staff are."""
        return () if self.whom is Whom.STAFF else _numbers(record.students)

    def _touched(self, before: _SectionRecord | None, after: _SectionRecord | None) -> tuple[UserId, ...]:
        """Return whose facts change with a section."""
        old, new = self._listed(before), self._listed(after)
        if before is None or after is None or (before.school, before.term) != (after.school, after.term):
            return tuple({user for user, _ in old | new})
        return tuple({user for user, _ in old ^ new})

    def _listed(self, record: _SectionRecord | None) -> set[tuple[UserId, Role]]:
        """Return whom a section lists, and as what."""
        if record is None:
            return set()
        teachers = {(user, Role.TEACHER) for user in self._names(_numbers(record.teachers))}
        return teachers | {(user, Role.STUDENT) for user in self._students(record)}


def _ignore(_users: Collection[UserId]) -> None:
    """Do nothing: nobody has answered from a district that is still being loaded."""


class _Ids:
    """A number for each id, from 1 on."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._names = {0: b""}

    def number(self, named: str) -> int:
        """Return the number of an id, a new one if it has none yet."""
        short = short_id(named)
        number = self._numbers.setdefault(short, len(self._names))
        if number == len(self._names):
            self._names[number] = short
        return number

    def numbers(self, named: Iterable[str]) -> bytes:
        """Return the numbers of several ids, packed."""
        return array(_NUMBER, map(self.number, named)).tobytes()

    def known(self, named: str) -> int:
        """Return the number of an id; 0, which is that of none, if it has none yet."""
        number = self._numbers.get(short_id(named), 0)
        # What is no id may have the compact form of one.
        return number if self.name(number) == named else 0

    def names(self, numbers: Iterable[int]) -> list[str]:
        """Return the ids of several numbers."""
        return long_ids(map(self._names.__getitem__, numbers))

    def name(self, number: int) -> str:
        """Return the id of a number."""
        return long_id(self._names[number])

    def name_of_few(self, number: int | None) -> str | None:
        """Return the id of a number that is named again and again; None for None."""
        return None if number is None else _long_id_of_few(self._names[number])


class _Index:
    """Few numbers for each of many."""

    def __init__(self) -> None:
        self._numbers: dict[int, bytes] = {}

    def __len__(self) -> int:
        """Return how many keys there are."""
        return len(self._numbers)

    def get(self, key: int) -> Sequence[int]:
        """Return the numbers under a key."""
        return _numbers(self._numbers.get(key, b""))

    def add(self, key: int, number: int) -> None:
        """Put a number under a key that is not there."""
        self._numbers[key] = self._numbers.get(key, b"") + array(_NUMBER, (number,)).tobytes()

    def discard(self, key: int, number: int) -> None:
        """Take away a number under a key, if it is there."""
        left = array(_NUMBER, (each for each in self.get(key) if each != number)).tobytes()
        if left:
            self._numbers[key] = left
        else:
            self._numbers.pop(key, None)


def _numbers(packed_numbers: bytes) -> Sequence[int]:
    return memoryview(packed_numbers).cast(_NUMBER)


def _without_sections(held: HeldRole) -> HeldRole:
    """Return a role without sections and legacy id, its schools as good as confirmed."""
    standings = (
        Standing(tuple(place for place in standing.places if place[0] is not Scope.SECTION), standing.fields)
        for standing in held.standings
        if standing.term is None
    )
    return HeldRole(held.role, tuple(standings))


def _anywhere(held: HeldRole) -> HeldRole:
    """Return a role in places of the same scopes, none of them named."""
    standings = (
        replace(standing, places=tuple((scope, (HERE,)) for scope, _ in standing.places)) for standing in held.standings
    )
    return HeldRole(held.role, tuple(standings))


@lru_cache(maxsize=_MOST_ALIKE)
def _roles_of_standings(kind: bytes) -> Sequence[Role]:
    return [held.role for held in unpacked_roles(kind) for _ in held.standings]


@lru_cache(maxsize=_MOST_ALIKE)
def _alike(  # noqa: PLR0913 -- all that decisions there depend on
    district: DistrictId, kind: bytes, stands: tuple[bool, ...], scope: Scope, term: str | None, *, is_confirmed: bool
) -> Alike:
    """Return facts of nobody in particular, whose roles are of a kind and some of whose standings are in a place."""
    stand, roles = iter(stands), list[HeldRole]()
    for held in unpacked_roles(kind):
        standings = list[Standing]()
        for standing, is_there in zip(held.standings, stand, strict=False):
            elsewhere = replace(standing, places=())
            if not is_there:
                standings.append(elsewhere)
            elif scope is Scope.SECTION:
                standings += standings_by_term(elsewhere, [SectionOf(HERE, None, term)])
            else:
                places = tuple(place for place in standing.places if place[0] is scope)
                unconfirmed = () if is_confirmed or held.role is not Role.STAFF else (HERE,)
                standings.append(replace(standing, places=places, unconfirmed=unconfirmed))
        roles.append(HeldRole(held.role, tuple(standings)))
    return Alike(Facts(_NOBODY, district, tuple(roles)), (), object())
