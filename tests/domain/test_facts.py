from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import DistrictId, UserId
from app.domain.scopes import Scope

TEACHING = Standing(
    places=((Scope.SCHOOL, ("north",)), (Scope.SECTION, ("sec-a", "sec-b"))), fields=(("title", ("dean",)),)
)


def facts(*roles: HeldRole) -> Facts:
    return Facts(UserId("user"), DistrictId("district"), roles)


def test_a_standing_tells_its_places_by_kind() -> None:
    assert {scope: TEACHING.ids(scope) for scope in Scope} == {
        Scope.DISTRICT: (),
        Scope.SCHOOL: ("north",),
        Scope.SECTION: ("sec-a", "sec-b"),
        Scope.STUDENT: (),
        Scope.SELF: (),
    }


def test_an_absent_field_has_no_values() -> None:
    assert (TEACHING.values("title"), TEACHING.values("department")) == (("dean",), ())


def test_a_role_reaches_the_places_of_all_its_standings() -> None:
    students = (("stu-b",), ("stu-a",), ("stu-b",))
    contact = HeldRole(Role.CONTACT, tuple(Standing(((Scope.STUDENT, some),)) for some in students))
    assert contact.ids(Scope.STUDENT) == ("stu-a", "stu-b")


def test_a_role_is_held_even_where_nothing_is_said_of_it() -> None:
    assert facts(HeldRole(Role.STAFF), HeldRole(Role.TEACHER)).held() == (Role.STAFF, Role.TEACHER)
    assert HeldRole(Role.STAFF).ids(Scope.SCHOOL) == ()


def test_whoever_has_no_roles_holds_none() -> None:
    assert facts().held() == ()


def test_roles_are_listed_the_most_senior_first() -> None:
    assert list(Role) == ["district_admin", "staff", "teacher", "student", "contact"]


def test_schools_are_confirmed_where_clever_could_be_asked() -> None:
    read, unread = Standing(unconfirmed=("north",)), Standing(unconfirmed=None)
    assert facts().confirmed()
    assert facts(HeldRole(Role.STAFF, (read,))).confirmed()
    assert not facts(HeldRole(Role.TEACHER), HeldRole(Role.STAFF, (unread,))).confirmed()
