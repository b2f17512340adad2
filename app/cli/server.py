"""Sockets that the commands listen on."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import typer
import uvicorn
from starlette.types import ASGIApp

DRAIN_SECONDS = 5
"""How long a server in the background waits at its end for requests under way: one that hangs must not keep it."""


def listening(host: str, port: int) -> socket.socket:
    """Bind before uvicorn does, so that port 0 is known when it is printed; exits with 1 where that fails."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        typer.echo(f"Error: cannot listen on {host} port {port}: {error}", err=True)
        raise typer.Exit(1) from error


def url_of(listener: socket.socket) -> str:
    """Return the address of ``listener``, such as ``http://127.0.0.1:8900``."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def in_background(
    app: ASGIApp, host: str = "127.0.0.1", port: int = 0, *, http: type[asyncio.Protocol] | None = None
) -> Iterator[str]:
    """Serve ``app`` from a thread of its own, and yield its address once it answers.

    ``http`` is the protocol to speak, of uvicorn's kind; else the one that the application brings along as
    ``app.state.protocol``, as the sandbox does; else uvicorn's own.
    """
    spoken = http or getattr(getattr(app, "state", None), "protocol", None) or "auto"
    with listening(host, port) as listener:
        config = uvicorn.Config(
            app, http=spoken, log_level="warning", access_log=False, timeout_graceful_shutdown=DRAIN_SECONDS
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            # The socket listens already: whoever connects before the start is over simply waits for it.
            yield url_of(listener)
        finally:
            server.should_exit = True
            thread.join()
