"""Nothing that was not signed with the secret, for this purpose and under this name, can be opened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cache.signing import CONTENT_AT, HEAD_BYTES, Names, Opened, Signer

SECRET = b"a secret of sixteen bytes"
SIGNER = Signer(SECRET, "facts")
MICROSECONDS = st.integers(0, 9_999_999_999_999_999)
NAMES = st.text("abcdef/-_", min_size=1, max_size=20)


@given(NAMES, st.binary(max_size=50), MICROSECONDS)
def test_what_is_sealed_is_opened_with_its_time(name: str, content: bytes, microseconds: int) -> None:
    at = microseconds / 1_000_000
    opened = SIGNER.opened(name, SIGNER.signed(name, content, at))
    assert opened is not None
    assert (opened.content, abs(opened.at - at) < 0.000_002) == (content, True)


@given(st.binary(max_size=20), MICROSECONDS, st.data())
def test_with_any_bit_flipped_nothing_is_opened(content: bytes, microseconds: int, data: st.DataObject) -> None:
    signed = SIGNER.signed("north/ann", content, microseconds / 1_000_000)
    place = data.draw(st.integers(0, 8 * len(signed) - 1))
    flipped = (int.from_bytes(signed) ^ 1 << place).to_bytes(len(signed))
    assert SIGNER.opened("north/ann", flipped) is None


@given(st.binary(max_size=80))
def test_what_somebody_makes_up_is_not_opened(text: bytes) -> None:
    assert SIGNER.opened("north/ann", text) is None


@given(st.integers(0, CONTENT_AT + 3))
def test_what_is_cut_short_is_not_opened(length: int) -> None:
    assert SIGNER.opened("north/ann", SIGNER.signed("north/ann", b"abcd", 1.0)[:length]) is None


@given(NAMES, NAMES, st.binary(max_size=20))
def test_what_was_sealed_under_one_name_is_not_opened_under_another(name: str, other: str, content: bytes) -> None:
    assert (SIGNER.opened(other, SIGNER.signed(name, content, 1.0)) is None) == (name != other)


@pytest.mark.parametrize("other", [Signer(SECRET, "messages"), Signer(b"another secret of theirs", "facts")])
def test_another_purpose_or_secret_opens_nothing(other: Signer) -> None:
    assert other.opened("north/ann", SIGNER.signed("north/ann", b"facts", 1.0)) is None


def test_the_time_stands_in_clear_where_scripts_look_for_it() -> None:
    signed = SIGNER.signed("north/ann", b"facts", 1_700_000_000.25)
    assert signed[:HEAD_BYTES] == b"11700000000250000"
    assert signed[CONTENT_AT:] == b"facts"
    assert SIGNER.opened("north/ann", signed) == Opened(b"facts", 1_700_000_000.25)


def test_names_tell_nobody_without_the_secret_what_they_are_of() -> None:
    names = Names(SECRET, "names")
    assert names.of("north/ann") == names.of("north/ann")
    others = {names.of("north/ben"), Names(SECRET, "other").of("north/ann"), Names(b"x", "names").of("north/ann")}
    assert len(others | {names.of("north/ann")}) == 4
    assert {len(name) for name in others} == {32}
