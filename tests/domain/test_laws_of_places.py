"""What holds of things that lie with a student and with a user, over generated facts."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from app.domain.facts import Facts, Role
from app.domain.ids import UserId
from app.domain.places import location_of_named
from app.domain.scopes import Scope
from tests.domain.worlds import law, people

anybody = st.builds(lambda facts, user: replace(facts, user=UserId(user)), people(), st.sampled_from("abc"))


@law
@given(anybody, anybody)
def test_what_lies_with_a_student_and_with_a_user_lies_with_these_two_and_nowhere_else_in_the_district(
    student: Facts, user: Facts
) -> None:
    there = location_of_named(student.district, student=student, user=user)
    assert there in (
        None,
        {(Scope.STUDENT, student.user), (Scope.SELF, user.user), (Scope.DISTRICT, student.district)},
    )


@law
@given(anybody, anybody)
def test_nothing_lies_with_a_student_and_with_a_user_who_has_nothing_to_do_with_them(
    student: Facts, user: Facts
) -> None:
    sections = ids(student, Scope.SECTION, Role.STUDENT) & ids(user, Scope.SECTION, Role.STUDENT, Role.TEACHER)
    related = student.user in {user.user, *ids(user, Scope.STUDENT, Role.CONTACT)} or bool(sections)
    assert (location_of_named(student.district, student=student, user=user) is not None) == related


def ids(facts: Facts, scope: Scope, *roles: Role) -> set[str]:
    return {place for held in facts.roles if held.role in roles for place in held.ids(scope)}
