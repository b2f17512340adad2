"""Differences: what a user gains and loses from one state to another, and why."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.comparison.differences import Change, Difference, OldAccount, Reason, State, by_loss, compare
from app.domain.evaluation import access_of
from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import DistrictId, UserId
from app.domain.places import Location, Place
from app.domain.policy import Policy
from app.domain.scopes import Scope
from tests.domain.worlds import RULES, Written, law, people, policies, under

NORTH, SOUTH = (Scope.SCHOOL, "north"), (Scope.SCHOOL, "south")
SCHOOL_OF = {"algebra": "north", "biology": "south"}
TEACHING: Written = {"allow": ["section:view", "section:edit"], "over": "sections"}
ADMINISTERING: Written = {"allow": ["school:view", "section:view"], "over": "schools"}
LEADING: Written = {"allow": ["report:export"], "over": "schools", "when": {"title": ["Principal"]}}
POLICY: Written = {
    "version": 1,
    "roles": {"teacher": [TEACHING], "staff": [ADMINISTERING, LEADING]},
    "superset": {"staff": ["teacher"]},
}
SCOPED, SUPERSET, MINIMUM = (under(rule, POLICY) for rule in ("scoped", "superset", "minimum"))


def location_of(place: Place) -> Location:
    scope, named = place
    school = SCHOOL_OF.get(named, named) if scope is Scope.SECTION else None
    return frozenset({place, (Scope.DISTRICT, "a"), *([(Scope.SCHOOL, school)] if school else [])})


def teacher(*sections: str) -> HeldRole:
    # A teacher is of a school, too, whatever they teach there.
    return HeldRole(Role.TEACHER, (Standing(((Scope.SCHOOL, ("north", "south")), (Scope.SECTION, sections))),))


def staff(*schools: str, title: str = "nurse") -> HeldRole:
    return HeldRole(Role.STAFF, (Standing(((Scope.SCHOOL, schools),), (("title", (title,)),)),))


def eve(*roles: HeldRole, policy: Policy = SCOPED, role: Role | None = None) -> State:
    return State(Facts(UserId("eve"), DistrictId("a"), roles), policy, role)


def told(changes: tuple[Change, ...]) -> set[tuple[str, tuple[str, ...], Reason]]:
    return {(each.permission, each.places, each.reason) for each in changes}


@pytest.mark.parametrize(
    ("before", "after", "gained"),
    [
        pytest.param(
            eve(teacher("algebra")),
            eve(teacher("algebra"), staff("south")),
            {("school:view", ("south",), Reason.MERGED_ROLE), ("section:view", ("south",), Reason.MERGED_ROLE)},
            id="a merged role",
        ),
        pytest.param(
            eve(teacher("algebra"), staff("south")),
            eve(teacher("algebra"), staff("south"), policy=SUPERSET),
            {("section:edit", ("south",), Reason.POLICY)},
            id="another rule",
        ),
        pytest.param(
            eve(staff("south", title="principal"), policy=SUPERSET),
            eve(staff("south", title="principal"), teacher("algebra"), policy=SUPERSET),
            {
                ("section:edit", ("algebra",), Reason.MERGED_ROLE),
                ("section:view", ("algebra",), Reason.MERGED_ROLE),
                ("report:export", ("algebra",), Reason.SUPERSET),
            },
            id="the superset rule",
        ),
        pytest.param(
            eve(teacher("algebra")),
            eve(teacher("algebra", "biology")),
            {("section:edit", ("biology",), Reason.PLACE_NEW), ("section:view", ("biology",), Reason.PLACE_NEW)},
            id="one more section",
        ),
        pytest.param(
            eve(staff("north")),
            eve(staff("north", title="principal")),
            {("report:export", ("north",), Reason.ROLE_FIELDS)},
            id="another title",
        ),
    ],
)
def test_each_gain_says_why(before: State, after: State, gained: set[Any]) -> None:
    assert tuple(map(told, compare(UserId("eve"), before, after, location_of))) == (gained, set())


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        pytest.param(
            eve(teacher("algebra"), staff("south")),
            eve(staff("south")),
            {("section:edit", ("algebra",), Reason.ROLE_GONE), ("section:view", ("algebra",), Reason.ROLE_GONE)},
            id="a role that is gone",
        ),
        pytest.param(
            eve(staff("north", "south")),
            eve(staff("south")),
            {("school:view", ("north",), Reason.PLACE_GONE), ("section:view", ("north",), Reason.PLACE_GONE)},
            id="a school that is no longer listed",
        ),
        pytest.param(
            eve(staff("north", title="principal")),
            eve(staff("north")),
            {("report:export", ("north",), Reason.ROLE_FIELDS)},
            id="another title",
        ),
        pytest.param(
            eve(teacher("algebra"), staff("north"), policy=SUPERSET),
            eve(teacher("algebra"), staff("north")),
            {("section:edit", ("north",), Reason.POLICY)},
            id="another rule",
        ),
        pytest.param(
            eve(staff("north"), policy=MINIMUM),
            eve(staff("north"), teacher("algebra"), policy=MINIMUM),
            {("school:view", ("north",), Reason.MERGED_ROLE)},
            id="a rule that takes from whoever holds more roles",
        ),
        pytest.param(
            eve(teacher("algebra"), staff("south")),
            eve(teacher("algebra"), staff("south"), role=Role.TEACHER),
            {("school:view", ("south",), Reason.ROLE_GONE), ("section:view", ("south",), Reason.ROLE_GONE)},
            id="a role context",
        ),
    ],
)
def test_each_loss_says_why(before: State, after: State, lost: set[Any]) -> None:
    assert told(compare(UserId("eve"), before, after, location_of)[1]) == lost


def test_what_goes_from_a_section_to_its_school_is_no_loss() -> None:
    gained, lost = compare(UserId("eve"), eve(teacher("algebra")), eve(staff("north")), location_of)
    assert ("section:view", ("north",), Reason.MERGED_ROLE) in told(gained)
    assert told(lost) == {("section:edit", ("algebra",), Reason.ROLE_GONE)}


def test_the_schools_of_sections_are_told() -> None:
    gained, _ = compare(UserId("eve"), eve(), eve(teacher("algebra", "biology")), location_of)
    assert {(each.places, each.schools) for each in gained} == {(("algebra", "biology"), ("north", "south"))}


def test_an_account_without_a_user_loses_all_and_a_user_without_one_gains_all() -> None:
    nobody, somebody = State(None, SCOPED), eve(teacher("algebra"))
    gained, lost = compare(UserId("eve"), nobody, somebody, location_of)
    assert {each.permission for each in gained} == {"section:view", "section:edit"}
    assert not lost
    gained, lost = compare(UserId("eve"), somebody, nobody, location_of)
    assert {each.permission for each in lost} == {"section:view", "section:edit"}
    assert not gained


def test_the_greatest_losses_come_first() -> None:
    def difference(number: int, *changes: tuple[Change, ...]) -> Difference:
        gained, lost = changes
        return Difference(UserId(f"user{number}"), OldAccount("old", Role.TEACHER), (), gained, lost)

    def at(*places: str) -> tuple[Change, ...]:
        return (Change("section:view", Scope.SECTION, places, (), Reason.POLICY, "The policy says otherwise."),)

    some = [
        difference(1, (), ()),
        difference(2, at("x", "y"), ()),
        difference(3, (), at("x")),
        difference(4, (), at("x", "y")),
    ]
    assert [each.user for each in by_loss(some)] == ["user4", "user3", "user2", "user1"]


@law
@given(people(), policies(), st.sampled_from(RULES))
def test_nothing_changes_between_a_state_and_itself(facts: Facts, written: Written, rule: str) -> None:
    state = State(facts, under(rule, written))
    assert compare(UserId("b"), state, state, location_of) == ((), ())


@law
@given(people(), people(), policies(), policies(), st.sampled_from(RULES))
def test_what_one_way_gains_the_other_way_loses(
    facts: Facts, others: Facts, written: Written, later: Written, rule: str
) -> None:
    before, after = State(facts, under(rule, written)), State(others, under(rule, later))
    there, back = (compare(UserId("b"), *states, location_of) for states in ((before, after), (after, before)))
    assert [*map(places, there)] == [places(changes) for changes in reversed(back)]


@law
@given(people(), people(), policies(), policies(), st.sampled_from(RULES))
def test_whatever_is_decided_otherwise_is_told(
    facts: Facts, others: Facts, written: Written, later: Written, rule: str
) -> None:
    before, after = State(facts, under(rule, written)), State(others, under(rule, later))
    gained, lost = map(places, compare(UserId("b"), before, after, location_of))
    had, has = held_always(before), held_always(after)
    for name, place in {(name, (scope, one)) for name, _ in had | has for scope in Scope for one in "abc"}:
        location = {(name, wider) for wider in location_of(place)}
        if location & has and not location & had:
            assert location & gained
        if location & had and not location & has:
            assert location & lost


def places(changes: tuple[Change, ...]) -> set[tuple[str, Place]]:
    return {(each.permission, (each.scope, place)) for each in changes for place in each.places}


def held_always(state: State) -> set[tuple[str, Place]]:
    assert state.facts is not None
    access = access_of(state.facts, state.policy)
    return {(name, place) for place, names in access.at.items() for name in names}
