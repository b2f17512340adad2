"""Files of accounts: what stands in them stands in the result, with columns added; a bad row takes no other along."""

import csv
import json
from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO
from pathlib import Path

import pytest

from app.migration.account_files import FileUnusable, Format, accounts_in, table_writer, written_whole

ADDED = ("result", "candidates")
SAID: Mapping[str, str | Sequence[str]] = {"result": "matched", "candidates": ("a", "b")}


def copied(given: bytes, form: Format) -> bytes:
    """Read a file, and write every row with the same added to it."""
    accounts, target = accounts_in(BytesIO(given), form, ADDED), BytesIO()
    write = accounts.writer(target)
    for row in accounts.rows():
        write(row, SAID)
    return target.getvalue()


def mistakes(given: bytes, form: Format) -> list[tuple[int, str, str]]:
    rows = accounts_in(BytesIO(given), form, ADDED).rows()
    return [(row.number, row.mistake.column, row.mistake.message) for row in rows if row.mistake is not None]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("last", [b"", b"\n", b"\n\n"])
def test_what_stands_in_a_csv_file_stands_in_the_result(mark: bytes, end: bytes, last: bytes) -> None:
    rows = (b"account_id, Role ,note", b'1,teacher,"a ""b"", c"', b"", b'2,staff,"two\nlines"', b"3,staff,=1+1")
    written = list(csv.reader(StringIO(copied(mark + end.join(rows) + last, Format.CSV).decode(), newline="")))
    assert written == [
        ["account_id", " Role ", "note", "result", "candidates"],
        ["1", "teacher", 'a "b", c', "matched", "a;b"],
        ["2", "staff", "two\nlines", "matched", "a;b"],
        ["3", "staff", "=1+1", "matched", "a;b"],
    ]


def test_rows_of_another_length_are_mistakes_and_nothing_of_them_is_lost() -> None:
    given = b"account_id,role\n1\n2,staff,more\n3,staff\n"
    assert mistakes(given, Format.CSV) == [
        (2, "", "there are 1 cells instead of 2"),
        (3, "", "there are 3 cells instead of 2"),
    ]
    assert copied(given, Format.CSV).decode().splitlines()[1:] == [
        "1,,matched,a;b",
        "2,staff,matched,a;b,more",
        "3,staff,matched,a;b",
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (b"", "there is no column account_id"),
        (
            b"account_id;role\n",
            "there is no column account_id: the first row has the names of the columns, with commas",
        ),
        (b"account_id,name\n", "there is no column role"),
        (b"account_id,role,note,Note\n", "two columns have the name note"),
        (b"ann,ann,staff\n", "there is no column account_id"),
        (b"account_id,role,result\n", "there is a column result already"),
        (b"account_id,role\n\xff,staff\n", "the file is not UTF-8"),
        (b"\xff\xfea\0", "the file is not UTF-8"),
        (b'account_id,role\n1,staff\n2,"staff\n3,staff\n', "row 3: its quotation marks do not match"),
        (b'account_id,role\n1,"st"aff\n', "row 2: its quotation marks do not match"),
    ],
)
def test_a_file_of_which_not_every_row_can_be_told_is_unusable(given: bytes, message: str) -> None:
    with pytest.raises(FileUnusable) as caught:
        list(accounts_in(BytesIO(given), Format.CSV, ADDED).rows())
    assert message in str(caught.value)


def test_a_cell_may_hold_a_photo() -> None:
    (row,) = accounts_in(BytesIO(b"account_id,role,photo\n1,staff," + b"x" * 1_000_000), Format.CSV, ADDED).rows()
    assert (row.cells["role"], len(row.cells["photo"])) == ("staff", 1_000_000)


def test_what_is_added_is_no_formula() -> None:
    target = BytesIO()
    write = table_writer(target, Format.CSV, ("user", "accounts"))
    for sign in "=+-@":
        write({"user": f"{sign}1", "accounts": [f"{sign}2", "3"]})
    assert target.getvalue().decode().splitlines() == ["user,accounts", *[f"'{sign}1,'{sign}2;3" for sign in "=+-@"]]


def test_what_stands_in_an_ndjson_file_stands_in_the_result_to_the_last_digit() -> None:
    lines = ('{"account_id":1, "role":"staff","n":1.00,"deep":{"a":[{}]}}', "", ' {"role":"é", "account_id" : "x"}\r')
    assert copied("\n".join(lines).encode(), Format.NDJSON).decode().splitlines() == [
        '{"account_id":1, "role":"staff","n":1.00,"deep":{"a":[{}]},"result":"matched","candidates":["a","b"]}',
        '{"role":"é", "account_id" : "x","result":"matched","candidates":["a","b"]}',
    ]


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("[]", ""),
        ("7", ""),
        ("{", ""),
        ('{"role":"staff","role":"teacher"}', ""),
        ('{"email":["a@x"]}', "email"),
        ('{"sis_id":true}', "sis_id"),
        ('{"sis_id":1.5}', "sis_id"),
        ('{"result":1}', "result"),
    ],
)
def test_a_bad_line_is_a_mistake_and_stands_in_the_result_as_it_was(line: str, column: str) -> None:
    given = f'{{"account_id":"1","role":"staff"}}\n{line}\n{{"account_id":"2","role":null}}\n'.encode()
    ((number, wrong, message),) = mistakes(given, Format.NDJSON)
    assert (number, wrong) == (2, column)
    assert "a@x" not in message
    first, second, third = map(json.loads, copied(given, Format.NDJSON).decode().splitlines())
    assert (first["account_id"], third["account_id"]) == ("1", "2")
    assert second == {"input": line, "result": "matched", "candidates": ["a", "b"]}


def test_a_file_takes_its_place_when_it_is_complete_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "result.csv"
    path.write_text("before")
    with written_whole(path) as file:
        file.write(b"after")
        assert path.read_text() == "before"
    assert (path.read_text(), path.stat().st_mode & 0o777, list(tmp_path.iterdir())) == ("after", 0o600, [path])


def test_an_interrupted_run_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "result.csv"
    path.write_text("before")

    def interrupted() -> None:
        with written_whole(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (path.read_text(), list(tmp_path.iterdir())) == ("before", [path])


@pytest.mark.parametrize("where", ["/dev/null", "/no/such/folder/result.csv"])
def test_what_cannot_be_replaced_is_not_written_to(where: str) -> None:
    with pytest.raises(FileUnusable, match=f"^{where}: "), written_whole(Path(where)):
        pass
