"""What a question asks for, in the caller's words."""

from typing import Any

import pytest

from app.domain.decision import Decision, Reason, denied_unread
from app.domain.errors import RoleNotHeld
from app.domain.facts import Role
from app.domain.question import Action, Entity, Question, district_named, is_user, permission_asked, role_asked
from app.main import default_policy
from app.policy_files.yaml import read_policy

POLICY = read_policy(default_policy() + "\naliases: {class: section, lea: district}\n")


def question(kind: str = "user", **context: Any) -> Question:
    return Question(
        Entity(kind, "ann", {}), Action("view", {"soft": True}), Entity("class", "one", {"status": "old"}), context
    )


@pytest.mark.parametrize(
    ("action", "kind", "permission"),
    [("view", "class", "section:view"), ("class:view", "school", "section:view"), ("view", "report", "report:view")],
)
def test_an_action_asks_for_a_permission_on_the_resource_or_on_what_it_names(
    action: str, kind: str, permission: str
) -> None:
    assert permission_asked(POLICY, action, kind) == permission


@pytest.mark.parametrize(("said", "value"), [("resource.status", "old"), ("action.soft", True), ("context.why", "x")])
def test_conditions_read_what_the_request_says(said: str, value: object) -> None:
    assert question(why="x").get(said) == value


def test_a_role_context_is_a_role_or_is_not_held() -> None:
    assert role_asked(question()) is None
    assert role_asked(question(role_context="teacher")) is Role.TEACHER
    with pytest.raises(RoleNotHeld):
        role_asked(question(role_context="boss"))


def test_a_district_is_named_once_by_type_or_alias() -> None:
    assert district_named(POLICY, {"school": "one"}) is None
    assert district_named(POLICY, {"lea": "north", "district": "north"}) == "north"
    assert district_named(POLICY, {"lea": "north", "district": "south"}) == ""


def test_what_is_denied_without_reading_anybody() -> None:
    assert not is_user(POLICY, Entity("robot", "ann", {}))
    assert denied_unread(POLICY, "section:view", question("robot")) is Reason.UNKNOWN_SUBJECT
    assert denied_unread(POLICY, "section:fly", question()) is Reason.UNKNOWN_ACTION
    assert denied_unread(POLICY, "section:view", question()) is None


def test_only_what_is_granted_is_held() -> None:
    assert [reason for reason in Reason if Decision(reason).held] == [Reason.GRANTED]
