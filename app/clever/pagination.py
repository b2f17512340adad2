"""Reads records of Clever: one alone, or a list page by page along its `next` links, which never leave the list."""

from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import httpx

from app.clever.answer_limits import ByteBudget, of_own_list, of_whole_list
from app.clever.bulk import BULK_LIMIT, of_bulk_page
from app.clever.http import RequestContext, Shape
from app.clever.models import Entry, Page
from app.clever.resilience import Transport
from app.domain.errors import CleverMalformed, CleverPagingBroken, CleverRecordMissing, RecordUnknown
from app.domain.facts import Oddity
from app.domain.ids import DistrictId, IdShape, UserId
from app.domain.places import Place
from app.domain.scopes import Scope

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


MOST_PAGES = 1000
"""Pages of a list at most: two million records."""

PAGE_LIMIT = 2000
"""Records of a page; to parse a page of so many users takes 50 ms, in which no other task runs."""

_OWN_LIMIT, _OWN_PAGES = 1000, 100  # of one user's lists: more than anybody has, and less memory than a district's


class Record(Protocol):
    """A record as Clever sent it."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def district(self) -> str | None:
        """The district of which it is."""


# Where it stands in a pydantic model the annotation is quoted: pydantic would look for the fields of the protocol.
R = TypeVar("R", bound=Record)


class PageRecords(Protocol[T_co]):
    """A page as it was parsed."""

    def records(self) -> Sequence[T_co]:
        """Return its records."""

    def ids(self) -> Sequence[str]:
        """Return their ids; none if a repeated record is somebody else's concern."""

    def following(self) -> str | None:
        """Return where the next page is: None on the last one, "" if the page does not say."""


@dataclass(frozen=True, slots=True)
class ReadPage(Generic[T]):
    """A page of a list.

    Attributes:
        records: what is on it.
        cursor: the URL of the next page, from which ``pages`` can go on later; None on the last page.
    """

    records: Sequence[T]
    cursor: str | None


async def pages(  # noqa: PLR0913 -- what is read, from where on, and three bounds
    transport: Transport,
    first: str,
    request_context: RequestContext,
    shape: Shape[PageRecords[T]],
    *,
    cursor: str | None = None,
    limit: int | None = None,
    most_pages: int = MOST_PAGES,
    byte_budget: ByteBudget | None = None,
) -> AsyncGenerator[ReadPage[T]]:
    """Read a list page by page; this is the only way in which lists are read.

    A list ends with a page without a `next` link or with an empty one (dev.clever.com/docs/paging-and-limits). That no
    record comes twice is only known of the pages of one call, so whoever goes on from a cursor has to look at the ids.

    Args:
        transport: sends the requests.
        first: the URL of the first page.
        request_context: with which credential the list is read, and until when.
        shape: the model of a page.
        cursor: where to go on, as an earlier page said; None begins with the first page.
        limit: how many records a page may have.
        most_pages: how many pages are read at most.
        byte_budget: how large the bodies may be.

    Raises:
        CleverPagingBroken: a `next` link or the cursor leads nowhere, in a circle, or off the origin or path of
            ``first``; there are more than ``most_pages``; or the list changed while its pages were read.
        CleverMalformed: a page has more records than ``limit``, or another shape.
        CleverRecordMissing: there is no such list.
        CleverError: a page could not be read; those before it are no whole list.
    """
    start = httpx.URL(first)
    url = start if cursor is None else _followed(start, cursor, start)
    seen, ids = {start, url}, set[str]()
    byte_budget = byte_budget or of_whole_list()
    for _ in range(most_pages):
        try:
            page = await transport.read(url, request_context, shape, byte_budget)
        except CleverRecordMissing as error:
            # Only of the first page does it mean that there is no such list.
            if url == start:
                raise
            raise CleverPagingBroken("a page of Clever's list is missing") from error
        records, following = page.records(), page.following()
        if limit is not None and len(records) > limit:
            raise CleverMalformed("Clever sent a page with more records than it was asked for")
        _keep_apart(ids, page.ids())
        if not records or following is None:
            yield ReadPage(records, None)
            return
        url = _followed(url, following, start)
        if url in seen:
            raise CleverPagingBroken("Clever's next link leads in a circle")
        seen.add(url)
        yield ReadPage(records, str(url))
    raise CleverPagingBroken("Clever's list has more pages than any list should have")


async def records_of(read: AsyncGenerator[ReadPage[T]]) -> list[T]:
    """Return the records of all ``pages`` of a list, or raise what they raise: a part of a list is never returned."""
    return [record async for page in read for record in page.records]


async def records_of_place(place: Place, read: AsyncGenerator[ReadPage[T]]) -> list[T]:
    """Return the records of all ``pages`` of what is in a place; raises ``RecordUnknown`` if there is no such place."""
    try:
        return await records_of(read)
    except CleverRecordMissing as error:
        # That a list of a whole district is missing says nothing of any record.
        if place[0] is Scope.DISTRICT:
            raise
        raise RecordUnknown from error


def _keep_apart(ids: set[str], of_page: Iterable[str]) -> None:
    """Add the ids of one more page; raise if one of them was on an earlier page."""
    fresh = set(of_page)
    if not ids.isdisjoint(fresh):
        raise CleverPagingBroken("Clever's list changed while its pages were read")
    ids |= fresh


def _followed(url: httpx.URL, following: str, start: httpx.URL) -> httpx.URL:
    if not following:
        raise CleverPagingBroken("Clever's next link has no address")
    # The URL that is checked is the object that is requested: two parsers could disagree on where a link leads.
    try:
        target = url.join(following)
    except (httpx.InvalidURL, ValueError) as error:
        raise CleverPagingBroken("Clever's next link is no URL") from error
    if _list_of(target) != _list_of(start):
        raise CleverPagingBroken("Clever's next link leaves the list that it belongs to")
    return target


def _list_of(url: httpx.URL) -> tuple[object, ...]:
    return url.scheme, url.userinfo, url.host, url.port, url.raw_path.partition(b"?")[0]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the API is, and how to read it.

    Attributes:
        api: Clever's API with its version, such as ``https://api.clever.com/v3.0``.
        id_shape: the shape of ids; any other id grants nothing.
        page_limit: records of a page; Clever's default is 100, its maximum 10 000.
        bulk_limit: records of a page of a whole district.
    """

    api: str
    id_shape: IdShape
    page_limit: int = PAGE_LIMIT
    bulk_limit: int = BULK_LIMIT


@dataclass(frozen=True, slots=True)
class DistrictApi:
    """The Data API as the token of one district reads it.

    Attributes:
        transport: sends the requests.
        endpoint: where the API is, and how to read it.
        district: whose records are read; those of any other district count as unknown.
        request_context: with which token, for whom and until when.
        odd: how much of what was read grants nothing, by kind.
    """

    transport: Transport
    endpoint: Endpoint
    district: DistrictId
    request_context: RequestContext
    odd: Counter[Oddity] = field(default_factory=Counter)

    async def record(self, path: str, record_id: str, shape: "type[Entry[R]]") -> R:
        """Read the record with an id, which stands for ``{}`` in the path.

        Raises:
            RecordUnknown: Clever has no such record in the district.
            CleverError: it could not be read for certain.
        """
        try:
            record = (await self.transport.read(self.url(path, record_id), self.request_context, shape)).data
        except CleverRecordMissing as error:
            raise RecordUnknown from error
        if record.id != record_id:
            raise CleverMalformed("Clever answered with another record than the one asked for")
        if record.district != self.district:
            self.odd[Oddity.DISTRICT_FOREIGN] += 1
            raise RecordUnknown
        return record

    def pages(  # noqa: PLR0913 -- as above
        self,
        path: str,
        shape: Shape[PageRecords[T]],
        *,
        of: str | None = None,
        query: str = "",
        cursor: str | None = None,
        limit: int | None = None,
        most_pages: int | None = None,
        byte_budget: ByteBudget | None = None,
    ) -> AsyncGenerator[ReadPage[T]]:
        """Read a list page by page; see ``pages``, which explains what is not explained here.

        Args:
            path: where the list is, with ``{}`` for the id of the record to which it belongs.
            shape: the model of a page.
            of: that id; what cannot be an id raises ``RecordUnknown`` at once.
            query: further parameters, such as ``&role=teacher``.
            cursor: where to go on.
            limit: records of a page, where there should be fewer than the endpoint's ``page_limit``.
            most_pages: at most ``MOST_PAGES``.
            byte_budget: how large the bodies may be.
        """
        limit = self.endpoint.page_limit if limit is None else min(limit, self.endpoint.page_limit)
        return pages(
            self.transport,
            f"{self.url(path, of)}?limit={limit}{query}",
            self.request_context,
            shape,
            cursor=cursor,
            limit=limit,
            most_pages=MOST_PAGES if most_pages is None else min(most_pages, MOST_PAGES),
            byte_budget=byte_budget,
        )

    async def own_list(self, path: str, user: UserId, shape: "type[Page[R]]") -> list[R]:
        """Read all of a list that belongs to one user."""
        return await records_of(
            self.pages(path, shape, of=user, limit=_OWN_LIMIT, most_pages=_OWN_PAGES, byte_budget=of_own_list())
        )

    async def bulk_page(self, path: str, shape: Shape[PageRecords[T]], query: str, cursor: str | None) -> ReadPage[T]:
        """Read one page of a list of the whole district: the first, or the one at the ``cursor`` of another."""
        limit = self.endpoint.bulk_limit
        read = pages(
            self.transport,
            f"{self.endpoint.api}{path}?limit={limit}{query}",
            self.request_context,
            shape,
            cursor=cursor,
            limit=limit,
            most_pages=1,
            byte_budget=of_bulk_page(),
        )
        async with aclosing(read):
            return await anext(read)

    def listed(self, records: list[R]) -> list[R]:
        """Return the district's own records with a proper id, in their order; count the others."""
        ours = [record for record in records if record.district == self.district]
        fit = [record for record in ours if self.endpoint.id_shape.fits(record.id)]
        self.odd[Oddity.DISTRICT_FOREIGN] += len(records) - len(ours)
        self.odd[Oddity.ID_MALFORMED] += len(ours) - len(fit)
        return fit

    def own(self, records: Iterable[R]) -> list[R]:
        """Return the district's own records with a proper id, each once, sorted by id; count the others."""
        each = {record.id: record for record in records}
        ours = [record for record in each.values() if record.district == self.district]
        fit = [record for record in ours if self.endpoint.id_shape.fits(record.id)]
        self.odd.update({Oddity.DISTRICT_FOREIGN: len(each) - len(ours), Oddity.ID_MALFORMED: len(ours) - len(fit)})
        return sorted(fit, key=lambda record: record.id)

    def url(self, path: str, record_id: str | None = None) -> str:
        """Return where a path leads, with an id for ``{}`` in it; what cannot be an id raises ``RecordUnknown``."""
        if record_id is None:
            return self.endpoint.api + path
        # It must never get into a URL.
        if not self.endpoint.id_shape.fits(record_id):
            raise RecordUnknown
        return self.endpoint.api + path.format(record_id)
