"""What is asked again, how often, and until when; and that a Clever that is down is left alone."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import httpx
import pytest
import stamina

from app.clever.http import RequestContext
from app.clever.models import IdRecord, Page
from app.clever.resilience import CleverState, TokenStates, Transport
from app.domain.errors import (
    CallerOverspent,
    CleverCircuitOpen,
    CleverError,
    CleverFailed,
    CleverLimited,
    CleverRecordMissing,
    CleverTimedOut,
    CleverUnexpected,
    CleverUnreachable,
)
from app.domain.read_context import OWN, ReadContext, Urgency
from app.waiting import deadline
from tests.conftest import MovedClock
from tests.waiting import eventually, turn

URL, SHAPE = "https://clever.test/v3.0/districts", Page[IdRecord]
NOTHING = SHAPE(data=[])
HANGS = object()


@dataclass
class Hastening(MovedClock):
    """A clock that moves on whenever it is looked at."""

    def __call__(self) -> float:
        self.move(1)
        return self.now


@dataclass
class Clever:
    """A Clever that gives these answers one after the other, and then says that all is well."""

    answers: list[object] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    clock: MovedClock = field(default_factory=MovedClock)
    wakes: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, _: httpx.Request) -> httpx.Response:
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        if answer is HANGS:
            await self.wakes.wait()
            answer = 200
        assert isinstance(answer, int)
        return httpx.Response(answer, json={"data": []}, headers=self.headers)

    def transport(self, *, seconds: float = 30, share: float = 0.5) -> Transport:
        way = httpx.MockTransport(self)
        token_states = TokenStates(self.clock, share, jitter=lambda: 0.0)
        return Transport(way, wall=lambda: 0, seconds=seconds, probe_seconds=0.1, token_states=token_states)


async def read(transport: Transport, read_context: ReadContext | None = None, *, until: float = math.inf) -> object:
    return await transport.read(URL, RequestContext("Bearer hush", read_context or ReadContext(b"ann"), until), SHAPE)


async def failure(
    transport: Transport, read_context: ReadContext | None = None, *, until: float = math.inf
) -> CleverError:
    with pytest.raises(CleverError) as caught:
        await read(transport, read_context, until=until)
    return caught.value


@asynccontextmanager
async def down(clever: Clever) -> AsyncIterator[Transport]:
    """A transport to a Clever that has failed so often that it is left alone."""
    clever.answers = [500] * 5
    transport = clever.transport()
    for _ in range(2):
        assert type(await failure(transport)) is CleverFailed
    assert clever.asked == 5
    yield transport
    await transport.aclose()


async def probed(transport: Transport) -> None:
    """Run into the breaker, and let the probe that this may set off end."""
    before = asyncio.all_tasks()
    assert type(await failure(transport)) is CleverCircuitOpen
    await asyncio.gather(*(asyncio.all_tasks() - before))


@pytest.mark.parametrize("trouble", [500, 502, 503, 599, httpx.ConnectError("x"), httpx.ReadTimeout("x")])
async def test_what_is_transient_is_asked_again(trouble: object) -> None:
    clever = Clever([trouble, trouble, trouble])
    assert await read(clever.transport()) == NOTHING
    assert clever.asked == 4


@pytest.mark.parametrize(
    ("trouble", "error"),
    [(500, CleverFailed), (httpx.ReadError("x"), CleverUnreachable), (httpx.ConnectTimeout("x"), CleverTimedOut)],
)
async def test_it_is_asked_again_three_times_at_most(trouble: object, error: type[CleverError]) -> None:
    clever = Clever([trouble] * 4)
    assert type(await failure(clever.transport())) is error
    assert clever.asked == 4


@pytest.mark.parametrize("status", [204, 302, 400, 401, 403, 404, 405, 413, 418, 429, 501])
async def test_nothing_else_is_asked_again(status: int) -> None:
    clever = Clever([status])
    await failure(clever.transport())
    assert clever.asked == 1


async def test_a_renewal_is_not_asked_again() -> None:
    clever = Clever([500])
    assert type(await failure(clever.transport(), ReadContext(urgency=Urgency.RENEWAL))) is CleverFailed
    assert clever.asked == 1


@contextmanager
def waiting() -> Iterator[None]:
    """Let retries wait, as they do outside of tests."""
    stamina.set_testing(False)
    try:
        yield
    finally:
        stamina.set_testing(True, attempts=4, cap=True)


@pytest.mark.parametrize(("status", "headers"), [(500, {}), (503, {"retry-after": "9"}), (429, {"retry-after": "9"})])
async def test_nobody_waits_for_an_attempt_that_cannot_come_in_time(status: int, headers: dict[str, str]) -> None:
    clever = Clever([status], headers)
    with waiting():
        error = await failure(clever.transport(), until=asyncio.get_running_loop().time() + 0.4)
    assert (clever.asked, error.retry_after) == (1, int(headers.get("retry-after", 5)))


async def test_after_a_429_it_is_asked_again_when_the_window_that_clever_named_is_over() -> None:
    clever = Clever([429], {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"})
    clever.clock = Hastening()
    assert await read(clever.transport()) == NOTHING
    assert clever.asked == 2


@pytest.mark.parametrize(("status", "error"), [(503, CleverFailed), (429, CleverLimited)])
async def test_nobody_sleeps_through_a_long_wait_that_clever_tells(status: int, error: type[CleverError]) -> None:
    clever = Clever([status], {"retry-after": "3"})
    with waiting():
        failed = await failure(clever.transport())
    assert (type(failed), failed.retry_after, clever.asked) == (error, 3, 1)


async def test_a_clever_that_says_how_long_it_fails_is_left_alone_for_as_long() -> None:
    clever = Clever([503], {"retry-after": "40"})
    transport = clever.transport()
    assert type(await failure(transport)) is CleverFailed
    clever.clock.move(30)
    for read_context in (ReadContext(b"ann"), OWN):
        error = await failure(transport, read_context)
        assert (type(error), error.retry_after) == (CleverCircuitOpen, 10)
        assert str(error) == "Clever says that it is failing and when to ask again, and is not asked before"
    assert await transport.read(URL, RequestContext("Bearer other", OWN, math.inf), SHAPE) == NOTHING
    clever.clock.move(10)
    assert await read(transport) == NOTHING
    assert clever.asked == 3


async def test_a_clever_that_is_down_is_not_probed_before_it_said() -> None:
    clever = Clever()
    async with down(clever) as transport:
        clever.clock.move(1)
        clever.answers, clever.headers = [503], {"retry-after": "30"}
        await probed(transport)
        clever.clock.move(29)
        await probed(transport)
        assert clever.asked == 6
        clever.clock.move(1)
        await probed(transport)
        assert await read(transport) == NOTHING


async def test_a_429_of_a_gateway_bars_for_as_long_as_it_says_and_no_longer() -> None:
    clever = Clever(headers={"x-ratelimit-limit": "20", "x-ratelimit-remaining": "19", "x-ratelimit-reset": "50"})
    transport = clever.transport()
    await read(transport)
    clever.answers, clever.headers = [429], {"retry-after": "3"}
    assert (await failure(transport)).retry_after == 3
    clever.clock.move(2)
    error = await failure(transport)
    assert (type(error), error.retry_after) == (CleverLimited, 1)
    clever.clock.move(1)
    assert await read(transport) == NOTHING


async def test_a_429_of_clever_itself_says_that_nothing_is_left_of_the_window() -> None:
    clever = Clever([429], {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "19", "x-ratelimit-reset": "50"})
    transport = clever.transport()
    assert (await failure(transport)).retry_after == 50
    clever.clock.move(49)
    error = await failure(transport)
    assert (type(error), error.retry_after, clever.asked) == (CleverLimited, 1, 1)


async def test_a_limit_that_is_used_up_is_not_run_into() -> None:
    clever = Clever(headers={"x-ratelimit-limit": "2", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "17"})
    transport = clever.transport()
    assert await read(transport) == NOTHING
    error = await failure(transport)
    assert (type(error), error.retry_after, clever.asked) == (CleverLimited, 17, 1)
    assert transport.state == CleverState(accepted_once=True, outcome="ok")


async def test_a_caller_who_has_had_their_share_leaves_the_rest_to_others() -> None:
    clever = Clever(headers={"x-ratelimit-limit": "4", "x-ratelimit-remaining": "3", "x-ratelimit-reset": "17"})
    transport = clever.transport()
    for _ in range(2):
        assert await read(transport) == NOTHING
    error = await failure(transport)
    assert (type(error), error.retry_after) == (CallerOverspent, 17)
    assert [await read(transport, read_context) for read_context in (ReadContext(b"bob"), OWN)] == [NOTHING, NOTHING]


async def test_each_token_has_a_limit_of_its_own() -> None:
    clever = Clever(headers={"x-ratelimit-limit": "2", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "17"})
    transport = clever.transport()
    await read(transport)
    assert await transport.read(URL, RequestContext("Bearer other", OWN, math.inf), SHAPE) == NOTHING


async def test_a_clever_that_is_down_is_left_alone() -> None:
    clever = Clever()
    async with down(clever) as transport:
        error = await failure(transport)
        assert (type(error), error.retry_after, clever.asked) == (CleverCircuitOpen, 1, 5)
        assert str(error) == "Clever failed several times in a row and is not asked for a moment"
        assert transport.state.outcome == "failing"
        other = RequestContext("Bearer other", OWN, math.inf)
        assert await transport.read(URL, other, SHAPE) == NOTHING


async def test_a_probe_finds_out_that_clever_is_back_and_nobody_waits_for_it() -> None:
    clever = Clever()
    async with down(clever) as transport:
        clever.clock.move(1)
        await probed(transport)
        assert await read(transport) == NOTHING
    assert clever.asked == 7


async def test_a_probe_that_fails_puts_off_the_next() -> None:
    clever = Clever()
    async with down(clever) as transport:
        clever.answers = [500]
        for seconds, asked in ((1, 6), (1.9, 6), (0.1, 7)):
            clever.clock.move(seconds)
            await probed(transport)
            assert clever.asked == asked
        assert await read(transport) == NOTHING


async def test_one_probe_goes_out_however_many_ask_and_is_broken_off_in_the_end() -> None:
    clever = Clever()
    async with down(clever) as transport:
        clever.answers = [HANGS]
        clever.clock.move(1)
        for _ in range(20):
            assert type(await failure(transport)) is CleverCircuitOpen
        await eventually(lambda: clever.asked == 6)


@pytest.mark.parametrize("read_context", [ReadContext(b"ann"), OWN])
async def test_a_probe_is_broken_off_sooner_than_other_requests(read_context: ReadContext) -> None:
    clever = Clever()
    async with down(clever) as transport:
        clever.answers = [HANGS]
        clever.clock.move(1)
        before = asyncio.all_tasks()
        await failure(transport, read_context)
        await asyncio.gather(*(asyncio.all_tasks() - before), return_exceptions=True)
        await probed(transport)
        assert await read(transport) == NOTHING
    assert clever.asked == 8


async def test_after_a_quiet_minute_one_request_tries_whether_clever_is_back_and_waits_for_it() -> None:
    clever = Clever()
    async with down(clever) as transport:
        clever.answers = [HANGS]
        clever.clock.move(61)
        test = asyncio.create_task(read(transport))
        await turn()
        others = await asyncio.gather(*(failure(transport) for _ in range(20)))
        assert {type(error) for error in others} == {CleverCircuitOpen}
        clever.wakes.set()
        assert await test == NOTHING
        assert await read(transport) == NOTHING
    assert clever.asked == 7


async def test_whoever_comes_while_one_request_tries_gets_an_answer_once_clever_is_back() -> None:
    clever = Clever()
    async with down(clever) as transport:
        clever.answers = [HANGS]
        clever.clock.move(61)
        reads = [asyncio.create_task(read(transport)) for _ in range(3)]
        await turn()
        clever.wakes.set()
        assert await asyncio.gather(*reads) == [NOTHING] * 3


async def test_what_the_service_asks_of_its_own_accord_is_the_probe_itself() -> None:
    clever = Clever()
    async with down(clever) as transport:
        clever.clock.move(1)
        assert await read(transport, OWN) == NOTHING
    assert clever.asked == 6


async def test_an_answer_of_any_kind_is_a_sign_of_life() -> None:
    clever = Clever([500, 500, 500, 500, 404, 500, 500, 500, 500, 501, 500, 500, 500, 500])
    transport = clever.transport()
    errors = [type(await failure(transport)) for _ in range(5)]
    assert errors == [CleverFailed, CleverRecordMissing, CleverFailed, CleverUnexpected, CleverFailed]
    assert await read(transport) == NOTHING


async def test_a_caller_in_a_hurry_does_not_make_clever_count_as_down() -> None:
    clever = Clever([HANGS] * 6)
    transport = clever.transport()
    for _ in range(6):
        error = await failure(transport, until=asyncio.get_running_loop().time() + 0.01)
        assert type(error) is CleverTimedOut
    assert await read(transport) == NOTHING


async def test_a_clever_that_hangs_counts_as_down() -> None:
    clever = Clever([HANGS] * 5)
    transport = clever.transport(seconds=0.02)
    assert [type(await failure(transport)) for _ in range(3)] == [CleverTimedOut, CleverTimedOut, CleverCircuitOpen]
    assert clever.asked == 5


async def test_a_clever_that_hangs_until_nobody_waits_any_more_counts_as_down() -> None:
    clever = Clever([HANGS] * 5)
    transport = clever.transport(seconds=0.03)
    while clever.asked < 5:
        until = asyncio.get_running_loop().time() + 0.03
        with pytest.raises(CleverTimedOut):
            async with deadline(until):
                await read(transport, ReadContext(urgency=Urgency.RENEWAL), until=until)
    await eventually(lambda: not transport.running.in_progress)
    assert type(await failure(transport)) is CleverCircuitOpen
