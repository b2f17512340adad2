"""What a loaded district says: as snapshots are cached, but for the facts of a user, which are packed there."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, TypeVar, overload

from app.domain.errors import QuestionError, RecordUnknown, UserUnknown
from app.domain.facts import Role
from app.domain.scopes import Scope
from app.roster.district import District, Whom

T = TypeVar("T")


def said_by(district: District, kind: str, which: str) -> Any | type[QuestionError] | None:
    """Return what a loaded district says of what a ``store.Key`` names, or the error if there is no such thing.

    None where only Clever can say it: of users who are not employees, where no others are loaded.
    """
    said = _SAID.get(kind)
    return None if said is None else said(district, which)


class Each(Sequence[T]):
    """A long list whose entries are made only when they are looked at; those that are gone by then are left out."""

    def __init__(self, ids: Callable[[], Sequence[str]], entry: Callable[[str], T | None]) -> None:
        self._listed = ids
        self._entry = entry

    @cached_property
    def _ids(self) -> Sequence[str]:
        return self._listed()

    def __len__(self) -> int:
        """Return how many entries there were when it was first looked at."""
        return len(self._ids)

    def __iter__(self) -> Iterator[T]:
        """Make each entry."""
        return (entry for each in self._ids if (entry := self._entry(each)) is not None)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...
    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        """Make all entries."""
        return [*self][place]


def _user(district: District, user: str) -> Any:
    return district.facts(user) or (UserUnknown if district.whom is Whom.EVERYONE else None)


def _sections(district: District, which: str) -> Any:
    # What may follow is how many pages a fetch is to read at most: here is all of it.
    scope, named, *_pages = which.split("/")
    return Each(lambda: district.sections((Scope(scope), named)), district.section)


def _people(district: District, which: str) -> Any:
    scope, named, in_role, *_pages = which.split("/")
    role = None if in_role == "any" else Role(in_role)
    if not district.lists(role):
        return None
    return Each(lambda: district.people((Scope(scope), named), role), district.facts)


_SAID: dict[str, Callable[[District, str], Any]] = {
    "user": _user,
    "section": lambda district, section: district.section(section) or RecordUnknown,
    "school": lambda district, school: district.school(school) or RecordUnknown,
    "schools": lambda district, _which: tuple(district.schools()),
    "sections": _sections,
    "people": _people,
    "calendar": lambda district, _which: district.calendar(),
}
