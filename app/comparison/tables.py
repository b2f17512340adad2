"""A comparison as a table for a terminal, as CSV and as JSON; the greatest losses come first in each."""

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple, TextIO

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from app.comparison.differences import Change, Changes, Comparison, Difference

COLUMNS = (
    *("user", "account", "account_role", "roles", "change", "permission", "scope", "places", "schools"),
    *("reason", "detail", "conditional"),
)
"""The columns of the CSV; several ids or roles in one cell are separated by ``;``."""

SHOWN = 200
"""A terminal shows so many users and accounts: the rest is for CSV, JSON and the page."""

PIPED_WIDTH = 160
"""The columns of a table that no terminal limits."""

_WIDE = 120  # columns that a line of six cells takes to be read well
_LISTED = 3
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def print_table(comparison: Comparison, out: TextIO) -> None:
    """Print a table with a line for each change of a user or account, and what it comes to in all.

    Ids are never cut; of more than three places it says how many there are. A narrow terminal has fewer columns.
    """
    console = console_on(out)
    is_wide = console.width >= _WIDE
    headers = ("user", "roles", "change", "permissions", "where", "why") if is_wide else ("user", "change")
    table = table_of(*headers, title=_title(comparison))
    for difference in islice(comparison.differences, SHOWN):
        for who, roles, kind, permissions, where, why in _lines(difference):
            narrow = (f"{who}\n{roles}", f"{kind} {permissions}\n{where}\n{why}")
            table.add_row(*map(Text, (who, roles, kind, permissions, where, why) if is_wide else narrow))
        table.add_section()
    if table.row_count:
        console.print(table)
    console.print(Text(summary(comparison)))
    if (more := len(comparison.differences) - SHOWN) > 0:
        console.print(Text(f"{more} more users and accounts are not shown here: CSV, JSON and HTML have all of them."))


def table_of(*headers: str, title: str) -> Table:
    """Return an empty table that cuts nothing: a long word goes on in the next line."""
    return Table(*(Column(header, overflow="fold") for header in headers), title=Text(title))


def console_on(out: TextIO) -> Console:
    """Return a console as wide as the terminal, without colours and of a fixed width where it is piped."""
    return Console(file=out, highlight=False) if out.isatty() else Console(file=out, width=PIPED_WIDTH, highlight=False)


def write_csv(comparison: Comparison, out: TextIO) -> None:
    """Write a row for each change of each user or account, under a header."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for difference in comparison.differences:
        writer.writerows(map(cells, _rows(difference)))


def cells(values: Sequence[str]) -> list[str]:
    """Return cells that no spreadsheet takes for a formula: such a cell begins with an apostrophe."""
    return [f"'{value}" if value.startswith(_FORMULA) else value for value in values]


def write_json(comparison: Comparison, out: TextIO) -> None:
    """Write an object with a line for each user or account.

    It has ``district``, ``before``, ``after``, ``compared`` and ``differences``: each with ``user``, ``account`` (its
    ``id`` and ``role``, or null), ``roles``, ``gained`` and ``lost``; each of these with the fields of ``Change``.
    """
    about = {
        "district": comparison.district,
        "before": comparison.before,
        "after": comparison.after,
        "compared": comparison.compared,
    }
    out.write(json.dumps(about)[:-1] + ', "differences": [')
    lines = (json.dumps(plain(difference)) for difference in comparison.differences)
    out.writelines((",\n" if position else "\n") + line for position, line in enumerate(lines))
    out.write("\n]}\n")


def plain(difference: Difference) -> dict[str, object]:
    """Return a difference as JSON has it."""
    account = difference.account
    return {
        "user": difference.user,
        "account": account and {"id": account.id, "role": account.role},
        "roles": difference.roles,
        "gained": [change._asdict() for change in difference.gained],
        "lost": [change._asdict() for change in difference.lost],
    }


def summary(comparison: Comparison) -> str:
    """Return in a sentence how many gain and lose something."""
    losing = sum(bool(each.lost) for each in comparison.differences)
    gaining = sum(bool(each.gained) for each in comparison.differences)
    return f"{comparison.compared} compared: {losing} lose something, {gaining} gain something."


def loses(comparison: Comparison) -> bool:
    """Whether anyone loses a permission."""
    return any(each.lost for each in comparison.differences)


def _title(comparison: Comparison) -> str:
    return f"District {comparison.district}: {comparison.before} → {comparison.after}"


def _kinds(difference: Difference) -> tuple[tuple[str, Changes], ...]:
    return ("lost", difference.lost), ("gained", difference.gained)


def _rows(difference: Difference) -> Iterator[tuple[str, ...]]:
    account = difference.account
    who = (
        difference.user or "",
        account.id if account else "",
        account.role if account else "",
        ";".join(difference.roles),
    )
    for kind, changes in _kinds(difference):
        for each in changes:
            where = (each.scope, ";".join(each.places), ";".join(each.schools))
            conditional = "yes" if each.conditional else "no"
            yield *who, kind, each.permission, *where, each.reason, each.detail, conditional


class _Line(NamedTuple):
    """What permissions have in common that are told on one line."""

    kind: str
    where: str
    why: str


def _lines(difference: Difference) -> Iterator[tuple[str, str, str, str, str, str]]:
    """Yield a line for all permissions that change at the same places for the same reason, the losses first."""
    alike: dict[_Line, list[str]] = defaultdict(list)
    for kind, changes in _kinds(difference):
        for each in changes:
            alike[_Line(kind, _where(each), each.detail)].append(each.permission + " (if)" * each.conditional)
    who, roles = _who(difference), ", ".join(difference.roles)
    for position, (line, permissions) in enumerate(alike.items()):
        first = ("", "") if position else (who, roles)
        yield *first, line.kind, ", ".join(permissions), line.where, line.why


def _who(difference: Difference) -> str:
    account = difference.account
    user = difference.user or "no user"
    return f"{user}\n{account.role} {account.id}" if account else user


def _where(change: Change) -> str:
    listed = ", ".join(change.places[:_LISTED])
    more = len(change.places) - _LISTED
    return f"{change.scope} {listed}" + (f" and {more} more" if more > 0 else "")
