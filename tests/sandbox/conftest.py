"""A sandbox without a socket, and a client that holds its token."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

from app.sandbox.server import create_sandbox
from app.sandbox.world import World


@pytest.fixture
def sandbox(world: World) -> Starlette:
    return create_sandbox(world, rate_limit=0, redirect_uris=("https://app.example.org/callback",))


@pytest.fixture
async def clever(sandbox: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": "Bearer sandbox-token"}
    transport = httpx.ASGITransport(sandbox)
    async with httpx.AsyncClient(transport=transport, base_url="http://clever", headers=headers) as client:
        yield client
