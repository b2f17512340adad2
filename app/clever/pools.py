"""Connections that are used again: several of httpx's own transports, without the client that it puts around one.

A client merges headers and keeps cookies, history and hooks for each request, none of which a question to Clever needs:
three of them cost a fifth less without.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx

POOLS = 32
LIMITS = httpx.Limits(max_connections=4, max_keepalive_connections=4, keepalive_expiry=30)
"""Connections of one pool; of all of them more than there are exchanges at once, since closing one takes time."""


class Pools(httpx.AsyncBaseTransport):
    """Several pools of connections, of which the least busy is asked.

    A pool looks through its connections at each request and again after it, and asks the system about each that idles.
    Three at once cost a fifth less from a pool each than from one pool; of 96, one pool costs several times as much.
    """

    def __init__(self, trusted: ssl.SSLContext, proxy: str | None = None, number: int = POOLS) -> None:
        """Make the pools, which have to be closed; nothing is connected yet."""
        self._pools = [httpx.AsyncHTTPTransport(verify=trusted, limits=LIMITS, proxy=proxy) for _ in range(number)]
        self._busy = [0] * number

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Ask, and return the answer as soon as its head is there; raises ``httpx.TransportError``."""
        with ExitStack() as until_read:
            pool = until_read.enter_context(self._least_busy())
            response = await pool.handle_async_request(request)
            assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 -- for the type's sake
            response.stream = _Body(response.stream, until_read.pop_all().close)
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        for pool in self._pools:
            await pool.aclose()

    @contextmanager
    def _least_busy(self) -> Iterator[httpx.AsyncBaseTransport]:
        place = min(range(len(self._busy)), key=self._busy.__getitem__)
        self._busy[place] += 1
        try:
            yield self._pools[place]
        finally:
            self._busy[place] -= 1


class _Body(httpx.AsyncByteStream):
    """The body of an answer; once it is closed its pool is less busy."""

    def __init__(self, stream: httpx.AsyncByteStream, closed: Callable[[], None]) -> None:
        self._stream = stream
        self._closed = closed

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._closed()
