"""Follows which districts are connected, from the start and for ever."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from itertools import count

from app.clever.patience import Patience, deadline
from app.clever.records import IdRecord, Page
from app.clever.tokens import Tokens, with_token
from app.clever.transport import Transport
from app.clever.warrant import bearer
from app.domain.errand import OWN
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
        # Where no district is connected yet, the first one should not wait for as long as another does.
        while not await self._is_connected(pause):
            await sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        while True:
            await sleep(_REFRESH_SECONDS)
            await _done(self._refresh(), "cannot ask Clever which districts are connected")

    async def _is_connected(self, pause: int) -> bool:
        attempt = self._connect() if self._tokens.known() else self._refresh()
        await _done(attempt, f"cannot connect to Clever, trying again in {pause} s")
        return self._transport.state.accepted_once

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
        warrant = bearer(token, OWN, deadline(Patience().reading, OWN))
        await self._transport.read(f"{self._api}/districts", warrant, Page[IdRecord])


async def _done(attempt: Awaitable[object], failing: str) -> None:
    """Wait for an attempt; that it fails is logged."""
    try:
        await attempt
    except CleverError as error:
        _log.warning("%s: %s", failing, error)
