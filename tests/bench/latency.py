"""How long single answers take: a client that does next to nothing else, with so many requests in flight.

wrk tells of no single answer, and asks for a list of requests over and over; here each is asked once, and is timed.
"""

import asyncio
import gc
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple, cast

import httpx
import uvloop

from tests.bench.cores import ASKING, on_core
from tests.bench.load import WentWrong

_LENGTH = b"\r\ncontent-length: "


class Answered(NamedTuple):
    """An answer: when it was there, in Unix seconds, and milliseconds from its request until then."""

    at: float
    ms: float


def request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Return a request as it is sent."""
    said = {"Host": "localhost", **headers}
    if body:
        said |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = (f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in said.items()), "", "")
    return "\r\n".join(lines).encode() + body


def end_of_answer(received: bytes | bytearray) -> int | None:
    """Return where the answer ends that begins here, or None while that has not come; raises ``WentWrong``."""
    head = received.find(b"\r\n\r\n")
    if head < 0:
        return None
    if not received.startswith(b"HTTP/1.1 200 "):
        raise WentWrong(bytes(received[: received.find(b"\r\n")]).decode())
    length = received[:head].lower().find(_LENGTH)
    if length < 0:
        raise WentWrong("an answer does not say how long it is")
    length += len(_LENGTH)
    return head + 4 + int(received[length : length + 20].split(b"\r\n")[0])


def for_seconds(seconds: float, requests: Iterable[bytes]) -> Iterator[bytes]:
    """Yield requests for so long."""
    until = time.monotonic() + seconds
    for each in requests:
        if time.monotonic() > until:
            return
        yield each


def answers(url: str, requests: Iterable[bytes], in_flight: int) -> list[Answered]:
    """Send requests, so many at once and each on the connection that is free; raises ``WentWrong``."""
    with on_core(ASKING), _uncollected(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_answers(httpx.URL(url), iter(requests), in_flight))


@contextmanager
def _uncollected() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def _answers(url: httpx.URL, requests: Iterator[bytes], in_flight: int) -> list[Answered]:
    loop, answered = asyncio.get_running_loop(), list[Answered]()
    connections = []
    for _ in range(in_flight):
        _, connection = await loop.create_connection(lambda: _Connection(requests, answered), url.host, url.port or 80)
        connections.append(connection)
    for each in connections:
        each.next()
    await asyncio.gather(*(each.ended for each in connections))
    return answered


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], answered: list[Answered]) -> None:
        self.ended = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._answered = answered
        self._received = bytearray()
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # That of uvloop is one by what it can do, not by its class.
        self._transport = cast(asyncio.WriteTransport, transport)

    def next(self) -> None:
        sent = next(self._requests, None)
        if sent is None:
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(sent)

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            end = end_of_answer(self._received)
        except WentWrong as error:
            self.ended.set_exception(error)
            self._transport.close()
            return
        if end is not None and len(self._received) >= end:
            self._answered.append(Answered(time.time(), (time.perf_counter() - self._sent) * 1000))
            self._received.clear()
            self.next()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.ended.done():
            return
        if self._received or exc is not None:
            self.ended.set_exception(WentWrong("a connection broke off"))
        else:
            self.ended.set_result(None)
