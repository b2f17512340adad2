"""The Clever API as the roster asks for it."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from stamina.instrumentation import set_on_retry_hooks

from app import telemetry
from app.clever import events, places
from app.clever.bulk import BULK_LIMIT
from app.clever.connections import ProxyTransport
from app.clever.http import bearer, latest_end
from app.clever.pagination import PAGE_LIMIT, DistrictApi, Endpoint, ReadPage
from app.clever.resilience import CleverState, TokenStates, Transport
from app.clever.tokens import Tokens, keep_connected, listed_tokens, one_token, with_token
from app.clever.versions import FAMILIES, Family, Version
from app.domain.calendar import Calendar
from app.domain.errors import CleverCircuitOpen, CleverError, RecordUnknown, UserUnknown
from app.domain.events import EventPage
from app.domain.facts import Facts, Role
from app.domain.ids import DistrictId, IdShape, SchoolId, SectionId, UserId
from app.domain.places import Place, Section
from app.domain.read_context import ReadContext
from app.domain.scopes import Scope
from app.urls import base_url
from app.waiting import deadline

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReadTimeouts:
    """How long reads may take, in seconds.

    Attributes:
        snapshot: for one user, or one place and who is there.
        district: for a list of a whole district.
        page: for one page of a whole district, retries included.
        grace: for a list that no role of a user needs, after the user has come.
    """

    snapshot: float = 15
    district: float = 60
    page: float = 120
    grace: float = 0.5


class CleverClient:
    """Reads users and places from Clever, with the token of their district.

    It implements the roster's port ``Clever``, which says what each method takes, returns and raises.
    """

    def __init__(
        self,
        transport: Transport,
        tokens: Tokens,
        endpoint: Endpoint,
        family: Family,
        timeouts: ReadTimeouts | None = None,
    ) -> None:
        self._transport = transport
        self._tokens = tokens
        self._endpoint = endpoint
        self._family = family
        self._timeouts = timeouts or ReadTimeouts()

    def state(self) -> CleverState:
        """Return how Clever last answered."""
        return self._transport.state

    def token_states(self) -> TokenStates:
        """Return the state of every token, for metrics."""
        return self._transport.token_states

    @property
    def user_requests(self) -> int:
        """How many requests it takes to read one user, at most."""
        return self._family.USER_REQUESTS

    def requests_in_progress(self) -> int:
        """Return how many requests are in progress, whether or not anybody still waits for them."""
        return self._transport.running.in_progress

    def circuit_open(self, district: DistrictId) -> CleverCircuitOpen | None:
        """Return why nothing of a district can be read just now, if that is known without a request."""
        token = self._tokens.known_token(district)
        return None if token is None else self._transport.circuit_open(f"Bearer {token}")

    def unaffordable(self, district: DistrictId, read_context: ReadContext, requests: int) -> CleverError | None:
        """Return why this minute has no room left for so many requests, if a whole minute has."""
        token = self._tokens.known_token(district)
        if token is None:
            return None
        return self._transport.token_states.of(f"Bearer {token}").budget.unaffordable(read_context, requests)

    def known_districts(self) -> frozenset[DistrictId] | None:
        """Return the connected districts, as far as they are known."""
        return self._tokens.known_districts()

    async def districts(self) -> frozenset[DistrictId]:
        """Return the connected districts."""
        return await self._tokens.districts()

    def districts_are_settled(self) -> bool:
        """Tell whether ``districts_now`` would answer without a request."""
        return self._tokens.is_settled()

    async def districts_now(self, after: float = -math.inf) -> frozenset[DistrictId]:
        """Return the districts that are connected now."""
        return await self._tokens.districts_now(after)

    async def facts(
        self, user: UserId, district: DistrictId, read_context: ReadContext, *, confirm_schools: bool
    ) -> Facts:
        """Read one user."""
        return await self._read(
            district,
            read_context,
            lambda api: self._family.read_user(api, user, confirm_schools=confirm_schools, grace=self._timeouts.grace),
        )

    async def section(self, section: SectionId, district: DistrictId, read_context: ReadContext) -> Section:
        """Read one section."""
        return await self._look_up(district, read_context, lambda api: places.read_section(api, section))

    async def school(self, school: SchoolId, district: DistrictId, read_context: ReadContext) -> SchoolId:
        """Read whether there is such a school."""
        return await self._look_up(district, read_context, lambda api: places.read_school(api, school))

    async def sections(
        self, place: Place, district: DistrictId, read_context: ReadContext, *, most_pages: int | None = None
    ) -> tuple[Section, ...]:
        """Read all sections of a school or of the district."""
        return await self._look_up(
            district, read_context, lambda api: places.read_sections(api, place, most_pages), place[0]
        )

    async def schools(self, district: DistrictId, read_context: ReadContext) -> tuple[SchoolId, ...]:
        """Read the ids of all schools of the district."""
        return await self._look_up(district, read_context, places.read_schools, Scope.DISTRICT)

    async def people(
        self,
        place: Place,
        district: DistrictId,
        role: Role | None,
        read_context: ReadContext,
        *,
        most_pages: int | None = None,
    ) -> tuple[Facts, ...]:
        """Read the users who stand in relation to a place."""
        return await self._look_up(
            district, read_context, lambda api: self._family.read_people(api, place, role, most_pages), place[0]
        )

    async def calendar(self, district: DistrictId, read_context: ReadContext, *, with_terms: bool) -> Calendar:
        """Read the calendar of a district."""
        return await self._read(
            district, read_context, lambda api: self._family.read_calendar(api, with_terms=with_terms)
        )

    async def newest_event(self, district: DistrictId, read_context: ReadContext) -> str | None:
        """Read the id of the district's newest event."""
        return await self._look_up(
            district, read_context, lambda api: events.newest_event(api, self._family.RECORD_TYPES)
        )

    async def events(self, district: DistrictId, after: str, read_context: ReadContext) -> EventPage:
        """Read the district's events after one."""
        return await self._look_up(
            district, read_context, lambda api: events.read_events(api, after, self._family.RECORD_TYPES)
        )

    async def people_page(
        self,
        district: DistrictId,
        role: Role | None,
        read_context: ReadContext,
        take: Callable[[Facts], object],
        after: str | None = None,
    ) -> ReadPage[str]:
        """Read one page of all users of a district."""
        return await self.page(
            district, read_context, lambda api: self._family.read_people_page(api, role, after, take)
        )

    async def section_page(
        self,
        district: DistrictId,
        read_context: ReadContext,
        take: Callable[[Section], object],
        after: str | None = None,
    ) -> ReadPage[str]:
        """Read one page of all sections of a district."""
        return await self.page(district, read_context, lambda api: places.read_section_page(api, after, take))

    async def school_page(
        self,
        district: DistrictId,
        read_context: ReadContext,
        take: Callable[[SchoolId], object],
        after: str | None = None,
    ) -> ReadPage[str]:
        """Read one page of all schools of a district."""
        return await self.page(district, read_context, lambda api: places.read_school_page(api, after, take))

    async def keep_connected(self, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Connect to Clever, trying as often as it takes; then ask every ten minutes which districts are connected."""
        await keep_connected(self._transport, self._tokens, self._endpoint.api, sleep=sleep)

    async def aclose(self) -> None:
        """Cancel what is in progress and close the connections."""
        await self._tokens.aclose()
        await self._transport.aclose()

    async def _read(
        self,
        district: DistrictId,
        read_context: ReadContext,
        read: Callable[[DistrictApi], Awaitable[T]],
        seconds: float | None = None,
    ) -> T:
        """Read with the token of a district, and log how much of the data grants nothing."""
        until = latest_end(self._timeouts.snapshot if seconds is None else seconds, read_context)

        async def fetch(token: str) -> T:
            api = DistrictApi(self._transport, self._endpoint, district, bearer(token, read_context, until))
            try:
                return await read(api)
            finally:
                telemetry.odd_data({kind.value: times for kind, times in api.odd.items() if times})

        async with deadline(until):
            return await with_token(self._tokens, district, fetch)

    async def page(
        self,
        district: DistrictId,
        read_context: ReadContext,
        read: Callable[[DistrictApi], Awaitable[T]],
    ) -> T:
        """Read one page of a list of a whole district, and raise ``RecordUnknown`` if that is not connected."""
        try:
            return await self._read(district, read_context, read, self._timeouts.page)
        except UserUnknown as error:
            raise RecordUnknown from error

    async def _look_up(
        self,
        district: DistrictId,
        read_context: ReadContext,
        read: Callable[[DistrictApi], Awaitable[T]],
        scope: Scope | None = None,
    ) -> T:
        """Read as ``_read`` does, and take every record of a district that is not connected for unknown."""
        try:
            seconds = self._timeouts.district if scope is Scope.DISTRICT else self._timeouts.snapshot
            return await self._read(district, read_context, read, seconds)
        except UserUnknown as error:
            raise RecordUnknown from error


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
    wall: Callable[[], float] = time.time,
    caller_share: float = 0.5,
    page_limit: int = PAGE_LIMIT,
    bulk_limit: int = BULK_LIMIT,
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
        clock: tells seconds that only go forward.
        wall: tells Unix seconds, in which Clever says when its rate limit is reset.
        caller_share: which part of a token's requests of a minute one caller may cause.
        page_limit: records of a page.
        bulk_limit: records of a page of a whole district.

    Raises:
        ValueError: a URL that is neither https nor loopback, a malformed token, or neither a token nor id and secret.
    """
    api = f"{base_url(url)}/{version}"
    # Its own reports would be a second log, in another form than ours.
    set_on_retry_hooks([])
    transport = Transport(ProxyTransport(), wall=wall, token_states=TokenStates(clock, caller_share))
    if token:
        tokens = one_token(transport, api, token, id_shape)
    elif client_id and client_secret:
        tokens = listed_tokens(transport, base_url(auth_url), (client_id, client_secret), id_shape, clock)
    else:
        raise ValueError("Clever needs a district token, or a client id and secret")
    return CleverClient(transport, tokens, Endpoint(api, id_shape, page_limit, bulk_limit), FAMILIES[version])
