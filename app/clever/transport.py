"""The way to Clever, a rung for each concern: ask again, not while it is down, within the rate limit, one exchange."""

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import ExitStack, aclosing, suppress
from dataclasses import replace
from typing import TypeVar

import httpx

from app.clever.bodies import Bodies, Ration, of_record
from app.clever.breaker import Breaker
from app.clever.exchange import Exchanges, Head, Question
from app.clever.line import Line, Lines
from app.clever.patience import within
from app.clever.records import Slim
from app.clever.refusals import Refusals
from app.clever.retrying import Tries
from app.clever.state import CleverState
from app.clever.telling import told
from app.clever.under_way import UnderWay
from app.clever.warrant import Warrant
from app.domain.errand import OWN
from app.domain.errors import CleverBarred, CleverBusy, CleverCrowded, CleverError, CleverTimedOut
from app.telemetry import metrics

S = TypeVar("S", bound=Slim)

_TELLING_SECONDS = 1.0  # that there was no answer in less time, since nobody waited longer, says nothing of Clever
_TEST_SECONDS = 1.0  # that others wait for the outcome of a test
_EARLY = 0.01  # timers may fire a little early

_DOWN = "Clever failed several times in a row and is not asked for a moment"
_TOLD_TO_STAY_AWAY = "Clever says that it is failing and when to ask again, and is not asked before"


class Transport:
    """The way to Clever: the connections that all share, what is known of each token's way, how the last exchange went.

    Attributes:
        state: how the last exchange went.
        lines: what is known of each token's way.
        under_way: the exchanges under way.

    An exchange takes ``seconds`` at most, and a probe ``probe_seconds`` in all; ``wall`` tells Unix seconds, in which
    Clever's headers count.
    """

    def __init__(  # noqa: PLR0913 -- two bounds of time, and the parts
        self,
        way: httpx.AsyncBaseTransport,
        *,
        wall: Callable[[], float] = time.time,
        seconds: float = 30,
        lines: Lines | None = None,
        probe_seconds: float = 5,
        bodies: Bodies | None = None,
        under_way: UnderWay | None = None,
    ) -> None:
        self.state = CleverState()
        self._seconds = seconds
        self._probe_seconds = probe_seconds
        self.lines = lines or Lines(time.monotonic)
        self._exchanges = Exchanges(way, wall=wall, seconds=seconds, bodies=bodies or Bodies())
        self.under_way = under_way or UnderWay()
        self._refusals = Refusals(self.lines.clock)
        self._probes: set[asyncio.Task[None]] = set()

    async def read(self, url: httpx.URL | str, warrant: Warrant, shape: type[S], ration: Ration | None = None) -> S:
        """GET a URL and return its body in the given shape, or raise the ``CleverError`` that says why not.

        What is transient is asked again; a refusal of our own never is.
        """
        question = Question(url, shape, ration or of_record())
        line = self.lines.of(warrant.authorization)
        tries = Tries(warrant, line.breaker)
        try:
            return await self._try(line, question, warrant, tries)
        except CleverError as error:
            if not tries.is_worth_another(error):
                raise
            failed = error
        async with aclosing(tries.after(failed)) as attempts:
            async for attempt in attempts:
                metrics.CLEVER_RETRIES.inc()
                with attempt:
                    return await self._try(line, question, warrant, tries)
        raise AssertionError("the last attempt returns or raises")

    def barred(self, authorization: str) -> CleverBarred | None:
        """Return why whoever asks with this header would be turned away, if they would."""
        breaker = self.lines.of(authorization).breaker
        return _barred(breaker) if breaker.turns_away() else None

    async def aclose(self) -> None:
        """Break off what is under way and close the connections."""
        for probe in self._probes:
            probe.cancel()
        await asyncio.gather(*self._probes, return_exceptions=True)
        await self.under_way.aclose()
        await self._exchanges.aclose()

    async def _try(self, line: Line, question: Question[S], warrant: Warrant, tries: Tries) -> S:
        """Ask once, or raise ``CleverBarred`` while Clever is down, having it probed now and then."""
        breaker, is_own = line.breaker, warrant.errand is OWN
        if breaker.lets_through():
            return await self._ask(line, question, warrant, tries)
        if not is_own and breaker.wants_test():
            return await self._test(line, question, warrant, tries)
        if line.test is not None:
            # It is often one of the three reads of a user: the other two need not fail for coming second.
            await asyncio.wait((line.test,), timeout=_TEST_SECONDS)
            if breaker.lets_through():
                return await self._ask(line, question, warrant, tries)
        if breaker.wants_probe():
            # Before the first district is known nobody else asks, and being ready must not wait for one turn more.
            if is_own:
                return await self._probe(line, question, warrant, tries)
            self._begin_probe(line, question, warrant)
        raise _barred(breaker)

    async def _test(self, line: Line, question: Question[S], warrant: Warrant, tries: Tries) -> S:
        line.test = test = asyncio.get_running_loop().create_future()

        def ended() -> None:
            line.breaker.probed()
            line.test = None
            test.set_result(None)

        return await self._ask(line, question, warrant, tries, probed=ended)

    async def _probe(self, line: Line, question: Question[S], warrant: Warrant, tries: Tries) -> S:
        # Not as long as others wait: until it ends nobody is asked, and Clever may be back meanwhile.
        until = min(warrant.until, asyncio.get_running_loop().time() + min(self._probe_seconds, self._seconds))
        async with within(until):
            return await self._ask(line, question, replace(warrant, until=until), tries, probed=line.breaker.probed)

    def _begin_probe(self, line: Line, question: Question[S], warrant: Warrant) -> None:
        """Ask once more what somebody wanted to know, only to see whether anybody answers."""
        again = replace(question, ration=replace(question.ration))
        own = Warrant(warrant.authorization, OWN, math.inf)

        async def probe() -> None:
            with suppress(CleverError):
                await self._probe(line, again, own, Tries(own, line.breaker))

        task = asyncio.create_task(probe())
        self._probes.add(task)
        task.add_done_callback(self._probes.discard)

    async def _ask(
        self,
        line: Line,
        question: Question[S],
        warrant: Warrant,
        tries: Tries,
        *,
        probed: Callable[[], None] | None = None,
    ) -> S:
        """Ask once, as soon as there is room; ``probed`` is called when a probe or test is over, whoever waits."""
        with ExitStack() as ending:
            if probed is not None:
                ending.callback(probed)
            await line.budget.enter(warrant.errand)
            ending.callback(line.budget.end)
            await self._enter()
            ending.callback(self.under_way.leave)
            exchange = self._answer(line, question, warrant, tries, probe=probed is not None)
            return await self.under_way.outcome(exchange, ending.pop_all().close)

    async def _enter(self) -> None:
        try:
            await self.under_way.enter()
        except CleverCrowded as error:
            # Of Clever it says nothing; whoever looks why nothing is read has to be told nonetheless.
            self.state = self.state.after(error)
            raise

    async def _answer(self, line: Line, question: Question[S], warrant: Warrant, tries: Tries, *, probe: bool) -> S:
        """Exchange once, and note what comes of it."""
        began = asyncio.get_running_loop().time()

        def heard(head: Head) -> None:
            tries.told = head.told
            line.heard(head)

        try:
            with told(question.url):
                answer = await self._exchanges.answer(question, warrant, heard)
        except CleverError as error:
            is_telling = not isinstance(error, CleverTimedOut) or self._waited(began)
            line.note(error, probe=probe, is_telling=is_telling)
            self._tell(error, warrant)
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


def _barred(breaker: Breaker) -> CleverBarred:
    metrics.withheld(CleverBarred.word)
    return CleverBarred(_TOLD_TO_STAY_AWAY if breaker.is_shut() else _DOWN, retry_after=breaker.retry_after())
