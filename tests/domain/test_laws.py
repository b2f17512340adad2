"""What holds for every user under every policy, over generated facts and policies."""

from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.evaluation import access_of, permission_set
from app.domain.explanation import explanation_of
from app.domain.facts import EMPLOYEES, Facts, HeldRole, Role, Standing
from app.domain.ids import DistrictId, UserId
from app.domain.scopes import Scope
from tests.domain.naive import Naive
from tests.domain.worlds import (
    MAY_STAND_OVER,
    NAMES,
    OVER,
    REQUEST_KEYS,
    RULES,
    STAFF_ABOVE_TEACHERS,
    Written,
    applies,
    held,
    held_on_conditions,
    law,
    people,
    policies,
    repaired,
    standings,
    statements,
    under,
)


@law
@given(people(), policies())
def test_minimum_is_within_scoped_and_scoped_within_superset_and_maximum(facts: Facts, written: Written) -> None:
    scoped, superset, maximum, minimum = (held(facts, under(rule, written)) for rule in RULES)
    assert minimum <= scoped
    assert scoped <= superset
    assert scoped <= maximum


@law
@given(people(), policies())
def test_nothing_but_their_own_statements_reaches_the_places_of_a_student_or_a_contact(
    facts: Facts, written: Written
) -> None:
    at_work = replace(facts, roles=tuple(one for one in facts.roles if one.role in EMPLOYEES))
    others = [replace(facts, roles=(one,)) for one in facts.roles if one.role not in EMPLOYEES]
    elsewhere = {(scope, place) for each in others for one in each.roles for scope, place in places_of(one)}
    elsewhere -= {place for one in at_work.roles for place in places_of(one)}
    for rule in RULES:
        policy = under(rule, written)
        alone = set().union(*(held(each, under("scoped", written)) for each in others))
        assert {one for one in held(facts, policy) if one[:2] in elsewhere} <= alone
        if rule != "minimum":
            assert alone <= held(facts, policy)


def places_of(held_role: HeldRole) -> set[tuple[Scope, str]]:
    return {(scope, place) for one in held_role.standings for scope, some in one.places for place in some}


@law
@given(people(), policies())
def test_whatever_is_held_is_explained_by_what_gives_it_there(facts: Facts, written: Written) -> None:
    for rule in RULES:
        policy = under(rule, written)
        for role in (None, *facts.held()):
            access = access_of(facts, policy, role)
            for place, by_role in access.holdings.items():
                for name in access.at[place]:
                    grounds = explanation_of(access, policy, name, frozenset({place})).grounds
                    assert {ground.role for ground in grounds if not ground.condition} == {
                        role for role, names in by_role.items() if name in names
                    }
                    assert all(ground.statements for ground in grounds)


@law
@given(people(), policies())
def test_whatever_is_not_held_is_explained_by_what_is_missing(facts: Facts, written: Written) -> None:
    for rule in RULES:
        policy = under(rule, written)
        access = access_of(facts, policy)
        for scope in (Scope.SECTION, Scope.STUDENT):
            for name in policy.permissions_in[scope] - access.at.get((scope, "a"), frozenset()):
                found = explanation_of(access, policy, name, frozenset({(scope, "a")}))
                assert found.held == bool(found.grounds)
                assert found.held != bool(found.missing)


@law
@given(people(), policies())
def test_one_more_role_never_takes_away(facts: Facts, written: Written) -> None:
    for rule in RULES[:3]:
        policy = under(rule, written)
        for left_out in facts.roles:
            without = replace(facts, roles=tuple(one for one in facts.roles if one is not left_out))
            assert held(without, policy) <= held(facts, policy)
            fewer, more = (held_on_conditions(permission_set(each, policy)) for each in (without, facts))
            assert fewer <= more


@law
@given(people(), policies(), st.sampled_from([Scope.SCHOOL, Scope.SECTION]), st.data())
def test_one_more_school_or_section_never_takes_away(
    facts: Facts, written: Written, scope: Scope, data: st.DataObject
) -> None:
    grown = data.draw(st.sampled_from(facts.roles))
    more = replace(grown, standings=tuple(with_place(one, scope, "d") for one in grown.standings))
    after = replace(facts, roles=tuple(more if one is grown else one for one in facts.roles))
    for policy in (under(rule, written) for rule in RULES):
        assert held(facts, policy) <= held(after, policy)


def with_place(standing: Standing, scope: Scope, place: str) -> Standing:
    others = tuple((kind, some) for kind, some in standing.places if kind is not scope)
    return replace(standing, places=(*others, (scope, (*standing.ids(scope), place))))


@law
@given(people(), policies(), st.data())
def test_one_more_statement_never_takes_away(facts: Facts, written: Written, data: st.DataObject) -> None:
    role = data.draw(st.sampled_from(list(MAY_STAND_OVER)))
    said = [*written["roles"][role], data.draw(statements(role))]
    more = repaired({**written, "roles": {**written["roles"], role: said}})
    for rule in RULES:
        assert held(facts, under(rule, written)) <= held(facts, under(rule, more))


@law
@given(
    policies(STAFF_ABOVE_TEACHERS),
    standings("teacher"),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from("abc")),
)
def test_staff_senior_to_teacher_hold_in_their_school_what_a_mere_teacher_holds_there(
    written: Written, standing: Standing, school_of: dict[str, str]
) -> None:
    teacher = Facts(UserId("b"), DistrictId("a"), (HeldRole(Role.TEACHER, (standing,)),))
    for scope, place, name in held(teacher, under("superset", without_conditions(written))):
        school = {Scope.SCHOOL: place, Scope.SECTION: school_of.get(place)}.get(scope)
        if school:
            stands = HeldRole(Role.STAFF, (Standing(((Scope.SCHOOL, (school,)),)),))
            staff = Facts(UserId("c"), DistrictId("a"), (stands,))
            assert (Scope.SCHOOL, school, name) in held(staff, under("superset", written))


def without_conditions(written: Written) -> Written:
    plain = {
        role: [one for one in said if "when" not in one and "unless" not in one]
        for role, said in written["roles"].items()
    }
    return repaired({**written, "roles": plain})


@law
@given(people(), policies())
def test_a_role_context_is_the_role_alone_cut_down_to_the_whole_user(facts: Facts, written: Written) -> None:
    for policy in (under(rule, written) for rule in RULES):
        whole = held(facts, policy)
        for one in facts.roles:
            seen = held(facts, policy, one.role)
            assert seen <= whole
            assert seen == held(replace(facts, roles=(one,)), policy) & whole
            answer = permission_set(facts, policy, one.role)
            assert all(grant.via == (one.role,) for grant in (*answer.grants, *answer.conditional))
            assert held_on_conditions(answer) <= held_on_conditions(permission_set(facts, policy))


@settings(law, max_examples=20)
@given(policies())
def test_whoever_holds_no_role_has_no_grant(written: Written) -> None:
    nobody = Facts(UserId("b"), DistrictId("a"))
    for rule in RULES:
        answer = permission_set(nobody, under(rule, written))
        assert (answer.grants, answer.conditional) == ((), ())


@law
@given(people(), policies(), st.randoms(use_true_random=True))
def test_order_and_repetition_change_nothing(facts: Facts, written: Written, random: Random) -> None:
    roles = tuple(replace(one, standings=mixed_up(one.standings, random)) for one in facts.roles)
    other = replace(facts, roles=tuple(random.sample(roles, len(roles))))
    for policy in (under(rule, written) for rule in RULES):
        for role in (None, *facts.held()):
            answer, expected = permission_set(other, policy, role), permission_set(facts, policy, role)
            assert answer == expected
            assert repr(answer) == repr(expected)


def mixed_up(standings: tuple[Standing, ...], random: Random) -> tuple[Standing, ...]:
    def mixed(some: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*random.sample(some, len(some)), *random.choices(some, k=2 if some else 0))

    def each(one: Standing) -> Standing:
        places = tuple((scope, mixed(some)) for scope, some in reversed(one.places))
        fields = tuple((name, mixed(some)) for name, some in reversed(one.fields))
        return Standing(places, fields, one.unconfirmed and mixed(one.unconfirmed))

    return mixed(tuple(map(each, standings)))


@law
@given(people(), policies())
def test_an_answer_is_sorted_and_names_each_place_once_with_what_says_something_there(
    facts: Facts, written: Written
) -> None:
    for rule in RULES:
        answer = permission_set(facts, under(rule, written))
        places = [(grant.scope, place) for grant in answer.grants for place in grant.ids]
        assert len(places) == len(set(places))
        assert answer.permissions == tuple(sorted({name for grant in answer.grants for name in grant.permissions}))
        order = list(OVER.values())
        assert list(answer.grants) == sorted(answer.grants, key=lambda grant: (order.index(grant.scope), grant.ids))
        for grant in answer.grants:
            assert all(name in NAMES and applies(name, grant.scope) for name in grant.permissions)
            for some in (grant.ids, grant.permissions, grant.via):
                assert some
                assert list(some) == sorted(set(some))
        assert len({(grant.scope, grant.permissions, grant.via) for grant in answer.grants}) == len(answer.grants)


@law
@given(people(), policies())
def test_conditional_grants_are_sorted_and_those_that_differ_in_places_only_are_one(
    facts: Facts, written: Written
) -> None:
    order = list(OVER.values())
    for rule in RULES[:3]:
        some = permission_set(facts, under(rule, written)).conditional
        assert list(some) == sorted(some, key=lambda grant: (order.index(grant.scope), grant.ids, grant.permissions))
        assert len({(grant.scope, grant.permissions, grant.via, repr(grant.condition)) for grant in some}) == len(some)
        places = [
            (grant.scope, place, grant.permissions, repr(grant.condition)) for grant in some for place in grant.ids
        ]
        assert len(places) == len(set(places))
        for grant in some:
            assert grant.condition.when or grant.condition.unless
            assert {key for key, _ in (*grant.condition.when, *grant.condition.unless)} <= set(REQUEST_KEYS)
            assert all(name in NAMES and applies(name, grant.scope) for name in grant.permissions)
            for listed in (grant.ids, grant.permissions, grant.via):
                assert listed
                assert list(listed) == sorted(set(listed))


@settings(law, max_examples=150)
@given(people(), policies())
def test_a_naive_engine_agrees(facts: Facts, written: Written) -> None:
    for rule in RULES:
        policy, naive = under(rule, written), Naive(facts, written, rule).holdings()
        assert access_of(facts, policy).holdings == naive
        grants = permission_set(facts, policy).grants
        found = {(grant.scope, place): (grant.permissions, grant.via) for grant in grants for place in grant.ids}
        assert found == {
            place: (tuple(sorted(set().union(*by_role.values()))), tuple(sorted(by_role)))
            for place, by_role in naive.items()
        }
