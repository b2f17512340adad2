"""A file that is read again when it changes, and takes effect as a whole or not at all."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

LOOK_SECONDS = 1.5
"""Seconds between two reads. A change takes effect after two equal reads, since the file may be half written."""


class FileState(StrEnum):
    """Status of a watched file."""

    OK = "ok"
    """The content of the file is in force."""
    OUTDATED = "outdated"
    """The file is invalid, and its last valid content is in force."""
    UNUSABLE = "unusable"
    """The file is invalid, and nothing is in force."""


class Unreadable(Exception):
    """The file cannot be read; the message is the type of the error."""


@dataclass(frozen=True, slots=True)
class _Content:
    """The content of the file, or the type of the error that reading it raised."""

    content: bytes = b""
    failure: str = ""


class FileWatch(Generic[T]):
    """Watches a file by its content, whether it is rewritten, replaced, or a link that is changed."""

    def __init__(
        self, file: Path, read: Callable[[bytes], T], take: Callable[[T], None], refuse: Callable[[BaseException], None]
    ) -> None:
        """Watch ``file``.

        Args:
            file: the file, which need not exist.
            read: parses the content, in a thread; if it raises anything, the file is invalid.
            take: puts the parsed content in force.
            refuse: gets the exception of ``read``, or ``Unreadable``; the content before stays in force.
        """
        self._file = file
        self._read = read
        self._take = take
        self._refuse = refuse
        self._seen: _Content | None = None
        self._applied: _Content | None = None

    @asynccontextmanager
    async def looking(self) -> AsyncGenerator[None]:
        """Read the file now, and regularly until the end of the block."""
        await self.begin()
        looks = asyncio.create_task(self.keep_looking())
        try:
            yield
        finally:
            looks.cancel()
            await asyncio.gather(looks, return_exceptions=True)

    async def begin(self) -> None:
        """Read the file for the first time; an invalid file raises nothing."""
        self._seen = await asyncio.to_thread(_content_of, self._file)
        await self._apply(self._seen)

    async def keep_looking(
        self, every: float = LOOK_SECONDS, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Read the file every ``every`` seconds, until cancelled."""
        while True:
            await sleep(every)
            await self.look()

    async def look(self) -> None:
        """Read the file once; a change takes effect if the read before gave the same content."""
        before, self._seen = self._seen, await asyncio.to_thread(_content_of, self._file)
        if self._seen == before and self._seen != self._applied:
            await self._apply(self._seen)

    async def _apply(self, content: _Content) -> None:
        # Watching goes on, whatever is wrong with the file.
        [outcome] = await asyncio.gather(asyncio.to_thread(self._parsed, content), return_exceptions=True)
        self._applied = content
        if isinstance(outcome, BaseException):
            self._refuse(outcome)
        else:
            self._take(outcome)

    def _parsed(self, content: _Content) -> T:
        if content.failure:
            raise Unreadable(content.failure)
        return self._read(content.content)


def _content_of(file: Path) -> _Content:
    try:
        return _Content(content=file.read_bytes())
    except OSError as error:
        return _Content(failure=type(error).__name__)
