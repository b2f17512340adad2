"""Reads lists page by page: follows `next` links as given, but never off the list's own origin and path."""

from collections.abc import Iterable
from typing import TypeVar

import httpx

from app.clever.body_limits import ByteBudget, of_whole_list
from app.clever.models import BarePage, Page
from app.clever.request_context import RequestContext
from app.clever.resilience import Transport
from app.domain.errors import CleverMalformed, CleverPagingBroken, CleverRecordMissing

T = TypeVar("T")

MOST_PAGES = 1000
"""Pages of a list at most: two million records."""


async def records_of(  # noqa: PLR0913 -- what is asked, and three bounds
    transport: Transport,
    first: str,
    request_context: RequestContext,
    shape: type[Page[T]] | type[BarePage[T]],
    *,
    limit: int | None = None,
    most_pages: int = MOST_PAGES,
    byte_budget: ByteBudget | None = None,
) -> list[T]:
    """Read a whole list.

    A list ends with a page without a `next` link or with an empty one (dev.clever.com/docs/paging-and-limits).

    Raises:
        CleverPagingBroken: a `next` link leads nowhere, in a circle, or off the origin or path of ``first``; there are
            more than ``most_pages``; or the list changed while its pages were read.
        CleverMalformed: a page has more records than the ``limit`` that was asked for, or another shape.
        CleverError: a page could not be read; a part of a list is never returned.
    """
    url = start = httpx.URL(first)
    found: list[T] = []
    seen, ids = {start}, set[str]()
    byte_budget = byte_budget or of_whole_list()
    while len(seen) <= most_pages:
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
        found += records
        if not records or following is None:
            return found
        url = _followed(url, following, start)
        if url in seen:
            raise CleverPagingBroken("Clever's next link leads in a circle")
        seen.add(url)
    raise CleverPagingBroken("Clever's list has more pages than any list should have")


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
