"""Requests to Clever with all that keeps them safe: retries, circuit breaker, rate limit, a limited number at once."""

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Generic, TypeVar

import httpx
import stamina
from cachetools import LRUCache

from app import telemetry
from app.clever.answer_limits import BodyMemory, ByteBudget, of_record
from app.clever.connections import RunningExchanges
from app.clever.errors import RefusalLog
from app.clever.http import ApiRequest, Exchanges, Head, RequestContext, Shape, record_request
from app.clever.rate_limit import Budget
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
from app.waiting import CircuitBreaker, cancel, deadline, start

MOST_TOKENS = 20_000
"""How many tokens have a state; there are fewer districts in the country."""

_TRANSIENT = (CleverFailed, CleverUnreachable, CleverTimedOut)


@dataclass(slots=True)
class TokenState:
    """The state of the upstream for one token: the remaining rate limit and the circuit breaker.

    Attributes:
        test: ends with the request that tests whether Clever is still down; None if no such request runs.
    """

    budget: Budget
    breaker: CircuitBreaker
    test: asyncio.Future[None] | None = None

    def record_head(self, head: Head) -> None:
        """Take in the head of a response."""
        if head.rates:
            self.budget.record_rates(*head.rates)
        if head.retry_after is not None and head.status != HTTPStatus.TOO_MANY_REQUESTS:
            self.breaker.pause(head.retry_after)

    def record_outcome(self, error: CleverError | None, *, probe: bool = False, is_conclusive: bool = True) -> None:
        """Take in how an exchange ended.

        Args:
            error: what it ended in, or None where it went well.
            probe: whether it was the breaker's probe or test.
            is_conclusive: whether a failure counts against Clever: it does not if its deadline was too short to judge.
        """
        if isinstance(error, CleverCrowded):
            # Clever was not asked.
            return
        was_open = self.breaker.is_open()
        if isinstance(error, CleverLimited):
            self.budget.pause(error.retry_after)
        if not isinstance(error, _TRANSIENT):
            # Any other error is a sign of life.
            self.breaker.record_success()
        elif is_conclusive:
            self.breaker.record_failure(probe=probe)
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
            token_state = TokenState(Budget(self.clock, self.caller_share), CircuitBreaker(self.clock, self.jitter))
            self._token_states[authorization] = token_state
        return token_state

    def budget_left(self) -> float:
        """Return which part of the limit is left, from 0 to 1, for the token that has the least."""
        return min((token_state.budget.left() for token_state in self._token_states.values()), default=1.0)

    def breakers_open(self) -> int:
        """Return for how many tokens the circuit breaker is open."""
        return sum(token_state.breaker.is_open() for token_state in self._token_states.values())


_REFUSALS = frozenset({"token_refused", "forbidden"})


@dataclass(frozen=True, slots=True)
class CleverState:
    """How Clever last answered.

    Attributes:
        accepted_once: whether the Data API has ever accepted a district's token and sent JSON as documented.
        outcome: how the last exchange ended: ``ok``, ``not_asked``, ``token_refused``, ``forbidden``, ``rate_limited``,
            ``failing``, ``unreachable``, ``timed_out`` or ``garbled``; or ``no_connection``, if there was none, since
            every connection was in use.
    """

    accepted_once: bool = False
    outcome: str = "not_asked"

    def after(self, error: CleverError | None) -> "CleverState":
        """Return the state after one more exchange, which went well or ended in ``error``."""
        if error is None:
            return CleverState(accepted_once=True, outcome="ok")
        # A record that does not exist is an answer like any other.
        return CleverState(self.accepted_once, "ok" if isinstance(error, CleverRecordMissing) else error.outcome)

    def after_listing(self) -> "CleverState":
        """Return the state after Clever listed the tokens for a client id and secret.

        That does not mean that it accepts them; a refused token stays refused.
        """
        if self.outcome in _REFUSALS:
            return self
        return CleverState(self.accepted_once, "ok" if self.accepted_once else "not_asked")


S = TypeVar("S")

# Clever advises up to five retries, after 1, 2, 4, … seconds. That is for syncs by night: here somebody waits.
_ATTEMPTS = 4

_FIRST_WAIT, _JITTER, _LONGEST_WAIT = 0.5, 0.5, 2.5

_LONGEST_RETRY_AFTER = 2  # seconds; whoever waits keeps a slot that somebody else could use


@dataclass(slots=True)
class _Call(Generic[S]):
    """A request with all its attempts.

    Attributes:
        retry_after: after how many seconds Clever said to ask again, in the response to the last attempt.
    """

    request: ApiRequest[S]
    token_state: TokenState
    retry_after: int | None = None
    _next_wait: float = 0.0

    def is_own(self) -> bool:
        """Tell whether the service asks for itself."""
        return self.request.context.read_context is OWN

    def record_head(self, head: Head) -> None:
        self.retry_after = head.retry_after
        self.token_state.record_head(head)

    def is_worth_another(self, error: CleverError) -> bool:
        """Tell whether to try again after an attempt that ended in ``error``."""
        # Nobody waits for a renewal, and the next request for the user starts another.
        return self.request.context.read_context.urgency is not Urgency.RENEWAL and self._is_transient(error)

    async def retries(self, failed: CleverError) -> AsyncGenerator[stamina.Attempt]:
        """Yield the attempts after the first, each after its pause, and raise the error of the last.

        The first attempt is made without stamina, which costs a fifth less; stamina only learns how it ``failed``.
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
                self.retry_after = None
                yield attempt

    def _is_transient(self, error: Exception) -> bool:
        return isinstance(error, _TRANSIENT) or (isinstance(error, CleverLimited) and self.retry_after is not None)

    def _wait(self, error: Exception) -> bool | float:
        """Tell stamina whether to retry: no, after its own pause, or after so many seconds."""
        if not self._is_transient(error) or self.token_state.breaker.is_open():
            return False
        if self.retry_after is not None and self.retry_after > _LONGEST_RETRY_AFTER:
            return False
        wait = max(self.retry_after or 0, self._next_wait)
        # To wait for what cannot come in time helps nobody.
        if asyncio.get_running_loop().time() + wait >= self.request.context.until:
            return False
        return True if self.retry_after is None else float(wait)


_CONCLUSIVE_SECONDS = 1.0  # a timeout after less says nothing of Clever: nobody waited longer

_TEST_SECONDS = 1.0  # how long others wait for the outcome of a test

_EARLY = 0.01  # timers may fire a little early

_DOWN = "Clever failed several times in a row and is not asked for a moment"

_PAUSED = "Clever says that it is failing and when to ask again, and is not asked before"


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
        connections: httpx.AsyncBaseTransport,
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
        self._exchanges = Exchanges(connections, wall=wall, seconds=seconds, bodies=bodies or BodyMemory())
        self.running = running or RunningExchanges()
        self._refusals = RefusalLog(self.token_states.clock)
        self._probes: set[asyncio.Task[None]] = set()

    async def read(
        self,
        url: httpx.URL | str,
        request_context: RequestContext,
        shape: Shape[S],
        byte_budget: ByteBudget | None = None,
    ) -> S:
        """GET a URL and return its body, parsed; raises ``CleverError``.

        Transient failures of Clever are retried; a request that this service refuses to send is not.
        """
        request = ApiRequest(url, shape, byte_budget or of_record(), request_context)
        call = _Call(request, self.token_states.of(request_context.authorization))
        try:
            return await self._try(call)
        except CleverError as error:
            if not call.is_worth_another(error):
                raise
            failed = error
        async with aclosing(call.retries(failed)) as attempts:
            async for attempt in attempts:
                metrics.CLEVER_RETRIES.inc()
                with attempt:
                    return await self._try(call)
        raise AssertionError("the last attempt returns or raises")

    def circuit_open(self, authorization: str) -> CleverCircuitOpen | None:
        """Return the error that a request with this credential would raise now; None if it would be sent."""
        breaker = self.token_states.of(authorization).breaker
        return _circuit_open(breaker) if breaker.rejects() else None

    async def aclose(self) -> None:
        """Cancel what is in progress and close the connections."""
        await cancel(self._probes)
        await self.running.aclose()
        await self._exchanges.aclose()

    async def _try(self, call: _Call[S]) -> S:
        """Make one attempt; while the circuit is open, raise ``CleverCircuitOpen``, and start a probe if one is due."""
        token_state, breaker = call.token_state, call.token_state.breaker
        if breaker.allows():
            return await self._send(call, call.request)
        if not call.is_own() and breaker.starts_test():
            return await self._test(call)
        if token_state.test is not None:
            # It is often one of the three reads of a user, whose other two should not fail for being second.
            await asyncio.wait((token_state.test,), timeout=_TEST_SECONDS)
            if breaker.allows():
                return await self._send(call, call.request)
        if breaker.starts_probe():
            # Before the first district is known nobody else asks, and readiness should not wait for another round.
            if call.is_own():
                return await self._probe(call)
            self._start_probe(call)
        raise _circuit_open(breaker)

    async def _test(self, call: _Call[S]) -> S:
        token_state = call.token_state
        token_state.test = test = asyncio.get_running_loop().create_future()

        def ended() -> None:
            token_state.breaker.probe_ended()
            token_state.test = None
            test.set_result(None)

        return await self._send(call, call.request, probe_ended=ended)

    async def _probe(self, call: _Call[S]) -> S:
        # Shorter than other requests: until it ends none is sent, and Clever may be back meanwhile.
        context = call.request.context
        until = min(context.until, asyncio.get_running_loop().time() + min(self._probe_seconds, self._seconds))
        request = replace(call.request, context=replace(context, until=until))
        async with deadline(until):
            return await self._send(call, request, probe_ended=call.token_state.breaker.probe_ended)

    def _start_probe(self, call: _Call[S]) -> None:
        """Send a request in the background to find out whether Clever answers."""
        own = replace(
            call.request,
            byte_budget=replace(call.request.byte_budget),
            context=RequestContext(call.request.context.authorization, OWN, math.inf),
        )

        async def probe() -> None:
            with suppress(CleverError):
                await self._probe(_Call(own, call.token_state))

        start(probe(), self._probes)

    async def _send(
        self, call: _Call[S], request: ApiRequest[S], *, probe_ended: Callable[[], None] | None = None
    ) -> S:
        """Send once, as soon as the limits allow; ``probe_ended`` is called even if the caller gives up."""
        with ExitStack() as ending:
            if probe_ended is not None:
                ending.callback(probe_ended)
            await call.token_state.budget.enter(request.context.read_context)
            ending.callback(call.token_state.budget.end)
            await self._enter()
            ending.callback(self.running.leave)
            exchange = self._exchange(call, request, probe=probe_ended is not None)
            return await self.running.outcome(exchange, ending.pop_all().close)

    async def _enter(self) -> None:
        try:
            await self.running.enter()
        except CleverCrowded as error:
            # It says nothing of Clever, but whoever wonders why nothing is read has to see it.
            self.state = self.state.after(error)
            raise

    async def _exchange(self, call: _Call[S], request: ApiRequest[S], *, probe: bool) -> S:
        """Make one exchange, and record how it ends."""
        began, is_of_client = asyncio.get_running_loop().time(), request.context.has_client_credentials()
        try:
            with record_request(request.url):
                answer = await self._exchanges.get(request, call.record_head)
        except CleverError as error:
            is_conclusive = not isinstance(error, CleverTimedOut) or self._has_waited(began)
            call.token_state.record_outcome(error, probe=probe, is_conclusive=is_conclusive)
            # A lack of memory for its answer says nothing of Clever.
            if not isinstance(error, CleverBusy):
                self.state = self.state.after(error)
            if not is_of_client:
                self._refusals.log(error)
            raise
        call.token_state.record_outcome(None)
        self.state = self.state.after_listing() if is_of_client else self.state.after(None)
        return answer

    def _has_waited(self, began: float) -> bool:
        lasted = asyncio.get_running_loop().time() - began
        return lasted >= min(_CONCLUSIVE_SECONDS, self._seconds) - _EARLY


def _circuit_open(breaker: CircuitBreaker) -> CleverCircuitOpen:
    metrics.record_withheld(CleverCircuitOpen.outcome)
    return CleverCircuitOpen(_PAUSED if breaker.is_paused() else _DOWN, retry_after=breaker.retry_after())
