"""Which pool of connections is asked."""

import asyncio
from collections.abc import Sequence

import httpx

from app.clever.connection import LIMITS, POOLS, Pools
from app.services.turns import Room
from tests.conftest import Sandbox


async def test_exchanges_at_once_are_spread_over_the_pools(sandbox: Sandbox) -> None:
    pools = Pools(3)
    try:
        answers = await asyncio.gather(*(_status(pools, f"{sandbox.url}/v3.1/districts") for _ in range(9)))
        assert answers == [401] * 9
        assert [len(_connections(client)) for client in pools._clients] == [3, 3, 3]  # noqa: SLF001 -- nobody else tells
        assert pools._busy == [0, 0, 0]  # noqa: SLF001
    finally:
        await pools.aclose()


def test_there_are_more_connections_than_exchanges_at_once() -> None:
    assert LIMITS.max_connections is not None
    assert POOLS * LIMITS.max_connections > 3 * Room().at_once


async def _status(pools: Pools, url: str) -> int:
    async with pools.stream("GET", url, headers={}) as response:
        await response.aread()
        return response.status_code


def _connections(client: httpx.AsyncClient) -> Sequence[object]:
    [transport] = [mount for pattern, mount in client._mounts.items() if pattern.pattern == "http://"]  # noqa: SLF001
    assert isinstance(transport, httpx.AsyncHTTPTransport)
    connections: Sequence[object] = transport._pool.connections  # noqa: SLF001
    return connections
