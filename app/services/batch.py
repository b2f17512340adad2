"""Many questions at once: what answers without waiting goes first, the rest is read a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar
from weakref import WeakKeyDictionary

from app.domain.errors import CallerOverspent, CleverLimited, NotCached, RosterguardError
from app.roster.freshness import Freshness

Q = TypeVar("Q")
A = TypeVar("A")

AT_A_STRETCH = 50
"""How many questions are answered before other callers have their turn: about a millisecond."""

_FREED_AT_A_STRETCH = 500

FEW = 4
"""How many things are read one by one; for more it is looked for a list."""

AT_ONCE = 8
"""How many questions of one batch wait for Clever at once; other callers have batches, too."""


async def answered(
    questions: Sequence[Q],
    answer: Callable[[Q, Freshness], Awaitable[A]],
    freshness: Freshness,
    prefetch: Iterable[Callable[[Sequence[Q]], Awaitable[None]]] = (),
) -> list[A | RosterguardError]:
    """Answer many questions, in the order asked; what goes wrong with one is its own answer.

    Args:
        questions: what is asked.
        answer: answers one of them.
        freshness: how recent and how soon the answers have to be.
        prefetch: steps that read by lists what the questions need that are still without an answer.

    Raises:
        CleverLimited, CallerOverspent: there are not enough requests left for all, and so there is no answer to any.
    """
    at_once = freshness.at_once()
    outcomes: list[A | RosterguardError] = [NotCached()] * len(questions)

    async def try_at_once(places: Sequence[int]) -> list[int]:
        for number, place in enumerate(places):
            outcomes[place] = await outcome_of(answer(questions[place], at_once))
            await give_way(number)
        return [place for place in places if isinstance(outcomes[place], NotCached)]

    unread = await try_at_once(range(len(questions)))
    if freshness.only_if_cached:
        return outcomes
    for step in prefetch:
        if len(unread) > FEW:
            await step([questions[place] for place in unread])
            unread = await try_at_once(unread)
    read = await several(unread, lambda place: affordable(answer(questions[place], freshness)))
    for place, each in zip(unread, read, strict=True):
        outcomes[place] = each
    return outcomes


async def affordable(answer: Awaitable[A]) -> A | RosterguardError:
    """Return what ``outcome_of`` does, but raise that there are no requests left: so it is for all that is asked."""
    outcome = await outcome_of(answer)
    if isinstance(outcome, (CleverLimited, CallerOverspent)):
        raise outcome
    return outcome


async def outcome_of(answer: Awaitable[A]) -> A | RosterguardError:
    """Return what an answer comes to, or the error that it ends in."""
    try:
        return await answer
    except RosterguardError as error:
        return error


async def several(questions: Sequence[Q], answer: Callable[[Q], Awaitable[A]]) -> list[A]:
    """Answer each question, a few at a time, and return the answers in the same order; the first error ends it all."""
    answers: dict[int, A] = {}
    waiting = iter(enumerate(questions))

    async def work() -> None:
        for place, question in waiting:
            answers[place] = await answer(question)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(questions))):
                group.create_task(work())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [answers[place] for place in range(len(questions))]


async def give_way(place: int) -> None:
    """Let others have their turn now and then, in a loop that may be long; ``place`` counts its rounds."""
    if place % AT_A_STRETCH == AT_A_STRETCH - 1:
        await others_first()


async def others_first() -> None:
    """Let everybody else have their turn; of all who come back from here only one goes on in a round of the loop."""
    async with _lock(_TURNS):
        await asyncio.sleep(0)


async def let_go_of(things: list[A]) -> None:
    """Empty a long list little by little: to free ten thousand questions at once would keep everybody waiting."""
    while things:
        del things[-_FREED_AT_A_STRETCH:]
        await others_first()


def one_at_a_time() -> asyncio.Lock:
    """Return what to hold over work that takes much memory and waits for nobody, but lets others have their turn."""
    return _lock(_LARGE)


_Locks = WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]
_TURNS: _Locks = WeakKeyDictionary()
_LARGE: _Locks = WeakKeyDictionary()


def _lock(locks: _Locks) -> asyncio.Lock:
    return locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
