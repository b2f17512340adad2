"""One reading for all who wait for it: taken off by the first, joined by the others."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from math import inf
from typing import Any, Generic, TypeVar

from app.domain.errand import Errand, Urgency
from app.domain.errors import (
    CallerOverspent,
    CleverBusy,
    CleverError,
    CleverForbade,
    CleverLimited,
    CleverRefusedToken,
    CleverTimedOut,
    RecordUnknown,
    UserUnknown,
)
from app.domain.ids import DistrictId
from app.domain.reading import Reading
from app.services.deadlines import by
from app.services.ports import Cache, Context, Flight

Said = TypeVar("Said")

REFUSALS = (CleverRefusedToken, CleverForbade)
"""What Clever says when it will not tell, which is an answer and not an outage."""

_RENEWED_FROM, _RENEWED_UNTIL = 2 / 3, 0.95
"""The part of the fresh time in which a question makes a reading be renewed; its beginning is jittered over it."""


@dataclass(frozen=True, slots=True)
class Wanted(Generic[Said]):
    """Something that Clever can be asked for.

    Attributes:
        cache: where readings of it are kept.
        kind: such as ``user`` or ``sections``.
        district: whose it is.
        key: what they are kept under; readings of different things have different keys.
        read: asks Clever.
        suffices: tells whether what was read is enough for now.
    """

    cache: Cache
    kind: str
    district: DistrictId
    key: Hashable
    read: Callable[[Errand], Awaitable[Said]]
    suffices: Callable[[Said], bool] = lambda _said: True


async def landed(
    context: Context, wanted: Wanted[Said], errand: Errand, is_recent: Callable[[float], bool]
) -> Reading[Said]:
    """Return what the reading under way comes to if that will do, else what one begun now does.

    Args:
        context: the ports.
        wanted: what to read.
        errand: what the reading is for.
        is_recent: tells of a reading under way, by when it began, whether that is recent enough.

    Raises:
        UserUnknown, RecordUnknown: there is no such thing at Clever; whatever was cached of it is forgotten.
        CleverError: the reading failed, or lasts longer than the errand may.
    """
    async with by(errand.until):
        while True:
            flight = context.flights.get(wanted.key)
            if flight is not None and flight.began is not None and not is_recent(flight.began):
                await asyncio.wait([_task(flight)])
                continue
            ours = flight is None or (flight.began is None and _less_urgent(flight.errand, errand))
            if flight is None or ours:
                context.turns.look(wanted.district, errand)
                flight = take_off(context, wanted, errand)
            try:
                # A caller who goes away must not take the reading of the others along.
                reading: Reading[Said] = await asyncio.shield(_task(flight))
            except CleverError as error:
                if ours or not _is_not_for(error, flight.errand, errand):
                    raise
                continue
            # It may be one that another took meanwhile, and under another policy less may have been read.
            if ours or (is_recent(reading.began) and wanted.suffices(reading.facts)):
                return reading


def take_off(context: Context, wanted: Wanted[Said], errand: Errand) -> Flight:
    """Begin a reading, for whoever joins it."""
    flight = context.flights[wanted.key] = Flight(errand)
    flight.task = asyncio.create_task(_fly(context, wanted, flight))
    flight.task.add_done_callback(_look_at_outcome)
    return flight


def allows_stale(context: Context, wanted: Wanted[Said]) -> bool:
    """Tell whether an older reading may be told: not where Clever refused to tell it when it was last asked."""
    return context.refused.keys().isdisjoint(_refusals_of(wanted))


def _task(flight: Flight) -> asyncio.Task[Reading[Any]]:
    assert flight.task is not None, "a flight is taken off before others see it"  # noqa: S101 -- for the type's sake
    return flight.task


def _is_not_for(error: CleverError, theirs: Errand, ours: Errand) -> bool:
    """Tell whether a reading failed for what it was for, so that the same on another errand need not fail."""
    if theirs.urgency is Urgency.RENEWAL and ours.urgency is not Urgency.RENEWAL:
        return not isinstance(error, REFUSALS)
    if isinstance(error, CallerOverspent):
        return theirs.caller != ours.caller
    if isinstance(error, CleverTimedOut):
        return (theirs.until or inf) < (ours.until or inf)
    return isinstance(error, (CleverBusy, CleverLimited)) and _less_urgent(theirs, ours)


_ORDER = {urgency: place for place, urgency in enumerate(Urgency)}


def _less_urgent(one: Errand, other: Errand) -> bool:
    return _ORDER[one.urgency] > _ORDER[other.urgency]


async def _fly(context: Context, wanted: Wanted[Said], flight: Flight) -> Reading[Said]:
    asked = context.clock()
    try:
        async with context.turns.turn(wanted.district, flight.errand):
            meanwhile = wanted.cache.get(wanted.key)
            if meanwhile is not None and meanwhile.began > asked and wanted.suffices(meanwhile.facts):
                # Somebody more urgent did not wait for this turn.
                return meanwhile
            return await _read(context, wanted, flight)
    finally:
        if context.flights.get(wanted.key) is flight:
            del context.flights[wanted.key]


async def _read(context: Context, wanted: Wanted[Said], flight: Flight) -> Reading[Said]:
    flight.began = began = context.clock()
    at = context.wall()
    try:
        facts = await wanted.read(flight.errand)
    except (UserUnknown, RecordUnknown) as error:
        wanted.cache.forget(wanted.key, began)
        context.gone.put(wanted.key, Reading(type(error), began, at))
        raise
    except CleverRefusedToken:
        context.refused[wanted.district, None] = began
        raise
    except CleverForbade:
        context.refused[wanted.district, wanted.kind] = began
        raise
    for refusal in _refusals_of(wanted):
        if context.refused.get(refusal, inf) <= began:
            del context.refused[refusal]
    context.gone.forget(wanted.key, began)
    reading = Reading(facts, began, at, began + context.fresh_seconds * _renewed_from(context.jitter()))
    wanted.cache.put(wanted.key, reading)
    return reading


def _refusals_of(wanted: Wanted[Said]) -> tuple[tuple[DistrictId, str | None], ...]:
    return (wanted.district, None), (wanted.district, wanted.kind)


def _renewed_from(jitter: float) -> float:
    # Without the jitter whoever came in the morning's first minute would be renewed in one minute too, for ever.
    return _RENEWED_FROM + jitter * (_RENEWED_UNTIL - _RENEWED_FROM)


def _look_at_outcome(task: asyncio.Task[Reading[Any]]) -> None:
    # When every caller has gone away nobody else looks, and asyncio would log a failure that was dealt with.
    if not task.cancelled():
        task.exception()
