"""`rosterguard key`: keys for the callers of the service."""

import hashlib
import json
import secrets
from typing import Annotated

import typer
from pydantic import ValidationError

from app.settings import ApiKey

app = typer.Typer(name="key", help="Keys for the callers of the service.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keys for the callers of the service."""


@app.command()
def new(name: Annotated[str, typer.Argument(help="Whose key it is, such as the name of a backend.")]) -> None:
    """Make a key: print it once, and the entry for ROSTERGUARD_API_KEYS, which holds only its hash."""
    key, entry = new_key(name)
    typer.echo(f"key (shown only now):           {key}")
    typer.echo(f"entry for ROSTERGUARD_API_KEYS: {json.dumps(entry.model_dump())}")


def new_key(name: str) -> tuple[str, ApiKey]:
    """Return a new random key of 256 bits and its entry; ends the command where ``name`` cannot be one."""
    key = f"rg_{secrets.token_urlsafe(32)}"
    try:
        return key, ApiKey(name=name, sha256=hashlib.sha256(key.encode()).hexdigest())
    except ValidationError:
        typer.echo("Error: a name has 1 to 64 letters, digits, dots, hyphens and underscores.", err=True)
        raise typer.Exit(2) from None
