"""The one way to facts: from the cache while they are fresh, else by one reading for all who wait."""

import asyncio
from dataclasses import dataclass

from app.domain.errors import NotCached, UserUnknown
from app.domain.ids import DistrictId, UserId
from app.domain.reading import Reading
from app.services.ports import Context, Flight


@dataclass(frozen=True, slots=True)
class Demand:
    """How recent a caller wants an answer to be: the request directives of RFC 9111 section 5.2.1.

    Attributes:
        max_age: the age that is still good enough, in seconds; None leaves it to the service's fresh time.
        no_cache: only a reading that begins after the question will do.
        only_if_cached: only the cache may answer.
    """

    max_age: int | None = None
    no_cache: bool = False
    only_if_cached: bool = False


ANY_FRESH = Demand()


async def reading_of(context: Context, user: UserId, district: DistrictId, demand: Demand = ANY_FRESH) -> Reading:
    """Return what Clever says of a user, as recent as the caller demands.

    Raises:
        UserUnknown: Clever has no such user in the district; whatever was cached of them is forgotten.
        NotCached: only the cache might have answered.
        CleverError: a reading was needed and failed.
    """
    fresh = context.fresh_seconds if demand.max_age is None else min(demand.max_age, context.fresh_seconds)
    oldest = context.clock() - fresh
    if not demand.no_cache:
        cached = context.cache.get(user, district)
        if cached is not None and cached.began >= oldest and _suffices(context, cached):
            return cached
    if demand.only_if_cached:
        raise NotCached
    return await _read(context, user, district, oldest, renew=demand.no_cache)


def _suffices(context: Context, reading: Reading) -> bool:
    """Facts read under a policy that kept unconfirmed schools may lack what one that drops them has to know."""
    return reading.facts.confirmed() or not context.policy.drops_unconfirmed_schools


async def _read(context: Context, user: UserId, district: DistrictId, oldest: float, *, renew: bool) -> Reading:
    """Join the reading under way if it began late enough, else wait for its end and begin another."""
    key = (district, user)
    too_early = context.flights.get(key) if renew else None
    while (flight := context.flights.get(key)) and (flight is too_early or flight.began < oldest):
        await asyncio.wait([flight.task])
    if flight is None:
        flight = _take_off(context, user, district)
    # A caller who goes away must not take the reading of the others along.
    return await asyncio.shield(flight.task)


def _take_off(context: Context, user: UserId, district: DistrictId) -> Flight:
    began = context.clock()
    flight = Flight(began, asyncio.create_task(_fly(context, user, district, began)))
    flight.task.add_done_callback(_look_at_outcome)
    context.flights[district, user] = flight
    return flight


async def _fly(context: Context, user: UserId, district: DistrictId, began: float) -> Reading:
    try:
        confirm_schools = context.policy.drops_unconfirmed_schools
        reading = Reading(await context.clever.facts(user, district, confirm_schools=confirm_schools), began)
    except UserUnknown:
        context.cache.forget(user, district)
        raise
    finally:
        del context.flights[district, user]
    context.cache.put(reading)
    return reading


def _look_at_outcome(task: asyncio.Task[Reading]) -> None:
    # When every caller has gone away nobody else looks, and asyncio would log a failure that was dealt with.
    if not task.cancelled():
        task.exception()
