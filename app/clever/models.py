"""What every version of the API sends around its records: envelopes, lists, links; and how bodies are parsed."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Annotated, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.domain.errors import CleverMalformed

T = TypeVar("T")

MOST_RECORDS = 10_000
"""Records of a page at most (dev.clever.com/docs/paging-and-limits)."""

MOST_ENTRIES = 20_000
"""Entries of a list without pages at most, such as the students of a section."""

MOST_LINKS = 100
"""Links of a page at most."""

MOST_NESTED = 100_000
"""How many objects and lists a body may have; a page of 2000 users has some 25 000."""

MOST_LISTED = 500_000
"""How many commas a body may have; a page of 2000 sections of thirty students has some 100 000."""

# Without `fail_fast` an error is kept for each bad element: 6 KB of packed nonsense cost more than a gigabyte.
_Records = Annotated[list[T], Field(fail_fast=True, max_length=MOST_RECORDS)]
_Links = Annotated[list[T], Field(fail_fast=True, max_length=MOST_LINKS)]

Listed = Annotated[list[T], Field(fail_fast=True, max_length=MOST_ENTRIES)]
"""A list without pages."""

_NameOnly = Annotated[None, BeforeValidator(lambda _: None)]


class ApiModel(BaseModel):
    """A record of which only the declared fields are read; its errors never show what was sent."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    @classmethod
    async def parse(cls, body: bytearray) -> Self:
        """Parse a body; raises ``CleverMalformed`` if it has another shape, or more in it than any answer should."""
        # The parser builds all of it before it judges: up to a kilobyte for each small object.
        if body.count(b"{") + body.count(b"[") > MOST_NESTED or body.count(b",") > MOST_LISTED:
            raise CleverMalformed("Clever sent a body with more in it than any answer should have")
        with suppress(ValidationError):
            return cls.model_validate_json(body)
        # Outside of any handler: as the context of this error, the first one would keep all that was sent in memory.
        raise CleverMalformed("Clever sent JSON that is cut short or has another shape than documented")


class ApiModelWithExtras(ApiModel):
    """A record that keeps the names of undeclared fields, without their values, so that new ones can be counted."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, _NameOnly] = Field(init=False)

    documented: ClassVar[frozenset[str]] = frozenset()
    """Fields that Clever documents and that are not needed here."""

    def unknown_fields(self) -> int:
        """Return how many fields Clever does not document."""
        return len(self.__pydantic_extra__.keys() - self.documented)


class IdRecord(ApiModel):
    """A school or a district, of which nothing but the id matters."""

    id: str


class Link(ApiModel):
    """An entry of `links`."""

    rel: str | None = None
    uri: str | None = None


class Entry(ApiModel, Generic[T]):
    """One record of the Data API in its envelope."""

    data: T


def next_address(links: Iterable[tuple[str | None, str | None]]) -> str | None:
    """Return the address of the link named ``next``; None if there is no such link, which means the last page.

    Clever's own documents disagree on the case of link names. A link without an address is returned as empty text:
    there is a next page, wherever it may be.
    """
    return next(((uri or "").strip() for rel, uri in links if (rel or "").strip().casefold() == "next"), None)


class Linked(ApiModel):
    """A list with its links; a list without any is its own last page."""

    links: _Links[Link] | None = None

    def following(self) -> str | None:
        """Return where the next page is, or None on the last one."""
        return next_address((link.rel, link.uri) for link in self.links or ())


class Page(Linked, Generic[T]):
    """A list of the Data API, whose entries come in envelopes."""

    data: _Records[Entry[T]]

    def records(self) -> list[T]:
        """Return the records of this page."""
        return [entry.data for entry in self.data]

    def ids(self) -> list[str]:
        """Return the ids of its records."""
        return [str(getattr(entry.data, "id", "")) for entry in self.data]


class BarePage(Linked, Generic[T]):
    """A list of the OAuth API, whose entries come without envelopes."""

    data: Listed[T]

    def records(self) -> list[T]:
        """Return the records of this page."""
        return self.data

    def ids(self) -> list[str]:
        """Return nothing: its entries may have none."""
        return []
