"""The way to Clever, a rung for each concern: ask again, not while it is down, within the rate limit, one exchange."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import httpx

from app.clever.bodies import Bodies, Ration, of_record
from app.clever.exchange import Exchanges, Head, Question
from app.clever.line import Line, Lines
from app.clever.records import Slim
from app.clever.refusals import Refusals
from app.clever.retrying import Tries
from app.clever.state import CleverState
from app.clever.warrant import Warrant
from app.domain.errand import OWN
from app.domain.errors import CleverBarred, CleverBusy, CleverError, CleverTimedOut

S = TypeVar("S", bound=Slim)

_TELLING_SECONDS = 1.0  # that there was no answer in less time, since nobody waited longer, says nothing of Clever
_EARLY = 0.01  # timers may fire a little early


class Transport:
    """The way to Clever: one shared pool of connections, what is known of each token's way, how the last exchange went.

    Attributes:
        state: how the last exchange went.

    An exchange takes ``seconds`` at most; ``wall`` tells Unix seconds, in which Clever's headers count.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        wall: Callable[[], float] = time.time,
        seconds: float = 30,
        lines: Lines | None = None,
        bodies: Bodies | None = None,
    ) -> None:
        self.state = CleverState()
        self._seconds = seconds
        self._lines = lines or Lines(time.monotonic)
        self._exchanges = Exchanges(client, wall=wall, seconds=seconds, bodies=bodies or Bodies())
        self._refusals = Refusals(self._lines.clock)
        self._probes: set[asyncio.Task[None]] = set()

    async def read(self, url: httpx.URL | str, warrant: Warrant, shape: type[S], ration: Ration | None = None) -> S:
        """GET a URL and return its body in the given shape, or raise the ``CleverError`` that says why not.

        What is transient is asked again. A refusal of our own never is: it is raised outside of the attempts.
        """
        question = Question(url, shape, ration or of_record())
        line = self._lines.of(warrant.authorization)
        tries = Tries(warrant, line.breaker)
        async for attempt in tries.attempts:
            tries.begin(attempt)
            probe = self._admit(line, question, warrant)
            try:
                await line.budget.enter(warrant.errand)
                try:
                    with attempt:
                        return await self._answer(line, question, warrant, tries, probe=probe)
                finally:
                    line.budget.end()
            finally:
                if probe:
                    line.breaker.probed()
        raise AssertionError("the last attempt returns or raises")

    async def aclose(self) -> None:
        """Break off what is under way and close the connections."""
        for probe in self._probes:
            probe.cancel()
        await asyncio.gather(*self._probes, return_exceptions=True)
        await self._exchanges.aclose()

    def _admit(self, line: Line, question: Question[S], warrant: Warrant) -> bool:
        """Raise ``CleverBarred`` while Clever is down, having it probed now and then; tell whether this is a probe."""
        if line.breaker.lets_through():
            return False
        if line.breaker.wants_probe():
            # Before the first district is known nobody else asks, and being ready must not wait for one turn more.
            if warrant.errand is OWN:
                return True
            probe = asyncio.create_task(self._probe(line, question, warrant))
            self._probes.add(probe)
            probe.add_done_callback(self._probes.discard)
        raise CleverBarred(
            "Clever failed several times in a row and is not asked for a moment", retry_after=line.breaker.retry_after()
        )

    async def _probe(self, line: Line, question: Question[S], warrant: Warrant) -> None:
        """Ask once more what somebody wanted to know, only to see whether anybody answers."""
        until = asyncio.get_running_loop().time() + self._seconds
        own = Warrant(warrant.authorization, OWN, until)
        again = Question(question.url, question.shape, Ration(question.ration.of_body, question.ration.left))
        try:
            with suppress(CleverError):
                await line.budget.enter(OWN)
                try:
                    await self._answer(line, again, own, Tries(own, line.breaker), probe=True)
                finally:
                    line.budget.end()
        finally:
            line.breaker.probed()

    async def _answer(self, line: Line, question: Question[S], warrant: Warrant, tries: Tries, *, probe: bool) -> S:
        """Exchange once, and note what comes of it."""
        began = asyncio.get_running_loop().time()

        def heard(head: Head) -> None:
            tries.told = head.told
            line.heard(head)

        try:
            answer = await self._exchanges.answer(question, warrant, heard)
        except CleverError as error:
            is_telling = not isinstance(error, CleverTimedOut) or self._waited(began)
            line.note(error, probe=probe, is_telling=is_telling)
            self._tell(error, warrant)
            raise
        except asyncio.CancelledError:
            # Whoever waits for it has the same deadline, and may be the first to see that it is over.
            if asyncio.get_running_loop().time() >= warrant.until - _EARLY and self._waited(began):
                line.note(CleverTimedOut("Clever did not answer within the time limit"), probe=probe)
            raise
        line.note(None)
        self.state = self.state.after_listing() if warrant.is_of_client() else self.state.after(None)
        return answer

    def _waited(self, began: float) -> bool:
        lasted = asyncio.get_running_loop().time() - began
        return lasted >= min(_TELLING_SECONDS, self._seconds) - _EARLY

    def _tell(self, error: CleverError, warrant: Warrant) -> None:
        # That there is no room for an answer is nothing that Clever said.
        if not isinstance(error, CleverBusy):
            self.state = self.state.after(error)
        if not warrant.is_of_client():
            self._refusals.tell(error)
