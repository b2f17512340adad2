"""`rosterguard policy`: what whoever writes a policy wants to know."""

import json
from pathlib import Path
from typing import Annotated

import typer

from app.domain.errors import PolicyMistakes
from app.domain.policy import expansions, warnings
from app.domain.policy_file import PolicyFile
from app.services.policies import read_policy

app = typer.Typer(name="policy", help="Check a policy file, and print the schema of such files.", no_args_is_help=True)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The policy file.")],
) -> None:
    """Say OK, or name each mistake with its line; exit code 1 where there are any."""
    try:
        policy = read_policy(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        typer.echo(f"{file}: the file is not UTF-8", err=True)
        raise typer.Exit(1) from None
    except PolicyMistakes as error:
        for mistake in error.mistakes:
            typer.echo(f"{file}: {mistake}", err=True)
        raise typer.Exit(1) from None
    for where, wildcard, names in expansions(policy.file):
        typer.echo(f"{where}: {wildcard} stands for {', '.join(names) or 'nothing that applies there'}")
    for warning in warnings(policy.file):
        typer.echo(f"warning: {warning}")
    typer.echo(f"OK: rule {policy.rule}, revision {policy.revision}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of policy files, by which an editor completes and checks them."""
    typer.echo(json.dumps(policy_schema(), indent=2))


def policy_schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of a policy file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **PolicyFile.model_json_schema()}
