"""Many questions at once: those that memory answers go first, for the others data is read a few at a time."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from app.domain.errors import CallerOverspent, CleverLimited, NotCached, RosterguardError
from app.roster.concurrency import FEW, outcome_of, several
from app.roster.freshness import Freshness
from app.waiting import give_way

Q = TypeVar("Q")
A = TypeVar("A")


async def answer_many(
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
    """Return an answer or its error, as ``outcome_of``; but raise if no requests are left: that ends the batch."""
    outcome = await outcome_of(answer)
    if isinstance(outcome, (CleverLimited, CallerOverspent)):
        raise outcome
    return outcome
