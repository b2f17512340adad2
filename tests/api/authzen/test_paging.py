"""Pages and their tokens, without HTTP (AuthZEN section 8.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.authzen.requests import PageRequest, read_as
from app.api.authzen.search import DEFAULT_SIZE, MOST_SIZE, Page, Pager, canonical, key_from
from app.api.errors import Refused
from tests.api.authzen.conftest import Json

FOUND = [f"id-{number:05}" for number in range(25_000)]
FEW = FOUND[:10]
KEY = key_from(b"a secret of sixteen")
PAGER = Pager(KEY, canonical(["who edits", {"a": 1, "b": 2}]))


def page(asked: Json, found: list[str] = FEW, pager: Pager = PAGER) -> Page:
    return pager.page(found, read_as(PageRequest, asked))


TOKEN = page({"limit": 4}).next_token


def sizes(found: list[str], asked: Json) -> list[int]:
    """Follow the tokens to the end, and tell how many results each page has."""
    pages = [page(asked, found)]
    while token := pages[-1].next_token:
        pages.append(page({"token": token}, found))
    assert [each for part in pages for each in part.results] == found
    assert {part.total for part in pages} == {len(found)}
    return [len(part.results) for part in pages]


@pytest.mark.parametrize(
    ("found", "asked", "expected"),
    [
        ([], {}, [0]),
        ([], {"limit": 0}, [0]),
        (FEW, {}, [10]),
        (FEW, {"limit": 10}, [10]),
        (FEW, {"limit": 4}, [4, 4, 2]),
        (FEW, {"limit": 5}, [5, 5]),
        (FEW, {"token": ""}, [10]),
        (FEW, {"token": "", "limit": 4}, [4, 4, 2]),
        (FEW, {"token": None, "limit": None}, [10]),
        (FOUND[:DEFAULT_SIZE], {}, [DEFAULT_SIZE]),
        (FOUND[:MOST_SIZE], {"limit": MOST_SIZE + 1}, [MOST_SIZE]),
        (FOUND[:2500], {}, [DEFAULT_SIZE, DEFAULT_SIZE, 500]),
        (FOUND, {"limit": 10**30}, [MOST_SIZE, MOST_SIZE, 5000]),
    ],
)
def test_pages_hold_all_results_once_and_the_last_one_has_no_token(
    found: list[str], asked: Json, expected: list[int]
) -> None:
    """§8.2, §8.2.2."""
    assert sizes(found, asked) == expected


@pytest.mark.parametrize("found", [[], FEW, FOUND])
@pytest.mark.parametrize("asked", [{"limit": 0}, {"limit": 0, "token": ""}, {"limit": 0, "properties": {}}])
def test_whoever_asks_for_no_results_gets_how_many_there_are_and_no_token_to_go_on(
    found: list[str], asked: Json
) -> None:
    """§8.2.1: 0 is a limit. With a token beside no results a client that repeats its limit would turn for ever."""
    assert page(asked, found) == Page([], len(found), "")


@given(
    numbers=st.lists(st.integers(0, 99), unique=True, max_size=30),
    limit=st.none() | st.integers(0, 40),
    repeated=st.booleans(),
)
def test_a_client_that_follows_tokens_comes_to_an_end(numbers: list[int], limit: int | None, repeated: bool) -> None:
    found = [f"id-{number:02}" for number in sorted(numbers)]
    part, seen = page({"token": "", "limit": limit}, found), 0
    while part.next_token:
        assert part.results
        seen += len(part.results)
        part = page({"token": part.next_token} | ({"limit": limit} if repeated else {}), found)
    assert seen + len(part.results) == (0 if limit == 0 else len(found))


def test_the_same_limit_may_be_repeated() -> None:
    token = page({"limit": 4}).next_token
    assert page({"token": token, "limit": 4}) == page({"token": token})


def test_what_is_gone_by_the_next_page_leaves_a_last_page_without_results() -> None:
    assert page({"token": TOKEN}, FEW[:4]) == Page([], 4, "")


def test_the_same_properties_may_be_repeated_or_left_out() -> None:
    token = page({"limit": 4, "properties": {"sort": "up"}}).next_token
    assert page({"token": token, "properties": {"sort": "up"}}) == page({"token": token})


def test_what_comes_and_goes_between_two_pages_costs_no_result_and_brings_none_twice() -> None:
    token = page({"limit": 4}).next_token
    assert page({"token": token}, FEW[4:]).results == FEW[4:8]
    assert page({"token": token}, ["id-", *FEW]).results == FEW[4:8]


@pytest.mark.parametrize("changed", [{"limit": 5}, {"limit": 0}, {"properties": {"sort": "down"}}, {"properties": {}}])
def test_a_token_goes_with_no_other_limit_or_properties(changed: Json) -> None:
    """§8.2."""
    token = page({"limit": 4, "properties": {"sort": "up"}}).next_token
    with pytest.raises(Refused, match="of the request which the token comes from"):
        page({"token": token, **changed})


@pytest.mark.parametrize(
    "pager",
    [
        Pager(KEY, canonical(["who edits", {"a": 1, "b": 3}])),
        Pager(key_from(b"another secret of sixteen"), PAGER.question),
    ],
)
def test_a_token_goes_with_no_other_question_and_no_other_key(pager: Pager) -> None:
    with pytest.raises(Refused, match="not one that this service gave"):
        page({"token": TOKEN}, pager=pager)


@pytest.mark.parametrize(
    "token",
    [
        " ",
        "x",
        "é",
        "\n",
        "null",
        "=" * 40,
        "A" * 10_000,
        TOKEN[:-4],
        f"{TOKEN} ",
        TOKEN[4:],
        f"AAAA{TOKEN[4:]}",
        TOKEN * 2,
    ],
)
def test_a_token_that_was_never_issued_is_refused(token: str) -> None:
    with pytest.raises(Refused, match="not one that this service gave"):
        page({"token": token})


def test_what_was_asked_is_the_same_in_whatever_order_it_was_written() -> None:
    assert canonical({"b": [1, {"d": 1, "c": None}], "a": "ä"}) == canonical({"a": "ä", "b": [1, {"c": None, "d": 1}]})
    assert canonical({"a": 1}) != canonical({"a": True})


def test_a_question_differs_from_another_by_properties_that_are_null() -> None:
    assert canonical({"a": None}) != canonical({})
