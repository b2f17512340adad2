"""On whose authority Clever is asked, what for, and until when: what every step of the way to Clever needs to know."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from app.domain.errors import CleverTimedOut
from app.domain.read_context import ReadContext


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The right to ask Clever.

    Attributes:
        authorization: the header that says who asks; a secret, which never shows.
        read_context: what the asking is for.
        until: when it has to be over, in seconds of the event loop's clock; earlier than the errand's, perhaps.
    """

    authorization: str = field(repr=False)
    read_context: ReadContext
    until: float

    def is_of_client(self) -> bool:
        """Tell whether a client id and secret ask, instead of the token of a district."""
        return self.authorization.startswith("Basic ")


def bearer(token: str, read_context: ReadContext, until: float) -> RequestContext:
    """Return the warrant of a district token."""
    return RequestContext(f"Bearer {token}", read_context, until)


@dataclass(frozen=True, slots=True)
class ReadTimeouts:
    """How long to wait for a whole reading, in seconds.

    Attributes:
        snapshot: for one user, or one place and who is there.
        district: for a list of a whole district.
    """

    snapshot: float = 15
    district: float = 60


def deadline(seconds: float, read_context: ReadContext) -> float:
    """Return when a reading has to be over, by the event loop's clock: after so many seconds, or with its errand."""
    ends = asyncio.get_running_loop().time() + seconds
    return ends if read_context.until is None else min(ends, read_context.until)


@asynccontextmanager
async def within(until: float) -> AsyncGenerator[None]:
    """Break the block off at a time of the event loop's clock and raise ``CleverTimedOut``."""
    try:
        async with asyncio.timeout_at(until):
            yield
    except TimeoutError as error:
        raise CleverTimedOut("reading from Clever takes longer than it may") from error
