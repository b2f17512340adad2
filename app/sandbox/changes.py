"""A world that changes while it is served: roles are given and taken, people and sections come and go.

A change touches the one record that it names. What other records say of it stays, as it does at Clever when a district
stops sharing somebody: a section goes on naming a user who is gone, and a teacher's `schools` do not follow a section
that has moved. Whoever wants these changed, too, changes them, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

from app.sandbox.ids import Ids
from app.sandbox.indices import with_section, with_user
from app.sandbox.records import District, Role, with_legacy_id
from app.sandbox.refusals import not_found
from app.sandbox.world import World


@dataclass
class LiveWorld:
    """The districts as they are now; each change makes a new `District`, so that an answer is of one moment.

    Changes may come from any thread. Ids that nobody has raise the `Refusal` that Clever would answer.
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
        """Give a user roles, each in place of what it was; None takes one away, and the others stay."""
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
        """Change who teaches a section, the primary teacher first, who learns there, or where; None leaves it."""
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
        """Let a user be gone."""
        with self._lock:
            district = self._district("users", user)
            self.districts[district.id] = with_user(district, district.users[user], None)

    def remove_section(self, section: str) -> None:
        """Let a section be gone."""
        with self._lock:
            district = self._district("sections", section)
            self.districts[district.id] = with_section(district, district.sections[section], None)

    def _district(self, kind: str, wanted: str) -> District:
        for district in self.districts.values():
            if wanted in getattr(district, kind):
                return district
        raise not_found()
