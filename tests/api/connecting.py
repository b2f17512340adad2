"""A caller's side of a connection, for what no HTTP client says of its own accord."""

import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

PATIENCE = 60
"""How many seconds a test waits for what should happen at once."""


@dataclass
class Told:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def kind(self) -> tuple[int, str]:
        """The status and the kind of problem, or what stands there instead."""
        kind = json.loads(self.body).get("type", self.body)
        return self.status, kind.removeprefix("urn:problem-type:rosterguard:")


def connected_to(url: str) -> socket.socket:
    address = urlsplit(url)
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=PATIENCE)


def heard(caller: socket.socket, end: bytes) -> bytes:
    """Read until what ends so has come, in however many parts."""
    said = b""
    while not said.endswith(end):
        part = caller.recv(65536)
        assert part, said
        said += part
    return said


def told(caller: socket.socket) -> list[Told]:
    """Read every answer until the service closes the connection."""
    rest, answers = b"".join(iter(lambda: caller.recv(65536), b"")), []
    while rest:
        head, _, rest = rest.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", len(rest)))
        answers.append(Told(int(status.split()[1]), headers, rest[:length].decode()))
        rest = rest[length:]
    return answers


def until(holds: Callable[[], object]) -> None:
    """Wait for what will hold before long."""
    waited = 0.0
    while not holds():
        assert waited < PATIENCE
        waited += 0.02
        time.sleep(0.02)
