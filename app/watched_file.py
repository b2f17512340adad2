"""A file that is looked at again and again, by content, and taken whole or not at all."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

LOOK_SECONDS = 1.5
"""How often a file is looked at. A change is taken once two looks find it alike, since it may be half written."""


class FileState(StrEnum):
    """How what a file says fares, in one fixed word."""

    OK = "ok"
    """What the file says is in force."""
    OUTDATED = "outdated"
    """The file cannot be used, and what it said before is in force."""
    UNUSABLE = "unusable"
    """The file cannot be used, and nothing is in force."""


class Unreadable(Exception):
    """A file that cannot be read; says why in one word, and nothing of the file."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at the file finds: its content, or why there is none."""

    content: bytes = b""
    failure: str = ""


class FileWatch(Generic[T]):
    """Looks at a file, by content: it may be written, replaced, or a link that comes to point elsewhere."""

    def __init__(
        self, file: Path, read: Callable[[bytes], T], take: Callable[[T], None], refuse: Callable[[BaseException], None]
    ) -> None:
        """Watch ``file``.

        Args:
            file: the file, which need not be there.
            read: makes something of its content, in a thread; whatever it raises makes the file unfit for use.
            take: puts in force what was read.
            refuse: is told what was raised, or ``Unreadable``; what there was stays in force.
        """
        self._file = file
        self._read = read
        self._take = take
        self._refuse = refuse
        self._seen: Found | None = None
        self._weighed: Found | None = None

    @asynccontextmanager
    async def looking(self) -> AsyncGenerator[None]:
        """Begin, and go on looking until the end of the block."""
        await self.begin()
        looks = asyncio.create_task(self.keep_looking())
        try:
            yield
        finally:
            looks.cancel()
            await asyncio.gather(looks, return_exceptions=True)

    async def begin(self) -> None:
        """Take what the file says, or refuse it; a bad file raises nothing."""
        self._seen = await asyncio.to_thread(_look_at, self._file)
        await self._weigh(self._seen)

    async def keep_looking(
        self, every: float = LOOK_SECONDS, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Look again and again, ``every`` so many seconds, until cancelled."""
        while True:
            await sleep(every)
            await self.look()

    async def look(self) -> None:
        """Look once, and take what has changed and was the same the last time."""
        before, self._seen = self._seen, await asyncio.to_thread(_look_at, self._file)
        if self._seen == before and self._seen != self._weighed:
            await self._weigh(self._seen)

    async def _weigh(self, found: Found) -> None:
        # Whatever goes wrong with a file, the watch goes on.
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
