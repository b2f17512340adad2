from typing import Any

import pytest

from app.domain.conditions import RequestValues
from app.domain.decision import Reason, decide, is_applicable
from app.domain.errors import RoleNotHeld
from app.domain.evaluation import Access, access_of
from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import DistrictId, UserId
from app.domain.places import Location
from app.domain.policy import policy_of
from app.domain.policy_schema import PolicyFile
from app.domain.scopes import CLEVER_TYPES, Scope

POLICY = policy_of(
    PolicyFile.model_validate(
        {
            "version": 1,
            "rule": "scoped",
            "roles": {
                "teacher": [
                    {"allow": ["section:view", "note:write"], "over": "sections"},
                    {"allow": ["section:edit"], "over": "sections", "unless": {"resource.status": "archived"}},
                    {"allow": ["section:edit"], "over": "sections", "when": {"context.purpose": "repair"}},
                    {"allow": ["user:view"], "over": "self"},
                ],
                "staff": [
                    {"allow": ["section:edit"], "over": "schools", "when": {"resource.status": "archived"}},
                    {"allow": ["school:view"], "over": "schools"},
                ],
                "district_admin": [{"allow": ["district:view"], "over": "district"}],
            },
        }
    )
)
ADA = Facts(
    UserId("ada"),
    DistrictId("zeta"),
    (
        HeldRole(Role.STAFF, (Standing(((Scope.SCHOOL, ("north",)),)),)),
        HeldRole(Role.TEACHER, (Standing(((Scope.SECTION, ("sec-a",)),)),)),
    ),
)
ZETA = (Scope.DISTRICT, "zeta")
SEC_A: Location = frozenset({(Scope.SECTION, "sec-a"), (Scope.SCHOOL, "south"), ZETA})
SEC_B: Location = frozenset({(Scope.SECTION, "sec-b"), (Scope.SCHOOL, "north"), ZETA})
SEC_C: Location = frozenset({(Scope.SECTION, "sec-c"), (Scope.SCHOOL, "south"), ZETA})
ACTIVE: RequestValues = {"resource.status": "active"}
ARCHIVED: RequestValues = {"resource.status": "archived"}
REPAIR: RequestValues = {"resource.status": "archived", "context.purpose": "repair"}


def ada(role: Role | None = None) -> Access:
    return access_of(ADA, POLICY, role)


@pytest.mark.parametrize(
    ("permission", "location", "asked", "reason"),
    [
        ("section:view", SEC_A, {}, Reason.GRANTED),
        ("section:view", SEC_A, ARCHIVED, Reason.GRANTED),
        ("section:view", SEC_B, {}, Reason.NOT_IN_REACH),
        ("section:view", frozenset(), {}, Reason.NOT_IN_REACH),
        ("section:edit", SEC_A, {}, Reason.CONDITION_NOT_COMPARABLE),
        ("section:edit", SEC_A, ACTIVE, Reason.GRANTED),
        ("section:edit", SEC_A, {"resource.status": 5}, Reason.CONDITION_NOT_COMPARABLE),
        ("section:edit", SEC_A, {"resource.Status": "active"}, Reason.CONDITION_NOT_COMPARABLE),
        ("section:edit", SEC_A, ARCHIVED, Reason.CONDITION_NOT_MET),
        ("section:edit", SEC_A, REPAIR, Reason.GRANTED),
        ("section:edit", SEC_B, {}, Reason.CONDITION_NOT_MET),
        ("section:edit", SEC_B, ACTIVE, Reason.CONDITION_NOT_MET),
        ("section:edit", SEC_B, ARCHIVED, Reason.GRANTED),
        ("section:edit", SEC_C, ARCHIVED, Reason.NOT_IN_REACH),
        ("section:edit", frozenset({ZETA}), ARCHIVED, Reason.NOT_IN_REACH),
        ("school:view", frozenset({(Scope.SCHOOL, "north"), ZETA}), {}, Reason.GRANTED),
        ("school:view", frozenset({(Scope.SECTION, "north"), ZETA}), {}, Reason.NOT_IN_REACH),
        ("district:view", frozenset({ZETA}), {}, Reason.NOT_PERMITTED),
        ("user:view", frozenset({(Scope.SELF, "ada"), ZETA}), {}, Reason.GRANTED),
        ("user:view", frozenset({(Scope.SELF, "bob"), ZETA}), {}, Reason.NOT_IN_REACH),
        ("section:delete", SEC_A, {}, Reason.NOT_PERMITTED),
    ],
)
def test_decisions(permission: str, location: Location, asked: RequestValues, reason: Reason) -> None:
    assert decide(ada(), permission, location, asked) is reason


@pytest.mark.parametrize(
    ("role", "permission", "location", "asked", "reason"),
    [
        (Role.TEACHER, "section:edit", SEC_A, ACTIVE, Reason.GRANTED),
        (Role.TEACHER, "section:edit", SEC_B, ARCHIVED, Reason.NOT_IN_REACH),
        (Role.TEACHER, "school:view", frozenset({(Scope.SCHOOL, "north")}), {}, Reason.NOT_PERMITTED),
        (Role.STAFF, "section:edit", SEC_A, ACTIVE, Reason.NOT_IN_REACH),
        (Role.STAFF, "section:edit", SEC_B, ARCHIVED, Reason.GRANTED),
        (Role.STAFF, "section:view", SEC_A, {}, Reason.NOT_PERMITTED),
    ],
)
def test_decisions_in_a_role_context(
    role: Role, permission: str, location: Location, asked: RequestValues, reason: Reason
) -> None:
    assert decide(ada(role), permission, location, asked) is reason


def test_a_role_context_of_a_role_not_held_has_no_access() -> None:
    with pytest.raises(RoleNotHeld):
        ada(Role.STUDENT)


def test_an_access_tells_what_is_held_somewhere_be_it_on_a_condition() -> None:
    assert ada().anywhere == {"section:view", "note:write", "section:edit", "user:view", "school:view"}
    assert ada(Role.STAFF).anywhere == {"section:edit", "school:view"}
    nobody = Facts(UserId("bob"), DistrictId("zeta"))
    assert access_of(nobody, POLICY).anywhere == frozenset()
    nowhere = Facts(UserId("bob"), DistrictId("zeta"), (HeldRole(Role.STAFF),))
    assert access_of(nowhere, POLICY).anywhere == frozenset()


def test_an_access_keeps_the_facts_whole_in_a_role_context() -> None:
    assert (ada(Role.STAFF).facts, ada(Role.STAFF).role, ada().role) == (ADA, Role.STAFF, None)


@pytest.mark.parametrize(
    ("permission", "types"),
    [
        ("district:view", {"district"}),
        ("school:view", {"district", "school"}),
        ("section:edit", {"district", "school", "section"}),
        ("student:view", {"district", "school", "section", "student"}),
        ("user:view", {"district", "user"}),
        ("assignment:grade", {"district", "school", "section", "student", "user", "assignment", "report"}),
        ("report:export", {"district", "school", "section", "student", "user", "assignment", "report"}),
    ],
)
def test_a_permission_is_asked_where_its_type_can_lie(permission: str, types: set[str]) -> None:
    assert {each for each in (*CLEVER_TYPES, "assignment", "report") if is_applicable(permission, each)} == types


def test_reasons_are_words_that_can_be_published() -> None:
    names: list[Any] = list(Reason)
    assert names == [
        *("granted", "unknown_subject", "unknown_resource", "unknown_action", "role_not_held", "not_applicable"),
        *("no_place", "places_disagree", "not_permitted", "not_in_reach", "condition_not_met"),
        *("condition_not_comparable", "district_paused", "district_not_launched", "term_ended", "term_not_begun"),
    ]
