"""`rosterguard openapi`: the OpenAPI document."""

import json

import typer
from pydantic import SecretStr

from app.main import create_app
from app.settings import Settings


def openapi() -> None:
    """Print the OpenAPI document of the service."""
    typer.echo(json.dumps(document(), indent=2, ensure_ascii=False))


def document() -> dict[str, object]:
    """Return the OpenAPI document; it does not depend on any setting."""
    return create_app(Settings(clever_token=SecretStr("never-sent")), no_auth=True).openapi()
