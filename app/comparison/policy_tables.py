"""What changes from one policy to another as a table for a terminal, as CSV and as JSON."""

import csv
import json
from typing import TextIO

from rich.text import Text

from app.comparison.policies import Fields, PolicyComparison, RoleChange
from app.comparison.tables import cells, console_on, table_of

COLUMNS = ("setting", "role", "fields", "change", "permission", "scope", "conditional", "detail")
"""The columns of the CSV: a row has a setting, or else a role."""

EVERYONE = "everyone"


def print_table(comparison: PolicyComparison, out: TextIO) -> None:
    """Print the settings that differ, and what each role gains and loses."""
    console, title = console_on(out), f"{comparison.before} → {comparison.after}"
    if comparison.settings:
        settings = table_of("setting", "before", "after", "somebody may lose", title=title)
        for each in comparison.settings:
            may_take = "yes" if each.may_take else "no"
            settings.add_row(*map(Text, (each.setting, each.before or "-", each.after or "-", may_take)))
        console.print(settings)
    if comparison.changes:
        changes = table_of("role", "whom", "change", "permission", "over", "why", title=title)
        for change in comparison.changes:
            permission = change.permission + " (if)" * change.conditional
            whom = _in_words(change.fields) or EVERYONE
            row = (change.role, whom, _kind(change), permission, change.scope, change.detail)
            changes.add_row(*map(Text, row))
        console.print(changes)
    if not comparison.settings and not comparison.changes:
        console.print(Text(f"{title}: nothing changes."))


def write_csv(comparison: PolicyComparison, out: TextIO) -> None:
    """Write a row for each setting that differs, then for each change of a role, under a header."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in comparison.settings:
        detail = f"{each.before or 'nothing'} → {each.after or 'nothing'}"
        change = "may be lost" if each.may_take else ""
        writer.writerow(cells((each.setting, "", "", change, "", "", "", detail)))
    for one in comparison.changes:
        conditional = "yes" if one.conditional else "no"
        role = (one.role, _in_words(one.fields), _kind(one), one.permission, one.scope, conditional, one.detail)
        writer.writerow(cells(("", *role)))


def write_json(comparison: PolicyComparison, out: TextIO) -> None:
    """Write an object with ``before``, ``after``, ``settings`` and ``changes``.

    A setting has ``setting``, ``before``, ``after`` and ``may_take``. A change has the fields of ``RoleChange``, with
    ``change`` (``gained`` or ``lost``) in place of ``gained``, and ``fields`` as an object, empty for everyone.
    """
    document = {
        "before": comparison.before,
        "after": comparison.after,
        "settings": [each._asdict() for each in comparison.settings],
        "changes": [_plain(each) for each in comparison.changes],
    }
    out.write(json.dumps(document, indent=2) + "\n")


def _plain(change: RoleChange) -> dict[str, object]:
    plain = change._asdict() | {"fields": dict(change.fields), "change": _kind(change)}
    del plain["gained"]
    return plain


def _kind(change: RoleChange) -> str:
    return "gained" if change.gained else "lost"


def _in_words(fields: Fields) -> str:
    return ", ".join(f"{field}: {value}" for field, value in fields)
