"""How long a whole reading may take, however many exchanges it is made of."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.domain.errand import Errand
from app.domain.errors import CleverTimedOut


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a whole reading, in seconds.

    Attributes:
        reading: for one user, or one place and who is there.
        district: for a list of a whole district.
    """

    reading: float = 15
    district: float = 60


def deadline(seconds: float, errand: Errand) -> float:
    """Return when a reading has to be over, by the event loop's clock: after so many seconds, or with its errand."""
    ends = asyncio.get_running_loop().time() + seconds
    return ends if errand.until is None else min(ends, errand.until)


@asynccontextmanager
async def within(until: float) -> AsyncGenerator[None]:
    """Break the block off at a time of the event loop's clock and raise ``CleverTimedOut``."""
    try:
        async with asyncio.timeout_at(until):
            yield
    except TimeoutError as error:
        raise CleverTimedOut("reading from Clever takes longer than it may") from error
