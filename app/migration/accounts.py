"""Accounts of an application, as they stand in a row of its file. Pure: no file and no request."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from app.domain.facts import Role
from app.migration.identities import Field, identity_of
from app.migration.matching import Account

ACCOUNT_ID, ROLE = "account_id", "role"

REQUIRED = (ACCOUNT_ID, ROLE)
"""The columns that there have to be."""

COLUMNS = frozenset({*REQUIRED, *Field, "clever_id", "legacy_id", "district", "first_name", "last_name"})
"""The columns that are read; whatever else there is only stands there again in the result."""

ROLES: Mapping[str, Role] = {**{role.value: role for role in Role}, "school_admin": Role.STAFF}
"""The word for each role, the one from before API 3.0 included."""


class RowMistake(Exception):
    """A row that cannot be used; says why, and never what stands there.

    Attributes:
        column: the column that is wrong; empty if the row as a whole is.
        message: what is wrong.
    """

    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column
        self.message = message


class NamedAccount(NamedTuple):
    """An account, and the id that it has at the application."""

    id: str
    account: Account


def account_of(row: Mapping[str, str], is_id: Callable[[str], bool]) -> NamedAccount:
    """Return the account that a row describes, by column.

    Args:
        row: what stands in each column.
        is_id: tells whether a text has the shape of Clever's ids.

    Raises:
        RowMistake: there is no id or no role, or an id of Clever or a date of birth is none.
    """
    named, role = row.get(ACCOUNT_ID, "").strip(), ROLES.get(row.get(ROLE, "").strip().lower())
    if not named:
        raise RowMistake(ACCOUNT_ID, "there is no id")
    if role is None:
        raise RowMistake(ROLE, f"this is none of {', '.join(sorted(ROLES))}")
    clever_id, legacy_id, district = (_id(row, column, is_id) for column in ("clever_id", "legacy_id", "district"))
    written = row if row.get(Field.NAME, "").strip() else {**row, Field.NAME: _name(row)}
    try:
        identity = identity_of(role, written)
    except ValueError as error:
        raise RowMistake(Field.DATE_OF_BIRTH, str(error)) from None
    return NamedAccount(named, Account(identity, clever_id, legacy_id, district))


def _id(row: Mapping[str, str], column: str, is_id: Callable[[str], bool]) -> str | None:
    written = row.get(column, "").strip()
    if not written:
        return None
    # Clever writes its ids in lower case; some databases and spreadsheets do not.
    for one in (written, written.lower()):
        if is_id(one):
            return one
    raise RowMistake(column, "this does not have the shape of Clever's ids")


def _name(row: Mapping[str, str]) -> str:
    """Return first and last name; one alone is no name."""
    first, last = row.get("first_name", "").strip(), row.get("last_name", "").strip()
    return f"{first} {last}" if first and last else ""
