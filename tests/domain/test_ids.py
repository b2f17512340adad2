import re

import pytest

from app.domain.errors import MalformedId
from app.domain.ids import IdShape

ID = "67290af290b55408fa4b09e7"


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (ID, True),
        ("0" * 24, True),
        (ID.upper(), False),
        (ID[:-1], False),
        (ID + "0", False),
        (ID + "\n", False),
        (" " + ID, False),
        ("g" + ID[1:], False),
        ("٣" + ID[1:], False),
        ("", False),
    ],
)
def test_an_id_of_clever_has_24_hex_digits(text: str, fits: bool) -> None:
    assert IdShape().fits(text) is fits


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("a", True),
        ("A-z_0", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("", False),
        ("a/b", False),
        ("a.b", False),
        ("a b", False),
        ("a\n", False),
        ("é", False),
    ],
)
def test_the_laxest_shape_stays_safe_in_a_url(text: str, fits: bool) -> None:
    assert IdShape(re.compile(".*", re.DOTALL)).fits(text) is fits


def test_a_pattern_has_to_match_the_whole_id() -> None:
    assert [IdShape(re.compile("a|ab")).fits(text) for text in ("a", "ab", "abc", "b")] == [True, True, False, False]


def test_what_fits_becomes_an_id() -> None:
    shape = IdShape()
    assert [shape.user(ID), shape.district(ID), shape.school(ID), shape.section(ID)] == [ID] * 4


def test_a_malformed_id_is_refused_without_being_repeated() -> None:
    with pytest.raises(MalformedId, match=re.escape("the user id does not match [0-9a-f]{24}")) as refused:
        IdShape().user("<script>")
    assert refused.value.kind == "user"


@pytest.mark.parametrize("kind", ["district", "school", "section"])
def test_a_malformed_id_says_of_what(kind: str) -> None:
    with pytest.raises(MalformedId, match=f"the {kind} id does not match") as refused:
        getattr(IdShape(), kind)("")
    assert refused.value.kind == kind
