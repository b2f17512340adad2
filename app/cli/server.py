"""Running uvicorn: sockets, a server in the background, and the end of `serve`.

After a first signal `serve` is not ready any more and goes on for a while; a second signal ends it at once.
"""

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import typer
import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import HANDLED_SIGNALS
from uvicorn.supervisors import Multiprocess

DRAIN_SECONDS = 5
"""Seconds that a server in the background waits for requests in progress when it ends."""


def listening(host: str, port: int) -> socket.socket:
    """Return a listening socket, bound before uvicorn runs so that its port is known; exits with 1 if that fails."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        typer.echo(f"Error: cannot listen on {host} port {port}: {error}", err=True)
        raise typer.Exit(1) from error


def url_of(listener: socket.socket) -> str:
    """Return the URL of a listening socket, such as ``http://127.0.0.1:8900``."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def in_background(
    app: ASGIApp, host: str = "127.0.0.1", port: int = 0, *, http: type[asyncio.Protocol] | None = None
) -> Iterator[str]:
    """Serve ``app`` in a thread for the block, and yield its URL.

    ``http`` is the protocol class for uvicorn; by default ``app.state.protocol``, as the sandbox has it, or uvicorn's.
    """
    protocol = http or getattr(getattr(app, "state", None), "protocol", None) or "auto"
    with listening(host, port) as listener:
        config = uvicorn.Config(
            app, http=protocol, log_level="warning", access_log=False, timeout_graceful_shutdown=DRAIN_SECONDS
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            # The socket listens already, so a client that connects during the start just waits.
            yield url_of(listener)
        finally:
            server.should_exit = True
            thread.join()


TICK_SECONDS = 0.1


def handle_signals(delay: float, on_signal: Callable[[], None], *, is_worker: bool) -> None:
    """Delay the server's stop by ``delay`` seconds after the first signal.

    In this time load balancers notice that it is not ready, which ``on_signal`` has to bring about. Workers ignore a
    second signal: the terminal or systemd sends one to each, and so does the process that started them.
    """
    loop = asyncio.get_running_loop()
    usual = {number: signal.getsignal(number) for number in HANDLED_SIGNALS}
    is_stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        handler = usual[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal is_stopping
        if not is_stopping:
            is_stopping = True
            on_signal()
            loop.call_soon_threadsafe(loop.call_later, delay, stop, number, frame)
        elif not is_worker:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    for number in HANDLED_SIGNALS:
        signal.signal(number, handle)


class Workers(Multiprocess):
    """uvicorn's workers, which a second signal ends at once."""

    def join_all(self) -> None:
        """Wait for the workers to end."""
        while any(worker.process.is_alive() for worker in self.processes):
            if not set(HANDLED_SIGNALS).isdisjoint(self.signal_queue):
                for worker in self.processes:
                    worker.process.kill()
            time.sleep(TICK_SECONDS)
        super().join_all()
