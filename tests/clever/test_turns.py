"""How many exchanges with Clever are under way at once, and what becomes of the rest."""

import asyncio
from dataclasses import dataclass, field

import httpx
import pytest

from app.clever.connection import LIMITS
from app.clever.records import IdRecord, Page
from app.clever.state import CleverState
from app.clever.transport import MOST_AT_ONCE, Transport
from app.domain.errors import CleverTimedOut

SHAPE = Page[IdRecord]


@dataclass
class Clever:
    """A Clever that answers when it is let, and knows how many ask at once."""

    let: asyncio.Event = field(default_factory=asyncio.Event)
    busy: asyncio.Event = field(default_factory=asyncio.Event)
    asking: int = 0
    most: int = 0

    async def __call__(self, _: httpx.Request) -> httpx.Response:
        self.asking += 1
        self.most = max(self.most, self.asking)
        if self.asking == MOST_AT_ONCE:
            self.busy.set()
        try:
            await self.let.wait()
        finally:
            self.asking -= 1
        return httpx.Response(200, json={"data": []})

    def transport(self, *, seconds: float = 30, patience: float = 10) -> Transport:
        client = httpx.AsyncClient(transport=httpx.MockTransport(self))
        return Transport(client, seconds=seconds, patience=patience)

    async def all_asking(self) -> None:
        await self.busy.wait()


async def read(transport: Transport) -> Page[IdRecord]:
    return await transport.read("https://clever.test/v3.0/districts", "Bearer t", SHAPE)


async def test_more_exchanges_than_help_wait_for_their_turn() -> None:
    clever = Clever()
    transport = clever.transport()
    reads = [asyncio.create_task(read(transport)) for _ in range(3 * MOST_AT_ONCE)]
    await clever.all_asking()
    clever.let.set()
    assert await asyncio.gather(*reads) == [SHAPE(data=[])] * (3 * MOST_AT_ONCE)
    assert clever.most == MOST_AT_ONCE


async def test_the_pool_keeps_every_connection_that_an_exchange_may_open() -> None:
    assert LIMITS.max_connections == LIMITS.max_keepalive_connections
    assert (LIMITS.max_connections or 0) >= MOST_AT_ONCE


async def test_waiting_too_long_for_a_turn_is_told_as_such_and_says_nothing_of_clever() -> None:
    clever = Clever()
    transport = clever.transport(patience=0.02)
    reads = [asyncio.create_task(read(transport)) for _ in range(MOST_AT_ONCE)]
    await clever.all_asking()
    with pytest.raises(CleverTimedOut, match=r"^too many requests to Clever are waiting for their turn$") as caught:
        await read(transport)
    assert caught.value.retry_after == 1
    assert transport.state == CleverState()
    clever.let.set()
    await asyncio.gather(*reads)
    assert await read(transport) == SHAPE(data=[])


async def test_the_wait_for_a_turn_does_not_count_as_time_that_clever_takes() -> None:
    clever = Clever()
    transport = clever.transport(seconds=0.05)
    reads = [asyncio.create_task(read(transport)) for _ in range(MOST_AT_ONCE + 1)]
    failed = await asyncio.gather(*reads[:-1], return_exceptions=True)
    assert {str(one) for one in failed} == {"Clever did not answer within the time limit"}
    clever.let.set()
    assert await reads[-1] == SHAPE(data=[])


async def test_whoever_gives_up_leaves_their_turn_to_others() -> None:
    clever = Clever()
    transport = clever.transport()
    reads = [asyncio.create_task(read(transport)) for _ in range(2 * MOST_AT_ONCE)]
    await clever.all_asking()
    for one in reads:
        one.cancel()
    await asyncio.gather(*reads, return_exceptions=True)
    clever.let.set()
    assert await asyncio.gather(*(read(transport) for _ in range(MOST_AT_ONCE))) == [SHAPE(data=[])] * MOST_AT_ONCE
