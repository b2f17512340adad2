"""Use cases over the sandbox on a socket, without the service's own HTTP."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from app.cache.memory import MemoryCache
from app.clever.client import connect
from app.domain.ids import IdShape
from app.main import default_policy
from app.policy_files.yaml import read_policy
from app.roster.concurrency import ReadSlots
from app.roster.context import Context, Deadlines
from tests.conftest import TOKEN, MovedClock, Sandbox
from tests.services import counting
from tests.services.counting import Asked, CountingClever

Contexts = Callable[..., AbstractAsyncContextManager[Context]]


@pytest.fixture(scope="session")
def context_over(running_clock: MovedClock) -> Contexts:
    """Make contexts over the Clever at an address, under the policy of a text."""

    @asynccontextmanager
    async def made(clever_url: str, policy: str, page_limit: int = 2000) -> AsyncIterator[Context]:
        shape = IdShape(re.compile("[0-9a-f]{24}"))
        clever = connect(
            url=clever_url,
            version="v3.1",
            auth_url=clever_url,
            token=TOKEN,
            client_id=None,
            client_secret=None,
            id_shape=shape,
            clock=running_clock,
            page_limit=page_limit,
        )
        try:
            yield Context(
                clever=clever,
                users=MemoryCache(most=10_000, keep_seconds=300, clock=running_clock),
                places=MemoryCache(most=10_000, keep_seconds=300, clock=running_clock),
                gone=MemoryCache(most=10_000, keep_seconds=10, clock=running_clock),
                outdated=MemoryCache(most=10_000, keep_seconds=300, clock=running_clock),
                wall=running_clock,
                clock=running_clock,
                policy=read_policy(policy),
                id_shape=shape,
                fresh_seconds=300,
                stale_seconds=300,
                deadlines=Deadlines(),
                read_slots=ReadSlots(),
                secret=b"a secret of the tests",
                reasons=True,
            )
        finally:
            await clever.aclose()

    return made


@pytest.fixture
async def context(sandbox: Sandbox, context_over: Contexts) -> AsyncIterator[Context]:
    """A context over the sandbox under the default policy, that knows which district there is and nothing else."""
    async with context_over(sandbox.url, default_policy()) as made:
        await made.clever.districts()
        sandbox.requests.clear()
        yield made


@pytest.fixture
async def asked(clock: MovedClock) -> Asked:
    """The question of one user, to a Clever that answers at once."""
    clever = CountingClever()
    clever.let.set()
    return Asked(clever, clock, counting.context_over(clever, clock))
