"""What a caller may ask, and how callers are told apart."""

import pytest

from app.domain.callers import Caller, CallerScope, digest_of
from app.domain.errors import CallerMayNot
from app.domain.ids import DistrictId

ONE_SCOPE, ANOTHER, *_ = CallerScope


def test_a_caller_may_ask_what_their_scopes_allow_and_nothing_else() -> None:
    caller = Caller("gradebook", b"", {ONE_SCOPE})
    caller.require(ONE_SCOPE)
    with pytest.raises(CallerMayNot) as refused:
        caller.require(ANOTHER)
    assert refused.value.scope == ANOTHER


def test_a_caller_with_a_list_of_districts_may_ask_about_these_only() -> None:
    north, south = DistrictId("north"), DistrictId("south")
    callers = [
        Caller("gradebook", b"", (), districts) for districts in (None, frozenset({north}), frozenset[DistrictId]())
    ]
    assert [(caller.may_ask_about(north), caller.may_ask_about(south)) for caller in callers] == [
        (True, True),
        (True, False),
        (False, False),
    ]


def test_names_that_are_split_otherwise_are_of_different_callers() -> None:
    assert digest_of("a", "bc") != digest_of("ab", "c")
    assert digest_of("a", "bc") == digest_of("a", "bc")
