"""How tests wait: for others to have their turn, and for what will hold before long."""

import asyncio
import time
from collections.abc import Callable


async def turn() -> None:
    """Let every other task go on that can."""
    await asyncio.sleep(0)


async def settled(condition: Callable[[], object]) -> None:
    """Let other tasks run until ``condition`` holds, which takes turns and no time."""
    for _ in range(1000):
        if condition():
            return
        await turn()
    raise AssertionError("it never came to that")


async def eventually(condition: Callable[[], object]) -> None:
    """Wait for what will hold before long, such as what a socket or another thread brings about."""
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        await asyncio.sleep(0.005)
