"""The Clever API, a method a question."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from stamina.instrumentation import set_on_retry_hooks

from app import telemetry
from app.addresses import base_url
from app.clever.connection import Ways
from app.clever.following import Following
from app.clever.line import Lines
from app.clever.lookups import Lookups
from app.clever.patience import Patience, deadline, within
from app.clever.reads import PAGE_LIMIT, Endpoint, UserReads
from app.clever.state import CleverState
from app.clever.tokens import DiscoveredTokens, OneToken, Tokens, with_token
from app.clever.transport import Transport
from app.clever.versions import FAMILIES, Version
from app.clever.warrant import Warrant, bearer
from app.domain.errand import Errand
from app.domain.errors import CleverBarred, CleverError, RecordUnknown, UserUnknown
from app.domain.facts import Facts, Role
from app.domain.ids import DistrictId, IdShape, SchoolId, SectionId, UserId
from app.domain.places import Place, Section
from app.domain.scopes import Scope

T = TypeVar("T")


class CleverClient:
    """Reads users and places from Clever, with the token of their district."""

    def __init__(
        self,
        transport: Transport,
        tokens: Tokens,
        endpoint: Endpoint,
        reads: UserReads | None = None,
        *,
        patience: Patience | None = None,
    ) -> None:
        self._transport = transport
        self._tokens = tokens
        self._endpoint = endpoint
        self._reads = reads or UserReads(transport, endpoint)
        self._lookups = Lookups(transport, endpoint)
        self._patience = patience or Patience()

    def state(self) -> CleverState:
        """Tell how Clever last answered."""
        return self._transport.state

    def lines(self) -> Lines:
        """Return what is known of the way of each token, to be measured."""
        return self._transport.lines

    def requests_in_progress(self) -> int:
        """Return how many requests are under way, whether or not anybody still waits for them."""
        return self._transport.under_way.in_progress

    def barred(self, district: DistrictId) -> CleverBarred | None:
        """Return why nothing can be read of a district just now, where that is known without asking; else None."""
        token = self._tokens.known_token(district)
        return None if token is None else self._transport.barred(f"Bearer {token}")

    def unaffordable(self, district: DistrictId, errand: Errand, requests: int) -> CleverError | None:
        """Return why so many requests about a district are too many for now, but not for a whole minute; else None."""
        token = self._tokens.known_token(district)
        line = None if token is None else self._transport.lines.of(f"Bearer {token}")
        return None if line is None else line.budget.unaffordable(errand, requests)

    def known_districts(self) -> frozenset[DistrictId] | None:
        """Return the connected districts, or None where they are not known yet."""
        return self._tokens.known()

    async def districts(self) -> frozenset[DistrictId]:
        """Return the connected districts, asking Clever only where that is not known yet; raises ``CleverError``."""
        return await self._tokens.districts()

    def districts_are_settled(self) -> bool:
        """Tell whether ``districts_now`` would answer without asking Clever."""
        return self._tokens.is_settled()

    async def districts_now(self, after: float = -math.inf) -> frozenset[DistrictId]:
        """Return the connected districts, asking Clever unless it was asked seconds ago; raises ``CleverError``.

        Args:
            after: when Clever has to have been asked at the earliest, by the clock.
        """
        return await self._tokens.look(after)

    async def facts(self, user: UserId, district: DistrictId, errand: Errand, *, confirm_schools: bool) -> Facts:
        """Read one user.

        Args:
            user: whom to read.
            district: a connected district; any other is answered like an unknown user.
            errand: what the reading is for.
            confirm_schools: whether administered schools need Clever's own list of the user's schools, so that its
                absence is an error and not merely facts that are unconfirmed.

        Raises:
            UserUnknown: Clever has no such user in that district.
            CleverError: something that is needed could not be read for certain.
        """
        answers = await self._read(
            district,
            errand,
            lambda warrant: self._reads.answers(user, district, warrant, confirm_schools=confirm_schools),
            self._patience.reading,
        )
        facts, odd = self._endpoint.family.facts_of(answers, district, self._endpoint.id_shape)
        telemetry.odd_data({kind.value: times for kind, times in odd.items()})
        return facts

    async def section(self, section: SectionId, district: DistrictId, errand: Errand) -> Section:
        """Read one section; raises ``RecordUnknown`` where the district has none such, or ``CleverError``."""
        return await self._look_up(district, errand, lambda warrant: self._lookups.section(section, district, warrant))

    async def school(self, school: SchoolId, district: DistrictId, errand: Errand) -> SchoolId:
        """Read whether there is such a school; raises ``RecordUnknown`` where there is none, or ``CleverError``."""
        return await self._look_up(district, errand, lambda warrant: self._lookups.school(school, district, warrant))

    async def sections(
        self, place: Place, district: DistrictId, errand: Errand, *, most_pages: int | None = None
    ) -> tuple[Section, ...]:
        """Read all sections that lie in a school, or in the district; raises as ``people``."""
        return await self._look_up(
            district, errand, lambda warrant: self._lookups.sections(place, district, warrant, most_pages), place
        )

    async def schools(self, district: DistrictId, errand: Errand) -> tuple[SchoolId, ...]:
        """Read the ids of all schools of the district; raises as ``section``."""
        whole = (Scope.DISTRICT, district)
        return await self._look_up(district, errand, lambda warrant: self._lookups.schools(district, warrant), whole)

    async def people(
        self, place: Place, district: DistrictId, role: Role | None, errand: Errand, *, most_pages: int | None = None
    ) -> tuple[Facts, ...]:
        """Read the users who stand in relation to a place, with what they are there, by ascending id.

        Args:
            place: a section (its teachers and students), a school (its teachers, students and staff), a student (their
                contacts), or the district (everybody in it).
            district: a connected district; in any other every record is unknown.
            role: only those who hold this role. Clever can be asked for teachers and students of a section, for those
                and staff of a school, for any role of the district, and for none among the contacts of a student.
            errand: what the reading is for.
            most_pages: give up on a list that has more; None for one of any length that a list may have.

        Returns:
            Facts that are complete but for sections: of those they hold the one asked for, or none. The list of each
            user's schools is not read, so administered schools are unconfirmed.

        Raises:
            RecordUnknown: the district has no such section, school or student.
            CleverError: the list could not be read for certain, or is longer than ``most_pages``.
        """
        return await self._look_up(
            district, errand, lambda warrant: self._lookups.people(place, district, role, warrant, most_pages), place
        )

    async def keep_connected(self, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Connect to Clever, however often that takes, and then follow which districts are connected, for ever."""
        await Following(self._transport, self._tokens, self._endpoint.api).keep_connected(sleep=sleep)

    async def aclose(self) -> None:
        """Break off what is under way and close the connections."""
        await self._tokens.aclose()
        await self._transport.aclose()

    async def _read(
        self, district: DistrictId, errand: Errand, reading: Callable[[Warrant], Awaitable[T]], seconds: float
    ) -> T:
        until = deadline(seconds, errand)
        async with within(until):
            return await with_token(self._tokens, district, lambda token: reading(bearer(token, errand, until)))

    async def _look_up(
        self,
        district: DistrictId,
        errand: Errand,
        reading: Callable[[Warrant], Awaitable[T]],
        place: Place | None = None,
    ) -> T:
        """Read as ``_read`` does; in a district that is not connected every record is unknown."""
        whole = place is not None and place[0] is Scope.DISTRICT
        try:
            seconds = self._patience.district if whole else self._patience.reading
            return await self._read(district, errand, reading, seconds)
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
        wall: Unix seconds, in which Clever tells when its rate limit begins anew.
        caller_share: the part of a token's requests of a minute that one caller may cause.
        page_limit: how many records of a list to ask for at once.

    Raises:
        ValueError: a URL that is not https off loopback, a token that is none, or neither token nor id and secret.
    """
    api = f"{base_url(url)}/{version}"
    # Its own reports would be a second log, in another shape than ours.
    set_on_retry_hooks([])
    transport = Transport(Ways(), wall=wall, lines=Lines(clock, caller_share))
    tokens: Tokens
    if token:
        tokens = OneToken(transport, api, token, id_shape)
    elif client_id and client_secret:
        tokens = DiscoveredTokens(transport, base_url(auth_url), (client_id, client_secret), id_shape, clock)
    else:
        raise ValueError("Clever needs a district token, or a client id and secret")
    return CleverClient(transport, tokens, Endpoint(api, FAMILIES[version], id_shape, page_limit))
