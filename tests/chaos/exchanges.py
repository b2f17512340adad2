"""A cheap HTTP client: what is left of a processor after it has to be enough for what is measured."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import httptools

PATIENCE = 75
"""Seconds that an answer may take: more than the service allows itself for anything."""


@dataclass(slots=True)
class Answer:
    """What was answered, and by ``time.monotonic()`` when it was asked for and had."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    began: float = 0.0
    ended: float = 0.0

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    def json(self) -> Any:
        return json.loads(self.body)


class _Connection(asyncio.Protocol):
    """A connection that is kept alive, for one exchange at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._wanted: asyncio.Future[Answer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer = Answer()
        self._parts: list[bytes] = []
        self.lasts = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio's in all but their class.
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"this is no HTTP: {error}"))

    def eof_received(self) -> None:
        self.lasts = False

    def connection_lost(self, error: Exception | None) -> None:
        self.lasts = False
        self._fail(ConnectionResetError("the connection was closed before the answer was there"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        answer = self._answer
        answer.status, answer.body, answer.ended = self._parser.get_status_code(), b"".join(self._parts), now()
        self.lasts = self.lasts and self._parser.should_keep_alive()
        self._parser, self._answer, self._parts = httptools.HttpResponseParser(self), Answer(), []
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(answer)

    def _fail(self, error: Exception) -> None:
        self.lasts = False
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_exception(error)

    async def exchange(self, request: bytes, began: float) -> Answer:
        assert self.transport is not None
        self._answer.began = began
        self._wanted = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        async with asyncio.timeout(PATIENCE):
            return await self._wanted

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()


def now() -> float:
    """Return seconds that only go forward, the same in every process of this machine."""
    return time.monotonic()


class Peer:
    """Somebody who is asked, over as many connections as there are questions at once."""

    def __init__(self, url: str, key: str = "") -> None:
        self.host, self.port = urlsplit(url).hostname or "", urlsplit(url).port or 80
        self._common = f"Host: {self.host}\r\n" + (f"Authorization: Bearer {key}\r\n" if key else "")
        self._idle: list[_Connection] = []
        self._all: set[_Connection] = set()

    async def ask(
        self,
        path: str,
        said: object = None,
        *,
        method: str = "",
        headers: Mapping[str, str] | None = None,
        due: float | None = None,
    ) -> Answer:
        """Ask, and return the answer; ``due`` is when it should have been asked, where that is what counts.

        Raises:
            OSError: there was no answer, or none in time.
        """
        body = b"" if said is None else json.dumps(said).encode()
        more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        if body:
            more += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        line = f"{method or ('POST' if body else 'GET')} {path} HTTP/1.1\r\n"
        return await self.send(f"{line}{self._common}{more}\r\n".encode() + body, now() if due is None else due)

    async def send(self, request: bytes, began: float) -> Answer:
        """Send a request as it is."""
        connection = await self._connection()
        try:
            answer = await connection.exchange(request, began)
        except BaseException:
            self._drop(connection)
            raise
        if connection.lasts:
            self._idle.append(connection)
        else:
            self._drop(connection)
        return answer

    async def _connection(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.lasts:
                return connection
            self._drop(connection)
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, self.host, self.port)
        self._all.add(connection)
        return connection

    def _drop(self, connection: _Connection) -> None:
        self._all.discard(connection)
        connection.close()

    def close(self) -> None:
        """Break all connections off."""
        for connection in tuple(self._all):
            self._drop(connection)
        self._idle.clear()
