"""What operators see in the log when Clever refuses a token."""

import asyncio
import math

import httpx
import pytest

from app.clever.http import RequestContext
from app.clever.models import IdRecord, Page
from app.clever.resilience import TokenStates, Transport
from app.domain.errors import CleverError
from app.domain.read_context import ReadContext

REFUSED = (
    "a read was refused: Clever refuses the token: see whether the district is still connected to the application, and"
    " put a valid district token, or client id and secret, into the settings"
)
FORBIDDEN = (
    "a read was refused: Clever forbids this token to read what is needed: the district has to share users, sections"
    " and schools with the application through Secure Sync"
)


class Clever:
    """A Clever that answers with a status, at a time to choose."""

    def __init__(self) -> None:
        self.now = 0.0
        self.status = 401
        handler = httpx.MockTransport(lambda _: httpx.Response(self.status, json={"message": "hush"}))
        self.transport = Transport(handler, token_states=TokenStates(lambda: self.now))

    async def refuses(self, status: int, *, at: float, authorization: str = "Bearer hush") -> None:
        self.status, self.now = status, at
        request_context = RequestContext(authorization, ReadContext(), math.inf)
        with pytest.raises(CleverError):
            await self.transport.read("https://clever.test/v3.0/users/hush", request_context, Page[IdRecord])


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(one.levelname, one.getMessage()) for one in caplog.records if one.name == "rosterguard"]


async def test_each_kind_of_refusal_is_logged_at_most_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clever = Clever()
    for at in (0, 1, 59.9):
        await clever.refuses(401, at=at)
        await clever.refuses(403, at=at)
    assert told(caplog) == [("WARNING", REFUSED), ("WARNING", FORBIDDEN)]
    await clever.refuses(401, at=60)
    assert told(caplog)[2:] == [("WARNING", REFUSED)]


async def test_many_refusals_at_once_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    clever = Clever()
    await asyncio.gather(*(clever.refuses(401, at=0) for _ in range(50)))
    assert told(caplog) == [("WARNING", REFUSED)]


@pytest.mark.parametrize("status", [404, 429, 500])
async def test_no_other_failure_is_reported_as_a_refusal(status: int, caplog: pytest.LogCaptureFixture) -> None:
    await Clever().refuses(status, at=0)
    assert told(caplog) == []


async def test_a_client_that_is_refused_is_logged_by_whoever_connects(caplog: pytest.LogCaptureFixture) -> None:
    await Clever().refuses(401, at=0, authorization="Basic hush")
    assert told(caplog) == []
