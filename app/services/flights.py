"""One reading for all who wait for it: taken off by the first, joined by the others."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from app.domain.errand import Errand, Urgency
from app.domain.errors import (
    CallerOverspent,
    CleverBusy,
    CleverError,
    CleverForbade,
    CleverLimited,
    CleverRefusedToken,
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
        district: whose it is.
        key: what they are kept under; readings of different things have different keys.
        read: asks Clever.
        suffices: tells whether what was read is enough for now.
    """

    cache: Cache
    district: DistrictId
    key: Hashable
    read: Callable[[Errand], Awaitable[Said]]
    suffices: Callable[[Said], bool] = lambda _said: True


async def landed(
    context: Context, wanted: Wanted[Said], errand: Errand, *, oldest: float, anew: bool = False
) -> Reading[Said]:
    """Return what the reading under way comes to if it began late enough, else what one begun now does.

    Args:
        context: the ports.
        wanted: what to read.
        errand: what the reading is for.
        oldest: when the reading must have begun, by the context's clock.
        anew: whether only a reading that begins from here on will do.

    Raises:
        UserUnknown, RecordUnknown: there is no such thing at Clever; whatever was cached of it is forgotten.
        CleverError: the reading failed, or lasts longer than the errand may.
    """
    async with by(errand.until):
        return await _landed(context, wanted, errand, oldest=oldest, anew=anew)


def take_off(context: Context, wanted: Wanted[Said], errand: Errand) -> Flight:
    """Begin a reading, for whoever joins it."""
    began = context.clock()
    flight = Flight(began, errand, asyncio.create_task(_fly(context, wanted, errand, began)))
    flight.task.add_done_callback(_look_at_outcome)
    context.flights[wanted.key] = flight
    return flight


async def _landed(
    context: Context, wanted: Wanted[Said], errand: Errand, *, oldest: float, anew: bool
) -> Reading[Said]:
    too_early = context.flights.get(wanted.key) if anew else None
    while True:
        flight = context.flights.get(wanted.key)
        if flight is not None and (flight is too_early or flight.began < oldest):
            await asyncio.wait([flight.task])
            continue
        if flight is None:
            flight = take_off(context, wanted, errand)
        try:
            # A caller who goes away must not take the reading of the others along.
            return await asyncio.shield(flight.task)
        except CleverError as error:
            if not _is_not_for(error, flight.errand, errand):
                raise


def _is_not_for(error: CleverError, theirs: Errand, ours: Errand) -> bool:
    """Tell whether a reading failed for what it was for, so that the same on another errand need not fail."""
    if theirs.urgency is Urgency.RENEWAL and ours.urgency is not Urgency.RENEWAL:
        return not isinstance(error, REFUSALS)
    if isinstance(error, CallerOverspent):
        return theirs.caller != ours.caller
    return isinstance(error, (CleverBusy, CleverLimited)) and _less_urgent(theirs, ours)


def _less_urgent(one: Errand, other: Errand) -> bool:
    order = list(Urgency)
    return order.index(one.urgency) > order.index(other.urgency)


async def _fly(context: Context, wanted: Wanted[Said], errand: Errand, began: float) -> Reading[Said]:
    at = context.wall()
    try:
        async with context.turns.turn(wanted.district, errand):
            facts = await wanted.read(errand)
    except (UserUnknown, RecordUnknown) as error:
        wanted.cache.forget(wanted.key)
        context.gone.put(wanted.key, Reading(type(error), began, at))
        raise
    except REFUSALS:
        context.refused.add(wanted.district)
        raise
    finally:
        del context.flights[wanted.key]
    context.refused.discard(wanted.district)
    context.gone.forget(wanted.key)
    reading = Reading(facts, began, at, began + context.fresh_seconds * _renewed_from(context.jitter()))
    wanted.cache.put(wanted.key, reading)
    return reading


def _renewed_from(jitter: float) -> float:
    # Without the jitter whoever came in the morning's first minute would be renewed in one minute too, for ever.
    return _RENEWED_FROM + jitter * (_RENEWED_UNTIL - _RENEWED_FROM)


def _look_at_outcome(task: asyncio.Task[Reading[Any]]) -> None:
    # When every caller has gone away nobody else looks, and asyncio would log a failure that was dealt with.
    if not task.cancelled():
        task.exception()
