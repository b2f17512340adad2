import inspect

import pytest

from app.domain import errors
from app.domain.errors import (
    CleverError,
    CleverLimited,
    CleverUnexpected,
    DistrictUnnamed,
    Mistake,
    NotCached,
    PolicyUnusable,
    ProviderUnreachable,
    RecordUnknown,
    RosterguardError,
    TooManyWaiting,
    UserUnknown,
)


def drawn(error: type[Exception], depth: int = 0) -> list[tuple[int, str]]:
    below = [line for one in error.__subclasses__() for line in drawn(one, depth + 1)]
    return [(depth, error.__name__), *below]


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    lines = [line for line in inspect.cleandoc(errors.__doc__ or "").splitlines()[2:] if line]
    told = [((len(line) - len(line.lstrip("│├└─ "))) // 4, line.lstrip("│├└─ ").partition(" ")[0]) for line in lines]
    assert told == drawn(RosterguardError)


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ((), "the file"),
        (("rule",), "rule"),
        (("roles", "staff", 0, "over"), "roles.staff[0].over"),
        (("superset", "staff", 1), "superset.staff[1]"),
        ((0,), "[0]"),
    ],
)
def test_a_path_is_written_as_one_reads_it(path: tuple[str | int, ...], where: str) -> None:
    assert Mistake(path, "wrong").where == where


def test_a_mistake_says_its_line_where_it_is_known() -> None:
    assert [str(Mistake(("rule",), "wrong", line)) for line in (3, None)] == ["line 3: rule: wrong", "rule: wrong"]


def test_a_status_that_clever_does_not_document_stays_with_the_error() -> None:
    assert [CleverUnexpected("odd", status=418).status, CleverUnexpected("no status").status] == [418, 0]


def test_clever_may_be_asked_again_after_a_while() -> None:
    assert [CleverError("down").retry_after, CleverLimited("enough", retry_after=60).retry_after] == [5, 60]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (TooManyWaiting(), "too many requests wait for changes: ask without wait, or again in a moment"),
        (DistrictUnnamed(), "several districts are connected and none is named: say which in `district`"),
        (UserUnknown(), "no such user is shared with this application"),
        (RecordUnknown(), "no such record is shared with this application"),
        (NotCached(), "nothing recent enough is cached, and only-if-cached forbids reading it"),
        (ProviderUnreachable(), "the keys of the OpenID provider cannot be read, so no token can be verified"),
        (PolicyUnusable(), "the policy file is invalid, and no question is answered until it is corrected"),
    ],
)
def test_an_error_says_what_to_do(error: RosterguardError, message: str) -> None:
    assert str(error) == message
