"""How recent an answer has to be, and how soon it has to be there.

The request directives are those of RFC 9111 section 5.2.1.
"""

import msgspec
from msgspec.structs import replace

from app.domain.callers import ANYONE, Caller
from app.domain.read_context import ReadContext, Urgency


class Freshness(msgspec.Struct, frozen=True):
    """Who asks, and how recent and how soon they want the answer.

    Attributes:
        max_age: how old an answer may be, in seconds; None leaves it to the service's fresh time.
        no_cache: accept only a fetch that begins after the request came.
        max_stale: accept an answer at once that is up to so many seconds older than that.
        only_if_cached: answer from the cache or not at all.
        asked_at: when the request came, by the roster's clock; None for now.
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


class Required(msgspec.Struct, frozen=True, gc=False):
    """How recent a snapshot must be to answer without being marked stale, by the roster's clock.

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
    def by(cls, freshness: Freshness, now: float, fresh_seconds: float) -> "Required":
        """Return what a request requires; see ``Freshness``."""
        asked = now if freshness.asked_at is None else freshness.asked_at
        fresh_from = now - fresh_seconds
        oldest = fresh_from if freshness.max_age is None else max(fresh_from, asked - freshness.max_age)
        return cls(now, asked, oldest, freshness.no_cache)

    def is_met_by(self, began: float) -> bool:
        """Tell whether a snapshot will do that is there already, by when its fetch began."""
        return began > self.asked if self.anew else began >= self.oldest

    def is_met_by_fetch(self, began: float) -> bool:
        """Tell whether a fetch in progress will do, by when it began."""
        return began >= (self.asked if self.anew else self.oldest)
