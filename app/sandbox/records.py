"""The records of a district: schools, sections and users, with their ids and indexes."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import TypeAlias, TypeVar

START = datetime(2024, 7, 1, 8, 0, tzinfo=UTC)
"""The creation time of the first record of each kind; each further one is a second later."""

RESERVED_NUMBERS = 1_000
"""The numbers below are reserved for named cases, so that a new case changes no other id."""


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids of one district, which depend only on seed, district, kind and number."""

    seed: int
    district: int

    def of(self, kind: str, number: int) -> str:
        """Return the id of a record in the layout of an ObjectID: time, origin, counter."""
        return f"{int(START.timestamp()) + number:08x}{_origin(self.seed, self.district, kind)}{number:06x}"


@cache
def _origin(seed: int, district: int, kind: str) -> str:
    return hashlib.sha256(f"{seed}/{district}/{kind}".encode()).hexdigest()[:10]


def made_at(number: int) -> datetime:
    """Return the creation time of a record by its number, the same as in its id."""
    return START + timedelta(seconds=number)


R = TypeVar("R")

Role: TypeAlias = Mapping[str, object]
"""A role as Clever sends it, without the details that `serialization.py` invents when it is sent."""


@dataclass(frozen=True, slots=True)
class School:
    """A school."""

    id: str
    district: str
    number: int
    name: str


@dataclass(frozen=True, slots=True)
class Term:
    """A term; its name and dates may be missing, and an operator may set unreadable dates."""

    id: str
    district: str
    number: int
    name: str | None
    start_date: object = None
    end_date: object = None


@dataclass(frozen=True, slots=True)
class Course:
    """A course."""

    id: str
    district: str
    number: int
    name: str | None


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of courses, for the people of their sections in the given roles."""

    id: str
    district: str
    number: int
    title: str
    roles: tuple[str, ...]
    courses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A section, with people by v3 user id; `teachers` is None if Clever would leave the field out."""

    id: str
    district: str
    number: int
    name: str
    school: str
    teacher: str | None
    teachers: tuple[str, ...] | None
    students: tuple[str, ...]
    term: str | None = None
    course: str | None = None
    subject: str = "other"

    @property
    def taught_by(self) -> tuple[str, ...]:
        """The teachers, primary and others, each once."""
        return tuple(dict.fromkeys(one for one in (self.teacher, *(self.teachers or ())) if one))


@dataclass(frozen=True, slots=True)
class User:
    """A user with their roles; a role that is None is sent as null."""

    id: str
    district: str
    number: int
    roles: Mapping[str, Role | None]

    def ids_in(self, role: str, field: str) -> tuple[str, ...]:
        """Return the ids that stand in a field of a role; none where role or field is absent."""
        value = (self.roles.get(role) or {}).get(field)
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, tuple) else ()

    @property
    def primary_schools(self) -> frozenset[str]:
        """The primary school of each role that has one; staff have none."""
        return frozenset(one for role in self.roles for one in self.ids_in(role, "school"))

    @property
    def schools(self) -> frozenset[str]:
        """The schools of all roles together."""
        return self.primary_schools | {one for role in self.roles for one in self.ids_in(role, "schools")}

    @property
    def wards(self) -> tuple[str, ...]:
        """The students that this user is a contact of."""
        entries = (self.roles.get("contact") or {}).get("student_relationships")
        return tuple(entry["student"] for entry in entries) if isinstance(entries, tuple) else ()


def person(ids: Ids, number: int, roles: Mapping[str, Role | None]) -> User:
    """Make a user; each role that has any field gets its `legacy_id`, which for a student is the id itself."""
    held = {role: with_legacy_id(ids, number, role, fields) for role, fields in roles.items()}
    return User(ids.of("user", number), ids.of("district", 0), number, held)


def with_legacy_id(ids: Ids, number: int, role: str, fields: Role | None) -> Role | None:
    """Add the `legacy_id` of a role, always the same one, unless the role has no field or one of its own."""
    legacy = ids.of("user", number) if role == "student" else ids.of(f"legacy {role}", number)
    return {"legacy_id": legacy, **fields} if fields else fields


COLLECTIONS = ("schools", "terms", "courses", "resources", "sections", "users")
"""The collections of a district, each a field of `District`."""


@dataclass(frozen=True)
class District:
    """A district and its records, each kind by ascending id."""

    id: str
    number: int
    contact: str
    schools: Mapping[str, School]
    sections: Mapping[str, Section]
    users: Mapping[str, User]
    state: str | None = "running"
    launch_date: object = "2024-08-19"
    pause_start: object = None
    pause_end: object = None
    last_sync: object = "2024-09-02T08:00:00.000Z"
    error: str | None = None
    terms: Mapping[str, Term] = field(default_factory=dict)
    courses: Mapping[str, Course] = field(default_factory=dict)
    resources: Mapping[str, Resource] = field(default_factory=dict)

    @property
    def district(self) -> str:
        """Its own id, so that every record has a district."""
        return self.id

    @property
    def emptied(self) -> "District":
        """The district without its records."""
        return replace(self, schools={}, terms={}, courses={}, resources={}, sections={}, users={})

    @cached_property
    def all_schools(self) -> Sequence[School]:
        """Every school, by id."""
        return tuple(self.schools.values())

    @cached_property
    def all_terms(self) -> Sequence[Term]:
        """Every term, by id."""
        return tuple(self.terms.values())

    @cached_property
    def all_courses(self) -> Sequence[Course]:
        """Every course, by id."""
        return tuple(self.courses.values())

    @cached_property
    def all_resources(self) -> Sequence[Resource]:
        """Every resource, by id."""
        return tuple(self.resources.values())

    @cached_property
    def all_sections(self) -> Sequence[Section]:
        """Every section, by id."""
        return tuple(self.sections.values())

    @cached_property
    def all_users(self) -> Sequence[User]:
        """Every user, by id."""
        return tuple(self.users.values())

    @cached_property
    def users_in_role(self) -> Mapping[str, Sequence[User]]:
        """The users who hold a role, by role."""
        return _grouped(self.all_users, roles_held)

    @cached_property
    def contacts_of_student(self) -> Mapping[str, Sequence[User]]:
        """The contacts of a student, each once, by student."""
        return _grouped(self.users_in_role.get("contact", ()), students_cared_for)

    @cached_property
    def users_at_school(self) -> Mapping[str, Sequence[User]]:
        """The users of a school in any role, by school."""
        return _grouped(self.all_users, schools_of)

    @cached_property
    def sections_at_school(self) -> Mapping[str, Sequence[Section]]:
        """The sections of a school, by school."""
        return _grouped(self.all_sections, school_of)

    @cached_property
    def sections_of_user(self) -> Mapping[str, Sequence[Section]]:
        """The sections of a user, taught or enrolled, by user; a teacher may be named by `legacy_id`."""
        return _grouped(self.all_sections, self.people_of)

    @cached_property
    def before_v3(self) -> "District":
        """The district as versions before 3.0 have it: each role of an employee is a user of its own, with an old id.

        Sections name teachers by these ids, and leave out whoever has none. Students keep their id.
        """
        accounts = {one.id: one for user in self.all_users for one in accounts_of(user)}
        old_ids = {user.id: one for user in self.users_in_role.get("teacher", ()) for one in legacy_ids_of(user)}
        # A section may name a teacher by the old id already.
        old_ids |= {old: old for old in self.owner_of}
        sections = {one.id: _with_old_ids(one, old_ids) for one in self.all_sections}
        return replace(self, users=dict(sorted(accounts.items())), sections=sections)

    def people_of(self, section: Section) -> set[str]:
        """Return the user ids of a section's people, with each `legacy_id` resolved."""
        return {self.owner_of.get(one, one) for one in (*section.taught_by, *section.students)}

    @cached_property
    def owner_of(self) -> Mapping[str, str]:
        """The user behind the `legacy_id` of a teacher."""
        return {legacy: user.id for user in self.users_in_role.get("teacher", ()) for legacy in legacy_ids_of(user)}


OLD_COLLECTIONS: Mapping[str, str] = {
    "contact": "contacts",
    "district_admin": "district_admins",
    "staff": "school_admins",
    "student": "students",
    "teacher": "teachers",
}
"""The roles that versions before 3.0 have, each with the collection of its accounts."""


def accounts_of(user: User) -> Sequence[User]:
    """Return the accounts that a user had before API 3.0: one for each role with a `legacy_id`, which is its id.

    A student's id is the same in all versions.
    """
    return [
        User(one, user.district, user.number, {role: user.roles[role]})
        for role in roles_held(user)
        if role in OLD_COLLECTIONS
        for one in ((user.id,) if role == "student" else user.ids_in(role, "legacy_id"))
        if one
    ]


def _with_old_ids(section: Section, old_ids: Mapping[str, str]) -> Section:
    primary, teachers = old_ids.get(section.teacher or ""), section.teachers
    if teachers is not None:
        teachers = tuple(dict.fromkeys(old_ids[one] for one in teachers if one in old_ids))
    return replace(section, teacher=primary, teachers=teachers)


Record: TypeAlias = District | School | Term | Course | Resource | Section | User


def roles_held(user: User) -> Iterable[str]:
    """Return the roles that are not null."""
    return (role for role, held in user.roles.items() if held is not None)


def students_cared_for(user: User) -> Iterable[str]:
    """Return the students that a user is a contact of, each once."""
    return dict.fromkeys(user.wards)


def schools_of(user: User) -> Iterable[str]:
    """Return the schools of all roles together."""
    return user.schools


def school_of(section: Section) -> Iterable[str]:
    """Return the school of a section, the only one."""
    return (section.school,)


def legacy_ids_of(user: User) -> tuple[str, ...]:
    """Return the id that a teacher had before API 3.0."""
    return user.ids_in("teacher", "legacy_id")


def _grouped(records: Iterable[R], keys_of: Callable[[R], Iterable[str]]) -> Mapping[str, Sequence[R]]:
    groups: dict[str, list[R]] = defaultdict(list)
    for record in records:
        for key in keys_of(record):
            groups[key].append(record)
    return dict(groups)
