"""Lists of Clever, page by page: `next` links are followed as given, and never off the list's own origin and path."""

from typing import TypeVar

import httpx

from app.clever.records import BarePage, Page
from app.clever.transport import Transport
from app.domain.errors import CleverPagingBroken

T = TypeVar("T")

MOST_PAGES = 1000
"""Pages of a list; ten million records."""


async def records_of(
    transport: Transport,
    first: str,
    authorization: str,
    shape: type[Page[T]] | type[BarePage[T]],
    *,
    most_pages: int = MOST_PAGES,
) -> list[T]:
    """Read a whole list.

    A list ends with a page without a `next` link or with an empty one (dev.clever.com/docs/paging-and-limits).

    Raises:
        CleverPagingBroken: a `next` link leads nowhere, in a circle, or off the origin or path of ``first``; or there
            are more than ``most_pages``.
        CleverError: a page could not be read; a part of a list is never returned.
    """
    url = start = httpx.URL(first)
    found: list[T] = []
    seen = {start}
    while len(seen) <= most_pages:
        page = await transport.read(url, authorization, shape)
        records, following = page.records(), page.following()
        found += records
        if not records or following is None:
            return found
        url = _followed(url, following, start)
        if url in seen:
            raise CleverPagingBroken("Clever's next link leads in a circle")
        seen.add(url)
    raise CleverPagingBroken("Clever's list has more pages than any list should have")


def _followed(url: httpx.URL, following: str, start: httpx.URL) -> httpx.URL:
    if not following:
        raise CleverPagingBroken("Clever's next link has no address")
    # Judged and asked is one and the same object: two parsers of URLs could disagree on where a link leads.
    try:
        target = url.join(following)
    except (httpx.InvalidURL, ValueError) as error:
        raise CleverPagingBroken("Clever's next link is no URL") from error
    if _list_of(target) != _list_of(start):
        raise CleverPagingBroken("Clever's next link leaves the list that it belongs to")
    return target


def _list_of(url: httpx.URL) -> tuple[object, ...]:
    return url.scheme, url.userinfo, url.host, url.port, url.raw_path.partition(b"?")[0]
