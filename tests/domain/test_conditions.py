import pytest

from app.domain.conditions import RequestCondition, is_of_request
from app.domain.policy_file import Value

KEY = "resource.status"


def on(*values: Value) -> RequestCondition:
    return RequestCondition(when=((KEY, values),))


def but_on(*values: Value) -> RequestCondition:
    return RequestCondition(unless=((KEY, values),))


@pytest.mark.parametrize(
    ("said", "wanted", "same"),
    [
        ("active", "active", True),
        ("ACTIVE", "Active", True),
        ("STRASSE", "straße", True),
        ("active ", "active", False),
        ("inactive", "active", False),
        ("", "", True),
        ("", "active", False),
        (True, True, True),
        (False, False, True),
        (False, True, False),
        (1, True, False),
        (0, False, False),
        (1.0, True, False),
        (True, 1, False),
        (False, 0, False),
        (False, 0.0, False),
        ("true", True, False),
        (True, "true", False),
        ("1", 1, False),
        (1, "1", False),
        (1, 1, True),
        (1, 1.0, True),
        (1.0, 1, True),
        (1.5, 1, False),
        (-1, 1, False),
        (10**400, 1.0, False),
        (float("nan"), 1, False),
        (None, "null", False),
        (None, "", False),
        (None, False, False),
        (None, 0, False),
        (["active"], "active", True),
        (["draft", "ACTIVE"], "active", True),
        (["draft"], "active", False),
        ([], "active", False),
        ([None, 1], "active", False),
        ([[True]], True, False),
        ([["active"]], "active", False),
        ([1], True, False),
        ({}, "active", False),
        ({"active": "active"}, "active", False),
        ({"active": True}, True, False),
    ],
)
def test_values_are_compared_by_their_kind(said: object, wanted: Value, same: bool) -> None:
    assert on(wanted).holds({KEY: said}) is same
    assert but_on(wanted).holds({KEY: said}) is not same
    assert on("other", wanted).holds({KEY: said}) is same
    assert but_on("other", wanted).holds({KEY: said}) is not same


def test_a_key_that_is_absent_has_no_value() -> None:
    assert [on("active").holds({}), but_on("active").holds({})] == [False, True]
    assert [on("active").holds({"status": "active"}), but_on("active").holds({"action.status": "active"})] == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        ({"resource.status": "active", "context.purpose": "audit"}, True),
        ({"resource.status": "active", "context.purpose": "fun"}, False),
        ({"resource.status": "active"}, False),
        ({"resource.status": "active", "context.purpose": "audit", "action.soft": False}, False),
        ({"resource.status": "active", "context.purpose": "audit", "resource.locked": True}, False),
        (
            {"resource.status": "active", "context.purpose": "audit", "resource.locked": False, "action.soft": True},
            True,
        ),
        ({"context.purpose": "audit"}, False),
    ],
)
def test_all_keys_of_when_and_none_of_unless(asked: dict[str, object], holds: bool) -> None:
    condition = RequestCondition(
        when=(("context.purpose", ("audit",)), ("resource.status", ("active", "draft"))),
        unless=(("action.soft", (False,)), ("resource.locked", (True,))),
    )
    assert condition.holds(asked) is holds


def test_no_condition_always_holds() -> None:
    assert RequestCondition().holds({"resource.status": "archived"})


@pytest.mark.parametrize(
    ("key", "of_request"),
    [
        ("resource.status", True),
        ("action.soft", True),
        ("context.purpose", True),
        ("subject.role", False),
        ("title", False),
        ("resource", False),
        ("resources.status", False),
    ],
)
def test_a_key_reads_the_request_or_a_field_of_the_role(key: str, of_request: bool) -> None:
    assert is_of_request(key) is of_request
