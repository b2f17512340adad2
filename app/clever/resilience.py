"""Requests to Clever with all that keeps them safe: retries, circuit breaker, rate limit, a limited number at once."""

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TypeVar

import httpx
import stamina
from cachetools import LRUCache

from app import telemetry
from app.clever.body_limits import BodyMemory, ByteBudget, of_record
from app.clever.breaker import Breaker
from app.clever.connections import RunningExchanges
from app.clever.errors import RefusalLog
from app.clever.http import Exchanges, Head, Question, recorded
from app.clever.models import Slim
from app.clever.rate_limit import Budget
from app.clever.request_context import RequestContext
from app.domain.errors import (
    CleverBusy,
    CleverCircuitOpen,
    CleverCrowded,
    CleverError,
    CleverFailed,
    CleverLimited,
    CleverRecordMissing,
    CleverTimedOut,
    CleverUnreachable,
)
from app.domain.read_context import OWN, Urgency
from app.telemetry import metrics
from app.waiting import deadline

MOST_TOKENS = 20_000
"""How many tokens have a state; there are fewer districts in the country."""

_OUTAGES = (CleverFailed, CleverUnreachable, CleverTimedOut)


@dataclass(slots=True)
class TokenState:
    """The state of the upstream for one token: the remaining rate limit and the circuit breaker.

    Attributes:
        test: done when the request is over that tests whether Clever is still down; None if there is none.
    """

    budget: Budget
    breaker: Breaker
    test: asyncio.Future[None] | None = None

    def heard(self, head: Head) -> None:
        """Take in the head of a response."""
        if head.rates:
            self.budget.told(*head.rates)
        if head.told is not None and head.status != HTTPStatus.TOO_MANY_REQUESTS:
            self.breaker.shut(head.told)

    def note(self, error: CleverError | None, *, probe: bool = False, is_telling: bool = True) -> None:
        """Take in how an exchange ended.

        Args:
            error: what it ended in, or None where it went well.
            probe: whether it was the breaker's probe or test.
            is_telling: whether a failure means that Clever is down, and not merely that nobody waited long enough.
        """
        if isinstance(error, CleverCrowded):
            # Clever was not asked.
            return
        was_open = self.breaker.is_open()
        if isinstance(error, CleverLimited):
            self.budget.refused(error.retry_after)
        if not isinstance(error, _OUTAGES):
            # Any other error is a sign of life.
            self.breaker.answered()
        elif is_telling:
            self.breaker.failed(probe=probe)
        if self.breaker.is_open() is not was_open:
            (telemetry.breaker_closed if was_open else telemetry.breaker_opened)()


@dataclass(frozen=True, slots=True)
class TokenStates:
    """Per-token state of the upstream: remaining rate limit and circuit breaker.

    Attributes:
        clock: tells seconds that only go forward.
        caller_share: which part of a token's window one caller may use.
        jitter: draws from 0 up to 1, so that replicas do not probe in step.
    """

    clock: Callable[[], float]
    caller_share: float = 0.5
    jitter: Callable[[], float] = random.random
    _token_states: LRUCache[str, TokenState] = field(default_factory=lambda: LRUCache(MOST_TOKENS), repr=False)

    def of(self, authorization: str) -> TokenState:
        """Return the state of a credential, by the value of its header."""
        token_state = self._token_states.get(authorization)
        if token_state is None:
            token_state = TokenState(Budget(self.clock, self.caller_share), Breaker(self.clock, self.jitter))
            self._token_states[authorization] = token_state
        return token_state

    def budget_left(self) -> float:
        """Return which part of the limit is left, from 0 to 1, for the token that has the least."""
        return min((token_state.budget.left() for token_state in self._token_states.values()), default=1.0)

    def breakers_open(self) -> int:
        """Return for how many tokens the circuit breaker is open."""
        return sum(token_state.breaker.is_open() for token_state in self._token_states.values())


# Clever advises up to five retries, after 1, 2, 4, … seconds. That is for syncs by night: here somebody waits.
_ATTEMPTS = 4

_FIRST_WAIT, _JITTER, _LONGEST_WAIT = 0.5, 0.5, 2.5

_LONGEST_TOLD = 2  # whoever waits keeps a slot that somebody else could use

_TRANSIENT = (CleverFailed, CleverUnreachable, CleverTimedOut)


class RetryPolicy:
    """The retries of one request.

    Attributes:
        told: after how many seconds Clever said to ask again, in the response to the last attempt.
    """

    def __init__(self, request_context: RequestContext, breaker: Breaker) -> None:
        self._request_context = request_context
        self._breaker = breaker
        self._next_wait = 0.0
        self.told: int | None = None

    def is_worth_another(self, error: CleverError) -> bool:
        """Tell whether to try again after an attempt that ended in ``error``."""
        # Nobody waits for a renewal, and the next request for the user starts another.
        return self._request_context.read_context.urgency is not Urgency.RENEWAL and self._is_transient(error)

    async def after(self, failed: CleverError) -> AsyncGenerator[stamina.Attempt]:
        """Yield the attempts after the first, each after its pause, and raise the error of the last.

        The first attempt is made without stamina, which costs a fifth less; stamina is only told how it ``failed``.
        """
        async for attempt in stamina.retry_context(
            on=self._wait,
            attempts=_ATTEMPTS,
            timeout=None,
            wait_initial=_FIRST_WAIT,
            wait_jitter=_JITTER,
            wait_max=_LONGEST_WAIT,
        ):
            self._next_wait = attempt.next_wait
            if attempt.num == 1:
                with attempt:
                    raise failed
            else:
                self.told = None
                yield attempt

    def _is_transient(self, error: Exception) -> bool:
        return isinstance(error, _TRANSIENT) or (isinstance(error, CleverLimited) and self.told is not None)

    def _wait(self, error: Exception) -> bool | float:
        """Tell stamina whether to retry: no, after its own pause, or after so many seconds."""
        if not isinstance(error, CleverError) or not self._is_transient(error) or self._breaker.is_open():
            return False
        if self.told is not None and self.told > _LONGEST_TOLD:
            return False
        wait = max(self.told or 0, self._next_wait)
        # To wait for what cannot come in time helps nobody.
        if asyncio.get_running_loop().time() + wait >= self._request_context.until:
            return False
        return True if self.told is None else float(wait)


_REFUSALS = frozenset({"token_refused", "forbidden"})


@dataclass(frozen=True, slots=True)
class CleverState:
    """How Clever last answered.

    Attributes:
        accepted_once: whether the Data API has ever accepted a district's token and sent JSON as documented.
        word: how the last exchange ended: ``ok``, ``not_asked``, ``token_refused``, ``forbidden``, ``rate_limited``,
            ``failing``, ``unreachable``, ``timed_out`` or ``garbled``; or ``no_connection``, if there was none, since
            every connection was in use.
    """

    accepted_once: bool = False
    word: str = "not_asked"

    def after(self, error: CleverError | None) -> "CleverState":
        """Return the state after one more exchange, which went well or ended in ``error``."""
        if error is None:
            return CleverState(accepted_once=True, word="ok")
        # A record that does not exist is an answer like any other.
        return CleverState(self.accepted_once, "ok" if isinstance(error, CleverRecordMissing) else error.word)

    def after_listing(self) -> "CleverState":
        """Return the state after Clever listed the tokens for a client id and secret.

        This neither means that it accepts them, nor does it take back that it refused one.
        """
        if self.word in _REFUSALS:
            return self
        return CleverState(self.accepted_once, "ok" if self.accepted_once else "not_asked")


S = TypeVar("S", bound=Slim)

_TELLING_SECONDS = 1.0  # a timeout after less says nothing of Clever: nobody waited longer

_TEST_SECONDS = 1.0  # how long others wait for the outcome of a test

_EARLY = 0.01  # timers may fire a little early

_DOWN = "Clever failed several times in a row and is not asked for a moment"

_TOLD_TO_STAY_AWAY = "Clever says that it is failing and when to ask again, and is not asked before"


class Transport:
    """Sends requests to Clever over connections that all share.

    An exchange takes ``seconds`` at most, a probe ``probe_seconds``. ``wall`` tells Unix seconds, in which Clever's
    headers are.

    Attributes:
        state: how the last exchange ended.
        token_states: remaining rate limit and circuit breaker of each token.
        running: the exchanges in progress.
    """

    def __init__(  # noqa: PLR0913 -- two bounds of time, and the parts
        self,
        way: httpx.AsyncBaseTransport,
        *,
        wall: Callable[[], float] = time.time,
        seconds: float = 30,
        token_states: TokenStates | None = None,
        probe_seconds: float = 5,
        bodies: BodyMemory | None = None,
        running: RunningExchanges | None = None,
    ) -> None:
        self.state = CleverState()
        self._seconds = seconds
        self._probe_seconds = probe_seconds
        self.token_states = token_states or TokenStates(time.monotonic)
        self._exchanges = Exchanges(way, wall=wall, seconds=seconds, bodies=bodies or BodyMemory())
        self.running = running or RunningExchanges()
        self._refusals = RefusalLog(self.token_states.clock)
        self._probes: set[asyncio.Task[None]] = set()

    async def read(
        self,
        url: httpx.URL | str,
        request_context: RequestContext,
        shape: type[S],
        byte_budget: ByteBudget | None = None,
    ) -> S:
        """GET a URL and parse its body, or raise the ``CleverError`` that says why not.

        Transient failures are retried; what this service itself refuses to send is not.
        """
        question = Question(url, shape, byte_budget or of_record())
        token_state = self.token_states.of(request_context.authorization)
        tries = RetryPolicy(request_context, token_state.breaker)
        try:
            return await self._try(token_state, question, request_context, tries)
        except CleverError as error:
            if not tries.is_worth_another(error):
                raise
            failed = error
        async with aclosing(tries.after(failed)) as attempts:
            async for attempt in attempts:
                metrics.CLEVER_RETRIES.inc()
                with attempt:
                    return await self._try(token_state, question, request_context, tries)
        raise AssertionError("the last attempt returns or raises")

    def circuit_open(self, authorization: str) -> CleverCircuitOpen | None:
        """Return the error with which a request with this credential would be turned away, if it would."""
        breaker = self.token_states.of(authorization).breaker
        return _circuit_open(breaker) if breaker.turns_away() else None

    async def aclose(self) -> None:
        """Cancel what is in progress and close the connections."""
        for probe in self._probes:
            probe.cancel()
        await asyncio.gather(*self._probes, return_exceptions=True)
        await self.running.aclose()
        await self._exchanges.aclose()

    async def _try(
        self, token_state: TokenState, question: Question[S], request_context: RequestContext, tries: RetryPolicy
    ) -> S:
        """Make one attempt; while the circuit is open, raise ``CleverCircuitOpen``, and start a probe if one is due."""
        breaker, is_own = token_state.breaker, request_context.read_context is OWN
        if breaker.lets_through():
            return await self._ask(token_state, question, request_context, tries)
        if not is_own and breaker.wants_test():
            return await self._test(token_state, question, request_context, tries)
        if token_state.test is not None:
            # It is often one of the three reads of a user, whose other two should not fail for being second.
            await asyncio.wait((token_state.test,), timeout=_TEST_SECONDS)
            if breaker.lets_through():
                return await self._ask(token_state, question, request_context, tries)
        if breaker.wants_probe():
            # Before the first district is known nobody else asks, and readiness should not wait for another round.
            if is_own:
                return await self._probe(token_state, question, request_context, tries)
            self._begin_probe(token_state, question, request_context)
        raise _circuit_open(breaker)

    async def _test(
        self, token_state: TokenState, question: Question[S], request_context: RequestContext, tries: RetryPolicy
    ) -> S:
        token_state.test = test = asyncio.get_running_loop().create_future()

        def ended() -> None:
            token_state.breaker.probed()
            token_state.test = None
            test.set_result(None)

        return await self._ask(token_state, question, request_context, tries, probed=ended)

    async def _probe(
        self, token_state: TokenState, question: Question[S], request_context: RequestContext, tries: RetryPolicy
    ) -> S:
        # Shorter than other requests: until it ends none is sent, and Clever may be back meanwhile.
        until = min(request_context.until, asyncio.get_running_loop().time() + min(self._probe_seconds, self._seconds))
        async with deadline(until):
            return await self._ask(
                token_state, question, replace(request_context, until=until), tries, probed=token_state.breaker.probed
            )

    def _begin_probe(self, token_state: TokenState, question: Question[S], request_context: RequestContext) -> None:
        """Repeat a question in the background, only to find out whether Clever answers."""
        again = replace(question, byte_budget=replace(question.byte_budget))
        own = RequestContext(request_context.authorization, OWN, math.inf)

        async def probe() -> None:
            with suppress(CleverError):
                await self._probe(token_state, again, own, RetryPolicy(own, token_state.breaker))

        task = asyncio.create_task(probe())
        self._probes.add(task)
        task.add_done_callback(self._probes.discard)

    async def _ask(
        self,
        token_state: TokenState,
        question: Question[S],
        request_context: RequestContext,
        tries: RetryPolicy,
        *,
        probed: Callable[[], None] | None = None,
    ) -> S:
        """Ask once, as soon as limits allow; ``probed`` is called when a probe or test ends, even if nobody waits."""
        with ExitStack() as ending:
            if probed is not None:
                ending.callback(probed)
            await token_state.budget.enter(request_context.read_context)
            ending.callback(token_state.budget.end)
            await self._enter()
            ending.callback(self.running.leave)
            exchange = self._answer(token_state, question, request_context, tries, probe=probed is not None)
            return await self.running.outcome(exchange, ending.pop_all().close)

    async def _enter(self) -> None:
        try:
            await self.running.enter()
        except CleverCrowded as error:
            # It says nothing of Clever, but whoever wonders why nothing is read has to see it.
            self.state = self.state.after(error)
            raise

    async def _answer(
        self,
        token_state: TokenState,
        question: Question[S],
        request_context: RequestContext,
        tries: RetryPolicy,
        *,
        probe: bool,
    ) -> S:
        """Make one exchange, and note how it ends."""
        began = asyncio.get_running_loop().time()

        def heard(head: Head) -> None:
            tries.told = head.told
            token_state.heard(head)

        try:
            with recorded(question.url):
                answer = await self._exchanges.answer(question, request_context, heard)
        except CleverError as error:
            is_telling = not isinstance(error, CleverTimedOut) or self._waited(began)
            token_state.note(error, probe=probe, is_telling=is_telling)
            self._record(error, request_context)
            raise
        token_state.note(None)
        self.state = self.state.after_listing() if request_context.is_of_client() else self.state.after(None)
        return answer

    def _waited(self, began: float) -> bool:
        lasted = asyncio.get_running_loop().time() - began
        return lasted >= min(_TELLING_SECONDS, self._seconds) - _EARLY

    def _record(self, error: CleverError, request_context: RequestContext) -> None:
        # A lack of memory for its answer says nothing of Clever.
        if not isinstance(error, CleverBusy):
            self.state = self.state.after(error)
        if not request_context.is_of_client():
            self._refusals.log(error)


def _circuit_open(breaker: Breaker) -> CleverCircuitOpen:
    metrics.record_withheld(CleverCircuitOpen.word)
    return CleverCircuitOpen(_TOLD_TO_STAY_AWAY if breaker.is_shut() else _DOWN, retry_after=breaker.retry_after())
