"""`rosterguard policy diff`: what changes from one policy to another, for roles or for users."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, TextIO

import typer

from app.cli.policy import read_file, read_policy_file
from app.comparison import policy_tables
from app.comparison.facts_file import compare_over_facts, read_facts
from app.comparison.formats import Format, write
from app.comparison.policies import PolicyComparison, compare_policies
from app.comparison.tables import loses
from app.domain.policy import Policy

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
    written: Annotated[Format, typer.Option("--format", help="html needs users: --facts.")] = Format.TABLE,
    fail_on_loss: Annotated[
        bool, typer.Option("--fail-on-loss", help="Exit code 1 if anyone loses a permission, or may lose one.")
    ] = False,
) -> None:
    """Print what each role gains and loses, for each combination of titles and other fields that a policy names."""
    before, after = read_policy_file(old), read_policy_file(new)
    is_loss = _for_roles(before, after, written) if facts is None else _for_users(before, after, facts, written)
    raise typer.Exit(int(fail_on_loss and is_loss))


def _for_roles(before: Policy, after: Policy, written: Format) -> bool:
    if written not in _WRITE:
        typer.echo(f"Error: {written} shows users: say which with --facts", err=True)
        raise typer.Exit(2)
    comparison = compare_policies(before, after)
    _WRITE[written](comparison, sys.stdout)
    return comparison.loses()


def _for_users(before: Policy, after: Policy, facts: Path, written: Format) -> bool:
    comparison = compare_over_facts(read_file(facts, read_facts), before, after)
    write(comparison, written, sys.stdout)
    return loses(comparison)
