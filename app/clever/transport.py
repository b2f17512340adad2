"""One exchange with Clever; every way in which it can fail becomes a domain error here.

Retries and the rate budget have their place around `Transport.read`.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from http import HTTPStatus
from typing import TypeVar, cast

import httpx

from app.clever.failures import FAILURES, failure_of, refusal_of
from app.clever.records import Slim
from app.clever.state import CleverState
from app.domain.errors import CleverError, CleverMalformed, CleverNotJson

S = TypeVar("S", bound=Slim)

LARGEST_BODY = 64 * 1024 * 1024
"""Bytes of a decoded body: a page of 10 000 sections is about 25 MB."""

_LARGEST_REFUSAL = 64 * 1024


class Transport:
    """The way to Clever: one shared pool of connections, and how the last exchange went.

    Attributes:
        state: how the last exchange went.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        wall: Callable[[], float] = time.time,
        largest_body: int = LARGEST_BODY,
        seconds: float = 30,
    ) -> None:
        self.state = CleverState()
        self._client = client
        self._wall = wall
        self._largest_body = largest_body
        self._seconds = seconds

    async def read(self, url: httpx.URL | str, authorization: str, shape: type[S]) -> S:
        """GET a URL and return its body in the given shape, or raise the ``CleverError`` that says why not."""
        try:
            answer = await self._exchange(url, authorization, shape)
        except CleverError as error:
            self.state = self.state.after(error)
            raise
        self.state = self.state.after(None)
        return answer

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _exchange(self, url: httpx.URL | str, authorization: str, shape: type[S]) -> S:
        try:
            # httpx limits the wait for each piece of a body; a body that drips in has to end, too.
            async with asyncio.timeout(self._seconds):
                body = await self._body(url, authorization)
            return shape.model_validate_json(body)
        except FAILURES as error:
            raise failure_of(error) from error

    async def _body(self, url: httpx.URL | str, authorization: str) -> bytes:
        async with self._client.stream("GET", url, headers={"Authorization": authorization}) as response:
            if response.status_code != HTTPStatus.OK:
                await _drain(response)
                raise refusal_of(response, self._wall)
            if not _is_json(response):
                raise CleverNotJson("Clever answered with something else than JSON, such as the HTML page of a proxy")
            body = await _bytes_within(response, self._largest_body)
        if body is None:
            raise CleverMalformed("Clever sent a body that is larger than any page should be")
        return body


def _is_json(response: httpx.Response) -> bool:
    kind = str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


async def _drain(response: httpx.Response) -> None:
    # Only a connection whose answer was read to its end is used again, and a 404 is an everyday answer.
    with suppress(httpx.HTTPError):
        await _bytes_within(response, _LARGEST_REFUSAL)


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
