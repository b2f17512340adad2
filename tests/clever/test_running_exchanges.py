"""An exchange that nobody waits for any more goes on, within bounds, and leaves no connection that counts as in use."""

import asyncio
import gc
import math
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx
import pytest

from app.clever.client import CleverClient, connect
from app.clever.connections import RunningExchanges
from app.clever.http import RequestContext
from app.clever.models import IdRecord, Page
from app.clever.resilience import CleverState, Transport
from app.domain.errors import CleverCrowded, RosterguardError
from app.domain.ids import DistrictId, IdShape, UserId
from app.domain.read_context import ReadContext, Urgency
from app.telemetry import metrics
from tests.connections import in_use
from tests.waiting import eventually

DISTRICT = DistrictId("d" * 24)
KNOWN, UNKNOWN, DEPARTED, HALF_BROKEN, REFUSED = "1", "2", "3", "4", "5"
"""What Clever says of users whose ids begin so."""


def answer(status: int, body: str, kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status} So\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


def says(path: str) -> bytes:
    """Say what a Clever of those kinds of users says."""
    _, _, last = path.partition("/v3.0/")
    if last.startswith("districts"):
        return answer(200, f'{{"data": [{{"data": {{"id": "{DISTRICT}"}}}}]}}')
    user, _, part = last.removeprefix("users/").partition("?")[0].partition("/")
    kind = user[0]
    if kind == UNKNOWN or (kind == DEPARTED and not part):
        return answer(404, "{}")
    if kind == REFUSED and not part:
        return answer(403, "{}")
    if part:
        return answer(200, "<html>", "text/html") if kind == HALF_BROKEN else answer(200, '{"data": []}')
    return answer(200, f'{{"data": {{"id": "{user}", "district": "{DISTRICT}", "roles": {{"teacher": {{}}}}}}}}')


class Clever(asyncio.Protocol):
    """Answers each question after a while, and as often as a connection asks."""

    delay: float

    def __init__(self, delay: float, chance: random.Random) -> None:
        self.delay, self._chance = delay, chance
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *asked, self._heard = (self._heard + data).split(b"\r\n\r\n")
        for each in asked:
            said = says(each.split()[1].decode())
            if not self.delay:
                self._transport.write(said)
                continue
            late = self.delay * self._chance.uniform(0.8, 1.2)
            asyncio.get_running_loop().call_later(late, self._transport.write, said)


@asynccontextmanager
async def asking(delay: float, chance: random.Random) -> AsyncIterator[CleverClient]:
    server = await asyncio.get_running_loop().create_server(lambda: Clever(delay, chance), "127.0.0.1")
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client = connect(
        url=url, version="v3.0", auth_url=url, token="t", client_id=None, client_secret=None, id_shape=IdShape()
    )
    async with server:
        try:
            await client.districts()
            yield client
        finally:
            await client.aclose()


async def facts(client: CleverClient, user: str, read_context: ReadContext) -> None:
    with suppress(RosterguardError):
        await client.facts(UserId(user), DISTRICT, read_context, confirm_schools=False)


async def disorder(client: CleverClient, kind: str, chance: random.Random, delay: float) -> None:
    """Ask about a user of a kind, and now and then leave early or have very little time."""
    early = chance.uniform(0.001, 0.005 + 2 * delay)
    until = asyncio.get_running_loop().time() + early if chance.random() < 0.2 else None
    user = kind + f"{chance.getrandbits(92):023x}"
    asked = asyncio.create_task(facts(client, user, ReadContext(urgency=Urgency.RENEWAL, until=until)))
    if chance.random() < 0.2:
        await asyncio.wait((asked,), timeout=early)
        asked.cancel()
    await asyncio.wait((asked,))


@pytest.mark.parametrize(
    ("delay", "at_once", "users"),
    [(0, 1, 150), (0, 8, 150), (0.02, 8, 150), (0.08, 8, 50)],
)
async def test_no_connection_stays_in_use_after_users_whom_clever_does_not_know_or_tell_and_callers_who_leave(
    delay: float, at_once: int, users: int
) -> None:
    chance = random.Random(users)  # noqa: S311 -- disorder, which guards nothing
    kinds = iter(chance.choices((KNOWN, UNKNOWN, DEPARTED, HALF_BROKEN, REFUSED), (1, 4, 2, 1, 1), k=users))

    async with asking(delay, chance) as client:

        async def lane() -> None:
            for kind in kinds:
                await disorder(client, kind, chance, delay)

        await asyncio.gather(*(lane() for _ in range(at_once)))
        await eventually(lambda: in_use() == 0)
        async with asyncio.timeout(1):
            for _ in range(3):
                await client.facts(UserId(KNOWN * 24), DISTRICT, ReadContext(), confirm_schools=False)


URL = "https://clever.test/v3.0/districts"
SHAPE = Page[IdRecord]
WITHHELD, NO_CONNECTION = "rosterguard_clever_withheld_total", {"reason": "no_connection"}
WAITED = "rosterguard_clever_connection_wait_seconds_count"


@dataclass
class Slow:
    """A Clever that answers when the test lets it."""

    wakes: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    async def __call__(self, _: httpx.Request) -> httpx.Response:
        self.asked += 1
        await self.wakes.wait()
        return httpx.Response(self.status, json={"data": []}, headers=self.headers)

    def transport(self, running: RunningExchanges) -> Transport:
        return Transport(httpx.MockTransport(self), wall=lambda: 0, running=running)


def asked(transport: Transport) -> asyncio.Task[Page[IdRecord]]:
    return asyncio.create_task(transport.read(URL, RequestContext("Bearer hush", ReadContext(b"ann"), math.inf), SHAPE))


async def given_up(clever: Slow, transport: Transport) -> None:
    """Ask, and stop waiting once Clever has heard it."""
    before = clever.asked
    waiting = asked(transport)
    await eventually(lambda: clever.asked > before)
    waiting.cancel()
    await asyncio.wait((waiting,))


async def test_what_an_exchange_tells_is_heard_though_nobody_waits_for_it() -> None:
    headers = {"X-Ratelimit-Limit": "1200", "X-Ratelimit-Remaining": "300", "X-Ratelimit-Reset": "30"}
    clever = Slow(headers=headers)
    transport = clever.transport(RunningExchanges())
    await given_up(clever, transport)
    assert transport.token_states.budget_left() == 1
    clever.wakes.set()
    await eventually(lambda: not transport.running.in_progress)
    assert transport.token_states.budget_left() == 0.25
    assert transport.state.outcome == "ok"


async def test_failures_that_nobody_waits_for_open_the_breaker_and_are_not_complained_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clever = Slow(status=500)
    transport = clever.transport(RunningExchanges())
    for _ in range(5):
        await given_up(clever, transport)
    clever.wakes.set()
    await eventually(lambda: not transport.running.in_progress)
    assert transport.circuit_open("Bearer hush") is not None
    gc.collect()
    assert "never retrieved" not in caplog.text


async def test_an_exchange_that_nobody_waits_for_is_broken_off_after_a_moment() -> None:
    clever = Slow()
    transport = clever.transport(RunningExchanges(grace=0.02))
    await given_up(clever, transport)
    assert transport.running.in_progress == 1
    await eventually(lambda: not transport.running.in_progress)
    assert transport.state.outcome == "not_asked"


async def test_abandoned_exchanges_count_and_who_finds_no_room_gets_an_error_that_does_not_blame_clever() -> None:
    clever = Slow()
    transport = clever.transport(RunningExchanges(2, timeout=0.02))
    timed_out = metrics.REGISTRY.get_sample_value(WITHHELD, NO_CONNECTION) or 0
    waited = metrics.REGISTRY.get_sample_value(WAITED) or 0
    await given_up(clever, transport)
    await given_up(clever, transport)
    for _ in range(6):
        with pytest.raises(CleverCrowded):
            await asked(transport)
    assert clever.asked == 2
    assert transport.state == CleverState(accepted_once=False, outcome="no_connection")
    assert transport.circuit_open("Bearer hush") is None
    assert metrics.REGISTRY.get_sample_value(WITHHELD, NO_CONNECTION) == timed_out + 6
    assert metrics.REGISTRY.get_sample_value(WAITED) == waited + 6
    clever.wakes.set()
    await asked(transport)
    assert transport.state == CleverState(accepted_once=True, outcome="ok")


async def test_whoever_stops_waiting_for_room_asks_nothing_and_takes_none() -> None:
    clever = Slow()
    transport = clever.transport(RunningExchanges(1))
    first, second, third = (asked(transport) for _ in range(3))
    await eventually(lambda: clever.asked)
    second.cancel()
    clever.wakes.set()
    assert await first == await third
    assert clever.asked == 2


async def test_nothing_is_under_way_once_the_way_is_closed() -> None:
    clever = Slow()
    transport = clever.transport(RunningExchanges())
    await given_up(clever, transport)
    await transport.aclose()
    assert not transport.running.in_progress
