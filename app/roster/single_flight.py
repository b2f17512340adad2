"""One fetch for all who wait for it: the first starts it, the others join.

The shared tier is asked and filled here, when memory has nothing recent enough.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from math import inf
from typing import Any, Generic, TypeVar

from app.domain.errors import (
    CallerOverspent,
    CleverBusy,
    CleverCrowded,
    CleverError,
    CleverForbade,
    CleverLimited,
    CleverRefusedToken,
    CleverTimedOut,
    QuestionError,
    RecordUnknown,
    UserUnknown,
)
from app.domain.read_context import ReadContext, Urgency
from app.domain.snapshot import Snapshot
from app.roster.concurrency import ReadSlots
from app.roster.ports import Clever, Shared
from app.roster.store import Key, Store
from app.waiting import cancel, deadline, start

Said = TypeVar("Said")

REFUSALS = (CleverRefusedToken, CleverForbade)
"""Errors by which Clever refuses to answer, which is an answer and no outage."""


@dataclass(frozen=True, slots=True)
class Fetchable(Generic[Said]):
    """Something that can be fetched from Clever.

    Attributes:
        key: what it is.
        read: asks Clever.
        suffices: tells whether what was read is enough under the policy in force.
        shared: where other processes put their snapshots of it, under the same key; None if they do not.
    """

    key: Key
    read: Callable[[ReadContext], Awaitable[Said]]
    suffices: Callable[[Said], bool] = lambda _said: True
    shared: Shared[Said] | None = None


IsRecent = Callable[[float], bool]
"""Tells whether a snapshot is recent enough, by when its fetch began, in seconds of the process's clock."""


@dataclass(slots=True)
class Fetch:
    """A fetch in progress, for everyone who waits for it.

    Attributes:
        read_context: who waited for it first, and until when.
        is_recent: whether another process's snapshot is recent enough, by when it began; None if Clever must be asked.
        began: when it began, by the clock; None while it waits for a slot.
        task: returns the snapshot.
    """

    read_context: ReadContext
    is_recent: IsRecent | None = None
    began: float | None = None
    task: asyncio.Task[Snapshot[Any]] | None = None


class Fetches:
    """Fetches from the shared tier or from Clever, once for all who wait, and puts the result into the store."""

    def __init__(self, clever: Clever, store: Store, read_slots: ReadSlots | None = None) -> None:
        """Fetch from ``clever`` into ``store``, as many at once as there are ``read_slots``."""
        self._clever = clever
        self._store = store
        self.read_slots = read_slots or ReadSlots()
        self._fetches: dict[Key, Fetch] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def in_progress(self) -> frozenset[Key]:
        """What is being fetched."""
        return frozenset(self._fetches)

    def is_fetching(self, key: Key) -> bool:
        """Tell whether this is being fetched."""
        return key in self._fetches

    async def aclose(self) -> None:
        """Cancel all fetches in progress."""
        await cancel(self._tasks)

    async def join_or_fetch(
        self, wanted: Fetchable[Said], read_context: ReadContext, is_recent: IsRecent, *, anew: bool = False
    ) -> Snapshot[Said]:
        """Join the fetch in progress if it is recent enough; otherwise start one.

        Args:
            wanted: what to fetch.
            read_context: who waits for it, and until when.
            is_recent: tells whether the fetch in progress will do.
            anew: whether Clever itself has to be asked, and not the other processes.

        Raises:
            UserUnknown, RecordUnknown: Clever has no such record; whatever was cached of it is dropped.
            CleverError: the fetch failed, or takes longer than the read context allows.
        """
        async with deadline(read_context.until):
            while True:
                fetch = self._fetches.get(wanted.key)
                if fetch is not None and fetch.began is not None and not is_recent(fetch.began):
                    await asyncio.wait([_task(fetch)])
                    continue
                ours = fetch is None or (
                    fetch.began is None
                    and (_less_urgent(fetch.read_context, read_context) or (anew and _may_be_shared(wanted, fetch)))
                )
                if fetch is None or ours:
                    if wanted.shared is None:
                        self.read_slots.look(wanted.key.district, read_context)
                    fetch = self.start(wanted, read_context, None if anew else is_recent)
                try:
                    # A caller who goes away must not cancel the fetch of the others.
                    snapshot: Snapshot[Said] = await asyncio.shield(_task(fetch))
                except CleverError as error:
                    if ours or not _is_not_for(error, fetch.read_context, read_context):
                        raise
                    continue
                # It may be one that was found elsewhere, and under another policy less may have been read.
                if ours or (is_recent(snapshot.began) and wanted.suffices(snapshot.facts)):
                    return snapshot

    def start(self, wanted: Fetchable[Said], read_context: ReadContext, is_recent: IsRecent | None) -> Fetch:
        """Start a fetch that others may join; another process's snapshot will do if it ``is_recent``."""
        fetch = self._fetches[wanted.key] = Fetch(read_context, is_recent)
        fetch.task = start(self._fetch(wanted, fetch), self._tasks)
        return fetch

    async def find_elsewhere(self, wanted: Fetchable[Said]) -> None:
        """Put the snapshot of another process, if the shared tier has one, into the store."""
        if wanted.shared is not None and self._store.allows_stale(wanted.key):
            await self._find_shared(wanted, wanted.shared, lambda _began: True)

    async def _fetch(self, wanted: Fetchable[Said], fetch: Fetch) -> Snapshot[Said]:
        try:
            if wanted.shared is None:
                return await self._in_turn(wanted, fetch)
            return await self._from_others(wanted, wanted.shared, fetch) or await self._for_all(
                wanted, wanted.shared, fetch
            )
        finally:
            if self._fetches.get(wanted.key) is fetch:
                del self._fetches[wanted.key]

    async def _from_others(self, wanted: Fetchable[Said], shared: Shared[Said], fetch: Fetch) -> Snapshot[Said] | None:
        """Return what another process has read, or is reading, if that is recent enough; None if Clever is to be asked.

        Raises:
            CleverCircuitOpen: no process has read it, and Clever is not asked just now.
        """
        if fetch.is_recent is None or not self._store.allows_stale(wanted.key):
            return None
        snapshot = await self._find_shared(wanted, shared, fetch.is_recent)
        if snapshot is not None:
            return snapshot
        circuit_open = self._clever.circuit_open(wanted.key.district)
        if circuit_open is not None:
            raise circuit_open
        if await shared.lead(wanted.key.text, fetch.read_context.until):
            return None
        return await self._find_shared(wanted, shared, fetch.is_recent)

    async def _find_shared(
        self, wanted: Fetchable[Said], shared: Shared[Said], is_recent: IsRecent
    ) -> Snapshot[Said] | None:
        store, found = self._store, await shared.find(wanted.key.text)
        newer = store.outdated.get(wanted.key.text)
        if found is None or (newer is not None and found.at < newer.at) or not wanted.suffices(found.said):
            return None
        snapshot = store.dated(found.said, store.clock() - (store.wall() - found.at), found.at)
        # Even one that is too old for now may stand in later for one that cannot be had.
        store.put(wanted.key, snapshot)
        return snapshot if is_recent(snapshot.began) else None

    async def _for_all(self, wanted: Fetchable[Said], shared: Shared[Said], fetch: Fetch) -> Snapshot[Said]:
        """Ask Clever, and share what it says with other processes."""
        key = wanted.key
        with ExitStack() as ending:
            ending.callback(shared.give_up, key.text)
            try:
                snapshot = await self._in_turn(wanted, fetch)
            except (UserUnknown, RecordUnknown):
                gone = self._store.found_gone(key)
                if gone is not None:
                    ending.pop_all()
                    shared.forget(key.text, gone.at)
                raise
            ending.pop_all()
            shared.put(key.text, snapshot.facts, snapshot.at)
            return snapshot

    async def _in_turn(self, wanted: Fetchable[Said], fetch: Fetch) -> Snapshot[Said]:
        asked = self._store.clock()
        async with self.read_slots.turn(wanted.key.district, fetch.read_context):
            # What is in the cache by now may be of another process: not what whoever wants Clever itself asked for.
            meanwhile = None if fetch.is_recent is None else self._store.find(*wanted.key)
            if meanwhile is not None and meanwhile.began > asked and wanted.suffices(meanwhile.facts):
                # Somebody more urgent fetched it while this one waited for its slot.
                return meanwhile
            return await self._read(wanted, fetch)

    async def _read(self, wanted: Fetchable[Said], fetch: Fetch) -> Snapshot[Said]:
        store, key = self._store, wanted.key
        fetch.began = began = store.clock()
        at, before = store.wall(), store.loaded_record(key)
        try:
            said = await wanted.read(fetch.read_context)
        except (UserUnknown, RecordUnknown) as error:
            there_is_none: Snapshot[type[QuestionError]] = Snapshot(type(error), began, at)
            store.compare(key, there_is_none, before)
            store.put_gone(key, there_is_none)
            raise
        except CleverRefusedToken:
            store.note_refusal(key.district, None, began)
            raise
        except CleverForbade:
            store.note_refusal(key.district, key.kind, began)
            raise
        store.note_answer(key, began)
        gone = store.gone_since(key, began)
        if gone is not None:
            raise gone
        snapshot = store.dated(said, began, at)
        store.compare(key, snapshot, before)
        store.put(key, snapshot)
        return snapshot


def _task(fetch: Fetch) -> asyncio.Task[Snapshot[Any]]:
    assert fetch.task is not None, "a fetch has its task before others see it"  # noqa: S101 -- for the type's sake
    return fetch.task


def _is_not_for(error: CleverError, theirs: ReadContext, ours: ReadContext) -> bool:
    """Tell whether a fetch failed because of who waited for it, so that the same for somebody else need not fail."""
    if theirs.urgency is Urgency.RENEWAL and ours.urgency is not Urgency.RENEWAL:
        return not isinstance(error, REFUSALS)
    if isinstance(error, CallerOverspent):
        return theirs.caller != ours.caller
    if isinstance(error, CleverTimedOut):
        return (theirs.until or inf) < (ours.until or inf)
    return isinstance(error, (CleverBusy, CleverCrowded, CleverLimited)) and _less_urgent(theirs, ours)


_ORDER = {urgency: place for place, urgency in enumerate(Urgency)}


def _may_be_shared(wanted: Fetchable[Said], fetch: Fetch) -> bool:
    return wanted.shared is not None and fetch.is_recent is not None


def _less_urgent(one: ReadContext, other: ReadContext) -> bool:
    return _ORDER[one.urgency] > _ORDER[other.urgency]
