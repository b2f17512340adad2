"""What the result says of each account, and of each user. Pure: no file and no request."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from app.domain.facts import Role
from app.migration.accounts import RowMistake
from app.migration.matching import Match
from app.migration.merging import Merging, Mode, UserAccounts

Values: TypeAlias = Mapping[str, str | Sequence[str]]
"""What a row says, by column."""

BAD_ROW = "bad_row"
"""The result of a row that cannot be used."""

OF_ACCOUNT = (
    *("result", "user", "matched_on", "certainty", "candidates", "reason"),
    *("user_roles", "user_accounts", "permissions"),
)
"""The columns that are added to each account.

``user_roles`` are the roles that the account has from now on, ``user_accounts`` all accounts of its user, this one
included, and ``permissions`` is the path at which to ask the service what the account may do.
"""

OF_USER = ("user", "step", "roles", "accounts", "roles_without_account")
"""The columns of each user."""

_LISTS = ("matched_on", "candidates", "user_roles", "user_accounts")

_NOTHING: Values = {**dict.fromkeys(OF_ACCOUNT, ""), **dict.fromkeys(_LISTS, ())}


def of_account(role: Role, match: Match, merging: Merging, mode: Mode) -> Values:
    """Return what is said of an account."""
    found = {
        **_NOTHING,
        "result": match.result,
        "candidates": match.candidates,
        "matched_on": match.on,
        "reason": match.reason,
    }
    if match.user is None or match.certainty is None:
        return found
    roles = merging.roles_of(match.user, role)
    path = f"/v1/users/{match.user}/permissions"
    return found | {
        "user": match.user,
        "certainty": match.certainty,
        "reason": "" if roles else f"The user does not hold the role {role} any more.",
        "user_roles": roles,
        "user_accounts": [*map(str, merging.accounts_of(match.user))],
        "permissions": (path if mode is Mode.MERGE else f"{path}?role={role}") if roles else "",
    }


def of_bad_row(number: int, mistake: RowMistake) -> Values:
    """Return what is said of a row that cannot be used."""
    return {**_NOTHING, "result": BAD_ROW, "reason": told(number, mistake)}


def told(number: int, mistake: RowMistake) -> str:
    """Return the sentence on a row that cannot be used."""
    where = f"row {number}, column {mistake.column}" if mistake.column else f"row {number}"
    return f"{where}: {mistake.message}"


def of_user(user: UserAccounts) -> Values:
    """Return what is said of a user."""
    return {
        "user": user.user,
        "step": user.step,
        "roles": user.roles,
        "accounts": [*map(str, user.accounts)],
        "roles_without_account": user.roles_without_account,
    }
