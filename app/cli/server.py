"""Running uvicorn: the sockets to listen on, a server in the background, and how `serve` ends.

After a first signal `serve` is not ready any more and goes on for a while; a second ends it at once.
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


TICK_SECONDS = 0.1


def heed_signals(delay: float, when_told: Callable[[], None], *, is_worker: bool) -> None:
    """Have the server of the running loop go on for ``delay`` seconds after it was told to stop.

    Load balancers need that long to notice that it is not ready, which ``when_told`` sees to. Workers leave a second
    signal to the process that began them: they get one from the terminal or from systemd, and another from there.
    """
    loop = asyncio.get_running_loop()
    usual = {number: signal.getsignal(number) for number in HANDLED_SIGNALS}
    is_told = False

    def stop(number: int, frame: FrameType | None) -> None:
        handler = usual[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    def told(number: int, frame: FrameType | None) -> None:
        nonlocal is_told
        if not is_told:
            is_told = True
            when_told()
            loop.call_soon_threadsafe(loop.call_later, delay, stop, number, frame)
        elif not is_worker:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    for number in HANDLED_SIGNALS:
        signal.signal(number, told)


class Workers(Multiprocess):
    """Workers that a second signal ends at once, while the first is waited for."""

    def join_all(self) -> None:
        """Wait for the workers to end."""
        while any(worker.process.is_alive() for worker in self.processes):
            if not set(HANDLED_SIGNALS).isdisjoint(self.signal_queue):
                for worker in self.processes:
                    worker.process.kill()
            time.sleep(TICK_SECONDS)
        super().join_all()
