"""The formats in which a comparison is reported."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TextIO

from app.comparison.differences import Comparison
from app.comparison.page import write_page
from app.comparison.tables import print_table, write_csv, write_json


class Format(StrEnum):
    """How a comparison is reported."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    HTML = "html"


_WRITE: Mapping[Format, Callable[[Comparison, TextIO], None]] = {
    Format.TABLE: print_table,
    Format.CSV: write_csv,
    Format.JSON: write_json,
    Format.HTML: write_page,
}


def write(comparison: Comparison, written: Format, out: TextIO) -> None:
    """Write a comparison to a text stream in a format."""
    _WRITE[written](comparison, out)
