"""`rosterguard policy`: check, test and compare policy files, and print their schemas."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import BaseModel

from app.api.openapi_schemas import without_null_defaults
from app.domain.errors import PolicyMistakes
from app.domain.policy import Policy
from app.domain.policy_lint import expansions
from app.domain.policy_schema import PolicyFile
from app.domain.policy_test_schema import CaseFile
from app.main import default_policy
from app.policy_files.testing import Outcome, Verdict, outcomes
from app.policy_files.yaml import read_policy

Read = TypeVar("Read")

app = typer.Typer(
    name="policy",
    help="Check, test and compare policy files, and print the schemas of such files.",
    no_args_is_help=True,
)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The policy file.")],
) -> None:
    """Print OK, or each mistake with its line; exit code 1 if there are any."""
    policy = read_policy_file(file)
    for where, wildcard, names in expansions(policy.file):
        typer.echo(f"{where}: {wildcard} stands for {', '.join(names) or 'nothing that applies there'}")
    for warning in policy.warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(f"OK: rule {policy.rule}, revision {policy.revision}")


@app.command("test")
def run(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", exists=True, file_okay=False, help="The folder with the cases: all its *.yaml and *.yml."
        ),
    ],
    policy: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="The policy for cases that name none; by default the one that ships with the package.",
        ),
    ] = None,
) -> None:
    """Run policy tests and print each failure; exit code 1 if there are any, or if there are no cases."""
    found = list(outcomes(folder, read_policy(default_policy()) if policy is None else read_policy_file(policy)))
    if not found:
        typer.echo(f"{folder}: there is no case here", err=True)
        raise typer.Exit(1)
    for outcome in found:
        _print(outcome)
    counts = Counter(outcome.verdict for outcome in found)
    parts = [f"{counts[Verdict.PASSED]} passed", f"{counts[Verdict.FAILED]} failed"]
    malformed = [f"{counts[Verdict.MALFORMED]} malformed"] if counts[Verdict.MALFORMED] else []
    typer.echo(f"{len(found)} case{'s'[: len(found) > 1]}: {', '.join(parts + malformed)}")
    raise typer.Exit(int(counts[Verdict.PASSED] < len(found)))


@app.command()
def schema() -> None:
    """Print the JSON Schema of policy files, for editors."""
    typer.echo(json.dumps(policy_schema(), indent=2))


@app.command()
def test_schema() -> None:
    """Print the JSON Schema of policy tests, for editors."""
    typer.echo(json.dumps(case_schema(), indent=2))


def policy_schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of a policy file."""
    return _schema(PolicyFile)


def case_schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of a policy test."""
    return _schema(CaseFile)


def _schema(written: type[BaseModel]) -> dict[str, object]:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **written.model_json_schema()}
    return without_null_defaults(schema)  # an editor would write a null, which the schema refuses


def read_policy_file(file: Path) -> Policy:
    """Read a policy; print its mistakes and end with exit code 1 if it has any."""
    return read_file(file, read_policy)


def read_file(file: Path, read: Callable[[str], Read]) -> Read:
    """Read a file by what may raise ``PolicyMistakes``; print its mistakes and end with exit code 1 if it has any."""
    try:
        return read(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        typer.echo(f"{file}: the file is not UTF-8", err=True)
        raise typer.Exit(1) from None
    except PolicyMistakes as error:
        for mistake in error.mistakes:
            typer.echo(f"{file}: {mistake}", err=True)
        raise typer.Exit(1) from None


def _print(outcome: Outcome) -> None:
    if outcome.verdict is Verdict.MALFORMED:
        for mistake in outcome.messages:
            typer.echo(f"{outcome.file}: {mistake}")
    elif outcome.verdict is Verdict.FAILED:
        typer.echo(f"{outcome.file}: {' '.join(outcome.description.split())}")
        for message in outcome.messages:
            typer.echo(f"  {message}")
