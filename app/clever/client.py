"""The Clever API, a method a question."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from app import telemetry
from app.clever.connection import http_client, safe_url
from app.clever.reads import Endpoint, UserReads
from app.clever.state import CleverState
from app.clever.tokens import DiscoveredTokens, OneToken, Tokens
from app.clever.transport import Transport
from app.clever.versions import FAMILIES, Version
from app.domain.errors import CleverError, CleverRefusedToken
from app.domain.facts import Facts
from app.domain.ids import DistrictId, IdShape, UserId

_log = logging.getLogger("rosterguard")

_FIRST_PAUSE, _LONGEST_PAUSE, _REFRESH_SECONDS = 2, 30, 600


class CleverClient:
    """Reads users from Clever, with the token of their district."""

    def __init__(
        self, transport: Transport, tokens: Tokens, endpoint: Endpoint, reads: UserReads | None = None
    ) -> None:
        self._transport = transport
        self._tokens = tokens
        self._endpoint = endpoint
        self._reads = reads or UserReads(transport, endpoint)

    def state(self) -> CleverState:
        """Tell how Clever last answered."""
        return self._transport.state

    async def districts(self) -> frozenset[DistrictId]:
        """Return the connected districts, asking Clever only where that is not known yet; raises ``CleverError``."""
        return await self._tokens.districts()

    async def facts(self, user: UserId, district: DistrictId, *, confirm_schools: bool) -> Facts:
        """Read one user.

        Args:
            user: whom to read.
            district: a connected district; any other is answered like an unknown user.
            confirm_schools: whether administered schools need Clever's own list of the user's schools, so that its
                absence is an error and not merely facts that are unconfirmed.

        Raises:
            UserUnknown: Clever has no such user in that district.
            CleverError: something that is needed could not be read for certain.
        """
        token = await self._tokens.token(district)
        try:
            answers = await self._reads.answers(user, district, token, confirm_schools=confirm_schools)
        except CleverRefusedToken:
            renewed = await self._tokens.renewed(district, token)
            if renewed is None:
                raise
            answers = await self._reads.answers(user, district, renewed, confirm_schools=confirm_schools)
        facts, odd = self._endpoint.family.facts_of(answers, district, self._endpoint.id_shape)
        telemetry.odd_data({kind.value: times for kind, times in odd.items()})
        return facts

    async def keep_connected(self, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Connect to Clever, however often that takes, and then follow which districts are connected, for ever."""
        pause = _FIRST_PAUSE
        while not await _done(self._tokens.districts(), f"cannot connect to Clever, trying again in {pause} s"):
            await sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        while True:
            await sleep(_REFRESH_SECONDS)
            await _done(self._tokens.refresh(), "cannot ask Clever which districts are connected")

    async def aclose(self) -> None:
        """Break off what is under way and close the connections."""
        await self._tokens.aclose()
        await self._transport.aclose()


def connect(  # noqa: PLR0913 -- a setting each
    *,
    url: str,
    version: Version,
    auth_url: str,
    token: str | None,
    client_id: str | None,
    client_secret: str | None,
    id_shape: IdShape,
    clock: Callable[[], float] = time.monotonic,
    page_limit: int = 10_000,
) -> CleverClient:
    """Make a client; nothing is asked yet.

    Args:
        url: Clever's API without a version, such as ``https://api.clever.com``.
        version: which version of the API to read.
        auth_url: where client id and secret find the tokens of districts, such as ``https://clever.com``.
        token: the token of the only district; with one, client id and secret are not used.
        client_id: finds the tokens of all connected districts, together with ``client_secret``.
        client_secret: see ``client_id``.
        id_shape: the shape of Clever's ids.
        clock: seconds that only ever go forward.
        page_limit: how many records of a list to ask for at once.

    Raises:
        ValueError: a URL that is not https off loopback, a token that is none, or neither token nor id and secret.
    """
    api = f"{safe_url(url)}/{version}"
    transport = Transport(http_client())
    tokens: Tokens
    if token:
        tokens = OneToken(transport, api, token, id_shape)
    elif client_id and client_secret:
        tokens = DiscoveredTokens(transport, safe_url(auth_url), (client_id, client_secret), id_shape, clock)
    else:
        raise ValueError("Clever needs a district token, or a client id and secret")
    return CleverClient(transport, tokens, Endpoint(api, FAMILIES[version], id_shape, page_limit))


async def _done(attempt: Awaitable[object], failing: str) -> bool:
    """Tell whether an attempt went well; if not, it is logged."""
    try:
        await attempt
    except CleverError as error:
        _log.warning("%s: %s", failing, error)
        return False
    return True
