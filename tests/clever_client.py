"""A client of one Clever, with the token of the tests, until the end of a block."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from app.clever.bulk import BULK_LIMIT
from app.clever.client import CleverClient, connect
from app.clever.pagination import PAGE_LIMIT
from app.clever.versions import Version
from app.domain.ids import IdShape
from tests.conftest import TOKEN


@asynccontextmanager
async def client_of(
    url: str,
    version: Version = "v3.1",
    *,
    clock: Callable[[], float] = time.monotonic,
    page_limit: int = PAGE_LIMIT,
    bulk_limit: int = BULK_LIMIT,
) -> AsyncIterator[CleverClient]:
    """Connect to a Clever that is reached, and asked for tokens, at one address."""
    client = connect(
        url=url,
        version=version,
        auth_url=url,
        token=TOKEN,
        client_id=None,
        client_secret=None,
        id_shape=IdShape(),
        clock=clock,
        page_limit=page_limit,
        bulk_limit=bulk_limit,
    )
    try:
        yield client
    finally:
        await client.aclose()
