"""Thousands of random changes, told by events that something is wrong with, to replicas that are restarted meanwhile.

Afterwards what each replica holds of the district equals what a fresh load finds, byte for byte.
"""

import asyncio
import random
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

from app.cache.redis import SharedCache
from app.cli.server import in_background
from app.domain.errors import RosterguardError
from app.sandbox.faults import Faults
from app.sandbox.server import create_sandbox
from app.sandbox.world import generate
from app.waiting import cancel, start
from tests.chaos.report import Figure, at_least, at_most, told
from tests.conftest import Sandbox
from tests.following import Replica, following
from tests.valkey import Valkey, valkey

OF_EVENTS = (
    *("doubled", "disordered", "skipped", "holes", "other_district"),
    *("shifted", "repeated", "changing", "loop"),
)
"""Faults of events alone: of some of them nobody could tell, where they are in the lists of a load."""

OF_ALL = ("drop", "truncate", "half_json", "html", "wrong_shape", "status")

EVENTS = "/v3.1/events"

SECRET = "0123456789abcdef"
POLL_SECONDS, MOST_LOOKS = 0.1, 900
ROUNDS_BETWEEN_RESTARTS = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """How much happens.

    Attributes:
        rounds: in each, faults change, changes are made, and perhaps a replica or Redis is restarted.
        changes: in each round.
        replicas: how many share a Redis; one more is alone.
        seed: of all that is drawn.
    """

    rounds: int = 60
    changes: int = 150
    replicas: int = 2
    seed: int = 1


@dataclass
class Outcome:
    """What came of it: how many events there were, and which replicas differ from a fresh load."""

    events: int = 0
    restarts: int = 0
    loads: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    differing: list[str] = field(default_factory=list)


@dataclass
class _Process:
    """A replica that loads its district until that has worked, as often as it has to."""

    name: str
    sandbox: Sandbox
    outcome: Outcome
    redis: Valkey | None
    replica: Replica | None = None
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _loading: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        shared = None
        if self.redis is not None:
            shared = SharedCache(self.redis.url, secret=SECRET.encode(), keep_seconds=300, timeout=0.25, wall=time.time)
            await self._stack.enter_async_context(shared.open(lambda _key, _at: None))
        self.replica = await self._stack.enter_async_context(
            following(self.sandbox, time.monotonic, time.time, shared, POLL_SECONDS)
        )
        self.replica.following.load_again = lambda _district: self._load()
        self._load()

    async def end(self) -> None:
        await cancel(self._tasks)
        await self._stack.aclose()

    def has_applied(self, event: str) -> bool:
        replica = self.replica
        return replica is not None and replica.is_loaded() and replica.has_applied(event)

    async def differs(self) -> bool:
        """Tell whether what is known of the district is not what a fresh load finds."""
        replica = self.replica
        if replica is None or not replica.is_loaded():
            return True
        district = replica.followed.district
        return district is None or [*district.contents()] != await replica.contents()

    def _load(self) -> None:
        if self._loading is None or self._loading.done():
            self.outcome.loads += 1
            self._loading = start(self._loaded(), self._tasks)

    async def _loaded(self) -> None:
        is_loaded = False
        while self.replica is not None and not is_loaded:
            with suppress(RosterguardError):
                await self.replica.load()
                is_loaded = True
            await asyncio.sleep(POLL_SECONDS)


async def run(plan: Plan, sandbox: Sandbox, redis: Valkey) -> Outcome:
    """Let it all happen, and return what came of it."""
    draw, outcome = random.Random(plan.seed), Outcome()
    world, faults = sandbox.app.state.world, sandbox.app.state.faults
    names = [*(f"shared {number}" for number in range(plan.replicas)), "alone"]
    processes = [_Process(name, sandbox, outcome, None if name == "alone" else redis) for name in names]
    for process in processes:
        await process.begin()
    for number in range(plan.rounds):
        kinds = [*draw.sample(OF_EVENTS, 2), draw.choice(OF_ALL)]
        rules = [
            # Of one that is left out twice in a row nobody learns before the next load.
            {"path": path, "kind": kind, "rate": 0.3, "status": 503, "times": 1 if kind == "skipped" else None}
            for path, kind in zip((EVENTS, EVENTS, "/v3.1/*"), kinds, strict=True)
        ]
        faults.put(Faults.model_validate({"seed": number, "faults": rules if draw.random() < 0.7 else []}))
        await asyncio.to_thread(
            world.change_at_random, sandbox.district, seed=f"{plan.seed}/{number}", changes=plan.changes, sync=25
        )
        await asyncio.sleep(draw.choice((0, POLL_SECONDS, 3 * POLL_SECONDS)))
        if number % ROUNDS_BETWEEN_RESTARTS == ROUNDS_BETWEEN_RESTARTS - 1:
            place = draw.randrange(len(processes))
            await processes[place].end()
            old = processes[place]
            processes[place] = _Process(old.name, sandbox, outcome, old.redis)
            await processes[place].begin()
            outcome.restarts += 1
        if draw.random() < 0.05:
            redis.client.flushall()
        if draw.random() < 0.05:
            redis.kill()
            redis.start()
        outcome.struck.update(kinds)
    faults.clear()
    events = world.events[sandbox.district].kept()
    outcome.events = len(events)
    for _ in range(MOST_LOOKS):
        if all(process.has_applied(events[-1].id) for process in processes):
            break
        await asyncio.sleep(POLL_SECONDS)
    for process in processes:
        if await process.differs():
            outcome.differing.append(process.name)
        await process.end()
    return outcome


def outcome_of(plan: Plan) -> Outcome:
    """Run a sandbox and a Valkey of one's own, and return what came of it."""
    world = generate(schools=4, teachers=30, students=300)
    app = create_sandbox(world, rate_limit=0)
    with in_background(app) as url, valkey() as redis:
        return asyncio.run(run(plan, Sandbox(url, app, world), redis))


def main() -> list[Figure]:
    """Run, and return what was reached."""
    outcome = outcome_of(Plan())
    for line in outcome.differing:
        print(line)
    return [
        at_least("events", outcome.events, 10_000),
        at_least("replicas restarted", outcome.restarts, 5),
        at_least("kinds of faults", len(outcome.struck), 10),
        told("loads of the district", outcome.loads),
        at_most("replicas that differ from a fresh load", len(outcome.differing), 0),
    ]
