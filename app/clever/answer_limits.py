"""Reading and unpacking the bodies of Clever's answers, within limits per body, per list, and for all at one time."""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import cast

import httpx

from app.domain.errors import CleverBusy, CleverMalformed

MIB = 1024 * 1024

MOST_AT_ONCE = 256 * MIB
"""How many bytes of unpacked large bodies are held at one time."""

_LARGEST_RECORD = MIB
_LARGEST_REFUSAL = 64 * 1024
_PIECE = MIB  # unpacked at a stretch; after that, other tasks run
_GZIP = zlib.MAX_WBITS | 16


@dataclass(slots=True)
class ByteBudget:
    """How much may still be read, in bytes of unpacked bodies.

    Attributes:
        of_body: of each body.
        left: of all bodies together.
    """

    of_body: int
    left: int

    def most(self) -> int:
        """Return how large the next body may be."""
        return min(self.of_body, self.left)


def of_record() -> ByteBudget:
    """Return the budget of one record, or of a short list."""
    return ByteBudget(_LARGEST_RECORD, _LARGEST_RECORD)


def of_own_list() -> ByteBudget:
    """Return the budget of one user's sections or schools; a section of thirty students is about 2 KB."""
    return ByteBudget(8 * MIB, 32 * MIB)


def of_whole_list() -> ByteBudget:
    """Return the budget of a list of all that is in a place; a page of 2000 sections is about 5 MB."""
    return ByteBudget(16 * MIB, 512 * MIB)


class BodyMemory:
    """Reads bodies, and holds ``most_at_once`` bytes of them at one time.

    Of each body, as much as a single record may need does not count, so that lists never keep single records from
    being read.
    """

    def __init__(self, most_at_once: int = MOST_AT_ONCE) -> None:
        self._most_at_once = most_at_once
        self._held = 0

    @contextmanager
    def held(self) -> Generator[bytearray]:
        """Yield an empty body to fill; what it holds counts until the end of the block."""
        body = bytearray()
        try:
            yield body
        finally:
            self._release(body)

    async def fill(self, body: bytearray, response: httpx.Response, most: int) -> None:
        """Read the body of a response into ``body``.

        Raises:
            CleverMalformed: it is larger than ``most`` bytes, or packed in another way than asked for.
            CleverBusy: all bodies together would be too large.
            httpx.HTTPError: the connection broke off.
        """
        async with aclosing(_unpacked(response)) as pieces:
            async for piece in pieces:
                if len(body) + len(piece) > most:
                    self._release(body)
                    raise CleverMalformed("Clever sent a body that is larger than any answer should be")
                counted = _counted(len(body) + len(piece)) - _counted(len(body))
                if self._held + counted > self._most_at_once:
                    # At once, before the connection is closed: others may need just this room.
                    self._release(body)
                    raise CleverBusy("too many large answers are being read; ask again in a moment", retry_after=1)
                self._held += counted
                body += piece

    def _release(self, body: bytearray) -> None:
        self._held -= _counted(len(body))
        body.clear()


def _counted(size: int) -> int:
    return max(0, size - _LARGEST_RECORD)


async def drain(response: httpx.Response) -> bytes | None:
    """Return the short body of a refusal, or None if it cannot be read."""
    # Only a connection whose answer was read to the end is used again, and a 404 is an everyday answer.
    body = bytearray()
    try:
        await BodyMemory().fill(body, response, _LARGEST_REFUSAL)
    except (httpx.HTTPError, CleverMalformed):
        return None
    return bytes(body)


def _unpacked(response: httpx.Response) -> AsyncGenerator[bytes]:
    written = response.headers.get_list("content-encoding", split_commas=True)
    packings = [packing for each in written if (packing := each.strip().lower()) not in {"", "identity"}]
    if packings and (len(packings) > 1 or packings[0] not in {"gzip", "x-gzip"}):
        raise CleverMalformed("Clever sent a body that is packed in another way than asked for")
    # Raw, since httpx unpacks each chunk of 64 KiB in one go, whatever comes of it, and as many times over as the
    # header says: what was packed three times comes out as gigabytes. An asynchronous generator, whatever it is called.
    chunks = cast("AsyncGenerator[bytes]", aiter(cast("httpx.AsyncByteStream", response.stream)))
    return _gunzipped(chunks) if packings else chunks


async def _gunzipped(chunks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    unpacker = zlib.decompressobj(_GZIP)
    try:
        # A generator that is left open would be closed by a task of its own.
        async with aclosing(chunks):
            async for chunk in chunks:
                rest = chunk
                while rest and not unpacker.eof:
                    yield unpacker.decompress(rest, _PIECE)
                    if rest := unpacker.unconsumed_tail:
                        await asyncio.sleep(0)
        yield unpacker.flush()
    except zlib.error as error:
        raise CleverMalformed("Clever sent a compressed body that cannot be unpacked") from error
    if not unpacker.eof:
        raise CleverMalformed("Clever sent a compressed body that is cut short")
