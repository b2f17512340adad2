"""Files of accounts, CSV or NDJSON: read row by row, and written as they were with columns added.

A row that cannot be read is a row with a mistake; only what makes a whole file unusable is raised. CSV is that of RFC
4180 in UTF-8, with or without a byte order mark, its lines ended in any way.
"""

import codecs
import csv
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, TypeAlias

import jiter
import orjson

from app.migration.accounts import COLUMNS, REQUIRED, RowMistake

Added: TypeAlias = Mapping[str, str | Sequence[str]]
"""What is added to a row, by column."""


class Format(StrEnum):
    """How rows are written."""

    CSV = "csv"
    NDJSON = "ndjson"


FORMATS: Mapping[str, Format] = {".csv": Format.CSV, ".ndjson": Format.NDJSON, ".jsonl": Format.NDJSON}
"""The format of a file, by its extension."""


class FileUnusable(Exception):
    """A file of which no row can be used, or not every one; says why, and never what stands there."""


class Row(NamedTuple):
    """A row.

    Attributes:
        number: its number as a spreadsheet or an editor shows it, counted from 1.
        written: the row as it was written: its cells, or its line.
        cells: what stands in the columns that are read.
        mistake: why it cannot be used; None if it can.
    """

    number: int
    written: Sequence[str]
    cells: Mapping[str, str]
    mistake: RowMistake | None = None


class Accounts(Protocol):
    """A file of accounts, which can be read several times."""

    def rows(self) -> Iterator[Row]:
        """Yield each row that is not empty; raises ``FileUnusable``."""

    def writer(self, target: BinaryIO) -> Callable[[Row, Added], object]:
        """Return what writes a row, and what is added to it, to another file."""


def accounts_in(source: BinaryIO, form: Format, added: Sequence[str]) -> Accounts:
    """Return the accounts in a file, to which columns are to be added; raises ``FileUnusable``.

    The file has to allow to be read again from its start.
    """
    return _CsvAccounts(source, added) if form is Format.CSV else _NdjsonAccounts(source, added)


def table_writer(target: BinaryIO, form: Format, columns: Sequence[str]) -> Callable[[Added], object]:
    """Return what writes a row of ``columns`` to a file."""
    if form is Format.NDJSON:
        return lambda row: target.write(orjson.dumps(dict(row)) + b"\n")
    write = _csv_writer(target)
    write(columns)
    return lambda row: write([*_cells(row, columns)])


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes its place under its name when it is complete, and is gone if something is raised before.

    Only the owner may read it.

    Raises:
        FileUnusable: there is something else under this name, or the folder cannot be written to.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise FileUnusable(f"{path}: this is no file that can be replaced")
    try:
        number, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise FileUnusable(f"{path}: no file can be written here: {error.strerror}") from None
    try:
        with os.fdopen(number, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(beside).replace(path)
    finally:
        with suppress(FileNotFoundError):
            Path(beside).unlink()


class _CsvAccounts:
    def __init__(self, source: BinaryIO, added: Sequence[str]) -> None:
        self._source, self._added = source, added
        with _text(source) as text:
            self._header = next((cells for _, cells in _csv_rows(text) if cells), ())
        self._columns = [name.strip().lower() for name in self._header]
        _check(self._columns, added)

    def rows(self) -> Iterator[Row]:
        width = len(self._columns)
        with _text(self._source) as text:
            rows = ((number, cells) for number, cells in _csv_rows(text) if cells)
            next(rows)
            for number, cells in rows:
                if len(cells) == width:
                    yield Row(number, cells, dict(zip(self._columns, cells, strict=True)))
                else:
                    yield Row(number, cells, {}, RowMistake("", f"there are {len(cells)} cells instead of {width}"))

    def writer(self, target: BinaryIO) -> Callable[[Row, Added], object]:
        added, width, write = self._added, len(self._header), _csv_writer(target)
        write([*self._header, *added])

        def write_row(row: Row, more: Added) -> object:
            cells = row.written
            # What is added stays in its columns: cells that are too many come after it.
            return write([*cells[:width], *[""] * (width - len(cells)), *_cells(more, added), *cells[width:]])

        return write_row


class _NdjsonAccounts:
    def __init__(self, source: BinaryIO, added: Sequence[str]) -> None:
        self._source, self._added = source, frozenset(added)

    def rows(self) -> Iterator[Row]:
        with _text(self._source) as text:
            for number, line in enumerate(text, 1):
                if written := line.strip():
                    try:
                        yield Row(number, (written,), self._read(written))
                    except RowMistake as mistake:
                        yield Row(number, (written,), {}, mistake)

    def writer(self, target: BinaryIO) -> Callable[[Row, Added], object]:
        def write_row(row: Row, more: Added) -> object:
            (line,) = row.written
            if not row.cells:
                return target.write(orjson.dumps({"input": line, **more}) + b"\n")
            # Spliced in, so that all else stays as it was written, to the last digit.
            return target.write(line[:-1].encode() + b"," + orjson.dumps(dict(more))[1:] + b"\n")

        return write_row

    def _read(self, line: str) -> Mapping[str, str]:
        given: object = None
        with suppress(ValueError):
            given = jiter.from_json(line.encode(), catch_duplicate_keys=True)
        if not isinstance(given, dict):
            raise RowMistake("", "this is no JSON object, or has two members of one name")
        if taken := self._added.intersection(given):
            raise RowMistake(min(taken), "the result has a member of this name: give it another one")
        return {name: _written(name, given[name]) for name in COLUMNS.intersection(given)}


def _written(name: str, value: object) -> str:
    if value is None:
        return ""
    # A boolean is a number to Python.
    if isinstance(value, str) or type(value) is int:
        return str(value)
    raise RowMistake(name, "this is neither a text nor a whole number")


def _check(columns: Sequence[str], added: Sequence[str]) -> None:
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    missing = [name for name in REQUIRED if name not in columns]
    taken = [name for name in added if name in columns]
    # First, since without its columns the first row may be somebody's data, which no error shows.
    if missing:
        raise FileUnusable(
            f"there is no column {missing[0]}: the first row has the names of the columns, with commas between them"
        )
    if twice:
        raise FileUnusable(f"two columns have the name {twice[0]}")
    if taken:
        raise FileUnusable(f"there is a column {taken[0]} already, which the result adds: give it another name")


_LONGEST_CELL = 16 * 1024 * 1024  # characters; Python's own limit of 128 KiB is less than a photo takes


def _csv_rows(text: TextIOWrapper) -> Iterator[tuple[int, list[str]]]:
    number = 0
    csv.field_size_limit(_LONGEST_CELL)
    try:
        # Strict, since else a quotation mark that is never closed would swallow the rest of the file.
        for number, cells in enumerate(csv.reader(text, strict=True), 1):
            yield number, cells
    except csv.Error:
        raise FileUnusable(f"row {number + 1}: its quotation marks do not match, or a cell is too long") from None


def _csv_writer(target: BinaryIO) -> Callable[[Sequence[str]], object]:
    # Unlike a TextIOWrapper it does not close the file at its own end.
    return csv.writer(codecs.getwriter("utf-8")(target)).writerow


_FORMULA = ("=", "+", "-", "@")
"""With what a spreadsheet begins to calculate (owasp.org/www-community/attacks/CSV_Injection)."""


def _cells(row: Added, columns: Sequence[str]) -> Iterator[str]:
    for column in columns:
        value = row[column]
        cell = value if isinstance(value, str) else ";".join(value)
        yield f"'{cell}" if cell.startswith(_FORMULA) else cell


@contextmanager
def _text(source: BinaryIO) -> Iterator[TextIOWrapper]:
    source.seek(0)
    text = TextIOWrapper(source, encoding="utf-8-sig", newline="")
    try:
        yield text
    except UnicodeDecodeError:
        raise FileUnusable("the file is not UTF-8") from None
    finally:
        text.detach()
