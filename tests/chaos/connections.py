"""Thousands of strangers, and callers who leave: in the end nobody waits for a connection to Clever."""

import asyncio
import random
import re
from collections.abc import Iterator
from contextlib import suppress

from app.sandbox.world import generate
from tests.chaos.exchanges import Peer
from tests.chaos.faults import path_of, ready
from tests.chaos.hastened import FastClock, running
from tests.chaos.report import Figure, at_most, told
from tests.chaos.strangers import Strangers
from tests.conftest import rosterguard_process

SIZE = (5, 200, 6000)
STRETCHES = ((0, 1, 1500), (0, 8, 3000), (20, 1, 150), (20, 8, 1500), (80, 1, 50), (80, 8, 600))
"""How far away Clever is in milliseconds, how many ask at once, and about how many users."""
JITTER = 0.01
STRANGE, LEAVING = 0.8, 0.2
COLD = 10


async def stretch(service: Peer, users: Iterator[str], strangers: Strangers, plan: tuple[int, int, int]) -> float:
    """Ask about many, most of them strangers, and return how long the slowest of some others takes afterwards."""
    delay, at_once, number = plan
    draw = random.Random(number)
    each = iter(range(number))

    async def ask() -> None:
        for _ in each:
            user = strangers.one(draw) if draw.random() < STRANGE else next(users)
            patience = draw.uniform(0.001, 0.01 + 2 * delay / 1000) if draw.random() < LEAVING else None
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await service.ask(path_of(user))

    await asyncio.gather(*(ask() for _ in range(at_once)))
    answers = [await service.ask(path_of(next(users))) for _ in range(COLD)]
    return max(answer.seconds if answer.status == 200 else float("inf") for answer in answers)


async def in_use(service: Peer) -> int:
    """Return how many requests to Clever are under way; it is measured every second."""
    await asyncio.sleep(2.5)
    exposition = (await service.ask("/metrics")).body
    found = re.search(rb"^rosterguard_clever_requests_in_progress ([0-9]+)", exposition, re.MULTILINE)
    assert found is not None
    return int(found[1])


async def measured(service: str, sandbox: str, users: Iterator[str], strangers: Strangers) -> list[Figure]:
    """Run all stretches, and return what was reached."""
    peer, clever = Peer(service), Peer(sandbox)
    await ready(peer)
    late = {"path": "/v3.1/*", "kind": "delay", "rate": 0.5, "seconds": JITTER}
    await clever.ask("/_sandbox/faults", {"faults": [*strangers.faults(), late]}, method="PUT")
    figures = [told("users asked about", sum(number for _, _, number in STRETCHES))]
    for plan in STRETCHES:
        await clever.ask("/_sandbox/limits", {"delay_ms": plan[0]}, method="PUT")
        slowest = await stretch(peer, users, strangers, plan)
        figures.append(at_most(f"slowest cold user after {plan[2]}, {plan[1]} at once, {plan[0]} ms", slowest, 1, " s"))
    figures.append(at_most("requests to Clever under way in the end", await in_use(peer), 0))
    peer.close()
    clever.close()
    return figures


def main() -> list[Figure]:
    """Run, and return what was reached."""
    schools, teachers, students = SIZE
    [district] = generate(schools=schools, teachers=teachers, students=students).districts
    strangers = Strangers.of(district, random.Random(7))
    users = (user for user in district.users if user not in {*strangers.departed, *strangers.half_broken})
    with (
        running("sandbox", FastClock.of(1), "0", *map(str, SIZE)) as sandbox,
        rosterguard_process("--no-auth", ROSTERGUARD_CLEVER_URL=sandbox.url) as (_, service),
    ):
        return asyncio.run(measured(service, sandbox.url, users, strangers))
