"""`rosterguard sandbox`: a sandbox Clever to try the service on."""

import gc
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated

import typer
import uvicorn

from app.cli.server import DRAIN_SECONDS, listening, url_of
from app.sandbox.faults import TransportProtocol
from app.sandbox.oauth import CLIENT_ID, CLIENT_SECRET, TOKEN
from app.sandbox.server import create_sandbox
from app.sandbox.world import World, generate
from app.urls import is_loopback


def sandbox(
    *,
    host: Annotated[
        str, typer.Option(help="The address to listen on; any but loopback needs a --token of your own.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8901,
    seed: Annotated[int, typer.Option(help="The seed; equal seeds make equal districts on the same day.")] = 7,
    schools: Annotated[int, typer.Option(min=1, max=10_000, help="Schools of each district.")] = 3,
    teachers: Annotated[int, typer.Option(min=1, max=20_000, help="Teachers of each district.")] = 40,
    students: Annotated[int, typer.Option(min=0, max=100_000, help="Students of each district.")] = 600,
    sections: Annotated[
        int,
        typer.Option(min=0, max=100_000, help="The least number of sections of each district; electives fill it up."),
    ] = 0,
    contacts: Annotated[
        int | None,
        typer.Option(min=0, max=100_000, help="Contacts of each district; by default, one of every fourth student."),
    ] = None,
    districts: Annotated[int, typer.Option(min=1, max=100, help="Districts, each with a token of its own.")] = 1,
    token: Annotated[str, typer.Option(help="Token of the first district; the second has TOKEN-2, and so on.")] = TOKEN,
    client_id: Annotated[str, typer.Option(help="Client id for tokens and logins.")] = CLIENT_ID,
    client_secret: Annotated[str, typer.Option(help="Client secret for tokens and logins.")] = CLIENT_SECRET,
    redirect_uri: Annotated[
        list[str] | None,
        typer.Option(help="An address to which logins may be sent back; those of this machine always may."),
    ] = None,
    delay_ms: Annotated[int, typer.Option(min=0, max=600_000, help="The delay of every answer in milliseconds.")] = 0,
    rate_limit: Annotated[int, typer.Option(min=0, help="Requests a minute and token; 0 for no limit.")] = 1200,
    today: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day around which terms lie; today by default.")
    ] = None,
    events: Annotated[bool, typer.Option(help="Whether changes make events; at Clever, applications opt in.")] = True,
    cases: Annotated[bool, typer.Option("--cases", help="Print the named cases and exit.")] = False,
) -> None:
    """Serve a sandbox Clever, in versions 1.1 to 3.1 of its API, with generated districts and named test cases.

    Users log in by OAuth 2.0 and OpenID Connect, as people of the named cases: the README says more under "From a login
    to a permission".

    It fails on purpose and changes while it runs, by its own endpoints:
    PUT, GET, DELETE /_sandbox/faults
    POST /_sandbox/users, PATCH, DELETE /_sandbox/users/{id}; the same of sections, schools, terms and courses
    PATCH /_sandbox/districts/{id}, POST /_sandbox/changes
    PUT /_sandbox/events, PUT /_sandbox/limits, POST /_sandbox/reset
    GET, DELETE /_sandbox/requests, GET /_sandbox/cases

    The README says more under "Rehearse a failing Clever".
    On any host but loopback they need the token of the first district.
    """
    reachable = not is_loopback(host)
    if reachable:
        client_secret = _guarded(host, token, client_secret)
    world = generate(
        seed=seed,
        schools=schools,
        teachers=teachers,
        students=students,
        sections=sections,
        contacts=contacts,
        districts=districts,
        today=(today or datetime.now(UTC)).date(),
    )
    if cases:
        _print_cases(world)
        return
    # The collector would look at a large world again and again, for as long as a page takes; the world stays.
    gc.freeze()
    app = create_sandbox(
        world,
        token=token,
        client_id=client_id,
        client_secret=client_secret,
        delay_ms=delay_ms,
        rate_limit=rate_limit,
        admin_token=token if reachable else None,
        events=events,
        redirect_uris=redirect_uri or (),
    )
    config = uvicorn.Config(
        app, http=TransportProtocol, log_level="warning", access_log=False, timeout_graceful_shutdown=DRAIN_SECONDS
    )
    # uvicorn stops gracefully on Ctrl-C and then raises it again.
    with listening(host, port) as listener, suppress(KeyboardInterrupt):
        typer.echo(f"Sandbox Clever on {url_of(listener)}")
        uvicorn.Server(config).run([listener])


def _guarded(host: str, token: str, client_secret: str) -> str:
    """Refuse the default token, and replace the default secret, which would give the token away."""
    if token in ("", TOKEN):
        typer.echo(f"Error: --host {host} can be reached from elsewhere: give a --token of your own.", err=True)
        raise typer.Exit(2)
    if client_secret not in ("", CLIENT_SECRET):
        return client_secret
    typer.echo("Token discovery and logins are closed: they need a --client-secret of your own.", err=True)
    return secrets.token_urlsafe()


def _print_cases(world: World) -> None:
    width = max(map(len, world.cases))
    for name, case in world.cases.items():
        typer.echo(f"{name:<{width}}  {case.user}  {case.district}  {case.about}")
