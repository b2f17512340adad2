"""Long work done a piece at a time, so that other callers have their turn."""

import asyncio
from typing import TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

AT_A_STRETCH = 50
"""How many questions are answered before other callers have their turn: about a millisecond."""

_FREED_AT_A_STRETCH = 500


async def give_way(place: int) -> None:
    """Let others have their turn now and then, in a loop that may be long; ``place`` counts its rounds."""
    if place % AT_A_STRETCH == AT_A_STRETCH - 1:
        await others_first()


async def others_first() -> None:
    """Let everybody else have their turn; of all who come back from here only one goes on in a round of the loop."""
    async with _lock(_TURNS):
        await asyncio.sleep(0)


async def let_go_of(things: list[T]) -> None:
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
