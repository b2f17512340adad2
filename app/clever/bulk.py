"""Pages of ten thousand records, as a whole district is read: decoded piece by piece, so that other tasks run between.

The names of undeclared fields are not kept: those are counted where a record is read alone. A page of 10,000 users
takes 11 ms to decode, where pydantic takes 350.
"""

import re
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

import msgspec

from app.clever.answer_limits import MIB, ByteBudget
from app.clever.models import MOST_LINKS, MOST_RECORDS, next_address
from app.domain.errors import CleverMalformed, CleverPagingBroken
from app.waiting import Stretches

T = TypeVar("T")
R = TypeVar("R")

BULK_LIMIT = MOST_RECORDS
"""Records of a page: as many as Clever allows."""

_PIECE = 2 * 1024  # bytes; to decode so much, to make facts of it and to put them takes a tenth of a millisecond
_MOST_NESTED, _MOST_LISTED = 400_000, 2_000_000  # brackets and commas that are decoded in one go


def of_bulk_page() -> ByteBudget:
    """Return the budget of a page: 10,000 users are about 12 MB, as many sections of thirty students about 13 MB."""
    return ByteBudget(64 * MIB, 64 * MIB)


class _Entry(msgspec.Struct, Generic[R], gc=False):
    data: R


class _Link(msgspec.Struct):
    rel: str | None = None
    uri: str | None = None


class _Whole(msgspec.Struct, Generic[R]):
    data: Annotated[list[_Entry[R]], msgspec.Meta(max_length=MOST_RECORDS)]
    links: Annotated[list[_Link], msgspec.Meta(max_length=MOST_LINKS)] | None = None


@dataclass(frozen=True, slots=True)
class BulkPage(Generic[T]):
    """A page, as far as it is of use.

    Attributes:
        found: what was made of its records.
        next: the address of the next page as the page gives it, or None.
    """

    found: list[T]
    next: str | None

    def records(self) -> list[T]:
        """Return what was made of its records."""
        return self.found

    def following(self) -> str | None:
        """Return where the next page is."""
        return self.next

    def ids(self) -> list[str]:
        """Return nothing: whoever reads a list page by page looks at the ids."""
        return []


# Between two entries of a list; inside a string a quotation mark would have a backslash before it.
_BETWEEN_ENTRIES = re.compile(rb'\}\s*,(?=\s*\{\s*"(?:data|uri)"\s*:)')

_STARTING_AFTER = re.compile(r"[?&]starting_after=([^&#]*)")


class BulkList(Generic[R]):
    """A list of the Data API whose records have the fields of one type."""

    def __init__(self, record: type[R]) -> None:
        self._whole = msgspec.json.Decoder(_Whole[record])  # type: ignore[valid-type]
        self._entries = msgspec.json.Decoder(list[_Entry[record]])  # type: ignore[valid-type]

    def of(self, made_of: Callable[[list[R]], list[T]]) -> "BulkShape[R, T]":
        """Return the shape of a page, of whose records ``made_of`` makes something, some at a time."""
        return BulkShape(self, made_of)

    def pieces(self, body: bytearray) -> Generator["_Whole[R]"]:
        """Decode the page piece by piece; where a piece is not JSON by itself, raise ``msgspec.DecodeError``.

        If each piece by itself is a list of whole entries, so is what they were cut from.
        """
        cuts = _cuts(body)
        start = next(cuts, None)
        if start is None:
            yield self._decoded_whole(body)
            return
        with memoryview(body) as page:
            yield self._decoded_whole(b"".join((page[:start], b"]}")))
            for end in cuts:
                piece = b"".join((b"[", page[start + 1 : end], b"]"))
                _refuse_dense(piece)
                yield _Whole(self._entries.decode(piece))
                start = end
            yield self._decoded_whole(b"".join((b'{"data":[', page[start + 1 :])))

    def in_one_go(self, body: bytearray) -> Generator["_Whole[R]"]:
        """Decode a page that cannot be cut."""
        yield self._decoded_whole(body)

    def _decoded_whole(self, body: bytes | bytearray) -> "_Whole[R]":
        _refuse_dense(body)
        whole: _Whole[R] = self._whole.decode(body)
        return whole


@dataclass(frozen=True, slots=True)
class BulkShape(Generic[R, T]):
    """How a page is parsed, and what is made of its records."""

    records: BulkList[R]
    made_of: Callable[[list[R]], list[T]]

    async def parse(self, body: bytearray) -> BulkPage[T]:
        """Parse a page; raises ``CleverMalformed`` if it has another shape than documented."""
        for decoded in (self.records.pieces, self.records.in_one_go):
            with suppress(msgspec.DecodeError, RecursionError):
                return await self._collected(decoded(body))
        # Outside of any handler, so that what was sent does not stay in memory as the context of this error.
        raise CleverMalformed("Clever sent JSON that is cut short or has another shape than documented")

    async def _collected(self, pieces: Generator["_Whole[R]"]) -> BulkPage[T]:
        found: list[T] = []
        links: list[_Link] = []
        read, last, stretches = 0, None, Stretches()
        # While a piece is being read the body is in use, and could not be emptied.
        with closing(pieces):
            for piece in pieces:
                records = [entry.data for entry in piece.data]
                read += len(records)
                if read > MOST_RECORDS:
                    raise CleverMalformed("Clever sent a page with more records than any page has")
                found += self.made_of(records)
                links += piece.links or ()
                last = records[-1] if records else last
                await stretches.give_way()
        return BulkPage(found, _next_of(links, last))


def _cuts(body: bytearray) -> Iterator[int]:
    """Return where the commas stand at which a page is cut."""
    at = 0
    while (found := _BETWEEN_ENTRIES.search(body, at + _PIECE)) is not None:
        at = found.end() - 1
        yield at


def _refuse_dense(body: bytes | bytearray) -> None:
    # The usual piece is too small for it.
    if len(body) < _MOST_NESTED:
        return
    if body.count(b"{") + body.count(b"[") > _MOST_NESTED or body.count(b",") > _MOST_LISTED:
        raise CleverMalformed("Clever sent a body with more in it than any answer should have")


def _next_of(links: Iterable[_Link], last: object) -> str | None:
    """Return where the next page is; raise if it begins elsewhere than after the ``last`` record of this one."""
    following = next_address((link.rel, link.uri) for link in links)
    after = _STARTING_AFTER.search(following or "")
    if after is not None and last is not None and after[1] != getattr(last, "id", None):
        raise CleverPagingBroken("Clever's next link skips records, or repeats some")
    return following


def handed_over(records: list[T], take: Callable[[T], object], id_of: Callable[[T], str]) -> list[str]:
    """Hand over records as they come, so that a page never is in memory as a whole, and return their ids."""
    for record in records:
        take(record)
    return [id_of(record) for record in records]
