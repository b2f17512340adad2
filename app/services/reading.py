"""The one way to facts: from the cache while they are fresh, else by a reading, else from the cache, marked stale.

The directives are those of requests in RFC 9111 section 5.2.1; that an older answer may stand in for one that cannot be
had is its section 4.2.4, and for how long is RFC 5861's `stale-if-error`.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import TypeVar

from app.domain.callers import ANYONE, Caller
from app.domain.errand import Errand, Urgency
from app.domain.errors import CleverError, NotCached, QuestionError
from app.domain.facts import Facts
from app.domain.ids import DistrictId, UserId
from app.domain.reading import Reading
from app.services.flights import REFUSALS, Wanted, landed, take_off
from app.services.ports import Context

Said = TypeVar("Said")

RENEWAL_SECONDS = 15
"""How long a renewal, for which nobody waits, may take."""

_PAUSE_AFTER_RENEWAL = 1 / 30
"""The part of the fresh time that passes before a renewal is tried again."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Who asks, and how recent and how soon they want the answer.

    Attributes:
        max_age: the age that is still good enough, in seconds; None leaves it to the service's fresh time.
        no_cache: only a reading that begins after the question will do.
        max_stale: for how many seconds past that an older reading answers without one being waited for.
        only_if_cached: only the cache may answer.
        caller: who asks.
        until: when the answer has to be there, in seconds of the event loop's clock.
        one_of_many: whether a batch or a search waits for it, among much else.
        without_waiting: only what answers at once will do, for now.
    """

    max_age: int | None = None
    no_cache: bool = False
    max_stale: int | None = None
    only_if_cached: bool = False
    caller: Caller = ANYONE
    until: float | None = None
    one_of_many: bool = False
    without_waiting: bool = False

    def at_once(self) -> "Demand":
        """Return the same demand of what answers without waiting; it may still have that renewed for later."""
        return self if self.without_waiting else replace(self, without_waiting=True)

    def errand(self, *, held: bool) -> Errand:
        """Return what a reading is for that this demand causes, where an older one is ``held`` or is not."""
        alone = Urgency.HELD if held else Urgency.COLD
        return Errand(self.caller.digest, Urgency.BULK if self.one_of_many else alone, self.until)


async def reading_of(context: Context, user: UserId, district: DistrictId, demand: Demand) -> Reading[Facts]:
    """Return what Clever says of a user, as recent as the caller demands; raises as ``fresh``."""

    async def read(errand: Errand) -> Facts:
        confirm = context.policy.drops_unconfirmed_schools
        return await context.clever.facts(user, district, errand, confirm_schools=confirm)

    wanted = Wanted(context.users, district, (district, user), read, lambda facts: _suffices(context, facts))
    return await fresh(context, wanted, demand)


async def fresh(context: Context, wanted: Wanted[Said], demand: Demand) -> Reading[Said]:
    """Return a reading as recent as the caller demands, or one that is marked stale where that cannot be had in time.

    Raises:
        UserUnknown, RecordUnknown: there is no such thing at Clever; whatever was cached of it is forgotten.
        NotCached: only the cache might have answered, or only what answers without waiting.
        CleverError: a reading was needed and failed, and no older one may answer.
    """
    now = context.clock()
    good_for = context.fresh_seconds if demand.max_age is None else min(demand.max_age, context.fresh_seconds)
    held = None if demand.no_cache else _held(wanted)
    if held is not None and now - held.began <= good_for:
        _renew(context, wanted, held, demand)
        return held
    _refuse_gone(context, wanted, demand, now)
    older = held if held is not None and _may_answer(context, wanted, held, demand, now) else None
    if older is not None and demand.max_stale is not None and now - older.began <= good_for + demand.max_stale:
        return older.aged("accepted")
    if demand.only_if_cached or demand.without_waiting:
        raise NotCached
    errand = demand.errand(held=older is not None)
    if older is None:
        return await landed(context, wanted, errand, oldest=now - good_for, anew=demand.no_cache)
    return await _unless_slow(context, wanted, errand, older, oldest=now - good_for)


def _held(wanted: Wanted[Said]) -> Reading[Said] | None:
    held = wanted.cache.get(wanted.key)
    return held if held is not None and wanted.suffices(held.facts) else None


def _suffices(context: Context, facts: Facts) -> bool:
    """Facts read under a policy that kept unconfirmed schools may lack what one that drops them has to know."""
    return facts.confirmed() or not context.policy.drops_unconfirmed_schools


def _refuse_gone(context: Context, wanted: Wanted[Said], demand: Demand, now: float) -> None:
    """Raise what Clever lately said, that there is no such thing, where that is recent enough for the caller."""
    gone = None if demand.no_cache else context.gone.get(wanted.key)
    if gone is not None and (demand.max_age is None or now - gone.began <= demand.max_age):
        error: type[QuestionError] = gone.facts
        raise error


def _may_answer(context: Context, wanted: Wanted[Said], held: Reading[Said], demand: Demand, now: float) -> bool:
    """Tell whether an older reading may stand in for one that cannot be had."""
    oldest = context.stale_seconds
    if demand.max_age is not None:
        # Who says how old an answer may be takes no older one, but by so many seconds as they say.
        oldest = min(oldest, demand.max_age + (demand.max_stale or 0))
    # That Clever refuses the token is an answer: what the district no longer lets us read is not told for much longer.
    return now - held.began <= oldest and wanted.district not in context.refused


def _renew(context: Context, wanted: Wanted[Said], held: Reading[Said], demand: Demand) -> None:
    """Have a reading renewed for those who come later, if it is time for that."""
    now = context.clock()
    if now < held.renew_at or demand.only_if_cached or wanted.key in context.flights:
        return
    held.renew_at = now + context.fresh_seconds * _PAUSE_AFTER_RENEWAL
    until = asyncio.get_running_loop().time() + RENEWAL_SECONDS
    take_off(context, wanted, Errand(demand.caller.digest, Urgency.RENEWAL, until))


async def _unless_slow(
    context: Context, wanted: Wanted[Said], errand: Errand, older: Reading[Said], *, oldest: float
) -> Reading[Said]:
    """Return what a reading comes to, or the older one where it fails or is slow; it goes on for those who come later.

    Raises:
        UserUnknown, RecordUnknown, CleverError: as ``landed``, but of Clever's failures only that it refuses the token.
    """
    try:
        async with asyncio.timeout(context.deadlines.slow):
            return await landed(context, wanted, errand, oldest=oldest)
    except TimeoutError:
        return older.aged("slow")
    except REFUSALS:
        raise
    except CleverError as error:
        return older.aged(error.word)
