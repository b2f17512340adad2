"""Clients of the sandbox on its socket, for each version of the API."""

from collections.abc import AsyncIterator, Callable

import pytest

from app.clever.client import CleverClient, connect
from app.clever.versions import Version
from app.domain.ids import IdShape
from tests.conftest import TOKEN, Sandbox

Connect = Callable[..., CleverClient]


@pytest.fixture(params=["v3.0", "v3.1"])
def version(request: pytest.FixtureRequest) -> Version:
    name: Version = request.param
    return name


@pytest.fixture
async def connected(sandbox: Sandbox, version: Version) -> AsyncIterator[Connect]:
    """Make clients of the sandbox; what a test gives replaces the usual token."""
    clients: list[CleverClient] = []

    def made(
        *, token: str | None = TOKEN, secret: str | None = None, page_limit: int = 10_000, bulk_limit: int = 10_000
    ) -> CleverClient:
        client = connect(
            url=sandbox.url,
            version=version,
            auth_url=sandbox.url,
            token=token,
            client_id="sandbox-client",
            client_secret=secret,
            id_shape=IdShape(),
            page_limit=page_limit,
            bulk_limit=bulk_limit,
        )
        clients.append(client)
        return client

    yield made
    for client in clients:
        await client.aclose()
