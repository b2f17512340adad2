"""Connections to Clever, each used by one exchange at a time, and again only after the last one went well.

Each is a transport of httpx with a pool of one connection. A single pool looks through all its connections before and
after each request, which costs twice the processor time for one user alone, and several times as much for many at once.
And if a task is cancelled while httpcore closes a response, the pool counts its connection as in use for ever: here
such a transport is closed, and no other exchange ever gets it.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.request import getproxies, proxy_bypass

import httpx

from app.domain.errors import CleverCrowded
from app.telemetry import metrics
from app.waiting import cancel, start

IDLE_SECONDS = 30

_LIMITS = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_SECONDS)


@dataclass(frozen=True, slots=True)
class _Idle:
    connection: httpx.AsyncHTTPTransport
    since: float


class Connections(httpx.AsyncBaseTransport):
    """A connection for each exchange in progress; an idle one is used again, the last one first.

    This is a transport without httpx's client around it: that one merges headers and keeps cookies, history and hooks
    for each request, none of which is needed here. Without it the three requests for a user cost a fifth less.
    """

    def __init__(self, trusted: ssl.SSLContext, proxy: str | None = None) -> None:
        """Take what to trust and which proxy to use; nothing is connected yet."""
        self._trusted = trusted
        self._proxy = proxy
        self._idle: deque[_Idle] = deque()
        self._used: set[httpx.AsyncHTTPTransport] = set()
        self._closing: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return the response as soon as its head is there; raises ``httpx.TransportError``."""
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
        """Close all connections, also those in use."""
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
        while self._idle and self._idle[0].since < now - IDLE_SECONDS:
            self._close(self._idle.popleft().connection)

    def _close(self, connection: httpx.AsyncHTTPTransport) -> None:
        # In a task of its own: whatever cancels an exchange must not cancel the closing, too.
        start(connection.aclose(), self._closing)


class _Body(httpx.AsyncByteStream):
    """The body of a response; tells, once it is closed, whether its connection can be reused."""

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


class ProxyTransport(httpx.AsyncBaseTransport):
    """Sends requests directly, or, for https, through the proxy that the environment names."""

    def __init__(self) -> None:
        """Read the environment; nothing is connected yet."""
        trusted = httpx.create_ssl_context()
        proxies = getproxies()
        proxy = proxies.get("https") or proxies.get("all")
        self._direct = Connections(trusted)
        self._proxied = Connections(trusted, proxy if "://" in proxy else f"http://{proxy}") if proxy else None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; raises ``httpx.HTTPError``."""
        # Plain http is for loopback; a proxy would be sent the token in clear.
        if self._proxied is None or request.url.scheme != "https" or proxy_bypass(request.url.host):
            return await self._direct.handle_async_request(request)
        return await self._proxied.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._direct.aclose()
        if self._proxied is not None:
            await self._proxied.aclose()


T = TypeVar("T")

MOST_UNDER_WAY = 128
"""How many exchanges run at once, each on a connection of its own: more than all fetches together need."""

_PATIENCE_SECONDS = 2.0

_MOMENT_SECONDS = 1.0  # most exchanges that nobody waits for end by themselves in that time


class RunningExchanges:
    """The exchanges in progress, ``most`` at once.

    A new exchange waits for one of these places for ``timeout`` seconds at most. An exchange whose caller has given up
    is cancelled after ``grace`` seconds.
    """

    def __init__(
        self,
        most: int = MOST_UNDER_WAY,
        *,
        timeout: float = _PATIENCE_SECONDS,
        grace: float = _MOMENT_SECONDS,
    ) -> None:
        """Begin with none."""
        self._room = asyncio.Semaphore(most)
        self._timeout = timeout
        self._grace = grace
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def in_progress(self) -> int:
        """How many exchanges are in progress."""
        return len(self._tasks)

    async def enter(self) -> None:
        """Wait for a free place, which ``leave`` gives back.

        Raises:
            CleverCrowded: there was none in time.
        """
        if not self._room.locked():
            await self._room.acquire()
            return
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout):
                await self._room.acquire()
        except TimeoutError as error:
            metrics.record_withheld(CleverCrowded.outcome)
            raise CleverCrowded(
                "every connection to Clever has been in use for too long; ask again in a moment", retry_after=1
            ) from error
        finally:
            metrics.CONNECTION_SECONDS.observe(time.perf_counter() - began)

    def leave(self) -> None:
        """Give back the place of an exchange."""
        self._room.release()

    async def outcome(self, exchange: Coroutine[Any, Any, T], ended: Callable[[], None]) -> T:
        """Start an exchange and return its result; ``ended`` is called when it is over, even if nobody waits."""
        task = start(exchange, self._tasks)
        task.add_done_callback(lambda _: ended())
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            asyncio.get_running_loop().call_later(self._grace, task.cancel)
            raise
        return task.result()

    async def aclose(self) -> None:
        """Cancel the exchanges in progress."""
        await cancel(self._tasks)
