"""How long a whole reading may take, however many exchanges it is made of."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

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


@asynccontextmanager
async def within(seconds: float) -> AsyncGenerator[None]:
    """Break the block off after so many seconds and raise ``CleverTimedOut``."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise CleverTimedOut("reading from Clever takes longer than it may") from error
