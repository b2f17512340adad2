"""One exchange with Clever; every way in which it can fail becomes a domain error here.

Retries and the rate budget have their place around `Transport.read`.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus
from typing import TypeVar, cast

import httpx

from app.clever.failures import FAILURES, failure_of, is_json, refusal_of
from app.clever.records import Slim
from app.clever.refusals import Refusals
from app.clever.state import CleverState
from app.domain.errors import CleverError, CleverMalformed, CleverNotJson, CleverTimedOut

S = TypeVar("S", bound=Slim)

LARGEST_BODY = 64 * 1024 * 1024
"""Bytes of a decoded body: a page of 10 000 sections is about 25 MB."""

MOST_AT_ONCE = 32
"""Exchanges under way; what httpx queues and holds open beyond that costs more time than it saves."""

_LARGEST_REFUSAL = 64 * 1024


class Transport:
    """The way to Clever: one shared pool of connections, a queue before it, and how the last exchange went.

    Attributes:
        state: how the last exchange went.

    Of the times that it is made with, ``seconds`` limits an exchange and ``patience`` the wait for its turn.
    """

    def __init__(  # noqa: PLR0913 -- a setting each
        self,
        client: httpx.AsyncClient,
        *,
        wall: Callable[[], float] = time.time,
        largest_body: int = LARGEST_BODY,
        seconds: float = 30,
        patience: float = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.state = CleverState()
        self._client = client
        self._wall = wall
        self._largest_body = largest_body
        self._seconds = seconds
        self._patience = patience
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._refusals = Refusals(clock)

    async def read(self, url: httpx.URL | str, authorization: str, shape: type[S]) -> S:
        """GET a URL and return its body in the given shape, or raise the ``CleverError`` that says why not."""
        by_client = authorization.startswith("Basic ")
        async with self._turn():
            try:
                answer = await self._exchange(url, authorization, shape, by_client=by_client)
            except CleverError as error:
                self.state = self.state.after(error)
                if not by_client:
                    self._refusals.tell(error)
                raise
        self.state = self.state.after_listing() if by_client else self.state.after(None)
        return answer

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        """Wait for a turn, outside of the exchange's own time limit: a queue here says nothing of Clever."""
        try:
            async with asyncio.timeout(self._patience):
                await self._slots.acquire()
        except TimeoutError as error:
            raise CleverTimedOut("too many requests to Clever are waiting for their turn", retry_after=1) from error
        try:
            yield
        finally:
            self._slots.release()

    async def _exchange(self, url: httpx.URL | str, authorization: str, shape: type[S], *, by_client: bool) -> S:
        try:
            # httpx limits the wait for each piece of a body; a body that drips in has to end, too.
            async with asyncio.timeout(self._seconds):
                body = await self._body(url, authorization, by_client=by_client)
            return shape.model_validate_json(body)
        except FAILURES as error:
            raise failure_of(error) from error

    async def _body(self, url: httpx.URL | str, authorization: str, *, by_client: bool) -> bytes:
        async with self._client.stream("GET", url, headers={"Authorization": authorization}) as response:
            if response.status_code != HTTPStatus.OK:
                raise refusal_of(response, await _drained(response), self._wall, by_client=by_client)
            if not is_json(response):
                raise CleverNotJson("Clever answered with something else than JSON, such as the HTML page of a proxy")
            body = await _bytes_within(response, self._largest_body)
        if body is None:
            raise CleverMalformed("Clever sent a body that is larger than any page should be")
        return body


async def _drained(response: httpx.Response) -> bytes | None:
    # Only a connection whose answer was read to its end is used again, and a 404 is an everyday answer.
    try:
        return await _bytes_within(response, _LARGEST_REFUSAL)
    except httpx.HTTPError:
        return None


async def _bytes_within(response: httpx.Response, limit: int) -> bytes | None:
    """Read the decoded body, or return None as soon as it is larger than ``limit`` bytes."""
    chunks, size = [], 0
    # It is an asynchronous generator, whatever its annotation; unclosed, it would be finished by a task of its own.
    async with aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_bytes())) as stream:
        async for chunk in stream:
            size += len(chunk)
            if size > limit:
                return None
            chunks.append(chunk)
    return b"".join(chunks)
