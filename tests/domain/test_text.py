"""One form for all texts that look the same but for case and blanks."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.text import is_writable, normal
from tests.domain.worlds import law

EVERY = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("Substitute ", "substitute"),
        (" \t\r\nassistant \u00a0\u2003principal\u2028", "assistant principal"),
        ("De\u0301le\u0301gue\u0301", "délégué"),
        ("STRASSE", "strasse"),
        ("straße", "strasse"),
        ("\uff24\uff25\uff21\uff2e", "dean"),
        ("ﬁrst", "first"),
        ("de\u00adan\u200b\ufeff", "dean"),
        ("e\u200d\u0301", "é"),
        ("❤\ufe0f", "❤"),
        ("de\x07an\x9b", "dean"),
        ("\u00a0\u3000\u200b", ""),
        ("\x00\u2800", ""),
        ("", ""),
    ],
)
def test_the_normal_form(written: str, form: str) -> None:
    assert normal(written) == form


def test_the_normal_form_of_a_normal_form_is_itself_and_none_that_only_formats_or_controls_is_left() -> None:
    for character in EVERY:
        form = normal(f"a{character}b")
        assert normal(form) == form
        if unicodedata.category(character) in {"Cf", "Cc"} and not character.isspace():
            assert form == "ab"


@law
@given(st.text())
def test_composed_decomposed_and_padded_texts_have_one_form(text: str) -> None:
    form = normal(text)
    assert normal(form) == form
    assert normal(unicodedata.normalize("NFD", text)) == normal(unicodedata.normalize("NFC", text)) == form
    assert normal(f"\t {text} \u00a0") == form


@pytest.mark.parametrize(
    ("text", "writable"), [("", True), ("é", True), ("😀", True), ("\ud800", False), ("a\udfffb", False)]
)
def test_half_of_a_surrogate_pair_cannot_be_written(text: str, writable: bool) -> None:
    assert is_writable(text) is writable
