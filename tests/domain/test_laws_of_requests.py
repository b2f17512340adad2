"""What holds of conditions on the request, of decisions and of aliases, over generated facts, policies and requests."""

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.decision import Reason, decide
from app.domain.evaluation import access_of, permission_set
from app.domain.facts import Facts
from app.domain.places import Location
from tests.domain.naive import Naive
from tests.domain.worlds import (
    ALIASES,
    NAMES,
    REQUEST_KEYS,
    RULES,
    Written,
    held,
    held_on_conditions,
    law,
    locations,
    people,
    policies,
    request_keys,
    requests,
    under,
    without_wildcards,
)

# What reads the request stands outside the rules.


@law
@given(people(), policies().map(without_wildcards))
def test_what_reads_the_request_counts_neither_in_names_nor_in_reach(facts: Facts, written: Written) -> None:
    roles = {role: [one for one in said if not request_keys(one)] for role, said in written["roles"].items()}
    for rule in RULES:
        with_them, without = (under(rule, each) for each in (written, {**written, "roles": roles}))
        assert permission_set(facts, with_them).grants == permission_set(facts, without).grants
        assert permission_set(facts, without).conditional == ()


@law
@given(people(), policies())
def test_every_rule_tells_the_same_conditional_grants_and_minimum_none(facts: Facts, written: Written) -> None:
    scoped, superset, maximum, minimum = (permission_set(facts, under(rule, written)).conditional for rule in RULES)
    assert scoped == superset == maximum
    assert minimum == ()


@law
@given(people(), policies().map(without_wildcards), requests, locations)
def test_a_condition_on_the_request_only_narrows(
    facts: Facts, written: Written, asked: Mapping[str, object], location: Location
) -> None:
    roles = {role: [dict(one, **without_request(one)) for one in said] for role, said in written["roles"].items()}
    narrow, wide = (access_of(facts, under("scoped", each)) for each in (written, {**written, "roles": roles}))
    for name in NAMES:
        if decide(narrow, name, location, asked) is Reason.GRANTED:
            assert decide(wide, name, location, {}) is Reason.GRANTED


def without_request(statement: Written) -> Written:
    return {
        word: {key: wanted for key, wanted in statement.get(word, {}).items() if key not in REQUEST_KEYS}
        for word in ("when", "unless")
    }


# Decisions.


@law
@given(people(), policies(), requests, locations)
def test_a_decision_in_a_role_context_is_one_of_the_whole_user(
    facts: Facts, written: Written, asked: Mapping[str, object], location: Location
) -> None:
    for policy in (under(rule, written) for rule in RULES):
        whole = access_of(facts, policy)
        for part in (access_of(facts, policy, role) for role in facts.held()):
            for name in NAMES:
                if decide(part, name, location, asked) is Reason.GRANTED:
                    assert decide(whole, name, location, asked) is Reason.GRANTED


@law
@given(people(), policies(), requests)
def test_what_a_permission_set_lists_is_granted_there(
    facts: Facts, written: Written, asked: Mapping[str, object]
) -> None:
    for policy in (under(rule, written) for rule in RULES):
        for role in (None, *facts.held()):
            access, answer = access_of(facts, policy, role), permission_set(facts, policy, role)
            for scope, place, name in held(facts, policy, role):
                assert decide(access, name, frozenset({(scope, place)}), asked) is Reason.GRANTED
            for grant in answer.conditional:
                for name in grant.permissions:
                    reason = decide(access, name, frozenset({(grant.scope, grant.ids[0])}), asked)
                    assert reason in (Reason.GRANTED, Reason.CONDITION_NOT_MET, Reason.CONDITION_NOT_COMPARABLE)
                    assert reason is Reason.GRANTED or not grant.condition.holds(asked)


# Aliases.


@law
@given(people(), policies(), st.data())
def test_a_policy_with_aliases_says_what_it_says_with_the_types_of_clever(
    facts: Facts, written: Written, data: st.DataObject
) -> None:
    def renamed(name: str) -> str:
        kind, action = name.split(":")
        names = [alias for alias, stands_for in ALIASES.items() if stands_for == kind]
        return f"{data.draw(st.sampled_from([kind, *names]))}:{action}"

    roles = {
        role: [{**one, "allow": [renamed(name) for name in one["allow"]]} for one in said]
        for role, said in written["roles"].items()
    }
    for rule in RULES:
        plain, aliased = under(rule, written), under(rule, {**written, "roles": roles, "aliases": ALIASES})
        assert (aliased.clauses, aliased.permissions, aliased.permissions_in) == (
            plain.clauses,
            plain.permissions,
            plain.permissions_in,
        )
        for role in (None, *facts.held()):
            answer = permission_set(facts, aliased, role)
            assert replace(answer, revision=plain.revision) == permission_set(facts, plain, role)


@settings(law, max_examples=150)
@given(people(), policies(), requests, locations)
def test_a_naive_engine_agrees_on_what_reads_the_request_and_decides_alike(
    facts: Facts, written: Written, asked: Mapping[str, object], location: Location
) -> None:
    for rule in RULES:
        policy, naive = under(rule, written), Naive(facts, written, rule)
        assert held_on_conditions(permission_set(facts, policy)) == naive.conditional()
        access = access_of(facts, policy)
        for name in NAMES:
            assert (decide(access, name, location, asked) is Reason.GRANTED) == naive.allows(name, location, asked)
