"""Connections that are used again, each only after an exchange that went well and by one exchange at a time.

Each is a transport of httpx's own that holds one connection. One pool of them all would look through every connection
at each request and again after it, which costs twice as much processor time for one user alone and several times as
much for many at once. And where what awaits httpcore is cancelled as it closes a response, its pool counts the
connection as in use for ever: here such a transport is closed, and no other exchange ever meets it.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from app.domain.errors import CleverCrowded
from app.telemetry import metrics

_IDLE_SECONDS = 30


_LIMITS = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_IDLE_SECONDS)


@dataclass(frozen=True, slots=True)
class _Idle:
    connection: httpx.AsyncHTTPTransport
    since: float


class Connections(httpx.AsyncBaseTransport):
    """As many connections as there are exchanges; of those that idle the one that was used last is taken.

    They leave out the client that httpx puts around a transport: it merges headers and keeps cookies, history and hooks
    for each request, none of which a question to Clever needs, and three of them cost a fifth less without.
    """

    def __init__(self, trusted: ssl.SSLContext, proxy: str | None = None) -> None:
        """Connect to nothing yet; what is made has to be closed."""
        self._trusted = trusted
        self._proxy = proxy
        self._idle: deque[_Idle] = deque()
        self._used: set[httpx.AsyncHTTPTransport] = set()
        self._closing: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Ask, and return the answer as soon as its head is there; raises ``httpx.TransportError``."""
        connection = self._taken()
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            self._end(connection, went_well=False)
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 -- for the type's sake
        response.stream = _Body(response.stream, lambda went_well: self._end(connection, went_well=went_well))
        return response

    async def aclose(self) -> None:
        """Close the connections, those in use, too."""
        for connection in (*self._used, *(idle.connection for idle in self._idle)):
            self._close(connection)
        self._used.clear()
        self._idle.clear()
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _taken(self) -> httpx.AsyncHTTPTransport:
        if self._idle:
            connection = self._idle.pop().connection
        else:
            connection = httpx.AsyncHTTPTransport(verify=self._trusted, limits=_LIMITS, proxy=self._proxy)
        self._used.add(connection)
        return connection

    def _end(self, connection: httpx.AsyncHTTPTransport, *, went_well: bool) -> None:
        if connection not in self._used:
            return
        self._used.remove(connection)
        now = asyncio.get_running_loop().time()
        if went_well:
            self._idle.append(_Idle(connection, now))
        else:
            self._close(connection)
        while self._idle and self._idle[0].since < now - _IDLE_SECONDS:
            self._close(self._idle.popleft().connection)

    def _close(self, connection: httpx.AsyncHTTPTransport) -> None:
        # In a task of its own: what ends an exchange early must not end the closing, too.
        closing = asyncio.create_task(connection.aclose())
        self._closing.add(closing)
        closing.add_done_callback(self._closed)

    def _closed(self, closing: asyncio.Task[None]) -> None:
        self._closing.discard(closing)
        if not closing.cancelled():
            closing.exception()


class _Body(httpx.AsyncByteStream):
    """The body of an answer; whether its connection can be used again is told once it is closed."""

    def __init__(self, stream: httpx.AsyncByteStream, ended: Callable[[bool], None]) -> None:
        self._stream = stream
        self._ended = ended
        self._is_read = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            yield piece
        self._is_read = True

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        except BaseException:
            self._ended(False)  # noqa: FBT003 -- its only parameter
            raise
        self._ended(self._is_read)


T = TypeVar("T")


MOST_UNDER_WAY = 128


"""Exchanges at once, and so connections in use: more than all readings together make."""


_PATIENCE_SECONDS = 2.0


_MOMENT_SECONDS = 1.0  # in which an exchange that nobody waits for usually ends by itself


class RunningExchanges:
    """The exchanges under way, ``most`` at once.

    For room an exchange waits for ``patience`` seconds at most. One that nobody waits for any more is broken off after
    another ``moment``, in seconds.
    """

    def __init__(
        self,
        most: int = MOST_UNDER_WAY,
        *,
        patience: float = _PATIENCE_SECONDS,
        moment: float = _MOMENT_SECONDS,
    ) -> None:
        """Begin with none."""
        self._room = asyncio.Semaphore(most)
        self._patience = patience
        self._moment = moment
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def in_progress(self) -> int:
        """How many exchanges are under way."""
        return len(self._tasks)

    async def enter(self) -> None:
        """Wait for room for one more exchange, which ``leave`` gives back.

        Raises:
            CleverCrowded: there was none in time.
        """
        if not self._room.locked():
            await self._room.acquire()
            return
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._patience):
                await self._room.acquire()
        except TimeoutError as error:
            metrics.withheld(CleverCrowded.word)
            raise CleverCrowded(
                "every connection to Clever has been in use for too long; ask again in a moment", retry_after=1
            ) from error
        finally:
            metrics.CONNECTION_SECONDS.observe(time.perf_counter() - began)

    def leave(self) -> None:
        """Give back the room of an exchange."""
        self._room.release()

    async def outcome(self, exchange: Coroutine[Any, Any, T], ended: Callable[[], None]) -> T:
        """Begin an exchange and return what it comes to; ``ended`` is called when it is over, whoever waits."""
        task = asyncio.create_task(exchange)
        self._tasks.add(task)

        def over(_: asyncio.Task[T]) -> None:
            self._tasks.discard(task)
            ended()
            # Where nobody waits any more, asyncio would complain that a failure was never looked at.
            if not task.cancelled():
                task.exception()

        task.add_done_callback(over)
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            asyncio.get_running_loop().call_later(self._moment, task.cancel)
            raise
        return task.result()

    async def aclose(self) -> None:
        """Break off what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
