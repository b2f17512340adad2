"""One reading for all who wait for it: taken off by the first, joined by the others."""

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
from app.roster.concurrency import by
from app.roster.context import Cache, Context, Fetch, Shared

Said = TypeVar("Said")

REFUSALS = (CleverRefusedToken, CleverForbade)
"""What Clever says when it will not tell, which is an answer and not an outage."""

RENEWED_FROM, _RENEWED_UNTIL = 2 / 3, 0.95
"""The part of the fresh time in which a question makes a reading be renewed; its beginning is jittered over it."""


@dataclass(frozen=True, slots=True)
class Fetchable(Generic[Said]):
    """Something that Clever can be asked for.

    Attributes:
        cache: where readings of it are kept.
        kind: such as ``user`` or ``sections``.
        district: whose it is.
        key: what they are kept under; readings of different things have different keys.
        read: asks Clever.
        suffices: tells whether what was read is enough for now.
        shared: where other processes put what they read of it, under the key as text; None where they do not.
    """

    cache: Cache
    kind: str
    district: DistrictId
    key: str
    read: Callable[[ReadContext], Awaitable[Said]]
    suffices: Callable[[Said], bool] = lambda _said: True
    shared: Shared[Said] | None = None


IsRecent = Callable[[float], bool]
"""Tells whether a reading is recent enough, by when it began, in seconds of the process's clock."""


async def join_or_fetch(
    context: Context, wanted: Fetchable[Said], read_context: ReadContext, is_recent: IsRecent, *, anew: bool = False
) -> Snapshot[Said]:
    """Return what the reading under way comes to if that will do, else what one begun now does.

    Args:
        context: the ports.
        wanted: what to read.
        read_context: what the reading is for.
        is_recent: of a reading under way.
        anew: whether Clever itself has to be asked, rather than other processes what they read.

    Raises:
        UserUnknown, RecordUnknown: there is no such thing at Clever; whatever was cached of it is forgotten.
        CleverError: the reading failed, or lasts longer than the errand may.
    """
    async with by(read_context.until):
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
                # A caller who goes away must not take the reading of the others along.
                snapshot: Snapshot[Said] = await asyncio.shield(_task(fetch))
            except CleverError as error:
                if ours or not _is_not_for(error, fetch.read_context, read_context):
                    raise
                continue
            # It may be one that another took meanwhile, and under another policy less may have been read.
            if ours or (is_recent(snapshot.began) and wanted.suffices(snapshot.facts)):
                return snapshot


def start_fetch(
    context: Context, wanted: Fetchable[Said], read_context: ReadContext, is_recent: IsRecent | None
) -> Fetch:
    """Begin a reading, for whoever joins it; one of another process will do if it ``is_recent``."""
    fetch = context.fetches[wanted.key] = Fetch(read_context, is_recent)
    fetch.task = asyncio.create_task(_fetch(context, wanted, fetch))
    fetch.task.add_done_callback(_look_at_outcome)
    return fetch


def allows_stale(context: Context, wanted: Fetchable[Said]) -> bool:
    """Tell whether an older reading may be told: not where Clever refused to tell it when it was last asked."""
    return context.refused.keys().isdisjoint(_refusals_of(wanted))


async def found_elsewhere(context: Context, wanted: Fetchable[Said]) -> None:
    """Keep what another process has read, if it has, for whoever asks now."""
    if wanted.shared is not None and allows_stale(context, wanted):
        await _found(context, wanted, wanted.shared, lambda _began: True)


def known_from_list(
    context: Context, where: tuple[str, str], said: Said, of: Snapshot[Any]
) -> Snapshot[Said] | type[QuestionError]:
    """Keep what a list says of one thing as if it had been read alone, and return that, or that it is gone since.

    Args:
        context: the ports.
        where: the name of the cache, and what it is kept under there.
        said: what the list says of it.
        of: the reading of the list.
    """
    cache, key = _cache(context, where[0]), where[1]
    snapshot = _reading(context, said, of.began, of.at)
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
    """Note that a whole list has nothing under a key, as if it had been asked for alone, and return the error."""
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
    assert fetch.task is not None, "a flight is taken off before others see it"  # noqa: S101 -- for the type's sake
    return fetch.task


def _is_not_for(error: CleverError, theirs: ReadContext, ours: ReadContext) -> bool:
    """Tell whether a reading failed for what it was for, so that the same on another errand need not fail."""
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
    """Return what another process has read, or is reading, if that is recent enough; None for Clever to be asked.

    Raises:
        CleverBarred: nobody has read it, and Clever cannot be asked just now.
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
    snapshot = _reading(context, found.said, context.clock() - (context.wall() - found.at), found.at)
    # Be it too old for now, it may stand in for one that cannot be had.
    wanted.cache.put(wanted.key, snapshot)
    return snapshot if is_recent(snapshot.began) else None


async def _for_all(context: Context, wanted: Fetchable[Said], shared: Shared[Said], fetch: Fetch) -> Snapshot[Said]:
    """Ask Clever, and tell other processes what came of it."""
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
        # What is there by now may be of another process, which is not what whoever wants it anew asked for.
        meanwhile = None if fetch.is_recent is None else wanted.cache.get(wanted.key)
        if meanwhile is not None and meanwhile.began > asked and wanted.suffices(meanwhile.facts):
            # Somebody more urgent did not wait for this turn.
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
    _look_whether_gone_since(context, wanted, began)
    snapshot = _reading(context, said, began, at)
    newer = context.outdated.get(wanted.key)
    if newer is None or began >= newer.began:
        wanted.cache.put(wanted.key, snapshot)
    return snapshot


def _note_refusal(context: Context, refusal: tuple[DistrictId, str | None], began: float) -> None:
    if began >= max(context.answered.get(refusal, began), context.refused.get(refusal, began)):
        context.refused[refusal] = began


def _look_whether_gone_since(context: Context, wanted: Fetchable[Said], began: float) -> None:
    """Raise what a reading that began later has found, that there is no such thing; else that is no longer true."""
    context.gone.forget(wanted.key, began)
    gone = context.gone.get(wanted.key)
    if gone is not None:
        error: type[QuestionError] = gone.facts
        raise error


def _reading(context: Context, said: Said, began: float, at: float) -> Snapshot[Said]:
    # Without the jitter whoever came in the morning's first minute would be renewed in one minute too, for ever.
    renewed_from = RENEWED_FROM + context.jitter() * (_RENEWED_UNTIL - RENEWED_FROM)
    return Snapshot(said, began, at, began + context.fresh_seconds * renewed_from)


def _refusals_of(wanted: Fetchable[Said]) -> tuple[tuple[DistrictId, str | None], ...]:
    return (wanted.district, None), (wanted.district, wanted.kind)


def _look_at_outcome(task: asyncio.Task[Snapshot[Any]]) -> None:
    # When every caller has gone away nobody else looks, and asyncio would log a failure that was dealt with.
    if not task.cancelled():
        task.exception()
