"""`rosterguard policy diff`: what changes from one policy to another, for roles or for users."""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, NoReturn, TextIO

import typer

from app.cli.district_reading import DistrictUnreadable, read_district
from app.cli.policy import read_file, read_policy_file
from app.comparison import policy_tables
from app.comparison.differences import Comparison
from app.comparison.facts_file import compare_over_facts, read_facts
from app.comparison.formats import Format, write
from app.comparison.policies import PolicyComparison, compare_policies
from app.comparison.tables import loses
from app.comparison.whole_district import compare_over_district
from app.domain.calendar import Calendar
from app.domain.ids import DistrictId
from app.domain.policy import Policy
from app.settings import SettingsMistakes, read_settings

PolicyPath = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A policy file.")]

_WRITE: Mapping[Format, Callable[[PolicyComparison, TextIO], None]] = {
    Format.TABLE: policy_tables.print_table,
    Format.CSV: policy_tables.write_csv,
    Format.JSON: policy_tables.write_json,
}


def diff(
    old: PolicyPath,
    new: PolicyPath,
    *,
    facts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Compare for the users of this file instead: YAML or JSON, a policy test or a list of such.",
        ),
    ] = None,
    district: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Compare for all users of this district at Clever; needs its settings."),
    ] = None,
    written: Annotated[
        Format, typer.Option("--format", help="html needs users: --facts or --district.")
    ] = Format.TABLE,
    fail_on_loss: Annotated[
        bool, typer.Option("--fail-on-loss", help="Exit code 1 if anyone loses a permission, or may lose one.")
    ] = False,
) -> None:
    """Print what each role gains and loses, for each combination of titles and other fields that a policy names."""
    if facts and district:
        _end("give --facts or --district, not both", code=2)
    before, after = read_policy_file(old), read_policy_file(new)
    if facts or district:
        comparison = _over_facts(before, after, facts) if facts else _over_district(before, after, district or "")
        write(comparison, written, sys.stdout)
        is_loss = loses(comparison)
    elif written in _WRITE:
        of_roles = compare_policies(before, after)
        _WRITE[written](of_roles, sys.stdout)
        is_loss = of_roles.loses()
    else:
        _end(f"{written} shows users: say which with --facts or --district", code=2)
    raise typer.Exit(int(fail_on_loss and is_loss))


def _over_facts(before: Policy, after: Policy, facts: Path) -> Comparison:
    return compare_over_facts(read_file(facts, read_facts), before, after)


def _over_district(before: Policy, after: Policy, named: str) -> Comparison:
    try:
        district = read_district(read_settings(), DistrictId(named))
    except SettingsMistakes as mistakes:
        _end(*mistakes.lines, code=2)
    except DistrictUnreadable as error:
        _end(f"the district cannot be read: {error}")
    calendar = district.calendar()
    if calendar is None:
        if before.needs_calendar or after.needs_calendar:
            _end("a policy needs the district's calendar, and that cannot be read")
        calendar = Calendar()
    return compare_over_district(district, before, after, calendar, time.time())


def _end(*messages: str, code: int = 1) -> NoReturn:
    for message in messages:
        typer.echo(f"Error: {message}", err=True)
    raise typer.Exit(code)
