"""What was true of a district, and when: the sandbox's world with every change that was made to it while it ran."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from math import inf
from typing import Generic, TypeVar

from app.sandbox.records import District, Section, User
from app.sandbox.serialization import fields_3_1
from tests.chaos.oracle import Person, Record

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, by the clock of the run."""

    start: float
    end: float


@dataclass(slots=True, eq=False)
class Version(Generic[T]):
    """What was true for a while: at the earliest from ``since`` on, at the latest ``until``."""

    value: T
    since: float = -inf
    until: float = inf


class Timeline(Generic[T]):
    """The versions of one thing, one after the other; neighbours overlap by as long as the change took."""

    def __init__(self, first: T) -> None:
        self._versions = [Version(first)]

    @property
    def last(self) -> T:
        return self._versions[-1].value

    def put(self, value: T, change: Window) -> None:
        """Tell that a change began and ended, from which on it is so."""
        if value != self.last:
            self._versions[-1].until = change.end
            self._versions.append(Version(value, change.start))

    def during(self, window: Window) -> list[Version[T]]:
        """Return what may have been seen by somebody who looked within the window."""
        return [one for one in self._versions if one.since <= window.end and one.until >= window.start]


Records = dict[str, Timeline[Record | None]]
Sections = tuple[Record, ...]
Seen = tuple[tuple[int, int], Person]
"""A person, and which version of their record met with which of their list."""


@dataclass
class History:
    """The users and sections of one district, as Clever would send them; None is sent as 404.

    Attributes:
        lies: when the sandbox was told to deny users that there are.
        denied: users whom it may deny at any time.
    """

    users: Records
    sections: Records
    lists: dict[str, Timeline[Sections]]
    lies: list[Window] = field(default_factory=list)
    denied: frozenset[str] = frozenset()

    @classmethod
    def of(cls, district: District) -> "History":
        """Begin with a district as it was generated."""
        users: Records = {user.id: Timeline(sent(user)) for user in district.users.values()}
        sections: Records = {section.id: Timeline(sent(section)) for section in district.sections.values()}
        history = cls(users, sections, {})
        listed = history._listed(users)
        history.lists = {user: Timeline(listed[user]) for user in users}
        return history

    def put(self, records: Mapping[str, Record | None], change: Window) -> None:
        """Tell that users and sections have changed, all at one moment, and with them the lists of who stands where."""
        touched: set[str] = set()
        for name, record in records.items():
            kind = self.users if name in self.users else self.sections
            touched |= {name} if kind is self.users else people_of(kind[name].last) | people_of(record)
            kind[name].put(record, change)
        known = [user for user in touched if user in self.lists]
        for user, listed in self._listed(known).items():
            self.lists[user].put(listed, change)

    def people(self, user: str, window: Window) -> list[Seen]:
        """Return whom a reading within the window may have found.

        The reads of one user are not made at one moment: any record may have met with any list.
        """
        if user not in self.users:
            return []
        seen = product(self.users[user].during(window), self.lists[user].during(window))
        return [
            ((id(record), id(listed)), Person(record.value, listed.value))
            for record, listed in seen
            if record.value is not None
        ]

    def may_be_unknown(self, user: str, window: Window) -> bool:
        """Tell whether somebody who looked within the window may have found that there is no such user."""
        lied = any(lie.start <= window.end and lie.end >= window.start for lie in self.lies)
        if lied or user not in self.users or user in self.denied:
            return True
        return any(record.value is None for record in self.users[user].during(window))

    def section(self, section: str, window: Window) -> list[Record | None]:
        """Return what a reading of a section within the window may have found."""
        return [one.value for one in self.sections[section].during(window)]

    def _listed(self, users: Iterable[str]) -> Mapping[str, Sections]:
        found: dict[str, list[Record]] = {user: [] for user in users}
        for section in self._present():
            for one in people_of(section) & found.keys():
                found[one].append(section)
        return {user: tuple(some) for user, some in found.items()}

    def _present(self) -> Iterator[Record]:
        return (one.last for one in self.sections.values() if one.last is not None)


def sent(record: User | Section) -> Record:
    """Return a record as Clever sends it."""
    return fields_3_1(record)


def people_of(section: Record | None) -> set[str]:
    """Return who stands in a section."""
    if section is None:
        return set()
    return {one for one in (section.get("teacher"), *(section.get("teachers") or ()), *section["students"]) if one}
