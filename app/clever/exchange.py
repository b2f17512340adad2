"""One exchange with Clever; every way in which it can fail becomes a domain error here."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Generic, TypeVar

import httpx

from app.clever.bodies import Bodies, Ration, drained
from app.clever.connection import question_of
from app.clever.failures import FAILURES, failure_of, is_failing, is_json, missing, refusal_of
from app.clever.parsing import parsed
from app.clever.rate import Rate, fields_of, rates_of, wait_of
from app.clever.records import Slim
from app.clever.warrant import Warrant
from app.domain.errors import CleverNotJson

S = TypeVar("S", bound=Slim)


@dataclass(frozen=True, slots=True)
class Question(Generic[S]):
    """What to ask.

    Attributes:
        url: where.
        shape: what the answer has to be.
        ration: how large it may be; what is read is taken off.
    """

    url: httpx.URL | str
    shape: type[S]
    ration: Ration


@dataclass(frozen=True, slots=True)
class Head:
    """What an answer says before its body.

    Attributes:
        status: the status.
        rates: what is left of each bucket of the rate limit, as far as it is told.
        told: after how many seconds to ask again, if it is told.
    """

    status: int
    rates: tuple[Rate, ...]
    told: int | None


class Exchanges:
    """Asks Clever, each time with one request.

    An exchange takes ``seconds`` at most. ``wall`` tells Unix seconds, where Clever does not tell the time.
    """

    def __init__(
        self, way: httpx.AsyncBaseTransport, *, wall: Callable[[], float], seconds: float, bodies: Bodies
    ) -> None:
        self._way = way
        self._wall = wall
        self._seconds = seconds
        self._bodies = bodies

    async def answer(self, question: Question[S], warrant: Warrant, heard: Callable[[Head], None]) -> S:
        """GET what is asked for, or raise the ``CleverError`` that says why not; ``heard`` is told how it begins."""
        until = min(asyncio.get_running_loop().time() + self._seconds, warrant.until)
        try:
            with self._bodies.held() as body:
                # The way limits the wait for each piece of a body; a body that drips in has to end, too.
                async with asyncio.timeout_at(until):
                    await self._fill(body, question, warrant, heard)
                answer = parsed(body, question.shape)
                question.ration.left -= len(body)
                return answer
        except FAILURES as error:
            raise failure_of(error) from error

    async def aclose(self) -> None:
        """Close the connections."""
        await self._way.aclose()

    async def _fill(
        self, body: bytearray, question: Question[S], warrant: Warrant, heard: Callable[[Head], None]
    ) -> None:
        response = await self._way.handle_async_request(question_of(question.url, warrant.authorization))
        async with aclosing(response):
            head = _head_of(response, self._wall)
            heard(head)
            if head.status == HTTPStatus.NOT_FOUND:
                raise missing(response, await drained(response))
            if head.status != HTTPStatus.OK:
                await drained(response)
                raise refusal_of(head.status, told=head.told, by_client=warrant.is_of_client())
            if not is_json(response):
                raise CleverNotJson("Clever answered with something else than JSON, such as the HTML page of a proxy")
            await self._bodies.fill(body, response, question.ration.most())


def _head_of(response: httpx.Response, wall: Callable[[], float]) -> Head:
    status, fields = response.status_code, fields_of(response.headers.raw)
    limited = status == HTTPStatus.TOO_MANY_REQUESTS
    told = wait_of(fields, wall, limited=limited) if limited or is_failing(status) else None
    return Head(status, rates_of(fields, wall), told)
