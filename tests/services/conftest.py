"""Use cases over the sandbox on a socket, without the service's own HTTP."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from app.clever.client import connect
from app.domain.ids import IdShape
from app.main import default_policy
from app.policy_files.yaml import read_policy
from app.roster.freshness import Freshness
from app.roster.roster import Deadlines
from app.services.decision_point import DecisionPoint, decision_point
from tests.conftest import TOKEN, MovedClock, Sandbox
from tests.rosters import roster_over
from tests.services.counting import Asked, CountingClever, asked_of

WALL = 1_750_000_000.0
"""After the launch of the sandbox's districts, before which the default policy denies everything."""

DecisionPoints = Callable[..., AbstractAsyncContextManager[DecisionPoint]]


@pytest.fixture(scope="session")
def pdp_over(running_clock: MovedClock) -> DecisionPoints:
    """Make decision points over the Clever at an address, under the policy of a text."""

    @asynccontextmanager
    async def made(clever_url: str, policy: str, page_limit: int = 2000) -> AsyncIterator[DecisionPoint]:
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
            roster = roster_over(
                clever,
                running_clock,
                wall=lambda: WALL + running_clock(),
                id_shape=shape,
                keep_seconds=300,
                deadlines=Deadlines(),
            )
            yield decision_point(roster, read_policy(policy))
        finally:
            await clever.aclose()

    return made


async def know_calendars(pdp: DecisionPoint) -> None:
    """Read which districts there are, and the calendar of each."""
    for district in await pdp.roster.clever.districts():
        await pdp.now(district, Freshness())


@pytest.fixture
async def pdp(sandbox: Sandbox, pdp_over: DecisionPoints) -> AsyncIterator[DecisionPoint]:
    """A decision point over the sandbox under the default policy; it knows the district's calendar and nothing else."""
    async with pdp_over(sandbox.url, default_policy()) as made:
        await know_calendars(made)
        sandbox.requests.clear()
        yield made


@pytest.fixture
async def asked(clock: MovedClock) -> Asked:
    """The question of one user, to a Clever that answers at once."""
    clever = CountingClever()
    clever.let.set()
    return asked_of(clever, clock)
