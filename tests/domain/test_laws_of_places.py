"""What holds of things that lie with a student and with a user, over generated facts."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from app.domain.facts import Facts, Role, Standing
from app.domain.ids import DistrictId, SchoolId, SectionId, UserId
from app.domain.places import Section, location_of_resource
from app.domain.scopes import Scope
from tests.domain.worlds import law, people

anybody = st.builds(lambda facts, user: replace(facts, user=UserId(user)), people(), st.sampled_from("abc"))


@law
@given(anybody, anybody)
def test_what_lies_with_a_student_and_with_a_user_lies_with_these_two_and_nowhere_else_in_the_district(
    student: Facts, user: Facts
) -> None:
    there = location_of_resource(student.district, student=student, user=user)
    assert there in (
        None,
        {(Scope.STUDENT, student.user), (Scope.SELF, user.user), (Scope.DISTRICT, student.district)},
    )


@law
@given(anybody, anybody)
def test_nothing_lies_with_a_student_and_with_a_user_who_has_nothing_to_do_with_them(
    student: Facts, user: Facts
) -> None:
    learning = schools_and_sections(student, Role.STUDENT)
    sections = {place for place in learning if place[0] is Scope.SECTION}
    shared = sections & schools_and_sections(user, Role.STUDENT, Role.TEACHER)
    at_work = (learning - sections) & schools_and_sections(user, Role.TEACHER, Role.STAFF)
    related = student.user in {user.user, *ids(user, Scope.STUDENT, Role.CONTACT)} or bool(shared or at_work)
    related = related or Role.DISTRICT_ADMIN in user.held()
    assert (location_of_resource(student.district, student=student, user=user) is not None) == related


schools = st.none() | st.sampled_from("abc").map(SchoolId)
sections = st.none() | st.builds(
    Section,
    st.sampled_from("abc").map(SectionId),
    st.just(DistrictId("a")),
    schools,
    st.lists(st.sampled_from("abc"), unique=True).map(tuple),
)


@law
@given(sections, schools, st.none() | anybody, st.none() | anybody)
def test_naming_more_places_never_lets_a_thing_lie_where_none_of_them_alone_does(
    section: Section | None, school: SchoolId | None, student: Facts | None, user: Facts | None
) -> None:
    district = DistrictId("a")
    together = location_of_resource(district, section=section, school=school, student=student, user=user)
    alone = (
        location_of_resource(district, section=section),
        location_of_resource(district, school=school),
        location_of_resource(district, student=student),
        location_of_resource(district, user=user),
    )
    assert together is None or together <= frozenset().union(*(each for each in alone if each))


@law
@given(sections, schools, anybody, anybody, st.sampled_from([Scope.SCHOOL, Scope.SECTION, Scope.STUDENT]))
def test_what_fits_still_fits_when_the_user_has_to_do_with_more(
    section: Section | None, school: SchoolId | None, student: Facts, user: Facts, scope: Scope
) -> None:
    more = replace(
        user, roles=tuple(replace(one, standings=(*one.standings, Standing(((scope, ("d",)),)))) for one in user.roles)
    )
    before, after = (
        location_of_resource(DistrictId("a"), section=section, school=school, student=student, user=each)
        for each in (user, more)
    )
    assert before is None or before == after


def ids(facts: Facts, scope: Scope, *roles: Role) -> set[str]:
    return {place for held in facts.roles if held.role in roles for place in held.ids(scope)}


def schools_and_sections(facts: Facts, *roles: Role) -> set[tuple[Scope, str]]:
    inside = {(scope, place) for scope in (Scope.SCHOOL, Scope.SECTION) for place in ids(facts, scope, *roles)}
    held = (each for each in facts.roles if each.role in roles)
    return inside | {
        (Scope.SCHOOL, school) for each in held for standing in each.standings for school in standing.section_schools
    }
