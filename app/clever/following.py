"""Follows which districts are connected, from the start and for ever."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from itertools import count

from app.clever.records import IdRecord, Page
from app.clever.tokens import Tokens, with_token
from app.clever.transport import Transport
from app.domain.errors import CleverError

_log = logging.getLogger("rosterguard")

_FIRST_PAUSE, _LONGEST_PAUSE, _REFRESH_SECONDS = 2, 30, 600


class Following:
    """Keeps the tokens up to date, and sees that Clever accepts one of them."""

    def __init__(self, transport: Transport, tokens: Tokens, api: str) -> None:
        self._transport = transport
        self._tokens = tokens
        self._api = api
        self._turns = count()

    async def keep_connected(self, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Connect to Clever, however often that takes, and then follow which districts are connected, for ever."""
        pause = _FIRST_PAUSE
        while not await _done(self._connect(), f"cannot connect to Clever, trying again in {pause} s"):
            await sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        while True:
            await sleep(_REFRESH_SECONDS)
            await _done(self._refresh(), "cannot ask Clever which districts are connected")

    async def _refresh(self) -> None:
        await self._tokens.refresh()
        await self._connect()

    async def _connect(self) -> None:
        districts = sorted(await self._tokens.districts())
        # That Clever lists tokens does not say that it accepts them, and readiness should not wait for traffic. Each
        # time it is another district's turn, since one that just disconnected says nothing of the others.
        if districts and not self._transport.state.accepted_once:
            await with_token(self._tokens, districts[next(self._turns) % len(districts)], self._prove)

    async def _prove(self, token: str) -> None:
        await self._transport.read(f"{self._api}/districts", f"Bearer {token}", Page[IdRecord])


async def _done(attempt: Awaitable[object], failing: str) -> bool:
    """Tell whether an attempt went well; if not, it is logged."""
    try:
        await attempt
    except CleverError as error:
        _log.warning("%s: %s", failing, error)
        return False
    return True
