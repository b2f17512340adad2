"""`rosterguard serve`: the service itself."""

from contextlib import suppress
from copy import deepcopy
from functools import partial
from typing import Annotated, Any

import typer
import uvicorn
from fastapi import FastAPI
from uvicorn.config import LOGGING_CONFIG
from uvicorn.supervisors import Multiprocess

from app.cli.listening import listening, url_of
from app.domain.errors import PolicyMistakes
from app.main import create_app
from app.settings import Settings, SettingsMistakes, is_loopback, read_settings

DRAIN_SECONDS = 20
"""How long requests under way may take to end after SIGTERM; containers are usually killed after 30."""


def serve(
    *,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8900,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes, each with a cache of its own.")] = 1,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Let anyone on this machine ask, without a key.")] = False,
) -> None:
    """Serve permissions. Settings come from the environment and `.env`; the README has them in a table."""
    if no_auth and not is_loopback(host):
        typer.echo(f"Error: --no-auth is for loopback alone, and {host} can be reached from elsewhere.", err=True)
        raise typer.Exit(2)
    settings, app = _checked(no_auth=no_auth)
    # uvicorn stops gracefully on Ctrl-C and then raises it again.
    with listening(host, port) as listener, suppress(KeyboardInterrupt):
        typer.echo(f"Rosterguard on {url_of(listener)}")
        if workers == 1:
            uvicorn.Server(_config(app)).run([listener])
        else:
            # Handed over as they are, so that the workers do not read the environment again.
            Multiprocess(_config(partial(create_app, settings, no_auth=no_auth), workers), [listener]).run()


def _checked(*, no_auth: bool) -> tuple[Settings, FastAPI]:
    """Read the settings and try them: a mistake ends the start with a line each."""
    try:
        settings = read_settings()
        return settings, create_app(settings, no_auth=no_auth)
    except SettingsMistakes as mistakes:
        lines = mistakes.lines
    except PolicyMistakes as error:
        lines = [f"the policy: {mistake}" for mistake in error.mistakes]
    for line in lines:
        typer.echo(f"Error: {line}", err=True)
    raise typer.Exit(2)


def _config(app: FastAPI | partial[FastAPI], workers: int = 1) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=isinstance(app, partial),
        workers=workers,
        log_config=_log_config(),
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


def _log_config() -> dict[str, Any]:
    config = deepcopy(LOGGING_CONFIG)
    # stdout tells the address and no more: whoever started the process may have stopped reading after that.
    config["handlers"]["access"]["stream"] = "ext://sys.stderr"
    config["loggers"]["rosterguard"] = {"handlers": ["default"], "level": "INFO", "propagate": False}
    # At INFO it tells every URL, and so whom we asked Clever about.
    config["loggers"]["httpx"] = {"level": "WARNING"}
    return config
