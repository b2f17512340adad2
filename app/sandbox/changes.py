"""Changes of the districts while they are served: of roles, people and sections.

A change touches one record only. References from other records stay, as at Clever when a district stops sharing
somebody: a section still names a removed user, and a teacher's `schools` do not follow a moved section.

Indexes of a district are updated rather than rebuilt: in a district of 100,000 people, copying an index takes
milliseconds, and building it half a second.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, TypeAlias, TypeVar

from app.sandbox.endpoints import not_found
from app.sandbox.records import (
    District,
    Ids,
    Role,
    Section,
    User,
    legacy_ids_of,
    roles_held,
    school_of,
    schools_of,
    students_cared_for,
    with_legacy_id,
)
from app.sandbox.world import World


@dataclass
class LiveWorld:
    """The current districts; each change makes a new `District`, so that an answer is consistent.

    Changes may come from any thread. Unknown ids raise the `Refusal` that Clever would answer.
    """

    start: World
    districts: dict[str, District] = field(init=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Undo every change."""
        with self._lock:
            self.districts = {one.id: one for one in self.start.districts}

    def change_user(self, user: str, roles: Mapping[str, Role | None]) -> None:
        """Replace some roles of a user; None removes a role, and the others stay."""
        with self._lock:
            district = self._district("users", user)
            old, ids = district.users[user], Ids(self.start.seed, district.number)
            given = {role: with_legacy_id(ids, old.number, role, fields) for role, fields in roles.items()}
            taken = {role for role, fields in roles.items() if fields is None}
            held = {role: fields for role, fields in {**old.roles, **given}.items() if role not in taken}
            self.districts[district.id] = with_user(district, old, replace(old, roles=held))

    def change_section(
        self,
        section: str,
        *,
        teachers: Sequence[str] | None = None,
        students: Sequence[str] | None = None,
        school: str | None = None,
    ) -> None:
        """Change a section's teachers (the primary one first), students or school; None leaves them."""
        new: dict[str, Any] = {}
        if teachers is not None:
            new |= {"teacher": next(iter(teachers), None), "teachers": tuple(teachers)}
        if students is not None:
            new["students"] = tuple(students)
        if school is not None:
            new["school"] = school
        with self._lock:
            district = self._district("sections", section)
            old = district.sections[section]
            self.districts[district.id] = with_section(district, old, replace(old, **new))

    def remove_user(self, user: str) -> None:
        """Remove a user."""
        with self._lock:
            district = self._district("users", user)
            self.districts[district.id] = with_user(district, district.users[user], None)

    def remove_section(self, section: str) -> None:
        """Remove a section."""
        with self._lock:
            district = self._district("sections", section)
            self.districts[district.id] = with_section(district, district.sections[section], None)

    def _district(self, kind: str, wanted: str) -> District:
        for district in self.districts.values():
            if wanted in getattr(district, kind):
                return district
        raise not_found()


R = TypeVar("R", bound=Section | User)
Index: TypeAlias = Mapping[str, Sequence[R]]

_OF_USERS: Mapping[str, Callable[[User], Iterable[str]]] = {
    "users_in_role": roles_held,
    "contacts_of_student": students_cared_for,
    "users_at_school": schools_of,
}
_UNTOUCHED_BY_USERS = ("all_schools", "all_sections", "sections_at_school")
_UNTOUCHED_BY_SECTIONS = ("all_schools", "all_users", "owner_of", *_OF_USERS)


def with_user(district: District, old: User, new: User | None) -> District:
    """Return the district with ``new`` in place of ``old``, or without it."""
    changed = replace(district, users=_put(district.users, old, new))
    known, carried = vars(district), vars(changed)
    carried |= {name: known[name] for name in _UNTOUCHED_BY_USERS if name in known}
    for name, keys_of in _OF_USERS.items():
        if name in known:
            carried[name] = _regrouped(known[name], [(old, new)], keys_of, keys_of)
    if "sections_of_user" in known:
        carried["owner_of"] = _owners(district.owner_of, old, new)
        sections = _sections_by(district.sections_of_user, old, new)
        moved = [(section, section) for section in sections]
        carried["sections_of_user"] = _regrouped(
            district.sections_of_user, moved, district.people_of, changed.people_of
        )
    return changed


def with_section(district: District, old: Section, new: Section | None) -> District:
    """Return the district with ``new`` in place of ``old``, or without it."""
    changed = replace(district, sections=_put(district.sections, old, new))
    known, carried = vars(district), vars(changed)
    carried |= {name: known[name] for name in _UNTOUCHED_BY_SECTIONS if name in known}
    for name, keys_of in {"sections_at_school": school_of, "sections_of_user": district.people_of}.items():
        if name in known:
            carried[name] = _regrouped(known[name], [(old, new)], keys_of, keys_of)
    return changed


def _put(records: Mapping[str, R], old: R, new: R | None) -> Mapping[str, R]:
    records = dict(records)
    if new is None:
        del records[old.id]
    else:
        records[old.id] = new
    return records


def _owners(owners: Mapping[str, str], old: User, new: User | None) -> Mapping[str, str]:
    kept = {legacy: user for legacy, user in owners.items() if user != old.id}
    return kept | dict.fromkeys(legacy_ids_of(new), new.id) if new else kept


def _sections_by(index: Index[Section], old: User, new: User | None) -> Sequence[Section]:
    """Return the sections that name a user by a legacy id that was added or removed."""
    before, after = legacy_ids_of(old), legacy_ids_of(new) if new else ()
    if before == after:
        return ()
    return [*{section.id: section for key in (old.id, *before, *after) for section in index.get(key, ())}.values()]


def _regrouped(
    index: Index[R],
    changes: Iterable[tuple[R, R | None]],
    keys_before: Callable[[R], Iterable[str]],
    keys_after: Callable[[R], Iterable[str]],
) -> Index[R]:
    groups = dict(index)
    for old, new in changes:
        for key in keys_before(old):
            groups[key] = _without(groups[key], old)
        if new is not None:
            for key in keys_after(new):
                groups[key] = _with(groups.get(key, ()), new)
    return groups


def _with(group: Sequence[R], record: R) -> Sequence[R]:
    at = bisect_left(group, record.id, key=_id_of)
    return [*group[:at], record, *group[at:]]


def _without(group: Sequence[R], record: R) -> Sequence[R]:
    at = bisect_left(group, record.id, key=_id_of)
    return [*group[:at], *group[at + 1 :]]


def _id_of(record: Section | User) -> str:
    return record.id
