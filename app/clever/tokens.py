"""Which token reads which district: one from the settings, or those that Clever lists for a client id and secret."""

import asyncio
import math
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Protocol, TypeVar

from app.clever.flight import Flight
from app.clever.paging import records_of
from app.clever.patience import deadline, within
from app.clever.records import BarePage, IdRecord, Page
from app.clever.token_list import Listed, by_district, checked
from app.clever.transport import Transport
from app.clever.warrant import Warrant, bearer
from app.domain.errand import OWN
from app.domain.errors import CleverBusy, CleverError, CleverMalformed, CleverRefusedToken, CleverTimedOut, UserUnknown
from app.domain.ids import DistrictId, IdShape

T = TypeVar("T")

_REDISCOVERY_SECONDS, _LONGEST_DISCOVERY = 10, 60
_RENEWAL_SECONDS = 2.0
_LOOK_SECONDS, _LOOK_PATIENCE = 5, 0.5


class Tokens(Protocol):
    """Which token reads which district."""

    def known(self) -> frozenset[DistrictId] | None:
        """Return the connected districts, or None where they are not known yet."""

    async def districts(self) -> frozenset[DistrictId]:
        """Return the connected districts, asking Clever where they are not known yet; raises ``CleverError``."""

    def is_settled(self) -> bool:
        """Tell whether ``look`` would answer without asking Clever."""

    async def look(self, after: float = -math.inf) -> frozenset[DistrictId]:
        """Return the connected districts for a question about one that was not when Clever was last asked.

        Clever is asked at most every five seconds, whoever wants it; between that its last answer counts.

        Args:
            after: when Clever has to have been asked at the earliest, by the clock.

        Raises:
            CleverError: Clever cannot be asked, has not answered in half a second, or not since ``after``.
        """

    def known_token(self, district: DistrictId) -> str | None:
        """Return the token of a district, or None where none is known."""

    async def token(self, district: DistrictId) -> str:
        """Return the token of a connected district.

        Raises:
            UserUnknown: the district is not connected, as far as is known; ``look`` asks Clever because of it.
            CleverError: nothing is known yet and Clever cannot be asked.
        """

    async def renewed(self, district: DistrictId, refused: str) -> str | None:
        """Return another token after Clever refused one, or None where there is no other; raises ``CleverError``."""

    async def refresh(self) -> None:
        """Ask Clever which districts are connected now; raises ``CleverError`` and then leaves all as it was."""

    async def aclose(self) -> None:
        """Break off what is under way."""


async def with_token(
    tokens: Tokens, district: DistrictId, reading: Callable[[str], Awaitable[T]], *, patience: float = _RENEWAL_SECONDS
) -> T:
    """Read with the token of a district, and once more with another one where Clever refuses it.

    That the token is refused is an answer. It stays one where no other token can be had within ``patience`` seconds,
    whatever the reason.
    """
    token = await tokens.token(district)
    try:
        return await reading(token)
    except CleverRefusedToken:
        renewed = await _renewed(tokens, district, token, patience)
        if renewed is None:
            raise
    return await reading(renewed)


async def _renewed(tokens: Tokens, district: DistrictId, refused: str, patience: float) -> str | None:
    with suppress(CleverError):
        async with within(asyncio.get_running_loop().time() + patience):
            return await tokens.renewed(district, refused)
    return None


class OneToken:
    """The district token of the settings; its district is whichever Clever names for it."""

    def __init__(self, transport: Transport, api: str, token: str, shape: IdShape) -> None:
        self._transport = transport
        self._api = api
        self._token = checked(token)
        self._shape = shape
        self._districts: frozenset[DistrictId] | None = None
        self._asking = Flight(self._ask)

    def known(self) -> frozenset[DistrictId] | None:
        """Return the token's district, or None where it is not known yet."""
        return self._districts

    async def districts(self) -> frozenset[DistrictId]:
        """Return the token's district."""
        if self._districts is None:
            self._districts = frozenset({await self._asking.join()})
        return self._districts

    def is_settled(self) -> bool:
        """Return True: a district token never changes its district."""
        return True

    async def look(self, after: float = -math.inf) -> frozenset[DistrictId]:  # noqa: ARG002 -- the protocol's
        """Return the token's district."""
        return await self.districts()

    def known_token(self, district: DistrictId) -> str | None:
        """Return the token if the district is known to be the token's."""
        return self._token if self._districts is not None and district in self._districts else None

    async def token(self, district: DistrictId) -> str:
        """Return the token if the district is the token's."""
        if district not in await self.districts():
            raise UserUnknown
        return self._token

    async def renewed(self, district: DistrictId, refused: str) -> str | None:  # noqa: ARG002 -- the protocol's
        """Return None: there is no other token."""
        return None

    async def refresh(self) -> None:
        """Do nothing: a district token never changes its district."""

    async def aclose(self) -> None:
        """Break off what is under way."""
        await self._asking.aclose()

    async def _ask(self) -> DistrictId:
        warrant = bearer(self._token, OWN, deadline(_LONGEST_DISCOVERY, OWN))
        page = await self._transport.read(f"{self._api}/districts", warrant, Page[IdRecord])
        ids = {record.id for record in page.records()}
        if len(ids) != 1 or not all(map(self._shape.fits, ids)):
            raise CleverMalformed("the token of the settings does not read exactly one district with a proper id")
        return DistrictId(ids.pop())


class DiscoveredTokens:
    """The tokens of all connected districts, as Clever lists them for a client id and secret."""

    def __init__(
        self, transport: Transport, url: str, credentials: tuple[str, str], shape: IdShape, clock: Callable[[], float]
    ) -> None:
        self._transport = transport
        self._url = f"{url}/oauth/tokens?owner_type=district"
        self._basic = f"Basic {b64encode(':'.join(credentials).encode()).decode()}"
        self._shape = shape
        self._tokens: Mapping[DistrictId, str] | None = None
        self._districts: frozenset[DistrictId] | None = None
        self._discovery = Flight(self._discover, clock)
        self._clock = clock
        self._looked_at, self._look_ends = -math.inf, 0.0

    def known(self) -> frozenset[DistrictId] | None:
        """Return the connected districts, or None where they are not known yet."""
        return self._districts

    async def districts(self) -> frozenset[DistrictId]:
        """Return the connected districts."""
        return frozenset(await self._known())

    def is_settled(self) -> bool:
        """Tell whether Clever was asked a moment ago, and has answered."""
        return self._clock() - self._looked_at < _LOOK_SECONDS and self._discovery.is_over()

    async def look(self, after: float = -math.inf) -> frozenset[DistrictId]:
        """Return the connected districts; see ``Tokens.look``."""
        now, loop = self._clock(), asyncio.get_running_loop()
        is_due = now - self._looked_at >= _LOOK_SECONDS
        if is_due:
            self._looked_at, self._look_ends = now, loop.time() + _LOOK_PATIENCE
        elif self._looked_at < after:
            again = math.ceil(self._looked_at + _LOOK_SECONDS - now)
            raise CleverBusy("which districts are connected was asked a moment ago", retry_after=max(1, again))
        # Whoever asks later waits no longer than the first: a batch may ask for thousands of districts.
        try:
            async with asyncio.timeout_at(self._look_ends):
                return frozenset(await self._discovery.join(within=0 if is_due else math.inf))
        except TimeoutError as error:
            raise CleverTimedOut("which districts are connected is being looked up", retry_after=1) from error

    def known_token(self, district: DistrictId) -> str | None:
        """Return the token of a district, or None where it was not connected when Clever was last asked."""
        return None if self._tokens is None else self._tokens.get(district)

    async def token(self, district: DistrictId) -> str:
        """Return the token of a district that was connected when Clever was last asked."""
        token = (await self._known()).get(district)
        if token is None:
            raise UserUnknown
        return token

    async def renewed(self, district: DistrictId, refused: str) -> str | None:
        """Return the district's new token, asking Clever at most every ten seconds."""
        token = (await self._known()).get(district)
        if token == refused:
            token = (await self._discovery.join(within=_REDISCOVERY_SECONDS)).get(district)
        return token if token != refused else None

    async def refresh(self) -> None:
        """Ask Clever which districts are connected now."""
        await self._discovery.join()

    async def aclose(self) -> None:
        """Break off what is under way."""
        await self._discovery.aclose()

    async def _known(self) -> Mapping[DistrictId, str]:
        return self._tokens if self._tokens is not None else await self._discovery.join()

    async def _discover(self) -> Mapping[DistrictId, str]:
        until = deadline(_LONGEST_DISCOVERY, OWN)
        async with within(until):
            warrant = Warrant(self._basic, OWN, until)
            records = await records_of(self._transport, self._url, warrant, BarePage[Listed])
        self._tokens = by_district(records, self._shape)
        self._districts = frozenset(self._tokens)
        return self._tokens
