"""Every decision case in ``tests/cases`` through the engine: policy, facts and the wanted grants as data.

``CaseFile`` is the form of a case file; its JSON Schema can be had from it. ``facts_of`` turns the readable facts into
the engine's. Texts of role fields are casefolded here, as they are wherever facts are made.
"""

from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

import pytest
from pydantic import BaseModel, ConfigDict, model_validator
from ruamel.yaml import YAML

from app.domain.engine import permission_set
from app.domain.errors import RoleNotHeld
from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.grants import Grant, PermissionSet
from app.domain.ids import DistrictId, UserId
from app.domain.policy import Policy, policy_of
from app.domain.policy_file import PolicyFile, Rule
from app.domain.scopes import Scope
from app.services.policies import read_policy

CASES = {path.stem: path for path in sorted((Path(__file__).parent.parent / "cases").glob("*.yaml"))}
ERRORS = {"role_not_held": RoleNotHeld}


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Person(Part):
    """How a student, teacher, member of staff or district admin stands; what the role does not have is left out."""

    sections: tuple[str, ...] = ()
    schools: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] | Literal["unread"] = ()
    roles: tuple[str, ...] = ()
    title: str = ""
    department: str = ""


class Relationship(Part):
    """One student of a contact."""

    student: str
    type: str = ""
    relationship: str = ""


class CaseRoles(Part):
    """The roles held; one that is left out is not held, one that is ``{}`` is."""

    student: Person | None = None
    teacher: Person | None = None
    staff: Person | None = None
    district_admin: Person | None = None
    contact: tuple[Relationship, ...] | None = None


class CaseFacts(Part):
    user: str = "user"
    district: str = "district"
    roles: CaseRoles


class WantedGrant(Part):
    scope: Scope
    ids: tuple[str, ...]
    permissions: tuple[str, ...]
    via: tuple[Role, ...]


class CaseFile(Part):
    """A case: under this policy, this user (seen in this role) holds just these grants, or is answered this error."""

    description: str
    policy: Literal["default"] | PolicyFile
    facts: CaseFacts
    role: Role | None = None
    wanted: tuple[WantedGrant, ...] | None = None
    error: Literal["role_not_held"] | None = None

    @model_validator(mode="after")
    def _wants_one_thing(self) -> Self:
        if (self.wanted is None) == (self.error is None):
            raise ValueError("a case has either the grants wanted or an error")
        return self


def case_of(name: str) -> CaseFile:
    written: Any = YAML(typ="safe", pure=True).load(CASES[name].read_text())
    return CaseFile.model_validate(written)


def policy_in(case: CaseFile) -> Policy:
    if case.policy == "default":
        return read_policy((files("app.policies") / "default.yaml").read_text())
    return policy_of(case.policy)


def facts_of(case: CaseFacts) -> Facts:
    people = {role: getattr(case.roles, role.value) for role in Role}
    held = tuple(HeldRole(role, _standings(case, role, people[role])) for role in Role if people[role] is not None)
    return Facts(UserId(case.user), DistrictId(case.district), held)


def _standings(case: CaseFacts, role: Role, stands: Person | tuple[Relationship, ...]) -> tuple[Standing, ...]:
    if not isinstance(stands, Person):
        entries = (
            Standing(((Scope.STUDENT, (entry.student,)),), _fields(type=entry.type, relationship=entry.relationship))
            for entry in stands
        )
        return tuple(entries) or (Standing(),)
    places = {
        Scope.DISTRICT: (case.district,) if role is Role.DISTRICT_ADMIN else (),
        Scope.SCHOOL: tuple(sorted(stands.schools)),
        Scope.SECTION: tuple(sorted(stands.sections)),
    }
    fields = _fields(*stands.roles, title=stands.title, department=stands.department)
    unconfirmed = None if stands.unconfirmed == "unread" else stands.unconfirmed
    return (Standing(tuple(places.items()), fields, unconfirmed),)


def _fields(*roles: str, **texts: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    values = {name: (text,) if text else () for name, text in texts.items()} | {"roles": roles}
    return tuple((name, tuple(text.casefold() for text in some)) for name, some in values.items() if some)


def granted(case: CaseFile) -> tuple[WantedGrant, ...]:
    return tuple(
        WantedGrant(scope=grant.scope, ids=grant.ids, permissions=grant.permissions, via=grant.via)
        for grant in permission_set(facts_of(case.facts), policy_in(case), case.role).grants
    )


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    case = case_of(name)
    if case.error:
        with pytest.raises(ERRORS[case.error]):
            granted(case)
    else:
        assert granted(case) == case.wanted


def test_there_are_cases() -> None:
    assert len(CASES) > 50


def test_whole_permission_set() -> None:
    case = case_of("staff_who_also_teach_elsewhere")
    policy = policy_in(case)

    found = permission_set(facts_of(case.facts), policy)

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
        rule=Rule.SUPERSET,
        revision=policy.revision,
    )
    assert found.permissions == ("assignment:grade", "school:view", "section:edit", "section:view", "student:view")


def test_role_context_names_its_role_and_all_that_are_held() -> None:
    case = case_of("role_context_of_a_junior_under_superset")
    found = permission_set(facts_of(case.facts), policy_in(case), Role.TEACHER)
    assert (found.role, found.roles) == (Role.TEACHER, (Role.STAFF, Role.TEACHER))


def test_role_context_of_a_role_not_held_tells_which_are() -> None:
    case = case_of("role_context_of_a_role_not_held")
    with pytest.raises(RoleNotHeld, match="the user does not hold the role staff") as refused:
        granted(case)
    assert (refused.value.role, refused.value.held) == (Role.STAFF, (Role.TEACHER,))
