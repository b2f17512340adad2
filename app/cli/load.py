"""`rosterguard load`: have a running service load a whole district, and show how far it has come."""

import os
import time
from contextlib import suppress
from typing import Annotated, Any, NoReturn

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

KEY = "ROSTERGUARD_KEY"
"""The environment variable with the key; as an argument, others on the machine could see it."""

_LOOK_SECONDS = 0.5
_OVER = frozenset({"loaded", "failed", "not_started"})  # the last where the service was started again meanwhile


def load(
    district: Annotated[str, typer.Argument(help="The Clever id of the district.")],
    *,
    url: Annotated[str, typer.Option(help="The URL of the running service.")] = "http://127.0.0.1:8900",
    follow: Annotated[bool, typer.Option(help="Show how far the load has come until it is over.")] = True,
) -> None:
    """Have a running service load a whole district. Its key, with the scope districts:load, is in ROSTERGUARD_KEY."""
    key = os.environ.get(KEY, "")
    if not key.isascii():
        _end(f"{KEY} is no key: it has other characters than a key has")
    credential = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(base_url=url, headers=credential, timeout=30) as client:
            path = f"/v1/districts/{district}/load"
            begun = _checked(client.post(path))
            ended = _followed(client, path, begun) if follow else begun
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        _end(f"the service at {url} cannot be reached: {type(error).__name__}")
    if ended["status"] == "failed":
        _end(f"the load was given up: {ended['last_error']}")
    if ended["status"] == "not_started":
        _end("the service was started again before the load was over, or another process answers: load it again")
    typer.echo(_sentence(ended))


def _followed(client: httpx.Client, path: str, begun: dict[str, Any]) -> dict[str, Any]:
    load = begun
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("records", total=None)
        while load["status"] not in _OVER:
            time.sleep(_LOOK_SECONDS)
            load = _checked(client.get(path))
            bar.update(task, completed=sum(load["records"].values()), total=load["expected_records"])
    return load


def _checked(response: httpx.Response) -> dict[str, Any]:
    if not response.is_success:
        is_problem = response.headers.get("content-type", "").startswith("application/problem+json")
        _end(response.json()["detail"] if is_problem else f"the service answers {response.status_code}")
    load: Any = None
    with suppress(ValueError):
        load = response.json()
    if not isinstance(load, dict) or not {"status", "records", "pages"} <= load.keys():
        _end("what answers there is not Rosterguard")
    return load


def _sentence(load: dict[str, Any]) -> str:
    records = ", ".join(f"{number} {kind}" for kind, number in load["records"].items())
    return f"{load['status']}: {records}, on {load['pages']} pages"


def _end(message: str) -> NoReturn:
    typer.echo(f"Error: {message}", err=True)
    raise typer.Exit(1)
