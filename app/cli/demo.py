"""`rosterguard demo`: the service on a sandbox, in one command."""

import json
import time
from typing import Annotated

import httpx
import typer
from pydantic import SecretStr

from app.cli.key import new_key
from app.cli.server import in_background
from app.main import create_app
from app.sandbox.oauth import TOKEN
from app.sandbox.server import create_sandbox
from app.sandbox.world import generate
from app.settings import Settings

SHOWN = ("teacher_only", "staff_who_also_teach_elsewhere", "all_three_roles", "contact_of_two")


def demo(*, once: Annotated[bool, typer.Option("--once", help="End after printing.")] = False) -> None:
    """Start a sandbox Clever and the service on free ports, and print the permissions of four people."""
    world = generate()
    key, entry = new_key("demo")
    with in_background(create_sandbox(world)) as clever:
        settings = Settings(clever_url=clever, clever_token=SecretStr(TOKEN), api_keys=(entry,))
        with in_background(create_app(settings)) as service, httpx.Client(base_url=service, trust_env=False) as client:
            typer.echo(f"Sandbox Clever on {clever}\nRosterguard on    {service}  (reference: {service}/docs)")
            for name in SHOWN:
                case = world.cases[name]
                path = f"/v1/users/{case.user}/permissions"
                typer.echo(f"\n# {name}: {case.about}")
                typer.echo(f'curl -H "Authorization: Bearer {key}" {service}{path}')
                answer = client.get(path, headers={"Authorization": f"Bearer {key}"}).raise_for_status()
                typer.echo(json.dumps(answer.json(), indent=2))
            if not once:
                typer.echo("\nBoth stay up until Ctrl-C.")
                _wait()


def _wait() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        typer.echo("stopped")
