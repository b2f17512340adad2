"""The cast: the people of the named cases with their schools and sections, alike in a district of any size."""

from dataclasses import dataclass, field

from app.sandbox.ids import Ids
from app.sandbox.records import Role, School, Section, User, person


@dataclass(frozen=True, slots=True)
class Case:
    """A named case: whose permissions to look at, and why."""

    user: str
    district: str
    about: str


@dataclass
class Cast:
    """Collects schools, sections and users as they are told; ids follow the order of telling."""

    ids: Ids
    schools: list[School] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    users: list[User] = field(default_factory=list)
    cases: dict[str, Case] = field(default_factory=dict)

    def school(self, name: str) -> str:
        """Add a school and return its id."""
        number = len(self.schools)
        self.schools.append(School(self.ids.of("school", number), self.ids.of("district", 0), number, name))
        return self.schools[-1].id

    def extra(self, **roles: Role | None) -> str:
        """Add somebody whom the cases need and who is none themselves; return their id."""
        self.users.append(person(self.ids, len(self.users), roles))
        return self.users[-1].id

    def case(self, name: str, about: str, **roles: Role | None) -> str:
        """Add the user of a named case and return their id."""
        user = self.extra(**roles)
        self.cases[name] = Case(user, self.ids.of("district", 0), about)
        return user

    def section(self, school: str, *teachers: str, students: tuple[str, ...]) -> None:
        """Add a section of the given teachers, the primary one first."""
        self._section(school, teachers[0], teachers, students)

    def section_without_teachers_field(self, school: str, teacher: str, *, students: tuple[str, ...]) -> None:
        """Add a section that names its teacher in `teacher` alone."""
        self._section(school, teacher, None, students)

    def _section(self, school: str, teacher: str, teachers: tuple[str, ...] | None, students: tuple[str, ...]) -> None:
        number = len(self.sections)
        section, district = self.ids.of("section", number), self.ids.of("district", 0)
        name = f"Case section {number}"
        self.sections.append(Section(section, district, number, name, school, teacher, teachers, students))

    def legacy_id(self, user: str, role: str) -> str:
        """Return the id that a user had in a role before API 3.0."""
        return next(one.ids_in(role, "legacy_id")[0] for one in self.users if one.id == user)

    def unshared_student(self) -> str:
        """Return the id of a student whom the district does not share."""
        return self.ids.of("unshared student", 0)

    def unshared_school(self) -> str:
        """Return the id of a school that the district does not share."""
        return self.ids.of("unshared school", 0)
