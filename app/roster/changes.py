"""Which users' facts the events of a district have changed lately, for applications that keep copies of answers."""

import asyncio
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from app.domain.ids import UserId

MOST_USERS = 10_000
"""How many users the log remembers, and so how many an answer can name."""


class Changed(NamedTuple):
    """The users whose facts may have changed, sorted, and the event up to which that is known."""

    users: tuple[UserId, ...]
    upto: str


class TooOld(Exception):
    """What has changed since an event is not known any more, or never was: everybody may have changed.

    Attributes:
        upto: the event from which to go on; None if the district is not followed.
    """

    def __init__(self, upto: str | None) -> None:
        super().__init__("what has changed since then is not known")
        self.upto = upto


class _Entry(NamedTuple):
    event: str
    users: tuple[UserId, ...]


@dataclass(slots=True)
class ChangeLog:
    """What each event changed, for as many events and users as ``most``.

    Attributes:
        upto: the newest event that is known; None while the district is not followed.
    """

    most: int = MOST_USERS
    upto: str | None = None
    _entries: deque[_Entry] = field(default_factory=deque)
    _users: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def restart(self, upto: str | None) -> None:
        """Forget everything, since everybody may have changed; what changes after the event ``upto`` is noted."""
        self._entries.clear()
        self._users, self.upto = 0, upto
        if upto is not None:
            self._entries.append(_Entry(upto, ()))
        self.wake()

    def add(self, event: str, users: Collection[UserId]) -> None:
        """Note what an event has changed; the one noted last may be noted again, for more users."""
        self._entries.append(_Entry(event, tuple(users)))
        self.upto = event
        self._users += len(users)
        if len(users) > self.most:
            self.restart(event)
        while self._users > self.most or len(self._entries) > self.most:
            self._users -= len(self._entries.popleft().users)
        if users:
            self.wake()

    def since(self, after: str) -> Changed:
        """Return what has changed after an event; raises ``TooOld``."""
        found: set[UserId] = set()
        for entry in reversed(self._entries):
            if entry.event == after:
                return Changed(tuple(sorted(found)), self.upto or after)
            found.update(entry.users)
        raise TooOld(self.upto)

    def may_come(self, event: str) -> bool:
        """Tell whether an unknown event may be one that has not been applied yet."""
        return self.upto is not None and len(event) == len(self.upto) and event > self.upto

    def wake(self) -> None:
        """End every wait."""
        self._news.set()
        self._news = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Wait until there is news, for so many seconds at most."""
        news = self._news
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await news.wait()
