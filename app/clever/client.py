"""The Clever API: a method for each thing that can be read."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from stamina.instrumentation import set_on_retry_hooks

from app import telemetry
from app.clever.body_limits import of_own_list
from app.clever.http import ProxyTransport
from app.clever.mapping import FAMILIES, Answers, Family, Version, has_schools_to_confirm, needs_sections
from app.clever.models import Entry, Page, SchoolRecord, SectionRecord, UserRecord
from app.clever.pagination import MOST_PAGES, records_of
from app.clever.request_context import ReadTimeouts, RequestContext, bearer, latest_end
from app.clever.resilience import CleverState, TokenStates, Transport
from app.clever.tokens import DiscoveredTokens, Following, OneToken, Tokens, with_token
from app.domain.errors import (
    CleverCircuitOpen,
    CleverError,
    CleverMalformed,
    CleverRecordMissing,
    RecordUnknown,
    UserUnknown,
)
from app.domain.facts import Facts, Oddity, Role
from app.domain.ids import DistrictId, IdShape, SchoolId, SectionId, UserId
from app.domain.places import Place, Section
from app.domain.read_context import ReadContext
from app.domain.scopes import Scope
from app.urls import base_url
from app.waiting import deadline

MOST_PAGES_OF_A_USER = 100
"""Pages of one user's sections or schools: more than anybody has, since every page counts for Clever's rate limit."""

PAGE_LIMIT = 2000
"""Records of a page of the list of a place; to parse a page of users takes 50 ms, in which no other task runs."""

OWN_LIMIT = 1000
"""Records of a page of one user's own lists, which should not take as much memory as those of a district."""

T = TypeVar("T")

R = TypeVar("R", SchoolRecord, SectionRecord, UserRecord)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the API is, and how to read it.

    Attributes:
        api: Clever's API with its version, such as ``https://api.clever.com/v3.0``.
        family: the shapes and rules of that version.
        id_shape: the shape of ids; any other id grants nothing.
        page_limit: records of a page; Clever's default is 100, its maximum 10 000. One user's own lists have
            ``OWN_LIMIT`` at most.
    """

    api: str
    family: Family
    id_shape: IdShape
    page_limit: int = PAGE_LIMIT


class UserReads:
    """Reads one user; waits ``grace`` seconds for what no role of theirs needs."""

    def __init__(self, transport: Transport, endpoint: Endpoint, *, grace: float = 0.5) -> None:
        self._transport = transport
        self._endpoint = endpoint
        self._grace = grace

    async def answers(
        self, user: UserId, district: DistrictId, request_context: RequestContext, *, confirm_schools: bool
    ) -> Answers:
        """Read a user, their sections and their schools.

        Raises:
            UserUnknown: Clever has no such user in that district.
            CleverError: something that is needed could not be read for certain.
        """
        reading = asyncio.create_task(self._user(user, district, request_context))
        sections = asyncio.create_task(self._sections(user, request_context))
        schools = asyncio.create_task(self._schools(user, request_context))
        async with cancelled_at_end(reading, sections, schools):
            record = await reading
            # What no role needs may fail or be late; since it has been requested anyway, it gets a moment.
            taught = await (sections if needs_sections(record) else _result_in(sections, self._grace))
            confirming = confirm_schools and has_schools_to_confirm(record)
            return Answers(record, taught or (), await (schools if confirming else _result_in(schools, self._grace)))

    async def _user(self, user: UserId, district: DistrictId, request_context: RequestContext) -> UserRecord:
        try:
            url = f"{self._endpoint.api}/users/{user}"
            return await record_of(self._transport, url, request_context, self._endpoint.family.user, (user, district))
        except RecordUnknown as error:
            raise UserUnknown from error

    async def _sections(self, user: UserId, request_context: RequestContext) -> Sequence[SectionRecord]:
        return await self._list(f"/users/{user}/sections", request_context, self._endpoint.family.sections)

    async def _schools(self, user: UserId, request_context: RequestContext) -> Sequence[SchoolRecord]:
        return await self._list(f"/users/{user}/schools", request_context, self._endpoint.family.schools)

    async def _list(self, path: str, request_context: RequestContext, shape: type[Page[R]]) -> list[R]:
        limit = min(self._endpoint.page_limit, OWN_LIMIT)
        url = f"{self._endpoint.api}{path}?limit={limit}"
        return await records_of(
            self._transport,
            url,
            request_context,
            shape,
            limit=limit,
            most_pages=MOST_PAGES_OF_A_USER,
            byte_budget=of_own_list(),
        )


async def record_of(
    transport: Transport,
    url: str,
    request_context: RequestContext,
    shape: type[Entry[R]],
    wanted: tuple[str, DistrictId],
) -> R:
    """Read one record.

    Args:
        transport: sends the request.
        url: where the record is.
        request_context: with which credential it is read, and until when.
        shape: the model of the response.
        wanted: the id that the record has to have, and the district that it has to belong to.

    Raises:
        RecordUnknown: Clever has no such record in that district.
        CleverError: it could not be read for certain.
    """
    try:
        record = (await transport.read(url, request_context, shape)).data
    except CleverRecordMissing as error:
        raise RecordUnknown from error
    if record.id != wanted[0]:
        raise CleverMalformed("Clever answered with another record than the one asked for")
    if record.district != wanted[1]:
        telemetry.odd_data({Oddity.DISTRICT_FOREIGN.value: 1})
        raise RecordUnknown
    return record


@asynccontextmanager
async def cancelled_at_end(*tasks: asyncio.Task[object]) -> AsyncGenerator[None]:
    """Cancel the tasks, however the block ends; an exchange with Clever that they wait for goes on for a moment."""
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _result_in(task: asyncio.Task[T], grace: float) -> T | None:
    """Return the result of a task that is not needed, or None if it failed or is late."""
    await asyncio.wait((task,), timeout=grace)
    return None if not task.done() or task.exception() is not None else task.result()


_SECTIONS: Mapping[Scope, str] = {Scope.DISTRICT: "/sections", Scope.SCHOOL: "/schools/{}/sections"}

_PEOPLE: Mapping[Scope, tuple[str, frozenset[Role]]] = {
    Scope.DISTRICT: ("/users", frozenset(Role)),
    Scope.SCHOOL: ("/schools/{}/users", frozenset({Role.STAFF, Role.TEACHER, Role.STUDENT})),
    Scope.SECTION: ("/sections/{}/users", frozenset({Role.TEACHER, Role.STUDENT})),
    Scope.STUDENT: ("/users/{}/mycontacts", frozenset()),
}
"""Where Clever lists the people of a place, and the roles for which it can be asked there (dev.clever.com's spec)."""

_AT_A_STRETCH = 200  # users; a whole district at once would keep other tasks waiting for seconds


class Lookups:
    """Reads places, and the people in them."""

    def __init__(self, transport: Transport, endpoint: Endpoint) -> None:
        self._transport = transport
        self._endpoint = endpoint

    async def section(self, section: str, district: DistrictId, request_context: RequestContext) -> Section:
        """Read one section; raises ``RecordUnknown`` where the district has none such, or ``CleverError``."""
        odd: Counter[Oddity] = Counter()
        found = self._section_of(await self._section(section, district, request_context), district, odd)
        _log_odd(odd)
        return found

    async def school(self, school: str, district: DistrictId, request_context: RequestContext) -> SchoolId:
        """Read whether there is such a school; raises ``RecordUnknown`` where there is none, or ``CleverError``."""
        url, shape = self._url("/schools/{}", school), self._endpoint.family.school
        return SchoolId((await record_of(self._transport, url, request_context, shape, (school, district))).id)

    async def sections(
        self, place: Place, district: DistrictId, request_context: RequestContext, most_pages: int | None = None
    ) -> tuple[Section, ...]:
        """Read all sections of a school or of the district, by ascending id.

        Raises:
            RecordUnknown: the district has no such school.
            CleverError: the list could not be read for certain.
            ValueError: Clever lists no sections of such a place.
        """
        if place[0] not in _SECTIONS:
            raise ValueError(f"Clever lists no sections of a {place[0]}")
        odd: Counter[Oddity] = Counter()
        records = await self._list(
            place, _SECTIONS[place[0]], request_context, self._endpoint.family.sections, most_pages=most_pages
        )
        found = tuple(self._section_of(record, district, odd) for record in self._own(records, district, odd))
        _log_odd(odd)
        return found

    async def schools(self, district: DistrictId, request_context: RequestContext) -> tuple[SchoolId, ...]:
        """Read the ids of all schools of the district, in ascending order; raises ``CleverError``."""
        odd: Counter[Oddity] = Counter()
        records = await self._list(
            (Scope.DISTRICT, district), "/schools", request_context, self._endpoint.family.schools
        )
        found = tuple(SchoolId(record.id) for record in self._own(records, district, odd))
        _log_odd(odd)
        return found

    async def people(
        self,
        place: Place,
        district: DistrictId,
        role: Role | None,
        request_context: RequestContext,
        most_pages: int | None = None,
    ) -> tuple[Facts, ...]:
        """Read the people of a place, by ascending id.

        Raises:
            RecordUnknown: the district has no such section, school or student.
            CleverError: the list could not be read for certain.
            ValueError: Clever lists no people of such a place, or cannot be asked for this role there.
        """
        path, roles = _PEOPLE.get(place[0], ("", frozenset()))
        if not path or (role is not None and role not in roles):
            raise ValueError(f"Clever cannot be asked for the people of a {place[0]} by the role {role}")
        users = asyncio.create_task(
            self._list(place, path, request_context, self._endpoint.family.users, most_pages=most_pages, role=role)
        )
        async with cancelled_at_end(users):
            of_section = place[0] is Scope.SECTION
            sections = (await self._section(place[1], district, request_context),) if of_section else ()
            return await self._facts_of(await users, sections, district, role)

    async def _facts_of(
        self,
        records: Iterable[UserRecord],
        sections: Sequence[SectionRecord],
        district: DistrictId,
        role: Role | None,
    ) -> tuple[Facts, ...]:
        found, odd = [], Counter[Oddity]()
        for number, record in enumerate(self._own(records, district, odd), 1):
            answers = Answers(record, sections, schools=None)
            facts, times = self._endpoint.family.facts_of(answers, district, self._endpoint.id_shape)
            odd.update(times)
            # A server that ignores the parameter must not widen the answer.
            if role is None or role in facts.held():
                found.append(facts)
            if number % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)
        _log_odd(odd)
        return tuple(found)

    async def _section(self, section: str, district: DistrictId, request_context: RequestContext) -> SectionRecord:
        url, shape = self._url("/sections/{}", section), self._endpoint.family.section
        return await record_of(self._transport, url, request_context, shape, (section, district))

    def _section_of(self, record: SectionRecord, district: DistrictId, odd: Counter[Oddity]) -> Section:
        section, times = self._endpoint.family.section_of(record, district, self._endpoint.id_shape)
        odd.update(times)
        return section

    async def _list(  # noqa: PLR0913 -- what is asked, and how much of it
        self,
        place: Place,
        path: str,
        request_context: RequestContext,
        shape: type[Page[R]],
        *,
        most_pages: int | None = None,
        role: Role | None = None,
    ) -> list[R]:
        limit = self._endpoint.page_limit
        asked = f"?limit={limit}" + (f"&role={role}" if role else "")
        of_district = place[0] is Scope.DISTRICT
        url = self._endpoint.api + path if of_district else self._url(path, place[1])
        try:
            most = MOST_PAGES if most_pages is None else min(most_pages, MOST_PAGES)
            return await records_of(self._transport, url + asked, request_context, shape, limit=limit, most_pages=most)
        except CleverRecordMissing as error:
            # That a list of a whole district is missing says nothing of any record.
            if of_district:
                raise
            raise RecordUnknown from error

    def _url(self, path: str, asked: str) -> str:
        """Return the URL of an id's record or list; what cannot be an id is unknown and never gets into a URL."""
        if not self._endpoint.id_shape.fits(asked):
            raise RecordUnknown
        return self._endpoint.api + path.format(asked)

    def _own(self, records: Iterable[R], district: DistrictId, odd: Counter[Oddity]) -> list[R]:
        """Return the district's own records with a proper id, each once, sorted by id; count the others."""
        each = {record.id: record for record in records}
        ours = [record for record in each.values() if record.district == district]
        fit = [record for record in ours if self._endpoint.id_shape.fits(record.id)]
        odd.update({Oddity.DISTRICT_FOREIGN: len(each) - len(ours), Oddity.ID_MALFORMED: len(ours) - len(fit)})
        return sorted(fit, key=lambda record: record.id)


def _log_odd(odd: Counter[Oddity]) -> None:
    telemetry.odd_data({kind.value: times for kind, times in odd.items() if times})


class CleverClient:
    """Reads users and places from Clever, with the token of their district."""

    def __init__(
        self,
        transport: Transport,
        tokens: Tokens,
        endpoint: Endpoint,
        reads: UserReads | None = None,
        *,
        timeouts: ReadTimeouts | None = None,
    ) -> None:
        self._transport = transport
        self._tokens = tokens
        self._endpoint = endpoint
        self._reads = reads or UserReads(transport, endpoint)
        self._lookups = Lookups(transport, endpoint)
        self._timeouts = timeouts or ReadTimeouts()

    def state(self) -> CleverState:
        """Return how Clever last answered."""
        return self._transport.state

    def token_states(self) -> TokenStates:
        """Return the state of every token, for metrics."""
        return self._transport.token_states

    def requests_in_progress(self) -> int:
        """Return how many requests are in progress, whether or not anybody still waits for them."""
        return self._transport.running.in_progress

    def circuit_open(self, district: DistrictId) -> CleverCircuitOpen | None:
        """Return why nothing of a district can be read just now if that is known without a request, else None."""
        token = self._tokens.known_token(district)
        return None if token is None else self._transport.circuit_open(f"Bearer {token}")

    def unaffordable(self, district: DistrictId, read_context: ReadContext, requests: int) -> CleverError | None:
        """Return why this minute has no room left for so many requests, if a whole minute has; else None."""
        token = self._tokens.known_token(district)
        token_state = None if token is None else self._transport.token_states.of(f"Bearer {token}")
        return None if token_state is None else token_state.budget.unaffordable(read_context, requests)

    def known_districts(self) -> frozenset[DistrictId] | None:
        """Return the connected districts, or None where they are not known yet."""
        return self._tokens.known()

    async def districts(self) -> frozenset[DistrictId]:
        """Return the connected districts, asking Clever only where that is not known yet; raises ``CleverError``."""
        return await self._tokens.districts()

    def districts_are_settled(self) -> bool:
        """Tell whether ``districts_now`` would answer without a request to Clever."""
        return self._tokens.is_settled()

    async def districts_now(self, after: float = -math.inf) -> frozenset[DistrictId]:
        """Return the connected districts, asking Clever unless it was asked seconds ago; raises ``CleverError``.

        Args:
            after: when Clever has to have been asked at the earliest, by the clock.
        """
        return await self._tokens.look(after)

    async def facts(
        self, user: UserId, district: DistrictId, read_context: ReadContext, *, confirm_schools: bool
    ) -> Facts:
        """Read one user.

        Args:
            user: whom to read.
            district: a connected district; any other is answered like an unknown user.
            read_context: who waits for it, and until when.
            confirm_schools: whether administered schools need Clever's own list of the user's schools, so that its
                absence is an error and not merely facts that are unconfirmed.

        Raises:
            UserUnknown: Clever has no such user in that district.
            CleverError: something that is needed could not be read for certain.
        """
        answers = await self._read(
            district,
            read_context,
            lambda request_context: self._reads.answers(
                user, district, request_context, confirm_schools=confirm_schools
            ),
            self._timeouts.snapshot,
        )
        facts, odd = self._endpoint.family.facts_of(answers, district, self._endpoint.id_shape)
        telemetry.odd_data({kind.value: times for kind, times in odd.items()})
        return facts

    async def section(self, section: SectionId, district: DistrictId, read_context: ReadContext) -> Section:
        """Read one section; raises ``RecordUnknown`` where the district has none such, or ``CleverError``."""
        return await self._look_up(
            district, read_context, lambda request_context: self._lookups.section(section, district, request_context)
        )

    async def school(self, school: SchoolId, district: DistrictId, read_context: ReadContext) -> SchoolId:
        """Read whether there is such a school; raises ``RecordUnknown`` where there is none, or ``CleverError``."""
        return await self._look_up(
            district, read_context, lambda request_context: self._lookups.school(school, district, request_context)
        )

    async def sections(
        self, place: Place, district: DistrictId, read_context: ReadContext, *, most_pages: int | None = None
    ) -> tuple[Section, ...]:
        """Read all sections that lie in a school, or in the district; raises as ``people``."""
        return await self._look_up(
            district,
            read_context,
            lambda request_context: self._lookups.sections(place, district, request_context, most_pages),
            place,
        )

    async def schools(self, district: DistrictId, read_context: ReadContext) -> tuple[SchoolId, ...]:
        """Read the ids of all schools of the district; raises as ``section``."""
        whole = (Scope.DISTRICT, district)
        return await self._look_up(
            district, read_context, lambda request_context: self._lookups.schools(district, request_context), whole
        )

    async def people(
        self,
        place: Place,
        district: DistrictId,
        role: Role | None,
        read_context: ReadContext,
        *,
        most_pages: int | None = None,
    ) -> tuple[Facts, ...]:
        """Read the users who stand in relation to a place, with what they are there, by ascending id.

        Args:
            place: a section (its teachers and students), a school (its teachers, students and staff), a student (their
                contacts), or the district (everybody in it).
            district: a connected district; in any other every record is unknown.
            role: only those who hold this role. Clever can be asked for teachers and students of a section, for those
                and staff of a school, for any role of the district, and for none among the contacts of a student.
            read_context: who waits for it, and until when.
            most_pages: give up on a list that has more; None for one of any length that a list may have.

        Returns:
            Facts that are complete but for sections: of those they hold the one asked for, or none. The list of each
            user's schools is not read, so administered schools are unconfirmed.

        Raises:
            RecordUnknown: the district has no such section, school or student.
            CleverError: the list could not be read for certain, or is longer than ``most_pages``.
        """
        return await self._look_up(
            district,
            read_context,
            lambda request_context: self._lookups.people(place, district, role, request_context, most_pages),
            place,
        )

    async def keep_connected(self, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Connect to Clever, trying as often as it takes; then ask every ten minutes which districts are connected."""
        await Following(self._transport, self._tokens, self._endpoint.api).keep_connected(sleep=sleep)

    async def aclose(self) -> None:
        """Cancel what is in progress and close the connections."""
        await self._tokens.aclose()
        await self._transport.aclose()

    async def _read(
        self,
        district: DistrictId,
        read_context: ReadContext,
        fetch: Callable[[RequestContext], Awaitable[T]],
        seconds: float,
    ) -> T:
        until = latest_end(seconds, read_context)
        async with deadline(until):
            return await with_token(self._tokens, district, lambda token: fetch(bearer(token, read_context, until)))

    async def _look_up(
        self,
        district: DistrictId,
        read_context: ReadContext,
        fetch: Callable[[RequestContext], Awaitable[T]],
        place: Place | None = None,
    ) -> T:
        """Read as ``_read`` does, and take every record of a district that is not connected for unknown."""
        whole = place is not None and place[0] is Scope.DISTRICT
        try:
            seconds = self._timeouts.district if whole else self._timeouts.snapshot
            return await self._read(district, read_context, fetch, seconds)
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
        clock: tells seconds that only go forward.
        wall: tells Unix seconds, in which Clever says when its rate limit is reset.
        caller_share: which part of a token's requests of a minute one caller may cause.
        page_limit: records of a page.

    Raises:
        ValueError: a URL that is neither https nor loopback, a malformed token, or neither a token nor id and secret.
    """
    api = f"{base_url(url)}/{version}"
    # Its own reports would be a second log, in another form than ours.
    set_on_retry_hooks([])
    transport = Transport(ProxyTransport(), wall=wall, token_states=TokenStates(clock, caller_share))
    tokens: Tokens
    if token:
        tokens = OneToken(transport, api, token, id_shape)
    elif client_id and client_secret:
        tokens = DiscoveredTokens(transport, base_url(auth_url), (client_id, client_secret), id_shape, clock)
    else:
        raise ValueError("Clever needs a district token, or a client id and secret")
    return CleverClient(transport, tokens, Endpoint(api, FAMILIES[version], id_shape, page_limit))
