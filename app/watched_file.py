"""A file that is read again whenever its content changes, and that takes effect whole or not at all."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

LOOK_SECONDS = 1.5
"""How often a file is read. A change takes effect once two reads find the same, since it may be half written."""


class FileState(StrEnum):
    """Status of a watched file."""

    OK = "ok"
    """What the file says is in force."""
    OUTDATED = "outdated"
    """The file cannot be used, and its last content that could be is in force."""
    UNUSABLE = "unusable"
    """The file cannot be used, and nothing is in force."""


class Unreadable(Exception):
    """The file cannot be read; says why in one word, and nothing of its content."""


@dataclass(frozen=True, slots=True)
class Found:
    """The content of the file, or why it could not be read."""

    content: bytes = b""
    failure: str = ""


class FileWatch(Generic[T]):
    """Watches a file by its content: it may be written, replaced, or a link that comes to point elsewhere."""

    def __init__(
        self, file: Path, read: Callable[[bytes], T], take: Callable[[T], None], refuse: Callable[[BaseException], None]
    ) -> None:
        """Watch ``file``.

        Args:
            file: the file, which need not exist.
            read: parses its content, in a thread; if it raises anything, the file cannot be used.
            take: puts in force what was read.
            refuse: is called with what was raised, or ``Unreadable``; what was in force stays so.
        """
        self._file = file
        self._read = read
        self._take = take
        self._refuse = refuse
        self._seen: Found | None = None
        self._weighed: Found | None = None

    @asynccontextmanager
    async def looking(self) -> AsyncGenerator[None]:
        """Read the file now, and again and again until the end of the block."""
        await self.begin()
        looks = asyncio.create_task(self.keep_looking())
        try:
            yield
        finally:
            looks.cancel()
            await asyncio.gather(looks, return_exceptions=True)

    async def begin(self) -> None:
        """Read the file for the first time; a bad file raises nothing."""
        self._seen = await asyncio.to_thread(_look_at, self._file)
        await self._weigh(self._seen)

    async def keep_looking(
        self, every: float = LOOK_SECONDS, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Read the file ``every`` so many seconds, until cancelled."""
        while True:
            await sleep(every)
            await self.look()

    async def look(self) -> None:
        """Read the file once; a change takes effect if the read before found the same."""
        before, self._seen = self._seen, await asyncio.to_thread(_look_at, self._file)
        if self._seen == before and self._seen != self._weighed:
            await self._weigh(self._seen)

    async def _weigh(self, found: Found) -> None:
        # Whatever is wrong with the file, watching goes on.
        [outcome] = await asyncio.gather(asyncio.to_thread(self._said, found), return_exceptions=True)
        self._weighed = found
        if isinstance(outcome, BaseException):
            self._refuse(outcome)
        else:
            self._take(outcome)

    def _said(self, found: Found) -> T:
        if found.failure:
            raise Unreadable(found.failure)
        return self._read(found.content)


def _look_at(file: Path) -> Found:
    try:
        return Found(content=file.read_bytes())
    except OSError as error:
        return Found(failure=type(error).__name__)
