"""`rosterguard serve`: the service itself."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
import uvicorn
from fastapi import FastAPI

from app.api.fast_connection import FastConnection
from app.authentication import check_keys_file
from app.cli.server import Workers, heed_signals, listening, url_of
from app.domain.errors import PolicyMistakes
from app.main import create_app, policy_in
from app.settings import Settings, SettingsMistakes, read_settings, unknown_settings
from app.telemetry import logs, metrics
from app.telemetry.log_writer import STDERR, Sink, Stream
from app.urls import is_loopback

DRAIN_SECONDS = 8
"""How long requests under way may take to end after SIGTERM; Docker kills a container after 10."""

COLLECTED_AFTER = (5_000, 5, 50)
"""After how many objects more the garbage collector looks through the new ones, and after how many times through all.

Next to nothing here is in a cycle, and by Python's own numbers large batches had all of them looked through every
second, for 10 to 20 ms.
"""


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
    settings = _checked(no_auth=no_auth, workers=workers)
    # uvicorn stops gracefully on Ctrl-C and then raises it again.
    with listening(host, port) as listener, suppress(KeyboardInterrupt):
        url = url_of(listener)
        typer.echo(f"Rosterguard on {url}", err=settings.decision_log == "stdout")
        own_url = _own_url(settings, url if is_loopback(host) else None)
        # Handed over as they are, so that the workers do not read the environment again.
        app = partial(_served_app, settings, no_auth=no_auth, own_url=own_url, is_worker=workers > 1)
        if workers == 1:
            uvicorn.Server(server_config(app, settings)).run([listener])
        else:
            with _folder_for_metrics():
                Workers(server_config(app, settings, workers), [listener]).run()


def lasting_app(settings: Settings, *, no_auth: bool, own_url: str | None, requests_to: Sink | None) -> FastAPI:
    """Put the application together for the life of a process; parameters and what is raised are ``create_app``'s."""
    app = create_app(settings, no_auth=no_auth, own_url=own_url, requests_to=requests_to)
    # It takes a quarter of a second to make, during which nobody is answered.
    app.openapi()
    # All that there is by now stays, and is most of what the garbage collector would look through each time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED_AFTER)
    return app


def _served_app(settings: Settings, *, no_auth: bool, own_url: str | None, is_worker: bool) -> FastAPI:
    """Put together what a process serves, which uvicorn does after it has taken the signals over."""
    app = lasting_app(settings, no_auth=no_auth, own_url=own_url, requests_to=Stream(STDERR))
    heed_signals(settings.shutdown_delay_seconds, app.state.stop, is_worker=is_worker)
    return app


def _checked(*, no_auth: bool, workers: int) -> Settings:
    """Read the settings and try them: a mistake ends the start with a line each.

    The policy and the file of keys are read here once, to be judged. Each worker reads them itself: it may start days
    later.
    """
    try:
        settings = read_settings()
        for name in unknown_settings():
            typer.echo(f"Warning: there is no setting {name}; is it misspelt?", err=True)
        create_app(settings, no_auth=no_auth)
        check_keys_file(settings)
        policy_in(settings)
        _look_for_stale(settings)
        _look_for_secret(settings, workers)
    except SettingsMistakes as mistakes:
        lines = mistakes.lines
    except PolicyMistakes as error:
        lines = [f"the policy: {mistake}" for mistake in error.mistakes]
    else:
        return settings
    for line in lines:
        typer.echo(f"Error: {line}", err=True)
    raise typer.Exit(2)


def _look_for_stale(settings: Settings) -> None:
    # 0 says outright that nothing shall stand in.
    if 0 < settings.stale_seconds <= settings.fresh_seconds:
        typer.echo(
            "Warning: ROSTERGUARD_STALE_SECONDS is not over ROSTERGUARD_FRESH_SECONDS: "
            "no older answer stands in where Clever cannot be read",
            err=True,
        )


def _look_for_secret(settings: Settings, workers: int) -> None:
    if workers > 1 and settings.secret is None:
        raise SettingsMistakes(["ROSTERGUARD_SECRET: several workers need one, for each takes page tokens of another"])


def _own_url(settings: Settings, url: str | None) -> str | None:
    if settings.public_url is None and url is None:
        typer.echo("Warning: ROSTERGUARD_PUBLIC_URL is not set, and so there is no metadata to be read.", err=True)
    return url


@contextmanager
def _folder_for_metrics() -> Iterator[None]:
    """Have the workers, which begin anew and inherit the environment, keep their metrics in one folder."""
    with TemporaryDirectory(prefix="rosterguard-metrics-") as folder:
        os.environ[metrics.FOLDER] = folder
        yield


def server_config(app: partial[FastAPI], settings: Settings, workers: int = 1) -> uvicorn.Config:
    """Return how uvicorn is to serve what ``app`` makes."""
    return uvicorn.Config(
        app,
        factory=True,
        http=FastConnection,
        workers=workers,
        log_config=logs.config(readable=logs.is_readable(settings.log_format)),
        server_header=False,
        # Nobody asks where a request comes from; what a proxy says of that need not be read.
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=settings.idle_seconds,
        # It tells paths and queries whole; a line of our own tells routes.
        access_log=False,
    )
