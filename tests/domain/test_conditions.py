import pytest

from app.domain.conditions import RequestCondition, is_of_request
from app.domain.policy_schema import Value

KEY = "resource.status"


def on(*values: Value) -> RequestCondition:
    return RequestCondition(when=((KEY, values),))


def but_on(*values: Value) -> RequestCondition:
    return RequestCondition(unless=((KEY, values),))


EQUAL, DIFFERENT, INCOMPARABLE = "equal", "different", "incomparable"
NAN, HUGE = float("nan"), 10**400


@pytest.mark.parametrize(
    ("said", "wanted", "found"),
    [
        ("active", "active", EQUAL),
        ("ACTIVE", "Active", EQUAL),
        ("STRASSE", "straße", EQUAL),
        (" active\t", "active", EQUAL),
        ("in  review", "In\u00a0Review", EQUAL),
        ("re\u0301serve\u0301", "réservé", EQUAL),
        ("inactive", "active", DIFFERENT),
        ("", "", EQUAL),
        (" \u200b", "", EQUAL),
        ("", "active", DIFFERENT),
        ("active", "", DIFFERENT),
        ("a" * 500, "active", DIFFERENT),
        ("a" * 501, "active", INCOMPARABLE),
        ("active" + " " * 500, "active", INCOMPARABLE),
        (True, True, EQUAL),
        (False, False, EQUAL),
        (False, True, DIFFERENT),
        (1, True, INCOMPARABLE),
        (0, False, INCOMPARABLE),
        (1.0, True, INCOMPARABLE),
        (True, 1, INCOMPARABLE),
        (False, 0, INCOMPARABLE),
        (False, 0.0, INCOMPARABLE),
        ("true", True, INCOMPARABLE),
        (True, "true", INCOMPARABLE),
        (True, "yes", INCOMPARABLE),
        ("1", 1, INCOMPARABLE),
        (1, "1", INCOMPARABLE),
        (1, 1, EQUAL),
        (1, 1.0, EQUAL),
        (1.0, 1, EQUAL),
        (1.5, 1, DIFFERENT),
        (-1, 1, DIFFERENT),
        (0, -0.0, EQUAL),
        (HUGE, 1.0, DIFFERENT),
        (HUGE, HUGE, EQUAL),
        (2.0**53, 2**53 + 1, INCOMPARABLE),
        (2.0**53, 2**53, INCOMPARABLE),
        (NAN, 1, INCOMPARABLE),
        (float("inf"), 1, INCOMPARABLE),
        (None, "null", INCOMPARABLE),
        (None, "", EQUAL),
        (None, False, INCOMPARABLE),
        (None, 0, INCOMPARABLE),
        (["active"], "active", EQUAL),
        (["draft", "ACTIVE"], "active", EQUAL),
        ([5, "ACTIVE"], "active", EQUAL),
        (["draft"], "active", DIFFERENT),
        ([""], "", EQUAL),
        ([], "active", INCOMPARABLE),
        ([], "", INCOMPARABLE),
        ([None], "", INCOMPARABLE),
        ([None, 1], "active", INCOMPARABLE),
        (["draft", None], "active", INCOMPARABLE),
        (["draft", True], "active", INCOMPARABLE),
        ([[True]], True, INCOMPARABLE),
        ([["active"]], "active", INCOMPARABLE),
        ([1], True, INCOMPARABLE),
        ({}, "active", INCOMPARABLE),
        ({}, "", INCOMPARABLE),
        ({"active": "active"}, "active", INCOMPARABLE),
        ({"active": True}, True, INCOMPARABLE),
    ],
)
def test_values_are_compared_by_their_kind_and_what_cannot_be_compared_meets_no_condition(
    said: object, wanted: Value, found: str
) -> None:
    asked = {KEY: said}
    assert on(wanted).holds(asked) is (found == EQUAL)
    assert but_on(wanted).holds(asked) is (found == DIFFERENT)
    assert but_on(wanted).not_comparable(asked) == ((KEY,) if found == INCOMPARABLE else ())
    assert on(wanted).not_comparable(asked) == ()


def test_a_value_is_comparable_with_a_condition_that_has_one_of_its_kind() -> None:
    mixed = but_on(*("archived", True))
    assert [mixed.holds({KEY: said}) for said in ("draft", False, ["draft", False])] == [True, True, True]
    assert [mixed.holds({KEY: said}) for said in ("archived", True, 1, None, ["draft", 1])] == [False] * 5


def test_empty_text_beside_other_values_makes_no_text_comparable_with_them() -> None:
    told = but_on(*(True, ""))
    assert [told.holds({KEY: said}) for said in (False, [False])] == [True, True]
    assert [told.holds({KEY: said}) for said in (True, "", None, "true", "x", 1, [False, "x"])] == [False] * 7
    assert told.not_comparable({KEY: "true"}) == (KEY,)
    assert [but_on("").holds({KEY: said}) for said in ("x", "", None, True)] == [True, False, False, False]
    assert [but_on(*values).holds({KEY: "x"}) for values in ((2.0**53,), (2.0**53, ""))] == [False, False]


def test_a_key_that_is_absent_has_no_value_and_keys_are_exact() -> None:
    assert [on("active").holds({}), but_on("active").holds({})] == [False, False]
    for key in ("status", "action.status", "resource.Status", " resource.status"):
        assert [on("active").holds({key: "active"}), but_on("archived").holds({key: "active"})] == [False, False]


def test_empty_text_names_what_is_absent() -> None:
    assert [on("active", " ").holds({}), on("active", "").holds({KEY: None}), on("").holds({KEY: "x"})] == [
        True,
        True,
        False,
    ]
    assert [but_on("archived", "").holds({}), but_on("archived", "").not_comparable({})] == [False, ()]
    assert [but_on("archived", "").holds({KEY: said}) for said in ("", "draft")] == [False, True]


def test_what_is_ruled_out_anyhow_does_not_hinge_on_what_cannot_be_compared() -> None:
    condition = RequestCondition(
        when=(("action.soft", (True,)),), unless=((KEY, ("archived",)), ("context.late", (True,)))
    )
    assert condition.not_comparable({"action.soft": True}) == (KEY, "context.late")
    assert condition.not_comparable({"action.soft": True, KEY: 5, "context.late": False}) == (KEY,)
    assert condition.not_comparable({}) == ()
    assert condition.not_comparable({"action.soft": True, KEY: "archived"}) == ()


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        ({"resource.status": "active", "context.purpose": "audit"}, False),
        ({"resource.status": "active", "context.purpose": "fun"}, False),
        ({"resource.status": "active"}, False),
        ({"resource.status": "active", "context.purpose": "audit", "action.soft": False}, False),
        ({"resource.status": "active", "context.purpose": "audit", "resource.locked": True}, False),
        ({"resource.status": "active", "context.purpose": "audit", "resource.locked": False}, False),
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
