"""A district during random changes: its records, indexes to draw from, and the changes since the last sync.

Records of named cases are not in the indexes, so that random changes leave them alone.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from app.sandbox.events import Change
from app.sandbox.records import (
    COLLECTIONS,
    RESERVED_NUMBERS,
    District,
    Ids,
    Record,
    Role,
    School,
    Section,
    User,
    person,
    roles_held,
)
from app.sandbox.serialization import collection_of

R = TypeVar("R")

IdSet = dict[str, None]
"""A set of ids in the order of insertion: the order of a set differs between processes."""


class Pool:
    """Ids to pick from at random."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, one: str) -> None:
        """Add an id, unless it is there."""
        if one not in self._places:
            self._places[one] = len(self._ids)
            self._ids.append(one)

    def discard(self, one: str) -> None:
        """Take an id out, if it is there."""
        place, last = self._places.pop(one, None), self._ids[-1] if self._ids else ""
        if place is None:
            return
        self._ids.pop()
        if last != one:
            self._ids[place] = last
            self._places[last] = place

    def pick(self, draw: random.Random) -> str | None:
        """Return any of the ids; None if there are none."""
        return draw.choice(self._ids) if self._ids else None


class Draft:
    """A copy of a district to change, with the indexes that random changes use.

    Attributes:
        profile: the district without its records.
        removed: users of the start who are not in the district now.
        pools: ids by collection, and of users by role; `campus` has all schools.
        sections_of: the sections of a user.
        sections_at: the sections of a school.
        users_at: the users who name a school in a role.
        contacts_of: the contacts of a student.
    """

    def __init__(self, district: District, start: District, ids: Ids, number: Callable[[str], int]) -> None:
        self.ids, self._number = ids, number
        self.profile = district.emptied
        self.removed = [one for one in start.all_users if one.id not in district.users and _may_come_back(one)]
        self._records: dict[str, dict[str, Any]] = {each: dict(getattr(district, each)) for each in COLLECTIONS}
        self._before: dict[tuple[str, str], Record | None] = {}
        self.pools: Mapping[str, Pool] = defaultdict(Pool)
        self.sections_of: Mapping[str, IdSet] = defaultdict(dict)
        self.sections_at: Mapping[str, IdSet] = defaultdict(dict)
        self.users_at: Mapping[str, IdSet] = defaultdict(dict)
        self.contacts_of: Mapping[str, IdSet] = defaultdict(dict)
        for collection in self._records.values():
            for record in collection.values():
                self._index(record)

    @property
    def district(self) -> District:
        """The current district, each collection sorted by id."""
        sorted_by_id: dict[str, Any] = {name: dict(sorted(found.items())) for name, found in self._records.items()}
        return replace(self.profile, **sorted_by_id)

    def user(self, wanted: str) -> User:
        """Return a user of the district."""
        user: User = self._records["users"][wanted]
        return user

    def section(self, wanted: str) -> Section:
        """Return a section of the district."""
        section: Section = self._records["sections"][wanted]
        return section

    def find(self, collection: str, wanted: str) -> Any:
        """Return a record, or None."""
        return self._records[collection].get(wanted)

    def next(self, collection: str) -> tuple[str, str, int]:
        """Return id, district and number for a new record."""
        number = self._number(collection)
        return self.ids.of(collection.removesuffix("s"), number), self.profile.id, number

    def new_user(self, **roles: Role) -> User:
        """Add a user and return it."""
        user = person(self.ids, self._number("users"), roles)
        self.put(user)
        return user

    def put(self, record: Record) -> None:
        """Add a record, or replace it."""
        old = self._note(record)
        if old is not None:
            self._unindex(old)
        self._records[collection_of(record)][record.id] = record
        self._index(record)

    def put_profile(self, profile: District) -> None:
        """Replace the fields of the district itself."""
        self._before.setdefault(("districts", profile.id), self.profile)
        self.profile = profile

    def drop(self, record: Record) -> None:
        """Remove a record."""
        self._note(record)
        self._unindex(record)
        del self._records[collection_of(record)][record.id]

    def take_changes(self) -> Sequence[Change]:
        """Return the changes since the last call, each record once."""
        changes = [
            Change(old, self.profile if collection == "districts" else self._records[collection].get(one))
            for (collection, one), old in self._before.items()
        ]
        self._before.clear()
        return [one for one in changes if one != (None, None)]

    def update_schools(self, users: Iterable[str]) -> None:
        """Set the `schools` of users to those of their sections, as Clever does."""
        for one in sorted(set(users)):
            user: User | None = self._records["users"].get(one)
            if user is not None and user.number >= RESERVED_NUMBERS:
                roles = {role: self._with_schools(user, role, held) for role, held in user.roles.items()}
                if roles != user.roles:
                    self.put(replace(user, roles=roles))

    def _with_schools(self, user: User, role: str, held: Role | None) -> Role | None:
        if not held or role not in {"student", "teacher"}:
            return held
        found = [self.section(one) for one in self.sections_of.get(user.id, ())]
        there = {one.school for one in found if user.id in (one.students if role == "student" else one.taught_by)}
        usual = user.ids_in(role, "school") if role == "student" else ()
        return {**held, "schools": tuple(sorted(there)) or usual}

    def _note(self, record: Record) -> Any:
        collection = collection_of(record)
        old = self._records[collection].get(record.id)
        self._before.setdefault((collection, record.id), old)
        return old

    def _index(self, record: Record) -> None:
        for pool in _pools_of(record):
            self.pools[pool].add(record.id)
        for named in self._places_of(record):
            named[record.id] = None

    def _unindex(self, record: Record) -> None:
        for pool in _pools_of(record):
            self.pools[pool].discard(record.id)
        for named in self._places_of(record):
            named.pop(record.id, None)

    def _places_of(self, record: Record) -> Iterable[IdSet]:
        match record:
            case Section(number=number) if number >= RESERVED_NUMBERS:
                yield self.sections_at[record.school]
                for one in (*record.taught_by, *record.students):
                    yield self.sections_of[one]
            case User(number=number) if number >= RESERVED_NUMBERS:
                for school in record.schools:
                    yield self.users_at[school]
                for ward in record.wards:
                    yield self.contacts_of[ward]


def _may_come_back(user: User) -> bool:
    return user.number >= RESERVED_NUMBERS and "contact" not in user.roles


def _pools_of(record: Record) -> Iterable[str]:
    match record:
        case School():
            return ("schools", "campus") if record.number >= RESERVED_NUMBERS else ("campus",)
        case User():
            return roles_held(record) if record.number >= RESERVED_NUMBERS else ()
        case _:
            return (collection_of(record),) if isinstance(record, District) or record.number >= RESERVED_NUMBERS else ()
