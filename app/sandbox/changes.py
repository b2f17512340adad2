"""Changes of the districts while they are served: records are added, changed and removed, each with an event.

A change touches one record only. References from other records stay, as at Clever when a district stops sharing
somebody: a section still names a removed user, and a teacher's `schools` do not follow a moved section. Random changes
are consistent: they change the other records, too.

Indexes of a district are updated rather than rebuilt: in a district of 100,000 people, copying an index takes
milliseconds, and building it half a second. Only the district as versions before 3.0 have it is made anew.
"""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Lock
from typing import Any, TypeAlias, TypeVar

from app.sandbox.draft import Draft
from app.sandbox.endpoints import not_found
from app.sandbox.events import Change, EventLog
from app.sandbox.random_changes import change_at_random
from app.sandbox.records import (
    RESERVED_NUMBERS,
    Course,
    District,
    Ids,
    Record,
    Role,
    School,
    Section,
    Term,
    User,
    legacy_ids_of,
    person,
    roles_held,
    school_of,
    schools_of,
    students_cared_for,
    with_legacy_id,
)
from app.sandbox.serialization import collection_of
from app.sandbox.world import World


@dataclass
class LiveWorld:
    """The current districts; each change makes a new `District`, so that an answer is consistent.

    Changes may come from any thread. Unknown ids raise the `Refusal` that Clever would answer. ``events_enabled`` says
    whether changes make events at the start, and ``clock`` their age, in Unix seconds.
    """

    start: World
    clock: Callable[[], float] = time.time
    events_enabled: bool = True
    districts: dict[str, District] = field(init=False)
    events: dict[str, EventLog] = field(init=False)
    _made: Counter[tuple[str, str]] = field(init=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        self.events = {
            one.id: EventLog(Ids(self.start.seed, one.number), self.clock, self.events_enabled)
            for one in self.start.districts
        }
        self.reset()

    def reset(self) -> None:
        """Undo every change, and forget every event, so that older cursors are unknown."""
        with self._lock:
            self._made = Counter()
            self.districts = {one.id: one for one in self.start.districts}
            for district in self.start.districts:
                self.events[district.id].restart(district, enabled=self.events_enabled)

    def change_user(self, user: str, roles: Mapping[str, Role | None]) -> None:
        """Replace some roles of a user; None removes a role, and the others stay."""
        with self._lock:
            district, old = self._found("users", user)
            given = {
                role: with_legacy_id(self._ids(district), old.number, role, fields) for role, fields in roles.items()
            }
            taken = {role for role, fields in roles.items() if fields is None}
            held = {role: fields for role, fields in {**old.roles, **given}.items() if role not in taken}
            self._put(district, old, replace(old, roles=held))

    def change(self, collection: str, wanted: str, **fields: Any) -> None:
        """Give fields of a record new values; the first of a section's ``teachers`` is the primary one."""
        with self._lock:
            district, old = self._found(collection, wanted)
            self._put(district, old, replace(old, **_with_primary_teacher(fields)))

    def change_district(self, district: str, **fields: Any) -> None:
        """Give fields of a district new values, which are not checked."""
        with self._lock:
            if district not in self.districts:
                raise not_found()
            self._put(self.districts[district], self.districts[district], replace(self.districts[district], **fields))

    def add_user(self, district: str | None, roles: Mapping[str, Role | None]) -> str:
        """Add a user to a district, the first one by default; return their id."""
        return self._add(district, "users", lambda ids, number: person(ids, number, roles))

    def add(self, collection: str, district: str | None, **fields: Any) -> str:
        """Add another record to a district, the first one by default; return its id."""
        kind, make = collection.removesuffix("s"), _NEW[collection]
        given = _with_primary_teacher({"name": f"New {kind}", **fields})
        return self._add(
            district,
            collection,
            lambda ids, number: make(id=ids.of(kind, number), district=ids.of("district", 0), number=number, **given),
        )

    def remove(self, collection: str, wanted: str) -> None:
        """Remove a record."""
        with self._lock:
            district, old = self._found(collection, wanted)
            self._put(district, old, None)

    def change_at_random(self, district: str | None, *, seed: int | str, changes: int, sync: int) -> Counter[str]:
        """Make random changes, the same for the same seed and district; return the number of events of each type.

        Every ``sync`` changes are one sync: a record has at most one event in it, and the events are in Clever's order.
        """
        with self._lock:
            before = self._district(district)
            ids, start = self._ids(before), next(one for one in self.start.districts if one.id == before.id)
            draft = Draft(before, start, ids, lambda collection: self._number(before, collection))
            syncs = change_at_random(draft, seed, changes, sync)
            self.districts[before.id] = draft.district
            log = self.events[before.id]
            return Counter(event.type for one in syncs for event in log.record(one))

    def switch_events(self, *, enabled: bool) -> None:
        """Switch events on or off for further changes; older events stay."""
        for log in self.events.values():
            log.enabled = enabled

    def _ids(self, district: District) -> Ids:
        return Ids(self.start.seed, district.number)

    def _district(self, wanted: str | None) -> District:
        chosen = self.start.districts[0].id if wanted is None else wanted
        if chosen not in self.districts:
            raise not_found()
        return self.districts[chosen]

    def _found(self, collection: str, wanted: str) -> tuple[District, Any]:
        for district in self.districts.values():
            if wanted in getattr(district, collection):
                return district, getattr(district, collection)[wanted]
        raise not_found()

    def _number(self, district: District, collection: str) -> int:
        """Return a number that no record of the collection has ever had."""
        key = district.id, collection
        if key not in self._made:
            start = next(one for one in self.start.districts if one.id == district.id)
            self._made[key] = max((one.number for one in getattr(start, collection).values()), default=0)
        self._made[key] = max(self._made[key], RESERVED_NUMBERS - 1) + 1
        return self._made[key]

    def _add(self, district: str | None, collection: str, make: Callable[[Ids, int], Record]) -> str:
        with self._lock:
            chosen = self._district(district)
            record = make(self._ids(chosen), self._number(chosen, collection))
            self._put(chosen, None, record)
            return record.id

    def _put(self, district: District, old: Record | None, new: Record | None) -> None:
        # First the record, then its event: a reader of the event must find the change.
        self.districts[district.id] = with_change(district, old, new)
        emptied = [one.emptied if isinstance(one, District) else one for one in (old, new)]
        self.events[district.id].record([Change(*emptied)])


_NEW: Mapping[str, Callable[..., Record]] = {"schools": School, "terms": Term, "courses": Course, "sections": Section}


def _with_primary_teacher(fields: Mapping[str, Any]) -> dict[str, Any]:
    fixed = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    return fixed | ({"teacher": next(iter(fixed["teachers"]), None)} if "teachers" in fixed else {})


R = TypeVar("R", bound=Section | User)
Index: TypeAlias = Mapping[str, Sequence[R]]

_OF_USERS: Mapping[str, Callable[[User], Iterable[str]]] = {
    "users_in_role": roles_held,
    "contacts_of_student": students_cared_for,
    "users_at_school": schools_of,
}
_OUTDATED_BY: Mapping[str, tuple[str, ...]] = {
    "users": ("all_users", "owner_of", "sections_of_user", *_OF_USERS),
    "sections": ("all_sections", "sections_at_school", "sections_of_user"),
    "districts": (),
} | {collection: (f"all_{collection}",) for collection in ("schools", "terms", "courses", "resources")}
_LOOKED_UP = [
    name for name, value in vars(District).items() if isinstance(value, cached_property) and name != "before_v3"
]


def with_change(district: District, old: Record | None, new: Record | None) -> District:
    """Return the district with ``new`` in place of ``old``, or without it, or with one more record."""
    change = Change(old, new)
    collection = collection_of(change.record)
    if isinstance(new, District):
        changed = replace(new)
    else:
        records: dict[str, Any] = {collection: _with_record(getattr(district, collection), old, new)}
        changed = replace(district, **records)
    known, carried = vars(district), vars(changed)
    carried |= {name: known[name] for name in _LOOKED_UP if name in known and name not in _OUTDATED_BY[collection]}
    if isinstance(change.record, User):
        _carry_user(district, changed, old, new)
    if isinstance(change.record, Section):
        for name, keys_of in {"sections_at_school": school_of, "sections_of_user": district.people_of}.items():
            if name in known:
                carried[name] = _regrouped(known[name], [(old, new)], keys_of, keys_of)
    return changed


def _carry_user(district: District, changed: District, old: Any, new: Any) -> None:
    known, carried = vars(district), vars(changed)
    for name, keys_of in _OF_USERS.items():
        if name in known:
            carried[name] = _regrouped(known[name], [(old, new)], keys_of, keys_of)
    if "sections_of_user" in known:
        carried["owner_of"] = _owners(district.owner_of, old, new)
        moved = [(section, section) for section in _sections_by(district.sections_of_user, old, new)]
        carried["sections_of_user"] = _regrouped(
            district.sections_of_user, moved, district.people_of, changed.people_of
        )


def _with_record(records: Mapping[str, Any], old: Record | None, new: Record | None) -> Mapping[str, Any]:
    records = dict(records)
    if new is None and old is not None:
        del records[old.id]
    if new is not None:
        # New ids ascend, so that the last place is theirs.
        records[new.id] = new
    return records


def _owners(owners: Mapping[str, str], old: User | None, new: User | None) -> Mapping[str, str]:
    kept = {legacy: user for legacy, user in owners.items() if old is None or user != old.id}
    return kept | dict.fromkeys(legacy_ids_of(new), new.id) if new else kept


def _sections_by(index: Index[Section], old: User | None, new: User | None) -> Sequence[Section]:
    """Return the sections that name a user by a legacy id that was added or removed."""
    before, after = legacy_ids_of(old) if old else (), legacy_ids_of(new) if new else ()
    if before == after:
        return ()
    keys = (*([old.id] if old else ()), *before, *after)
    return [*{section.id: section for key in keys for section in index.get(key, ())}.values()]


def _regrouped(
    index: Index[R],
    changes: Iterable[tuple[R | None, R | None]],
    keys_before: Callable[[R], Iterable[str]],
    keys_after: Callable[[R], Iterable[str]],
) -> Index[R]:
    groups = dict(index)
    for old, new in changes:
        if old is not None:
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
