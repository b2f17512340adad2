"""One fetch for all who wait for it: the first starts it, the others join."""

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
from app.domain.ids import DistrictId
from app.domain.read_context import ReadContext, Urgency
from app.domain.snapshot import Snapshot
from app.roster.context import Cache, Context, Fetch, Shared
from app.waiting import deadline

Said = TypeVar("Said")

REFUSALS = (CleverRefusedToken, CleverForbade)
"""Errors by which Clever refuses to answer, which is an answer and no outage."""

RENEWED_FROM, _RENEWED_UNTIL = 2 / 3, 0.95
"""Between which parts of the fresh time a snapshot becomes due for renewal, spread at random."""


@dataclass(frozen=True, slots=True)
class Fetchable(Generic[Said]):
    """Something that can be fetched from Clever.

    Attributes:
        cache: where its snapshots are kept.
        kind: such as ``user`` or ``sections``.
        district: whose it is.
        key: its cache key; different things have different keys.
        read: asks Clever.
        suffices: tells whether what was read is enough under the policy in force.
        shared: where other processes put their snapshots of it, under the same key; None if they do not.
    """

    cache: Cache
    kind: str
    district: DistrictId
    key: str
    read: Callable[[ReadContext], Awaitable[Said]]
    suffices: Callable[[Said], bool] = lambda _said: True
    shared: Shared[Said] | None = None


IsRecent = Callable[[float], bool]
"""Tells whether a snapshot is recent enough, by when its fetch began, in seconds of the process's clock."""


async def join_or_fetch(
    context: Context, wanted: Fetchable[Said], read_context: ReadContext, is_recent: IsRecent, *, anew: bool = False
) -> Snapshot[Said]:
    """Join the fetch in progress if it is recent enough; otherwise start one.

    Args:
        context: the ports.
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
            fetch = context.fetches.get(wanted.key)
            if fetch is not None and fetch.began is not None and not is_recent(fetch.began):
                await asyncio.wait([_task(fetch)])
                continue
            ours = fetch is None or (
                fetch.began is None
                and (_less_urgent(fetch.read_context, read_context) or (anew and _may_come_from_others(wanted, fetch)))
            )
            if fetch is None or ours:
                if wanted.shared is None:
                    context.read_slots.look(wanted.district, read_context)
                fetch = start_fetch(context, wanted, read_context, None if anew else is_recent)
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


def start_fetch(
    context: Context, wanted: Fetchable[Said], read_context: ReadContext, is_recent: IsRecent | None
) -> Fetch:
    """Start a fetch that others may join; another process's snapshot will do if it ``is_recent``."""
    fetch = context.fetches[wanted.key] = Fetch(read_context, is_recent)
    fetch.task = asyncio.create_task(_fetch(context, wanted, fetch))
    fetch.task.add_done_callback(_retrieve_outcome)
    return fetch


def allows_stale(context: Context, wanted: Fetchable[Said]) -> bool:
    """Tell whether an older snapshot may answer: not if Clever refused when it was last asked."""
    return context.refused.keys().isdisjoint(_refusals_of(wanted))


async def found_elsewhere(context: Context, wanted: Fetchable[Said]) -> None:
    """Put the snapshot of another process, if there is one, into the cache."""
    if wanted.shared is not None and allows_stale(context, wanted):
        await _found(context, wanted, wanted.shared, lambda _began: True)


def known_from_list(
    context: Context, where: tuple[str, str], said: Said, of: Snapshot[Any]
) -> Snapshot[Said] | type[QuestionError]:
    """Cache one entry of a list as if it had been fetched alone; return it, or the error if it is gone since.

    Args:
        context: the ports.
        where: the name of the cache, and the key there.
        said: the entry.
        of: the snapshot of the list.
    """
    cache, key = _cache(context, where[0]), where[1]
    snapshot = _snapshot(context, said, of.began, of.at)
    if of.stale is not None:
        return snapshot.aged(of.stale)
    context.gone.forget(key, of.began)
    gone = context.gone.get(key)
    if gone is not None:
        error: type[QuestionError] = gone.facts
        return error
    newer = context.outdated.get(key)
    if newer is None or of.began >= newer.began:
        cache.put(key, snapshot)
    return snapshot


def missing_in_list(
    context: Context, where: tuple[str, str], error: type[QuestionError], of: Snapshot[Any]
) -> type[QuestionError]:
    """Note that a complete list lacks a record, as if it had been asked for alone, and return the error."""
    cache, key = _cache(context, where[0]), where[1]
    was_there = cache.get(key) is not None
    _note_gone(context, cache, key, Snapshot(error, of.began, of.at))
    if was_there and context.shared is not None and cache is context.users:
        context.shared.forget(key, of.at)
    return error


def _cache(context: Context, name: str) -> Cache:
    return context.users if name == "users" else context.places


def _note_gone(context: Context, cache: Cache, key: str, gone: Snapshot[type[QuestionError]]) -> None:
    cache.forget(key, gone.began)
    context.gone.put(key, gone)
    context.outdated.put(key, gone)


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


def _may_come_from_others(wanted: Fetchable[Said], fetch: Fetch) -> bool:
    return wanted.shared is not None and fetch.is_recent is not None


def _less_urgent(one: ReadContext, other: ReadContext) -> bool:
    return _ORDER[one.urgency] > _ORDER[other.urgency]


async def _fetch(context: Context, wanted: Fetchable[Said], fetch: Fetch) -> Snapshot[Said]:
    try:
        if wanted.shared is None:
            return await _in_turn(context, wanted, fetch)
        return await _from_others(context, wanted, wanted.shared, fetch) or await _for_all(
            context, wanted, wanted.shared, fetch
        )
    finally:
        if context.fetches.get(wanted.key) is fetch:
            del context.fetches[wanted.key]


async def _from_others(
    context: Context, wanted: Fetchable[Said], shared: Shared[Said], fetch: Fetch
) -> Snapshot[Said] | None:
    """Return what another process has read, or is reading, if that is recent enough; None if Clever has to be asked.

    Raises:
        CleverCircuitOpen: no process has read it, and Clever is not asked just now.
    """
    if fetch.is_recent is None or not allows_stale(context, wanted):
        return None
    snapshot = await _found(context, wanted, shared, fetch.is_recent)
    if snapshot is not None:
        return snapshot
    circuit_open = context.clever.circuit_open(wanted.district)
    if circuit_open is not None:
        raise circuit_open
    if await shared.lead(wanted.key, fetch.read_context.until):
        return None
    return await _found(context, wanted, shared, fetch.is_recent)


async def _found(
    context: Context, wanted: Fetchable[Said], shared: Shared[Said], is_recent: IsRecent
) -> Snapshot[Said] | None:
    found = await shared.find(wanted.key)
    newer = context.outdated.get(wanted.key)
    if found is None or (newer is not None and found.at < newer.at) or not wanted.suffices(found.said):
        return None
    snapshot = _snapshot(context, found.said, context.clock() - (context.wall() - found.at), found.at)
    # Even one that is too old for now may stand in later for one that cannot be had.
    wanted.cache.put(wanted.key, snapshot)
    return snapshot if is_recent(snapshot.began) else None


async def _for_all(context: Context, wanted: Fetchable[Said], shared: Shared[Said], fetch: Fetch) -> Snapshot[Said]:
    """Ask Clever, and share what it says with other processes."""
    with ExitStack() as ending:
        ending.callback(shared.give_up, wanted.key)
        try:
            snapshot = await _in_turn(context, wanted, fetch)
        except (UserUnknown, RecordUnknown):
            gone = context.gone.get(wanted.key)
            if gone is not None:
                ending.pop_all()
                shared.forget(wanted.key, gone.at)
            raise
        ending.pop_all()
        shared.put(wanted.key, snapshot.facts, snapshot.at)
        return snapshot


async def _in_turn(context: Context, wanted: Fetchable[Said], fetch: Fetch) -> Snapshot[Said]:
    asked = context.clock()
    async with context.read_slots.turn(wanted.district, fetch.read_context):
        # What is in the cache by now may be of another process: not what whoever wants Clever itself asked for.
        meanwhile = None if fetch.is_recent is None else wanted.cache.get(wanted.key)
        if meanwhile is not None and meanwhile.began > asked and wanted.suffices(meanwhile.facts):
            # Somebody more urgent fetched it while this one waited for its slot.
            return meanwhile
        return await _read(context, wanted, fetch)


async def _read(context: Context, wanted: Fetchable[Said], fetch: Fetch) -> Snapshot[Said]:
    fetch.began = began = context.clock()
    at = context.wall()
    try:
        said = await wanted.read(fetch.read_context)
    except (UserUnknown, RecordUnknown) as error:
        _note_gone(context, wanted.cache, wanted.key, Snapshot(type(error), began, at))
        raise
    except CleverRefusedToken:
        _note_refusal(context, (wanted.district, None), began)
        raise
    except CleverForbade:
        _note_refusal(context, (wanted.district, wanted.kind), began)
        raise
    for refusal in _refusals_of(wanted):
        context.answered[refusal] = max(began, context.answered.get(refusal, began))
        if context.refused.get(refusal, inf) <= began:
            del context.refused[refusal]
    _raise_if_gone_since(context, wanted, began)
    snapshot = _snapshot(context, said, began, at)
    newer = context.outdated.get(wanted.key)
    if newer is None or began >= newer.began:
        wanted.cache.put(wanted.key, snapshot)
    return snapshot


def _note_refusal(context: Context, refusal: tuple[DistrictId, str | None], began: float) -> None:
    if began >= max(context.answered.get(refusal, began), context.refused.get(refusal, began)):
        context.refused[refusal] = began


def _raise_if_gone_since(context: Context, wanted: Fetchable[Said], began: float) -> None:
    """Raise if a fetch that began later found that there is no such record; otherwise forget that there was none."""
    context.gone.forget(wanted.key, began)
    gone = context.gone.get(wanted.key)
    if gone is not None:
        error: type[QuestionError] = gone.facts
        raise error


def _snapshot(context: Context, said: Said, began: float, at: float) -> Snapshot[Said]:
    # Without the jitter all that is fetched in the morning's first minute would be renewed in one minute, for ever.
    renewed_from = RENEWED_FROM + context.jitter() * (_RENEWED_UNTIL - RENEWED_FROM)
    return Snapshot(said, began, at, began + context.fresh_seconds * renewed_from)


def _refusals_of(wanted: Fetchable[Said]) -> tuple[tuple[DistrictId, str | None], ...]:
    return (wanted.district, None), (wanted.district, wanted.kind)


def _retrieve_outcome(task: asyncio.Task[Snapshot[Any]]) -> None:
    # When every caller has gone away nobody else looks, and asyncio would log a failure that was dealt with.
    if not task.cancelled():
        task.exception()
