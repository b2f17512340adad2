"""The one way to facts: from the cache while they are fresh, else by one reading for all who wait."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Generic, TypeVar

from app.domain.errors import NotCached, RecordUnknown, UserUnknown
from app.domain.facts import Facts
from app.domain.ids import DistrictId, UserId
from app.domain.reading import Reading
from app.services.ports import Cache, Context, Flight

Said = TypeVar("Said")


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


@lru_cache(maxsize=256)
def cached_only(demand: Demand) -> Demand:
    """Return the same demand of the cache alone."""
    return replace(demand, only_if_cached=True)


async def reading_of(
    context: Context, user: UserId, district: DistrictId, demand: Demand = ANY_FRESH
) -> Reading[Facts]:
    """Return what Clever says of a user, as recent as the caller demands.

    Raises:
        UserUnknown: Clever has no such user in the district; whatever was cached of them is forgotten.
        NotCached: only the cache might have answered.
        CleverError: a reading was needed and failed.
    """

    async def read() -> Facts:
        return await context.clever.facts(user, district, confirm_schools=context.policy.drops_unconfirmed_schools)

    wanted = Wanted(context.users, (district, user), read, lambda facts: _suffices(context, facts))
    return await fresh(context, wanted, demand)


@dataclass(frozen=True, slots=True)
class Wanted(Generic[Said]):
    """Something that Clever can be asked for.

    Attributes:
        cache: where readings of it are kept.
        key: what they are kept under; readings of different things have different keys.
        read: asks Clever.
        suffices: tells whether what was read is enough for now.
    """

    cache: Cache
    key: Hashable
    read: Callable[[], Awaitable[Said]]
    suffices: Callable[[Said], bool] = lambda _said: True


async def fresh(context: Context, wanted: Wanted[Said], demand: Demand) -> Reading[Said]:
    """Return a reading as recent as the caller demands, from the cache or by one reading for all who wait.

    Raises:
        UserUnknown, RecordUnknown: there is no such thing at Clever; whatever was cached of it is forgotten.
        NotCached: only the cache might have answered.
        CleverError: a reading was needed and failed.
    """
    seconds = context.fresh_seconds if demand.max_age is None else min(demand.max_age, context.fresh_seconds)
    oldest = context.clock() - seconds
    if not demand.no_cache:
        cached = wanted.cache.get(wanted.key)
        if cached is not None and cached.began >= oldest and wanted.suffices(cached.facts):
            return cached
    if demand.only_if_cached:
        raise NotCached
    return await _read(context, wanted, oldest, renew=demand.no_cache)


def _suffices(context: Context, facts: Facts) -> bool:
    """Facts read under a policy that kept unconfirmed schools may lack what one that drops them has to know."""
    return facts.confirmed() or not context.policy.drops_unconfirmed_schools


async def _read(context: Context, wanted: Wanted[Said], oldest: float, *, renew: bool) -> Reading[Said]:
    """Join the reading under way if it began late enough, else wait for its end and begin another."""
    too_early = context.flights.get(wanted.key) if renew else None
    while (flight := context.flights.get(wanted.key)) and (flight is too_early or flight.began < oldest):
        await asyncio.wait([flight.task])
    if flight is None:
        flight = _take_off(context, wanted)
    # A caller who goes away must not take the reading of the others along.
    return await asyncio.shield(flight.task)


def _take_off(context: Context, wanted: Wanted[Said]) -> Flight:
    began = context.clock()
    flight = Flight(began, asyncio.create_task(_fly(context, wanted, began)))
    flight.task.add_done_callback(_look_at_outcome)
    context.flights[wanted.key] = flight
    return flight


async def _fly(context: Context, wanted: Wanted[Said], began: float) -> Reading[Said]:
    try:
        reading = Reading(await wanted.read(), began)
    except (UserUnknown, RecordUnknown):
        wanted.cache.forget(wanted.key)
        raise
    finally:
        del context.flights[wanted.key]
    wanted.cache.put(wanted.key, reading)
    return reading


def _look_at_outcome(task: asyncio.Task[Reading[Any]]) -> None:
    # When every caller has gone away nobody else looks, and asyncio would log a failure that was dealt with.
    if not task.cancelled():
        task.exception()
