"""The calendar of a district: its state, pause, launch and terms, and what they mean for permissions at an instant.

Clever names days without a time zone: a day begins at midnight UTC here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from math import inf

from app.domain.policy import Policy

PAUSED = "paused"
"""The state of a district whose data is last year's (dev.clever.com/docs/districts)."""

SHOWN_STATES = ("running", "pending", "error", PAUSED, "other", "unread")
"""In words for people: ``success`` and a missing state are those of a district whose data is in order."""

_DAY = 86_400.0
_EPOCH = date(1970, 1, 1).toordinal()


class Effect(StrEnum):
    """What is left of all permissions in a district."""

    ALLOW = "allow"
    READ_ONLY = "read_only"
    DENY = "deny"


class Cause(StrEnum):
    """Why something is taken from all permissions in a district."""

    BEFORE_LAUNCH = "before_launch"
    PAUSED = "paused"


class TermState(StrEnum):
    """Why a section does not count as it does in its term."""

    ENDED = "ended"
    NOT_BEGUN = "not_begun"


@dataclass(frozen=True, slots=True)
class Term:
    """A term: its first and its last day; None if Clever names none, or none that can be read."""

    id: str
    start: date | None = None
    end: date | None = None


@dataclass(frozen=True, slots=True)
class Calendar:
    """What Clever says of a district's time.

    Attributes:
        state: the state of the district, casefolded; "" if Clever names none.
        pause_start: the first day of the pause; None if there is none.
        pause_end: the first day after it; None if Clever names none.
        launch_date: the first day on which users can log in through Clever; None if Clever names none.
        terms: the terms, by ascending id; None if they were not read.
        unreadable: the fields of the district that hold no date although they are not empty, sorted.
    """

    state: str = ""
    pause_start: date | None = None
    pause_end: date | None = None
    launch_date: date | None = None
    terms: tuple[Term, ...] | None = None
    unreadable: tuple[str, ...] = ()

    def term(self, named: str) -> Term | None:
        """Return the term with this id, or None."""
        return next((term for term in self.terms or () if term.id == named), None)


@dataclass(frozen=True, slots=True)
class DistrictStatus:
    """What a district's calendar means for permissions, from one instant until another.

    Two are equal if they mean the same for permissions; answers may be kept by it.

    Attributes:
        effect: what is left of all permissions.
        cause: why it is not all; None if it is.
        ended: the terms whose sections do not count any more.
        not_begun: the terms whose sections do not count yet.
        until: the next instant at which any of these changes, in Unix seconds.
        calendar: what it follows from.
    """

    effect: Effect = Effect.ALLOW
    cause: Cause | None = None
    ended: frozenset[str] = frozenset()
    not_begun: frozenset[str] = frozenset()
    until: float = field(default=inf, compare=False)
    calendar: Calendar = field(default=Calendar(), compare=False)
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out the hash, which every question needs, once."""
        object.__setattr__(self, "_hash", hash((self.effect, self.cause, self.ended, self.not_begun)))

    def __hash__(self) -> int:
        """Return the hash of what it means for permissions."""
        return self._hash

    def of_term(self, term: str | None) -> TermState | None:
        """Return why sections of a term do not count; None if they do, as those without a term."""
        if term in self.ended:
            return TermState.ENDED
        return TermState.NOT_BEGUN if term in self.not_begun else None


ALWAYS = DistrictStatus()
"""The status of a district whose calendar takes nothing."""


def status_at(calendar: Calendar, policy: Policy, now: float) -> DistrictStatus:
    """Return what a calendar means under a policy at ``now``, in Unix seconds.

    A district is paused if its state says so, or from the first day of its pause until the day on which that ends; a
    pause without an end lasts. It is launched on its launch date, or if Clever names none. A term counts from its first
    through its last day and the policy's days of grace on either side; one that lacks a day is open on that side.
    """
    today = _day_of(now)
    effect, cause = _in_force(today, calendar, policy)
    spans = tuple(_spans(calendar.terms or (), policy))
    return DistrictStatus(
        effect,
        cause,
        frozenset(term for term, begins, ends in spans if max(begins, ends) <= today),
        frozenset(term for term, begins, _ in spans if today < begins),
        (min((*_term_changes(today, spans), *_district_changes(today, calendar, policy)), default=inf) - _EPOCH) * _DAY,
        calendar,
    )


def is_paused(calendar: Calendar, now: float) -> bool:
    """Whether a district is paused at ``now``, in Unix seconds."""
    return _is_paused_on(_day_of(now), calendar)


def shown_state(calendar: Calendar | None, now: float) -> str:
    """Return the state of a district at ``now`` in a word of ``SHOWN_STATES``; None is a calendar that was not read."""
    if calendar is None:
        return "unread"
    return PAUSED if is_paused(calendar, now) else stated(calendar)


def stated(calendar: Calendar) -> str:
    """Return the state that Clever gives a district, whatever its days say, in a word of ``SHOWN_STATES``."""
    state = "running" if calendar.state in {"", "success"} else calendar.state
    return state if state in SHOWN_STATES else "other"


def _day_of(now: float) -> int:
    return _EPOCH + int(now // _DAY)


def _in_force(today: int, calendar: Calendar, policy: Policy) -> tuple[Effect, Cause | None]:
    states, launch = policy.file.district, calendar.launch_date
    if launch is not None and today < launch.toordinal() and states.before_launch == "deny":
        return Effect.DENY, Cause.BEFORE_LAUNCH
    if states.paused != "allow" and _is_paused_on(today, calendar):
        return Effect(states.paused), Cause.PAUSED
    return Effect.ALLOW, None


def _is_paused_on(today: int, calendar: Calendar) -> bool:
    start, end = calendar.pause_start, calendar.pause_end
    by_dates = start is not None and start.toordinal() <= today and (end is None or today < end.toordinal())
    return by_dates or calendar.state == PAUSED


def _district_changes(today: int, calendar: Calendar, policy: Policy) -> Iterator[int]:
    """Yield the coming days on which what is in force in the whole district is another than today."""
    days = (calendar.pause_start, calendar.pause_end, calendar.launch_date)
    yield from (
        day.toordinal()
        for day in days
        if day is not None
        and today < day.toordinal()
        and _in_force(day.toordinal(), calendar, policy) != _in_force(today, calendar, policy)
    )


_Span = tuple[str, float, float]
"""A term, the day from which its sections count, and the day from which they do not any more."""


def _spans(terms: Iterable[Term], policy: Policy) -> Iterator[_Span]:
    sections = policy.file.sections
    if sections.terms == "current":
        for term in terms:
            begins = -inf if term.start is None else term.start.toordinal() - sections.grace_days
            ends = inf if term.end is None else term.end.toordinal() + sections.grace_days + 1
            yield term.id, begins, ends


def _term_changes(today: int, spans: Iterable[_Span]) -> Iterator[float]:
    """Yield the coming day on which each term begins or else ends."""
    coming = (begins if today < begins else ends for _, begins, ends in spans)
    yield from (day for day in coming if today < day)
