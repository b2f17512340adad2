"""A comparison as a table, as CSV and as JSON."""

import csv
import io
import json
from collections.abc import Callable
from typing import TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.comparison.differences import Comparison, Difference, Reason
from app.comparison.tables import COLUMNS, SHOWN, cells, loses, print_table, write_csv, write_json
from app.domain.ids import UserId
from tests.comparison.comparisons import EVE, FEW, change, comparison, district
from tests.domain.worlds import law

LONG_ID = "0123456789abcdef01234567"


def written(write: Callable[[Comparison, TextIO], None], shown: Comparison) -> str:
    out = io.StringIO()
    write(shown, out)
    return out.getvalue()


def test_the_csv_has_a_row_for_each_change_the_greatest_losses_first() -> None:
    eve = ["eve", "eve-the-teacher", "teacher", "staff;teacher"]
    at_both = ["section", "algebra;biology", "school-of-algebra", "policy", "It differs.", "no"]
    assert list(csv.reader(io.StringIO(written(write_csv, FEW)))) == [
        list(COLUMNS),
        [*eve, "lost", "section:edit", *at_both],
        [*eve, "lost", "section:view", *at_both],
        [
            *(*eve, "gained", "report:export", "section", "algebra", "school-of-algebra"),
            *("merged_role", "The role staff gives it.", "no"),
        ],
        ["", "adam-the-teacher", "teacher", "teacher", "lost", "section:edit", *at_both],
    ]


@law
@given(st.text())
def test_no_cell_is_a_formula(value: str) -> None:
    [cell] = cells([value])
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell.removeprefix("'") == value.removeprefix("'")


def test_the_json_has_every_field_of_every_change() -> None:
    document = json.loads(written(write_json, FEW))
    eve, gone = document.pop("differences")
    assert document == {"district": "district-1", "before": "API v2.1", "after": "API v3.1", "compared": 3}
    assert (eve["user"], eve["roles"], len(eve["lost"])) == ("eve", ["staff", "teacher"], 2)
    assert eve["gained"] == [
        {
            "permission": "report:export",
            "scope": "section",
            "places": ["algebra"],
            "schools": ["school-of-algebra"],
            "reason": "merged_role",
            "detail": "The role staff gives it.",
            "conditional": False,
        }
    ]
    assert (gone["user"], gone["account"]) == (None, {"id": "adam-the-teacher", "role": "teacher"})


def test_nothing_that_changes_is_a_document_and_a_sentence() -> None:
    nothing = comparison([])
    assert json.loads(written(write_json, nothing))["differences"] == []
    assert written(write_csv, nothing).splitlines() == [",".join(COLUMNS)]
    assert written(print_table, nothing) == "1 compared: 0 lose something, 0 gain something.\n"


def test_a_piped_table_cuts_no_id_and_has_no_colours() -> None:
    sections = [f"{LONG_ID[:-1]}{digit}" for digit in "3210"]
    shown = comparison([Difference(UserId(LONG_ID), EVE.account, EVE.roles, (), (change("section:edit", *sections),))])
    table = written(print_table, shown)
    assert all(named in table for named in (LONG_ID, "eve-the-teacher", *sections[:3]))
    assert (sections[3] in table, "and 1 more" in table, "\x1b" in table, "…" in table) == (False, True, False, False)


def test_a_narrow_terminal_cuts_no_id_either() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TERM", "dumb")  # of 80 columns, without colours
        out = Terminal()
        sections = [f"{LONG_ID[:-1]}{digit}" for digit in "321"]
        lost = (change("section:edit", *sections),)
        print_table(comparison([Difference(UserId(LONG_ID), EVE.account, EVE.roles, (), lost)]), out)
    table = out.getvalue()
    assert all(named in table for named in (LONG_ID, "eve-the-teacher", *sections, "section:edit", "It differs."))
    assert max(map(len, table.splitlines())) <= 80


def test_a_table_marks_what_a_request_has_to_meet() -> None:
    conditional = change("section:edit", "algebra", reason=Reason.POLICY)._replace(conditional=True)
    table = written(print_table, comparison([Difference(UserId("eve"), None, (), (), (conditional,))]))
    assert "section:edit (if)" in table


def test_a_table_shows_the_greatest_losses_of_a_large_district_and_says_how_many_more_there_are() -> None:
    shown = district(SHOWN + 7)
    table = written(print_table, shown)
    assert "7 more users and accounts are not shown here" in table
    assert str(shown.differences[0].user) in table
    assert f"{shown.differences[-1].user} " not in table


@pytest.mark.parametrize(("shown", "expected"), [(FEW, True), (comparison([]), False)])
def test_someone_loses_only_where_a_permission_is_lost(shown: Comparison, *, expected: bool) -> None:
    assert loses(shown) is expected
