"""`rosterguard serve` and `rosterguard openapi`: the service and its description."""

import ctypes
import gc
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr

from app.api.fast_connection import FastConnection
from app.authentication import check_keys_file
from app.cli.server import Workers, handle_signals, listening, url_of
from app.domain.errors import PolicyMistakes
from app.main import create_app, policy_in
from app.settings import Settings, SettingsMistakes, read_settings, unknown_settings
from app.telemetry import logs, metrics
from app.telemetry.log_writer import STDERR, Sink, Stream
from app.urls import is_loopback

DRAIN_SECONDS = 8
"""Seconds that requests in progress may take after SIGTERM; Docker kills a container after 10."""

COLLECTED_AFTER = (5_000, 5, 50)
"""The thresholds of the garbage collector.

Almost no object here is in a cycle. With Python's defaults, large batches caused a full collection of 10 to 20 ms every
second.
"""

_M_MMAP_THRESHOLD = -3  # as malloc.h has it
_LARGE_BYTES = 1024 * 1024


def serve(
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8900,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes, each with a cache of its own.")] = 1,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Let anyone on this machine ask, without a key.")] = False,
) -> None:
    """Serve permissions. Settings come from the environment and `.env`; the README lists them."""
    if no_auth and not is_loopback(host):
        typer.echo(f"Error: --no-auth is for loopback alone, and {host} can be reached from elsewhere.", err=True)
        raise typer.Exit(2)
    settings = _checked(no_auth=no_auth, workers=workers)
    # uvicorn stops gracefully on Ctrl-C and then raises it again.
    with listening(host, port) as listener, suppress(KeyboardInterrupt):
        url = url_of(listener)
        typer.echo(f"Rosterguard on {url}", err=settings.decision_log == "stdout")
        own_url = _own_url(settings, url if is_loopback(host) else None)
        # Passed on, so that workers do not read the environment again.
        app = partial(_served_app, settings, no_auth=no_auth, own_url=own_url, is_worker=workers > 1)
        if workers == 1:
            uvicorn.Server(server_config(app, settings)).run([listener])
        else:
            with _folder_for_metrics():
                Workers(server_config(app, settings, workers), [listener]).run()


def lasting_app(
    settings: Settings, *, no_auth: bool, own_url: str | None, requests_to: Sink | None, several_workers: bool = False
) -> FastAPI:
    """Return the application for the life of a process; parameters and errors are those of ``create_app``."""
    app = create_app(
        settings, no_auth=no_auth, own_url=own_url, requests_to=requests_to, several_workers=several_workers
    )
    # Generating the document takes a quarter of a second, which would block requests.
    app.openapi()
    # All objects so far live as long as the process; frozen, they are left out of every collection.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED_AFTER)
    _map_large_blocks()
    return app


def _map_large_blocks() -> None:
    """Have glibc go on mapping each large block of memory by itself, so that it can grow without being copied.

    By default it stops doing so once one has been freed: then each page of a district, which grows piece by piece to
    twelve megabytes, would be copied again and again, for some milliseconds each time. See mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def _served_app(settings: Settings, *, no_auth: bool, own_url: str | None, is_worker: bool) -> FastAPI:
    """Return the application of one process; uvicorn calls this after it has installed its signal handlers."""
    sink = Stream(STDERR)
    app = lasting_app(settings, no_auth=no_auth, own_url=own_url, requests_to=sink, several_workers=is_worker)
    handle_signals(settings.shutdown_delay_seconds, app.state.stop, is_worker=is_worker)
    return app


def _checked(*, no_auth: bool, workers: int) -> Settings:
    """Read and check the settings; each mistake is printed and ends the start.

    Policy and keys are only checked here. Each worker reads them itself, since it may start days later.
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
    # 0 switches stale answers off on purpose.
    if 0 < settings.stale_seconds <= settings.fresh_seconds:
        typer.echo(
            "Warning: ROSTERGUARD_STALE_SECONDS is not over ROSTERGUARD_FRESH_SECONDS: "
            "there are no stale answers while Clever cannot be read",
            err=True,
        )


def _look_for_secret(settings: Settings, workers: int) -> None:
    if workers > 1 and settings.secret is None:
        raise SettingsMistakes(["ROSTERGUARD_SECRET: several workers need one, to accept each other's page tokens"])


def _own_url(settings: Settings, url: str | None) -> str | None:
    if settings.public_url is None and url is None:
        typer.echo("Warning: ROSTERGUARD_PUBLIC_URL is not set, so there is no metadata.", err=True)
    return url


@contextmanager
def _folder_for_metrics() -> Iterator[None]:
    """Share a folder for metrics with the workers, by the environment that they inherit."""
    with TemporaryDirectory(prefix="rosterguard-metrics-") as folder:
        os.environ[metrics.FOLDER] = folder
        yield


def server_config(app: partial[FastAPI], settings: Settings, workers: int = 1) -> uvicorn.Config:
    """Return uvicorn's configuration for the application that ``app`` creates."""
    return uvicorn.Config(
        app,
        factory=True,
        http=FastConnection,
        workers=workers,
        log_config=logs.config(readable=logs.is_readable(settings.log_format)),
        server_header=False,
        # The client's address is not used, so headers of proxies need not be read.
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=settings.idle_seconds,
        # It would log whole paths and queries; the service's own access log has routes.
        access_log=False,
    )


def openapi() -> None:
    """Print the OpenAPI document of the service."""
    typer.echo(json.dumps(document(), indent=2, ensure_ascii=False))


def document() -> dict[str, object]:
    """Return the OpenAPI document; it does not depend on any setting."""
    return create_app(Settings(clever_token=SecretStr("never-sent")), no_auth=True).openapi()
