"""The named cases: every kind of user that a client of Clever's API has to handle.

Ids follow the order, so a new case goes to the end of the last group.
"""

from dataclasses import dataclass, field

from app.sandbox.curriculum import CURRENT, FUTURE, PAST, UNDATED, term_id
from app.sandbox.records import Ids, Role, School, Section, User, person


@dataclass(frozen=True, slots=True)
class Case:
    """A named case: its user, and what it shows."""

    user: str
    district: str
    about: str


@dataclass
class Cast:
    """The schools, sections and users of the cases of one district; ids follow the order of adding."""

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
        """Add a user whom the cases need, and return their id."""
        self.users.append(person(self.ids, len(self.users), roles))
        return self.users[-1].id

    def case(self, name: str, about: str, **roles: Role | None) -> str:
        """Add the user of a named case and return their id."""
        user = self.extra(**roles)
        self.cases[name] = Case(user, self.ids.of("district", 0), about)
        return user

    def section(self, school: str, *teachers: str, students: tuple[str, ...], term: str | None = None) -> None:
        """Add a section; the primary teacher is the first."""
        self._section(school, teachers[0], teachers, students, term)

    def section_without_teachers_field(self, school: str, teacher: str, *, students: tuple[str, ...]) -> None:
        """Add a section that names its teacher only in `teacher`."""
        self._section(school, teacher, None, students)

    def _section(
        self,
        school: str,
        teacher: str,
        teachers: tuple[str, ...] | None,
        students: tuple[str, ...],
        term: str | None = None,
    ) -> None:
        number = len(self.sections)
        section, district = self.ids.of("section", number), self.ids.of("district", 0)
        name = f"Case section {number}"
        self.sections.append(Section(section, district, number, name, school, teacher, teachers, students, term))

    def legacy_id(self, user: str, role: str) -> str:
        """Return the id that a user had in a role before API 3.0."""
        return next(one.ids_in(role, "legacy_id")[0] for one in self.users if one.id == user)

    def unshared_student(self) -> str:
        """Return the id of a student whom the district does not share."""
        return self.ids.of("unshared student", 0)

    def unshared_school(self) -> str:
        """Return the id of a school that the district does not share."""
        return self.ids.of("unshared school", 0)


MORE_THAN_A_PAGE = 130


@dataclass(frozen=True, slots=True)
class _Stage:
    north: str
    south: str
    west: str
    pupils: tuple[str, ...]
    lead: str


def cast_of(ids: Ids) -> Cast:
    """Return the cases of one district."""
    cast = Cast(ids)
    stage = _stage(cast)
    for group in (_students, _teachers, _staff, _several_roles, _contacts, _roles_of_odd_shape, _odd_references):
        group(cast, stage)
    return cast


def _stage(cast: Cast) -> _Stage:
    north, south, west = (cast.school(f"{name} Case School") for name in ("North", "South", "West"))
    pupils = tuple(cast.extra(student={"school": north, "schools": (north, south, west)}) for _ in range(2))
    lead = cast.extra(teacher={"school": north, "schools": (north,)})
    return _Stage(north, south, west, pupils, lead)


def _students(cast: Cast, on: _Stage) -> None:
    cast.case(
        "student_one_school",
        "A student whose sections are all at their own school.",
        student={"school": on.north, "schools": (on.north,)},
    )
    cast.case(
        "student_at_two_schools",
        "A student of the north school with a section at the south school, too.",
        student={"school": on.north, "schools": (on.north, on.south)},
    )


def _teachers(cast: Cast, on: _Stage) -> None:
    one, two = cast.cases["student_one_school"].user, cast.cases["student_at_two_schools"].user
    north = {"school": on.north, "schools": (on.north,)}
    plain = cast.case("teacher_only", "A teacher with two sections at one school.", teacher=north)
    cast.section(on.north, plain, students=(*on.pupils, one, two))
    cast.section(on.north, plain, students=(*on.pupils, one))

    second = cast.case("co_teacher", "Stands only in `teachers`, behind the primary teacher.", teacher=north)
    cast.section(on.north, on.lead, second, students=on.pupils)

    sole = cast.case(
        "primary_teacher_only_in_teacher_field",
        "Stands only in `teacher`; the section comes without `teachers`.",
        teacher=north,
    )
    cast.section_without_teachers_field(on.north, sole, students=on.pupils)

    busy = cast.case(
        "teacher_of_many_sections",
        f"Teaches {MORE_THAN_A_PAGE} sections: more than a page of 100.",
        teacher={"school": on.south, "schools": (on.south,)},
    )
    for _ in range(MORE_THAN_A_PAGE):
        cast.section(on.south, busy, students=on.pupils)

    away = cast.case(
        "section_at_another_school",
        "A teacher whose own school is the north one and whose only section is at the south one.",
        teacher={"school": on.north, "schools": (on.south,)},
    )
    cast.section(on.south, away, students=on.pupils)


def _staff(cast: Cast, on: _Stage) -> None:
    portal, lead = ("PortalOnly",), ("SchoolTechLead",)
    cast.case(
        "staff_portal_only",
        "Staff of one school with portal access alone.",
        staff={"schools": (on.north,), "roles": portal, "title": "Front Desk Clerk", "department": "Office"},
    )
    cast.case(
        "staff_tech_lead",
        "Staff of one school who lead its technology.",
        staff={"schools": (on.north,), "roles": lead, "title": "Technology Coordinator", "department": "IT"},
    )
    cast.case(
        "staff_both_qualifiers",
        "Staff of two schools with both of Clever's staff roles.",
        staff={"schools": (on.north, on.south), "roles": portal + lead, "title": "Librarian", "department": "Media"},
    )
    cast.case(
        "principal",
        "The head of a school, who is `PortalOnly` like most: only the title tells.",
        staff={"schools": (on.north,), "roles": portal, "title": "Principal", "department": "Administration"},
    )


def _several_roles(cast: Cast, on: _Stage) -> None:
    two = cast.cases["student_at_two_schools"].user
    staff = {"schools": (on.north,), "roles": ("PortalOnly",), "title": "Counselor", "department": ""}
    north, south = {"school": on.north, "schools": (on.north,)}, {"school": on.south, "schools": (on.south,)}
    same = cast.case(
        "staff_who_also_teach_same_school", "Staff who teach a section at their school.", teacher=north, staff=staff
    )
    cast.section(on.north, same, students=on.pupils)

    apart = cast.case(
        "staff_who_also_teach_elsewhere",
        "Staff of the north school who teach a section at the south school.",
        teacher=south,
        staff=staff,
    )
    cast.section(on.south, apart, students=(*on.pupils, two))

    admin = {"title": "Curriculum Director"}
    both = cast.case(
        "teacher_and_district_admin", "A district admin who teaches a section.", teacher=north, district_admin=admin
    )
    cast.section(on.north, both, students=on.pupils)
    cast.case("district_admin_only", "A district admin.", district_admin={"title": "Superintendent"})

    every = cast.case(
        "all_three_roles",
        "A district admin who is staff of the south school and teaches at the west school.",
        teacher={"school": on.west, "schools": (on.west,)},
        staff={"schools": (on.south,), "roles": ("SchoolTechLead",), "title": "", "department": ""},
        district_admin=admin,
    )
    cast.section(on.west, every, students=on.pupils)


def _contacts(cast: Cast, _: _Stage) -> None:
    one, two = cast.cases["student_one_school"].user, cast.cases["student_at_two_schools"].user
    parent = {"student": one, "relationship": "Parent", "type": "Parent/Guardian"}
    cast.case("contact", "A parent of one student.", contact={"student_relationships": (parent,)})
    emergency = {"student": one, "relationship": "Other", "type": "Emergency"}
    cast.case(
        "emergency_contact",
        "To be called in an emergency of one student, and nothing else.",
        contact={"student_relationships": (emergency,)},
    )
    cast.case(
        "contact_of_two",
        "A parent of one student and the emergency contact of another.",
        contact={"student_relationships": (parent, {"student": two, "relationship": "Other", "type": "Emergency"})},
    )


def _roles_of_odd_shape(cast: Cast, on: _Stage) -> None:
    north = {"school": on.north, "schools": (on.north,)}
    cast.case("user_without_roles", "A user whose `roles` is empty.")
    null = cast.case("user_with_null_role", "A teacher whose `staff` role is null.", teacher=north, staff=None)
    cast.section(on.north, null, students=on.pupils)
    cast.case(
        "roles_with_empty_lists",
        "A teacher without schools or sections who is staff without schools or staff roles.",
        teacher={"schools": ()},
        staff={"schools": (), "roles": (), "title": "", "department": ""},
    )
    empty = cast.case(
        "teacher_with_empty_role_object", "A teacher of one section whose role is an empty object.", teacher={}
    )
    cast.section(on.north, empty, students=on.pupils)
    odd = cast.case(
        "unknown_role_name",
        "A teacher who also holds a role, `librarian`, that Clever's description does not know.",
        teacher=north,
        librarian={"schools": (on.north,)},
    )
    cast.section(on.north, odd, students=on.pupils)
    cast.case(
        "unknown_staff_role",
        "Staff whose only staff role, `CurriculumLead`, Clever's documentation does not name.",
        staff={"schools": (on.north,), "roles": ("CurriculumLead",), "title": "Coach", "department": "Academics"},
    )


def _odd_references(cast: Cast, on: _Stage) -> None:
    legacy = cast.case(
        "legacy_id_in_section",
        "A teacher whose section names them by their `legacy_id`, which grants nothing.",
        teacher={"school": on.north, "schools": (on.north,)},
    )
    cast.section(on.north, on.lead, cast.legacy_id(legacy, "teacher"), students=on.pupils)
    portal = {"roles": ("PortalOnly",), "title": "Registrar", "department": "Office"}
    cast.case(
        "staff_school_not_confirmed",
        "Staff of two schools, of which `/users/{id}/schools` returns only one: the other is not shared.",
        staff={"schools": (on.north, cast.unshared_school()), **portal},
    )
    cast.case(
        "former_school_id_malformed",
        "Staff of one school, next to an id of another that is no Clever id.",
        staff={"schools": ("school-42", on.north), **portal},
    )
    away = cast.case(
        "student_of_another_school_in_section",
        "A student whose `school` and `schools` name the west school alone and whose only section is at the north one.",
        student={"school": on.west, "schools": (on.west,)},
    )
    cast.section(on.north, on.lead, students=(*on.pupils, away))

    missing = cast.case(
        "unshared_student_in_section",
        "A teacher whose section lists a student who is not shared: their id answers 404.",
        teacher={"school": on.north, "schools": (on.north,)},
    )
    cast.section(on.north, missing, students=(*on.pupils, cast.unshared_student()))

    terms = cast.case(
        "teacher_of_every_term",
        "A teacher of five sections: in a term that is over, in this one, in the next, in one without dates, in none.",
        teacher={"school": on.north, "schools": (on.north,)},
    )
    for number in (PAST, CURRENT, FUTURE, UNDATED):
        cast.section(on.north, terms, students=on.pupils, term=term_id(cast.ids, number))
    cast.section(on.north, terms, students=on.pupils)
