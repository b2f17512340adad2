from collections.abc import Set as AbstractSet

import pytest

from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import DistrictId, SchoolId, SectionId, UserId
from app.domain.places import (
    Place,
    Section,
    location_of_district,
    location_of_resource,
    location_of_school,
    location_of_section,
    location_of_student,
    location_of_user,
    with_sections,
)
from app.domain.scopes import Scope

DISTRICT = DistrictId("zeta")
ZETA: Place = (Scope.DISTRICT, "zeta")
NORTH: Place = (Scope.SCHOOL, "north")
SOUTH: Place = (Scope.SCHOOL, "south")
SEC_A: Place = (Scope.SECTION, "sec-a")
SEC_B: Place = (Scope.SECTION, "sec-b")

SECTION_A = Section(SectionId("sec-a"), DISTRICT, SchoolId("north"), ("ada",))
SECTION_C = Section(SectionId("sec-c"), DISTRICT, SchoolId("east"))
LEARNING = Standing(
    ((Scope.SCHOOL, ("south",)), (Scope.SECTION, ("sec-a", "sec-b"))), section_schools=("north", "west")
)
TEACHING = Standing(((Scope.SCHOOL, ("east",)), (Scope.SECTION, ("sec-c",))), section_schools=("east",))


def facts(user: str, *roles: HeldRole) -> Facts:
    return Facts(UserId(user), DISTRICT, roles)


ADA = facts("ada", HeldRole(Role.TEACHER, (TEACHING,)), HeldRole(Role.STUDENT, (LEARNING,)))
BOB = facts("bob", HeldRole(Role.TEACHER, (TEACHING,)))


def test_a_district_lies_in_itself() -> None:
    assert location_of_district(DISTRICT) == {ZETA}


def test_a_school_lies_in_its_district() -> None:
    assert location_of_school("north", DISTRICT) == {NORTH, ZETA}


def test_a_section_lies_in_its_own_school() -> None:
    assert location_of_section(SECTION_A) == {SEC_A, NORTH, ZETA}


def test_a_section_without_a_school_lies_in_its_district() -> None:
    assert location_of_section(Section(SectionId("sec-a"), DISTRICT, None)) == {SEC_A, ZETA}


def test_a_student_lies_in_their_sections_and_schools_and_not_where_they_teach() -> None:
    west = (Scope.SCHOOL, "west")
    assert location_of_student(ADA) == {(Scope.STUDENT, "ada"), SEC_A, SEC_B, NORTH, SOUTH, west, ZETA}


def test_a_user_lies_with_themselves() -> None:
    assert location_of_user(ADA) == {(Scope.SELF, "ada"), ZETA}


def named(
    section: Section | None = None, school: str | None = None, student: Facts | None = None, user: Facts | None = None
) -> AbstractSet[Place] | None:
    return location_of_resource(
        DISTRICT, section=section, school=SchoolId(school) if school else None, student=student, user=user
    )


def test_a_thing_lies_in_what_is_named_and_in_what_holds_it() -> None:
    assert named() == {ZETA}
    assert named(school="north") == {NORTH, ZETA}
    assert named(SECTION_A) == {SEC_A, NORTH, ZETA}
    assert named(SECTION_A, "north") == {SEC_A, NORTH, ZETA}
    assert named(SECTION_C, "east", user=ADA) == {
        (Scope.SELF, "ada"),
        (Scope.SECTION, "sec-c"),
        (Scope.SCHOOL, "east"),
        ZETA,
    }
    assert named(user=BOB) == {(Scope.SELF, "bob"), ZETA}


def test_a_students_sections_and_schools_count_only_where_the_student_is_named_alone() -> None:
    student = (Scope.STUDENT, "ada")
    assert named(student=ADA) == location_of_student(ADA)
    assert named(SECTION_A, student=ADA) == {student, SEC_A, NORTH, ZETA}
    assert named(school="south", student=ADA) == {student, SOUTH, ZETA}
    assert named(school="west", student=ADA) == {student, (Scope.SCHOOL, "west"), ZETA}
    assert named(student=ADA, user=ADA) == {student, (Scope.SELF, "ada"), ZETA}


@pytest.mark.parametrize(
    "user",
    [
        facts("guardian", HeldRole(Role.CONTACT, (Standing(((Scope.STUDENT, ("ada",)),)),))),
        facts("of-one-section", HeldRole(Role.TEACHER, (Standing(((Scope.SECTION, ("sec-b",)),)),))),
        facts("of-the-same-section", HeldRole(Role.STUDENT, (Standing(((Scope.SECTION, ("sec-a",)),)),))),
        facts("counselor", HeldRole(Role.STAFF, (Standing(((Scope.SCHOOL, ("far", "south")),)),))),
        facts("staff-of-a-section's-school", HeldRole(Role.STAFF, (Standing(((Scope.SCHOOL, ("west",)),)),))),
        facts("teacher-of-the-school", HeldRole(Role.TEACHER, (Standing(((Scope.SCHOOL, ("south",)),)),))),
        facts("teaching-there", HeldRole(Role.TEACHER, (Standing(section_schools=("north",)),))),
        facts("district-admin", HeldRole(Role.DISTRICT_ADMIN, (Standing(((Scope.DISTRICT, ("zeta",)),)),))),
    ],
)
def test_a_user_beside_a_student_is_somebody_who_has_to_do_with_them(user: Facts) -> None:
    assert named(student=ADA, user=user) == {(Scope.STUDENT, "ada"), (Scope.SELF, user.user), ZETA}


KIM = facts("kim", HeldRole(Role.STAFF, (Standing(((Scope.SCHOOL, ("south",)),)),)))
GUARDIAN = facts("guardian", HeldRole(Role.CONTACT, (Standing(((Scope.STUDENT, ("ada",)),)),)))
ADMIN = facts("admin", HeldRole(Role.DISTRICT_ADMIN, (Standing(((Scope.DISTRICT, ("zeta",)),)),)))
CLASSMATE = facts("classmate", HeldRole(Role.STUDENT, (Standing(((Scope.SECTION, ("sec-a",)),)),)))


@pytest.mark.parametrize(
    ("section", "school", "student", "user"),
    [
        (None, "south", ADA, KIM),
        (None, "south", None, KIM),
        (Section(SectionId("sec-b"), DISTRICT, SchoolId("south")), "south", ADA, KIM),
        (Section(SectionId("sec-d"), DISTRICT, SchoolId("south")), None, None, KIM),
        (SECTION_A, "north", ADA, GUARDIAN),
        (SECTION_A, "north", None, GUARDIAN),
        (None, "west", ADA, GUARDIAN),
        (SECTION_A, "north", ADA, ADMIN),
        (SECTION_C, "east", None, ADMIN),
        (None, "north", ADA, ADA),
        (SECTION_A, None, ADA, CLASSMATE),
        (Section(SectionId("sec-d"), DISTRICT, SchoolId("east")), "east", None, BOB),
    ],
)
def test_a_user_fits_what_they_have_to_do_with(
    section: Section | None, school: str | None, student: Facts | None, user: Facts
) -> None:
    there = named(section, school, student, user)
    assert there is not None
    assert (Scope.SELF, user.user) in there


@pytest.mark.parametrize(
    ("section", "school", "student", "user"),
    [
        (SECTION_A, "south", None, None),
        (Section(SectionId("sec-a"), DISTRICT, None), "north", None, None),
        (Section(SectionId("sec-z"), DISTRICT, SchoolId("north")), None, ADA, None),
        (SECTION_A, "north", None, BOB),
        (None, "far", ADA, None),
        (None, "north", None, BOB),
        (SECTION_A, None, ADA, BOB),
        (SECTION_C, None, ADA, None),
        (None, "east", ADA, None),
        (SECTION_A, None, facts("eve"), None),
        (None, None, ADA, BOB),
        (None, None, ADA, facts("eve")),
        (None, None, ADA, facts("dan", HeldRole(Role.CONTACT, (Standing(((Scope.STUDENT, ("eve",)),)),)))),
        (SECTION_A, None, ADA, KIM),
        (None, "north", ADA, KIM),
        (None, None, facts("eve", HeldRole(Role.STUDENT, (TEACHING,))), KIM),
        (Section(SectionId("sec-a"), DISTRICT, None), None, None, KIM),
        (SECTION_C, None, None, GUARDIAN),
        (SECTION_A, None, facts("eve", HeldRole(Role.STUDENT, (LEARNING,))), GUARDIAN),
        (None, "north", None, GUARDIAN),
        (None, None, ADA, facts("schoolmate", HeldRole(Role.STUDENT, (Standing(((Scope.SCHOOL, ("south",)),)),)))),
        (Section(SectionId("sec-b"), DISTRICT, SchoolId("south")), None, ADA, CLASSMATE),
        (
            *(None, None, ADA),
            facts("of-another-district", HeldRole(Role.DISTRICT_ADMIN, (Standing(((Scope.DISTRICT, ("eta",)),)),))),
        ),
    ],
)
def test_places_that_do_not_fit_are_no_location(
    section: Section | None, school: str | None, student: Facts | None, user: Facts | None
) -> None:
    assert named(section, school, student, user) is None


def test_facts_that_lack_sections_are_completed_for_each_role_that_stands_in_them() -> None:
    lacking = Facts(
        UserId("ada"),
        DISTRICT,
        (
            HeldRole(Role.STAFF, (Standing(((Scope.SCHOOL, ("south",)),)),)),
            HeldRole(Role.TEACHER, (Standing(((Scope.SCHOOL, ("north",)),), (("title", ("dean",)),)),)),
            HeldRole(Role.STUDENT),
        ),
    )
    taught = Section(SectionId("sec-t"), DISTRICT, SchoolId("west"), ("bob",), ("ada", "cy"))
    nowhere = Section(SectionId("sec-n"), DISTRICT, None, ("ada",))
    assert with_sections(lacking, [taught, SECTION_C, nowhere, SECTION_A]).roles == (
        lacking.roles[0],
        HeldRole(
            Role.TEACHER,
            (
                Standing(
                    ((Scope.SCHOOL, ("north",)), (Scope.SECTION, ("sec-t",))),
                    (("title", ("dean",)),),
                    section_schools=("west",),
                ),
            ),
        ),
        HeldRole(Role.STUDENT, (Standing(((Scope.SECTION, ("sec-a", "sec-n")),), section_schools=("north",)),)),
    )
    assert with_sections(lacking, [SECTION_C]) == lacking


def test_facts_are_completed_by_one_standing_for_each_term() -> None:
    titled = Standing(((Scope.SCHOOL, ("north",)),), (("title", ("dean",)),))
    sections = [
        Section(SectionId(name), DISTRICT, SchoolId("west"), (), ("ada",), term)
        for name, term in (("sec-t", "spring"), ("sec-b", "fall"), ("sec-a", "fall"))
    ]
    lacking = Facts(UserId("ada"), DISTRICT, (HeldRole(Role.TEACHER, (titled,)),))
    assert with_sections(lacking, sections).roles[0].standings == (
        titled,
        Standing(((Scope.SECTION, ("sec-a", "sec-b")),), titled.fields, section_schools=("west",), term="fall"),
        Standing(((Scope.SECTION, ("sec-t",)),), titled.fields, section_schools=("west",), term="spring"),
    )
