"""`rosterguard key`: keys for the callers of the service."""

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Sequence
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError

from app.auth.api_key_file import ApiKey
from app.domain.ids import IdShape

app = typer.Typer(name="key", help="Keys for the callers of the service.", no_args_is_help=True)

_MISTAKES = {
    "name": "a name has 1 to 64 letters, digits, dots, hyphens and underscores.",
    "scopes": "the scopes are permissions:read, access:evaluate, access:search, policy:read, facts:refresh, "
    "metrics:read, districts:load.",
    "districts": "the id of a district has 1 to 64 letters, digits, hyphens and underscores.",
}
_ANY_ID = IdShape(re.compile(".*"))
"""The shape of ids in the deployment is not known here."""


@app.callback()
def _group() -> None:
    """Keys for the callers of the service."""


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="The caller's name, such as that of a backend.")],
    *,
    scope: Annotated[
        list[str] | None, typer.Option(help="A scope of the caller; repeatable. By default the usual four.")
    ] = None,
    district: Annotated[
        list[str] | None,
        typer.Option(
            help="A district that the caller may ask about; repeatable. By default that of the district token."
        ),
    ] = None,
) -> None:
    """Make a key: print it once, and the entry for ROSTERGUARD_API_KEYS, which holds only its hash."""
    key, entry = new_key(name, scope, district)
    typer.echo(f"key (shown only now):           {key}")
    typer.echo(f"entry for ROSTERGUARD_API_KEYS: {json.dumps(_written(entry))}")


def new_key(
    name: str, scopes: Sequence[str] | None = None, districts: Sequence[str] | None = None
) -> tuple[str, ApiKey]:
    """Return a new random key of 256 bits and its entry; ends the command if an argument is invalid."""
    key = f"rg_{secrets.token_urlsafe(32)}"
    rights = {"scopes": scopes or None, "districts": districts or None}
    given = {right: frozenset(listed) for right, listed in rights.items() if listed is not None}
    if not all(map(_ANY_ID.fits, districts or ())):
        _end({"districts"})
    try:
        return key, ApiKey.model_validate({"name": name, "sha256": hashlib.sha256(key.encode()).hexdigest(), **given})
    except ValidationError as error:
        _end({str(found["loc"][0]) for found in error.errors()})


def _end(wrong: Iterable[str]) -> NoReturn:
    for part in sorted(wrong):
        typer.echo(f"Error: {_MISTAKES[part]}", err=True)
    raise typer.Exit(2)


def _written(entry: ApiKey) -> dict[str, object]:
    """Return an entry as JSON, without the members that keep their defaults."""
    given = entry.model_dump(exclude_unset=True)
    return {name: value if isinstance(value, str) else sorted(value) for name, value in given.items()}
