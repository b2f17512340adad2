"""Tokens of districts: one from the settings, or those that Clever lists for a client id and secret."""

import asyncio
import logging
import math
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from itertools import count
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, SecretStr, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from app.clever.http import RequestContext, bearer, latest_end
from app.clever.models import ApiModel, BarePage, IdRecord, Page
from app.clever.pagination import pages, records_of
from app.clever.resilience import Transport
from app.domain.errors import CleverBusy, CleverError, CleverMalformed, CleverRefusedToken, CleverTimedOut, UserUnknown
from app.domain.ids import DistrictId, IdShape
from app.domain.read_context import OWN
from app.telemetry import Event, log_event
from app.waiting import Backoff, SingleFlight, deadline


def check_token(token: str) -> str:
    """Return a token that fits in a header; raises ``ValueError``, while the error of httpx would show the token."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError("a token has visible ASCII characters only")
    return token


def _usable(token: object) -> object:
    try:
        return check_token(token) if isinstance(token, str) else None
    except ValueError:
        return None


def _text(value: object) -> object:
    return value if isinstance(value, str) else None


def _or_none(record: object, read: ValidatorFunctionWrapHandler) -> object:
    try:
        return read(record)
    except ValidationError:
        return None


class Owner(ApiModel):
    """The owner of a listed token."""

    type: str | None = None
    id: str | None = None


class TokenRecord(ApiModel):
    """A token as Clever lists it; one that cannot be sent in a header is None."""

    created: Annotated[str | None, BeforeValidator(_text)] = None
    owner: Owner | None = None
    access_token: Annotated[SecretStr | None, BeforeValidator(_usable)] = None

    def is_of_another_kind(self) -> bool:
        """Whether the token belongs to something other than a district; one without an owner may be a district's."""
        return self.owner is not None and self.owner.type not in {None, "district"}

    def district(self, shape: IdShape) -> DistrictId | None:
        """Return the district of the token, or None if it cannot be used."""
        owner = self.owner
        if owner is None or owner.type != "district" or not owner.id or self.access_token is None:
            return None
        return DistrictId(owner.id) if shape.fits(owner.id) else None


Listed = Annotated[TokenRecord | None, WrapValidator(_or_none)]
"""A listed token, or None if it has another shape than documented."""


def tokens_by_district(records: Iterable[TokenRecord | None], shape: IdShape) -> Mapping[DistrictId, str]:
    """Return the newest token of each district.

    Raises:
        CleverMalformed: Clever lists tokens, and none of them can be used.
    """
    tokens: dict[DistrictId, str] = {}
    unusable = 0
    for record in sorted(records, key=lambda record: (record and record.created) or ""):
        if record is not None and record.is_of_another_kind():
            continue
        district = record.district(shape) if record is not None else None
        if record is None or record.access_token is None or district is None:
            unusable += 1
        else:
            tokens[district] = record.access_token.get_secret_value()
    _log_unusable(len(tokens), unusable)
    return tokens


def _log_unusable(usable: int, unusable: int) -> None:
    if unusable and not usable:
        raise CleverMalformed("Clever lists tokens of districts, and none of them can be used")
    if unusable:
        message = "district tokens that Clever lists and that cannot be used are left out: %d"
        log_event(Event.CLEVER_TOKENS_SKIPPED, logging.WARNING, message, unusable)
    if not usable:
        message = "no district is connected: Clever lists no district token for the client id and secret"
        log_event(Event.CLEVER_NO_DISTRICT, logging.WARNING, message)


T = TypeVar("T")

_REDISCOVERY_SECONDS, _LONGEST_DISCOVERY = 10, 60

_RENEWAL_SECONDS = 2.0

_PROOF_SECONDS = 15

_LOOK_UP_SECONDS, LOOK_UP_TIMEOUT = 5, 0.5


class Tokens:
    """The tokens of the connected districts; all who wait for them share one request to Clever."""

    def __init__(
        self,
        discover: Callable[[], Awaitable[Mapping[DistrictId, str]]],
        clock: Callable[[], float],
        *,
        is_fixed: bool = False,
    ) -> None:
        """Take the function that asks Clever for the tokens, and a clock of seconds that only go forward.

        If ``is_fixed``, districts and tokens never change, so Clever is only asked until it has answered once.
        """
        self._discover = discover
        self._clock = clock
        self._is_fixed = is_fixed
        self._tokens: Mapping[DistrictId, str] | None = None
        self._districts: frozenset[DistrictId] | None = None
        self._discovery = SingleFlight(self._ask, clock)
        self._asked_at, self._wait_ends = -math.inf, 0.0

    def known_districts(self) -> frozenset[DistrictId] | None:
        """Return the connected districts, or None if they are not known yet."""
        return self._districts

    async def districts(self) -> frozenset[DistrictId]:
        """Return the connected districts, asking Clever if they are not known yet; raises ``CleverError``."""
        return self._districts or frozenset(await self._known())

    def is_settled(self) -> bool:
        """Tell whether ``districts_now`` would answer without a request to Clever."""
        was_asked = self._clock() - self._asked_at < _LOOK_UP_SECONDS
        return self._is_fixed or (was_asked and self._discovery.is_over())

    async def districts_now(self, after: float = -math.inf) -> frozenset[DistrictId]:
        """Return the connected districts, for a request about one that was not connected when Clever was last asked.

        Clever is asked every five seconds at most; in between its last answer counts.

        Args:
            after: when Clever has to have been asked at the earliest, by the clock.

        Raises:
            CleverError: Clever cannot be asked, has not answered within half a second, or was last asked before
                ``after``.
        """
        if self._is_fixed:
            return await self.districts()
        now, loop = self._clock(), asyncio.get_running_loop()
        is_due = now - self._asked_at >= _LOOK_UP_SECONDS
        if is_due:
            self._asked_at, self._wait_ends = now, loop.time() + LOOK_UP_TIMEOUT
        elif self._asked_at < after:
            again = math.ceil(self._asked_at + _LOOK_UP_SECONDS - now)
            raise CleverBusy("which districts are connected was asked a moment ago", retry_after=max(1, again))
        # Those who join wait no longer than the first: a batch may ask for thousands of districts.
        try:
            async with asyncio.timeout_at(self._wait_ends):
                return frozenset(await self._discovery.join(within=0 if is_due else math.inf))
        except TimeoutError as error:
            raise CleverTimedOut("which districts are connected is being looked up", retry_after=1) from error

    def known_token(self, district: DistrictId) -> str | None:
        """Return the token of a district, or None if none is known."""
        return None if self._tokens is None else self._tokens.get(district)

    async def token(self, district: DistrictId) -> str:
        """Return the token of a connected district.

        Raises:
            UserUnknown: the district is not connected, as far as is known; ``districts_now`` asks Clever again.
            CleverError: nothing is known yet and Clever cannot be asked.
        """
        token = (await self._known()).get(district)
        if token is None:
            raise UserUnknown
        return token

    async def renewed_token(self, district: DistrictId, refused: str) -> str | None:
        """Return another token after Clever refused one, or None if there is no other; raises ``CleverError``.

        Clever is asked every ten seconds at most.
        """
        token = (await self._known()).get(district)
        if token == refused and not self._is_fixed:
            token = (await self._discovery.join(within=_REDISCOVERY_SECONDS)).get(district)
        return token if token != refused else None

    async def refresh(self) -> None:
        """Ask Clever which districts are connected; raises ``CleverError``, and then nothing changes."""
        if not self._is_fixed:
            await self._discovery.join()

    async def aclose(self) -> None:
        """Cancel what is in progress."""
        await self._discovery.aclose()

    async def _known(self) -> Mapping[DistrictId, str]:
        return self._tokens if self._tokens is not None else await self._discovery.join()

    async def _ask(self) -> Mapping[DistrictId, str]:
        self._tokens = await self._discover()
        self._districts = frozenset(self._tokens)
        return self._tokens


def one_token(
    transport: Transport, api: str, token: str, shape: IdShape, clock: Callable[[], float] = time.monotonic
) -> Tokens:
    """Return the one token of the settings, of which Clever says whose district it is; raises ``ValueError``."""
    check_token(token)

    async def discover() -> Mapping[DistrictId, str]:
        request_context = bearer(token, OWN, latest_end(_LONGEST_DISCOVERY, OWN))
        page = await transport.read(f"{api}/districts", request_context, Page[IdRecord])
        ids = {record.id for record in page.records()}
        if len(ids) != 1 or not all(map(shape.fits, ids)):
            raise CleverMalformed("the token of the settings does not read exactly one district with a proper id")
        return {DistrictId(ids.pop()): token}

    return Tokens(discover, clock, is_fixed=True)


def listed_tokens(
    transport: Transport, url: str, credentials: tuple[str, str], shape: IdShape, clock: Callable[[], float]
) -> Tokens:
    """Return the tokens of all connected districts, as Clever lists them for a client id and secret."""
    basic = f"Basic {b64encode(':'.join(credentials).encode()).decode()}"

    async def discover() -> Mapping[DistrictId, str]:
        until = latest_end(_LONGEST_DISCOVERY, OWN)
        async with deadline(until):
            list_url, request_context = f"{url}/oauth/tokens?owner_type=district", RequestContext(basic, OWN, until)
            records = await records_of(pages(transport, list_url, request_context, BarePage[Listed]))
        return tokens_by_district(records, shape)

    return Tokens(discover, clock)


async def with_token(
    tokens: Tokens, district: DistrictId, fetch: Callable[[str], Awaitable[T]], *, within: float = _RENEWAL_SECONDS
) -> T:
    """Fetch with the token of a district, and once more with another one if Clever refuses the first.

    The refusal is raised if no other token is found within ``within`` seconds.
    """
    token = await tokens.token(district)
    try:
        return await fetch(token)
    except CleverRefusedToken:
        renewed = None
        with suppress(CleverError):
            async with deadline(asyncio.get_running_loop().time() + within):
                renewed = await tokens.renewed_token(district, token)
        if renewed is None:
            raise
    return await fetch(renewed)


_FIRST_PAUSE, _LONGEST_PAUSE, _REFRESH_SECONDS = 2, 30, 600


async def keep_connected(
    transport: Transport,
    tokens: Tokens,
    api: str,
    *,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Connect to Clever, trying as often as it takes; then ask every ten minutes which districts are connected.

    Clever counts as connected once it has accepted the token of a district: that it lists tokens does not mean that it
    accepts them, and readiness should not wait for traffic.
    """
    turns = count()

    async def connect() -> None:
        districts = sorted(await tokens.districts())
        # Each time another district's token is tried: one that has just disconnected says nothing of the others.
        if districts and not transport.state.accepted_once:
            await with_token(tokens, districts[next(turns) % len(districts)], prove)

    async def prove(token: str) -> None:
        request_context = bearer(token, OWN, latest_end(_PROOF_SECONDS, OWN))
        await transport.read(f"{api}/districts", request_context, Page[IdRecord])

    async def refresh() -> None:
        await tokens.refresh()
        await connect()

    pauses = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
    while True:
        pause = pauses.next()
        # Until the first district is connected it is looked for more often than others are later.
        await _log_failure_of(
            connect() if tokens.known_districts() else refresh(),
            Event.CLEVER_CONNECT_FAILED,
            f"cannot connect to Clever, trying again in {pause:.0f} s",
        )
        if transport.state.accepted_once:
            break
        await sleep(pause)
    while True:
        await sleep(_REFRESH_SECONDS)
        await _log_failure_of(
            refresh(), Event.CLEVER_DISTRICTS_FAILED, "cannot ask Clever which districts are connected"
        )


async def _log_failure_of(attempt: Awaitable[object], event: Event, message: str) -> None:
    """Wait for an attempt, and log its failure."""
    try:
        await attempt
    except CleverError as error:
        log_event(event, logging.WARNING, "%s: %s", message, error)
