"""More than the service can do: what is taken on is answered in time, the rest is refused, and the cached go on.

Service, sandbox and this generator are processes of their own. The generator sends when a request is due, whether or
not earlier ones have been answered, and counts from then; how late it was itself is told.
"""

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import uvloop

from app.sandbox.world import generate
from tests.chaos.exchanges import Answer, Peer, now
from tests.chaos.faults import path_of, ready
from tests.chaos.hastened import FastClock, running
from tests.chaos.outage import warm
from tests.chaos.report import Figure, at_least, at_most, quantile, told
from tests.chaos.strangers import Strangers
from tests.conftest import rosterguard_process

SIZE = (20, 1500, 24_000)
DELAY_MS = 100
CLOSED_AT_ONCE = (8, 16, 32)
CLOSED_SECONDS = 3.0
LEVELS = (1.0, 2.0, 4.0)
LEVEL_SECONDS = 8.0
UNLOADED = 0.1
CACHED = 20
CACHED_PER_SECOND = 20.0
ANSWERED = frozenset({200, 404, 502})
"""A tenth of the users are strangers, of whom Clever says that it does not know them, or only a part."""


@dataclass
class Level:
    """What came of a stretch of load; ``rate`` is what was offered a second."""

    rate: float
    answers: list[Answer] = field(default_factory=list)
    cached: list[Answer] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    lost: int = 0
    seconds: float = 0.0

    def accepted(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.status in ANSWERED]

    def goodput(self) -> float:
        return len(self.accepted()) / self.seconds

    def p99(self) -> float:
        return quantile((answer.seconds for answer in self.accepted()), 0.99) * 1000

    def unclean(self) -> int:
        refused = [answer for answer in self.answers if answer.status not in ANSWERED]
        clean = [one for one in refused if one.status == 503 and one.headers.get("retry-after", "").isdigit()]
        return self.lost + len(refused) - len(clean)

    def cached_refused(self) -> int:
        return sum(answer.status != 200 for answer in self.cached)


async def capacity(peer: Peer, cold: Iterator[str], at_once: int) -> float:
    """Return how many cold users a second are answered where so many ask, each as soon as they were answered."""
    answers, end = list[Answer](), now() + CLOSED_SECONDS

    async def ask() -> None:
        while now() < end:
            answers.append(await peer.ask(path_of(next(cold))))

    await asyncio.gather(*(ask() for _ in range(at_once)))
    return sum(answer.status in ANSWERED and answer.ended <= end for answer in answers) / CLOSED_SECONDS


async def offered(peer: Peer, cold: Iterator[str], cached: Sequence[str], rate: float) -> Level:
    """Ask for cold users at a rate, and for cached ones beside them."""
    level = Level(rate)
    began = now()

    async def ask(user: str, due: float, into: list[Answer]) -> None:
        try:
            into.append(await peer.ask(path_of(user), due=due))
        except OSError:
            level.lost += 1

    async def send(users: Iterator[str], per_second: float, into: list[Answer]) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(int(LEVEL_SECONDS * per_second)):
                due = began + number / per_second
                await asyncio.sleep(max(due - now(), 0))
                level.late.append(now() - due)
                group.create_task(ask(next(users), due, into))

    draw = random.Random(3)
    again = (draw.choice(cached) for _ in range(10**9))
    async with asyncio.TaskGroup() as group:
        group.create_task(send(cold, rate, level.answers))
        group.create_task(send(again, CACHED_PER_SECOND, level.cached))
    level.seconds = now() - began
    return level


async def measured(service: str, sandbox: str, users: Sequence[str], strangers: Strangers) -> list[Figure]:
    """Measure, and return what was reached."""
    peer, clever = Peer(service), Peer(sandbox)
    await clever.ask("/_sandbox/limits", {"delay_ms": DELAY_MS}, method="PUT")
    await clever.ask("/_sandbox/faults", {"faults": strangers.faults()}, method="PUT")
    await ready(peer)
    cached, cold = users[:CACHED], iter(strangers.among(users[CACHED:], random.Random(4)))
    await warm(peer, cached)
    closed = {at_once: await capacity(peer, cold, at_once) for at_once in CLOSED_AT_ONCE}
    able = max(closed.values())
    unloaded = await offered(peer, cold, cached, max(able * UNLOADED, 5))
    levels = []
    for times in LEVELS:
        levels.append(await offered(peer, cold, cached, able * times))
        await asyncio.sleep(1)
    peer.close()
    clever.close()
    return [*_closed(closed), *_figures(unloaded, levels)]


def _closed(closed: Mapping[int, float]) -> Iterator[Figure]:
    for at_once, able in closed.items():
        yield told(f"cold users a second, closed loop of {at_once}", able)


def _figures(unloaded: Level, levels: Sequence[Level]) -> Iterator[Figure]:
    yield told("p99 of a cold user, unloaded", unloaded.p99(), " ms")
    peak = max(level.goodput() for level in levels)
    for times, level in zip(LEVELS, levels, strict=True):
        at = f"at {times:.0f} times the best of these"
        yield told(f"{at}: offered", level.rate, "/s")
        yield at_least(f"{at}: goodput to its peak of {peak:.0f}/s", level.goodput() / peak, 0.9 if times >= 4 else 0)
        yield at_most(f"{at}: p99 of the accepted to the unloaded", level.p99() / unloaded.p99(), 10)
        yield at_most(f"{at}: refused uncleanly", level.unclean(), 0)
        yield at_most(f"{at}: cached users refused, of {len(level.cached)}", level.cached_refused(), 0)
        yield told(f"{at}: p99 of cached users", quantile((one.seconds for one in level.cached), 0.99) * 1000, " ms")
        yield told(f"{at}: the generator's own lag (p99)", quantile(level.late, 0.99) * 1000, " ms")


def main() -> list[Figure]:
    """Run, and return what was reached."""
    schools, teachers, students = SIZE
    [district] = generate(schools=schools, teachers=teachers, students=students).districts
    draw = random.Random(2)
    strangers = Strangers.of(district, draw)
    users = [user for user in district.users if user not in {*strangers.departed, *strangers.half_broken}]
    draw.shuffle(users)
    with (
        running("sandbox", FastClock.of(1), "0", *map(str, SIZE)) as sandbox,
        rosterguard_process("--no-auth", ROSTERGUARD_CLEVER_URL=sandbox.url) as (_, service),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(measured(service, sandbox.url, users, strangers))
