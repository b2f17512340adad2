"""Every case in ``tests/cases`` through the runner that policy authors use; what it compares is written by hand there.

Beyond what the runner compares, the grants wanted in our own cases stand in the order of answers.
"""

from importlib.resources import files
from pathlib import Path

import pytest

from app.domain.decision import Reason
from app.domain.errors import RoleNotHeld
from app.domain.evaluation import permission_set
from app.domain.facts import Role
from app.domain.grants import ConditionalGrant, Grant, PermissionSet
from app.domain.ids import DistrictId, UserId
from app.domain.policy import Policy, policy_of
from app.domain.policy_schema import PolicyFile, Rule
from app.domain.policy_test_places import status, subject
from app.domain.policy_test_run import failures
from app.domain.policy_test_schema import CaseFile, WantedGrant
from app.domain.scopes import Scope
from app.policy_files.testing import read_case
from app.policy_files.yaml import read_policy

CASES = {path.stem: path for path in sorted((Path(__file__).parent.parent / "cases").glob("*.yaml"))}
DEFAULT = read_policy((files("app.policy_files") / "default.yaml").read_text())


def case_of(name: str) -> tuple[CaseFile, Policy]:
    return read_case(CASES[name], DEFAULT)


def listed(grant: Grant) -> WantedGrant:
    asks = (
        {"when": dict(grant.condition.when), "unless": dict(grant.condition.unless)}
        if isinstance(grant, ConditionalGrant)
        else {}
    )
    return WantedGrant.model_validate(
        {"scope": grant.scope, "ids": grant.ids, "permissions": grant.permissions, "via": grant.via, **asks}
    )


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    case, policy = case_of(name)
    assert failures(case, policy) == ()
    if case.wanted is not None:
        found = permission_set(subject(case), policy, case.role, status(case, policy))
        assert tuple(map(listed, (*found.grants, *found.conditional))) == case.wanted


UNRELATED = policy_of(
    PolicyFile.model_validate(
        {"version": 1, "rule": "scoped", "roles": {role: [{"allow": ["club:join"], "over": "self"}] for role in Role}}
    )
)


def test_hardly_a_denial_that_is_wanted_is_found_under_an_unrelated_policy() -> None:
    asking = [case_of(name)[0] for name, path in CASES.items() if "\nquestions:" in path.read_text()]
    denials = [(case, question) for case in asking for question in case.questions or () if not question.wanted]
    passing = [
        question
        for case, question in denials
        if not failures(case.model_copy(update={"questions": (question,)}), UNRELATED)
    ]
    assert len(denials) > 10
    assert [question.reason for question in passing] == [Reason.UNKNOWN_ACTION]


def test_there_are_cases() -> None:
    assert len(CASES) > 70


def test_whole_permission_set() -> None:
    case, policy = case_of("staff_who_also_teach_elsewhere")

    found = permission_set(case.facts.facts(), policy)

    assert found == PermissionSet(
        user=UserId("67290af290b55408fa4b09e7"),
        district=DistrictId("6385008f69df036e83e984a3"),
        role=None,
        roles=(Role.STAFF, Role.TEACHER),
        grants=(
            Grant(
                Scope.SCHOOL,
                ("63850203bfb8460546071e5e",),
                ("assignment:grade", "school:view", "section:edit", "section:view", "student:view"),
                (Role.STAFF,),
            ),
            Grant(
                Scope.SECTION,
                ("73850203bfb8460546071001",),
                ("assignment:grade", "section:edit", "section:view", "student:view"),
                (Role.STAFF, Role.TEACHER),
            ),
        ),
        conditional=(),
        rule=Rule.SUPERSET,
        revision=policy.revision,
    )
    assert found.permissions == ("assignment:grade", "school:view", "section:edit", "section:view", "student:view")


def test_what_is_held_on_a_condition_is_no_permission_to_switch_a_feature_on_by() -> None:
    case, policy = case_of("certification_grants")
    found = permission_set(case.facts.facts(), policy)
    assert found.permissions == ("section:read",)
    assert len(found.conditional) == 4


def test_role_context_names_its_role_and_all_that_are_held() -> None:
    case, policy = case_of("role_context_of_a_junior_under_superset")
    found = permission_set(case.facts.facts(), policy, Role.TEACHER)
    assert (found.role, found.roles) == (Role.TEACHER, (Role.STAFF, Role.TEACHER))


def test_role_context_of_a_role_not_held_tells_which_are() -> None:
    case, policy = case_of("role_context_of_a_role_not_held")
    with pytest.raises(RoleNotHeld, match="the user does not hold the role staff") as refused:
        permission_set(case.facts.facts(), policy, Role.STAFF)
    assert (refused.value.role, refused.value.held) == (Role.STAFF, (Role.TEACHER,))
