"""A provider on a socket, and what the service makes of its tokens, without the service's own HTTP."""

from collections.abc import AsyncIterator, Iterator

import pytest

from app.auth.jwks import Issuer, Provider
from app.urls import is_safe_address
from tests.auth.provider import FakeProvider, running_provider
from tests.conftest import MovedClock


@pytest.fixture
def published() -> Iterator[FakeProvider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
async def provider(published: FakeProvider, clock: MovedClock) -> AsyncIterator[Provider]:
    provider = Provider(Issuer(published.url, None, is_safe_address), clock)
    yield provider
    await provider.aclose()
