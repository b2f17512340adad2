"""The time by which an answer has to be there, whatever it waits for."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.domain.errors import CleverTimedOut


def halfway_to(until: float | None) -> float | None:
    """Return the time halfway from now to ``until``, in seconds of the event loop's clock; None where that is None."""
    return None if until is None else (asyncio.get_running_loop().time() + until) / 2


@asynccontextmanager
async def by(until: float | None) -> AsyncGenerator[None]:
    """Break the block off at ``until``, in seconds of the event loop's clock, and raise ``CleverTimedOut``."""
    if until is not None and asyncio.get_running_loop().time() >= until:
        raise _too_late()
    try:
        async with asyncio.timeout_at(until):
            yield
    except TimeoutError as error:
        raise _too_late() from error


def _too_late() -> CleverTimedOut:
    return CleverTimedOut("Clever was not read within the time that a request may take")
