"""The API keys in force."""

import hashlib

from app.auth.api_keys import Key, Keys, key_of
from app.domain.callers import USUAL_SCOPES, Caller, CallerScope
from app.domain.ids import DistrictId


def key(name: str, text: str) -> Key:
    return key_of(name, hashlib.sha256(text.encode()).hexdigest(), USUAL_SCOPES, None)


def test_a_caller_is_who_presents_their_key() -> None:
    keys = Keys()
    keys.take([key("gradebook", "one"), key("portal", "two")])
    assert [caller and caller.name for caller in map(keys.caller, (b"one", b"two", b"three", b""))] == [
        "gradebook",
        "portal",
        None,
        None,
    ]


def test_without_keys_nobody_is_known() -> None:
    assert Keys().caller(b"one") is None


def test_two_keys_of_one_name_are_of_one_caller() -> None:
    keys = Keys()
    keys.take([key("gradebook", "old"), key("gradebook", "new")])
    assert keys.caller(b"old") == keys.caller(b"new")


def test_callers_of_different_names_are_told_apart() -> None:
    assert key("gradebook", "one").caller.digest != key("portal", "one").caller.digest


def test_keys_that_are_replaced_are_known_no_more() -> None:
    keys = Keys()
    keys.take([key("gradebook", "old")])
    keys.take([key("gradebook", "new")])
    assert keys.caller(b"old") is None
    assert keys.caller(b"new") is not None


def test_an_entry_becomes_a_key_with_its_rights() -> None:
    key = key_of("metrics", "ab" * 32, ["metrics:read"], ["d1", "d2"])
    districts = frozenset(map(DistrictId, ("d1", "d2")))
    assert key.sha256 == b"\xab" * 32
    assert key.caller == Caller("metrics", key.caller.digest, {CallerScope.METRICS_READ}, districts)


def test_a_policy_file_that_fails_before_any_was_in_force_is_unusable_and_later_outdated() -> None:
    keys = Keys()
    keys.refuse()
    states = [keys.state]
    keys.take([])
    states.append(keys.state)
    keys.refuse()
    assert [*states, keys.state] == ["unusable", "ok", "outdated"]
