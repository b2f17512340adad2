"""The one way to facts: from the cache while they are fresh, else from Clever, else from the cache, marked stale.

The request directives are those of RFC 9111 section 5.2.1. That an older answer may stand in for one that cannot be had
is its section 4.2.4, and for how long is RFC 5861's `stale-if-error`.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from app.domain.callers import ANYONE, Caller
from app.domain.errors import CleverError, NotCached, QuestionError
from app.domain.ids import DistrictId, UserId
from app.domain.read_context import ReadContext, Urgency
from app.domain.serialization import PackedFacts, is_confirmed, packed
from app.domain.snapshot import Snapshot
from app.roster.context import Cache, Context
from app.roster.single_flight import REFUSALS, RENEWED_FROM, Fetchable, allows_stale, join_or_fetch, start_fetch
from app.telemetry import metrics, tracing

Said = TypeVar("Said")

RENEWAL_SECONDS = 15
"""How long a renewal, for which nobody waits, may take."""

_PAUSE_AFTER_RENEWAL = 1 / 30
"""How much of the fresh time passes before a renewal is tried again."""


class Freshness(msgspec.Struct, frozen=True):
    """Who asks, and how recent and how soon they want the answer.

    Attributes:
        max_age: how old an answer may be, in seconds; None leaves it to the service's fresh time.
        no_cache: accept only a fetch that begins after the request came.
        max_stale: accept an answer at once that is up to so many seconds older than that.
        only_if_cached: answer from the cache or not at all.
        asked_at: when the request came, by the context's clock; None for now.
        caller: who asks.
        until: when the answer has to be there, in seconds of the event loop's clock.
        one_of_many: whether it is one of the many answers that a batch or a search waits for.
        without_waiting: answer at once, from the cache, or not at all.
    """

    max_age: int | None = None
    no_cache: bool = False
    max_stale: int | None = None
    only_if_cached: bool = False
    asked_at: float | None = None
    caller: Caller = ANYONE
    until: float | None = None
    one_of_many: bool = False
    without_waiting: bool = False

    def at_once(self) -> "Freshness":
        """Return the same, but without waiting; what answers may still be renewed for later."""
        return self if self.without_waiting else replace(self, without_waiting=True)

    def read_context(self, *, held: bool) -> ReadContext:
        """Return the context of a fetch for this request; ``held`` tells whether an older snapshot could answer."""
        alone = Urgency.HELD if held else Urgency.COLD
        return ReadContext(self.caller.digest, Urgency.BULK if self.one_of_many else alone, self.until)


async def reading_of(
    context: Context, user: UserId, district: DistrictId, freshness: Freshness
) -> Snapshot[PackedFacts]:
    """Return the snapshot of a user, as recent as the request asks; raises as ``fresh``."""
    held = cached_user(context, district, user, freshness)
    if held is not None:
        metrics.record_cache_lookup("users", "hit")
        return held
    return await fresh(context, wanted_user(context, user, district), freshness)


def wanted_user(context: Context, user: UserId, district: DistrictId) -> Fetchable[PackedFacts]:
    """Return how to fetch a user."""

    async def read(read_context: ReadContext) -> PackedFacts:
        confirm = context.policy.drops_unconfirmed_schools
        return packed(await context.clever.facts(user, district, read_context, confirm_schools=confirm))

    def suffices(facts: PackedFacts) -> bool:
        return _suffices(context, facts)

    key = key_of(district, user)
    return Fetchable(context.users, "user", district, key, read, suffices, context.shared)


def recent(context: Context, cache: Cache, key: str, freshness: Freshness) -> Snapshot[Any] | None:
    """Return the snapshot under ``key`` if it is as recent as the request asks; it is not renewed."""
    held = cache.get(key)
    met = held is not None and _Required.of(context, freshness, context.clock()).is_met_by(held.began)
    return held if met else None


def is_cold(context: Context, cache: Cache, key: str, freshness: Freshness) -> bool:
    """Tell whether ``fresh`` would have to fetch ``key``."""
    required, held, gone = _Required.of(context, freshness, context.clock()), cache.get(key), context.gone.get(key)
    if held is not None and required.is_met_by(held.began):
        return cache is context.users and not _suffices(context, held.facts)
    return gone is None or not required.is_met_by(gone.began)


def key_of(district: str, user: str) -> str:
    """Return the cache key of a user."""
    return f"{district}/{user}"


def cached_user(context: Context, district: str, user: str, freshness: Freshness) -> Snapshot[PackedFacts] | None:
    """Return what ``reading_of`` would of a user, if ``cached`` has it; the texts need not be ids."""
    held = cached(context, context.users, key_of(district, user), freshness)
    return held if held is not None and _suffices(context, held.facts) else None


def cached(context: Context, cache: Cache, key: str, freshness: Freshness) -> Snapshot[Any] | None:
    """Return the snapshot under ``key`` if it is fresh and not yet due for renewal; the caller counts the lookup."""
    if freshness.max_age is not None or freshness.no_cache:
        return None
    held = cache.get(key)
    if held is None:
        return None
    now = context.clock()
    return held if now < held.renew_at and now - held.began <= context.fresh_seconds else None


async def fresh(context: Context, wanted: Fetchable[Said], freshness: Freshness) -> Snapshot[Said]:
    """Return a snapshot as recent as the request asks, or one marked stale if that cannot be had in time.

    Raises:
        UserUnknown, RecordUnknown: Clever has no such record; whatever was cached of it is dropped.
        NotCached: only the cache may answer, or nobody may wait, and there is no snapshot that will do.
        CleverError: a fetch was needed and failed, and no older snapshot may answer.
    """
    with tracing.tracer().internal_span("cache") as span:
        cached = "users" if wanted.cache is context.users else "places"

        def had(outcome: str) -> None:
            metrics.record_cache_lookup(cached, outcome)
            span.set_attribute("outcome", outcome)

        return await _fresh(context, wanted, freshness, had)


async def _fresh(
    context: Context, wanted: Fetchable[Said], freshness: Freshness, had: Callable[[str], None]
) -> Snapshot[Said]:
    """Do what ``fresh`` does, and tell ``had`` what the cache had: ``hit``, ``stale``, ``miss`` or ``gone``."""
    now = context.clock()
    required = _Required.of(context, freshness, now)
    held = _held(wanted)
    if held is not None and required.is_met_by(held.began):
        _renew(context, wanted, held, freshness)
        had("hit")
        return held
    _refuse_gone(context, wanted, required, had)
    older = held if held is not None and _may_answer(context, wanted, held, freshness, required) else None
    if older is not None and freshness.max_stale is not None and required.oldest - older.began <= freshness.max_stale:
        had("stale")
        return older.aged("accepted")
    if freshness.only_if_cached or freshness.without_waiting:
        raise NotCached
    read_context = freshness.read_context(held=older is not None)
    circuit_open = context.clever.circuit_open(wanted.district)
    if circuit_open is not None and older is not None:
        had("stale")
        return older.aged(circuit_open.outcome)
    if older is None:
        had("miss")
        if circuit_open is not None and wanted.shared is None:
            raise circuit_open
        return await _cold(context, wanted, read_context, freshness, required)
    snapshot = await _unless_slow(context, wanted, read_context, older, required)
    had("stale" if snapshot.stale else "miss")
    return snapshot


@dataclass(frozen=True, slots=True)
class _Required:
    """How recent a snapshot must be to answer without being marked stale, by the context's clock.

    Attributes:
        now: the time.
        asked: when the request came.
        oldest: when its fetch may have begun at the earliest.
        anew: whether it must have begun after the request came.
    """

    now: float
    asked: float
    oldest: float
    anew: bool

    @classmethod
    def of(cls, context: Context, freshness: Freshness, now: float) -> "_Required":
        asked = now if freshness.asked_at is None else freshness.asked_at
        fresh_from = now - context.fresh_seconds
        oldest = fresh_from if freshness.max_age is None else max(fresh_from, asked - freshness.max_age)
        return cls(now, asked, oldest, freshness.no_cache)

    def is_met_by(self, began: float) -> bool:
        return began > self.asked if self.anew else began >= self.oldest

    def is_met_by_fetch(self, began: float) -> bool:
        return began >= (self.asked if self.anew else self.oldest)


def _held(wanted: Fetchable[Said]) -> Snapshot[Said] | None:
    held = wanted.cache.get(wanted.key)
    return held if held is not None and wanted.suffices(held.facts) else None


def _suffices(context: Context, facts: PackedFacts) -> bool:
    """Facts read under a policy that kept unconfirmed schools may lack what one that drops them has to know."""
    return is_confirmed(facts) or not context.policy.drops_unconfirmed_schools


def _refuse_gone(context: Context, wanted: Fetchable[Said], required: _Required, had: Callable[[str], None]) -> None:
    """Raise the error of a record that Clever has lately said does not exist, if that is recent enough."""
    gone = context.gone.get(wanted.key)
    if gone is not None and required.is_met_by(gone.began):
        had("gone")
        error: type[QuestionError] = gone.facts
        raise error


def _may_answer(
    context: Context, wanted: Fetchable[Said], held: Snapshot[Said], freshness: Freshness, required: _Required
) -> bool:
    """Tell whether an older snapshot may stand in for one that cannot be had."""
    oldest = required.now - context.stale_seconds
    if freshness.max_age is not None:
        # Whoever says how old an answer may be gets no older one, but for the seconds of `max-stale`.
        oldest = max(oldest, required.asked - freshness.max_age - (freshness.max_stale or 0))
    # A token that Clever refuses is an answer, too: what a district no longer shares is not shown for much longer.
    return not freshness.no_cache and held.began >= oldest and allows_stale(context, wanted)


def _renew(context: Context, wanted: Fetchable[Said], held: Snapshot[Said], freshness: Freshness) -> None:
    """Renew a snapshot in the background, if it is due."""
    now = context.clock()
    if now < held.renew_at or freshness.only_if_cached or wanted.key in context.fetches:
        return
    held.renew_at = now + context.fresh_seconds * _PAUSE_AFTER_RENEWAL
    until = asyncio.get_running_loop().time() + RENEWAL_SECONDS
    due = now - context.fresh_seconds * RENEWED_FROM
    start_fetch(
        context, wanted, ReadContext(freshness.caller.digest, Urgency.RENEWAL, until), lambda began: began > due
    )


async def _cold(
    context: Context, wanted: Fetchable[Said], read_context: ReadContext, freshness: Freshness, required: _Required
) -> Snapshot[Said]:
    """Fetch, or fall back on an older snapshot of another process; raises as ``join_or_fetch``."""
    try:
        return await join_or_fetch(context, wanted, read_context, required.is_met_by_fetch, anew=required.anew)
    except REFUSALS:
        raise
    except CleverError as error:
        older = _held(wanted)
        if older is None or not _may_answer(context, wanted, older, freshness, required):
            raise
        return older.aged(error.outcome)


async def _unless_slow(
    context: Context, wanted: Fetchable[Said], read_context: ReadContext, older: Snapshot[Said], required: _Required
) -> Snapshot[Said]:
    """Fetch, or fall back on the older snapshot if that fails or is slow; the fetch goes on for those who come later.

    Raises:
        UserUnknown, RecordUnknown: as ``join_or_fetch``.
        CleverError: Clever refuses the token, or refused it meanwhile; then the older snapshot may not answer.
    """
    try:
        async with asyncio.timeout(context.deadlines.slow):
            return await join_or_fetch(context, wanted, read_context, required.is_met_by_fetch, anew=required.anew)
    except REFUSALS:
        raise
    except CleverError as error:
        if not allows_stale(context, wanted):
            raise
        return older.aged(error.outcome)
    except TimeoutError:
        if allows_stale(context, wanted):
            return older.aged("slow")
    return await join_or_fetch(context, wanted, read_context, required.is_met_by_fetch, anew=required.anew)
