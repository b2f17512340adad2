"""That replicas which share a token, and tell one another nothing, do not meet its limit."""

import heapq
import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from app.clever.rate_limit import Budget, Rate
from app.domain.read_context import OWN


@dataclass
class World:
    """A token server that counts by the minute, replicas before it, and messages that take their time."""

    random: random.Random
    limit: int
    slowest: float
    now: float = 0.0
    used: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    coming: list[tuple[float, int, "Replica", Rate | None]] = field(default_factory=list)
    order: "count[int]" = field(default_factory=count)

    def send(self, replica: "Replica", answer: Rate | None = None) -> None:
        at = self.now + self.random.uniform(0.005, self.slowest / 2)
        heapq.heappush(self.coming, (at, next(self.order), replica, answer))

    def run(self, replicas: "list[Replica]", seconds: float) -> None:
        for replica in replicas:
            replica.ask()
        while self.coming and self.coming[0][0] < seconds:
            self.now, _, replica, answer = heapq.heappop(self.coming)
            if answer is None:
                self.send(replica, self._answer())
            else:
                replica.hears(answer)

    def _answer(self) -> Rate:
        window = int(self.now // 60)
        self.used[window] += 1
        self.refused += self.used[window] > self.limit
        reset = 60 * (window + 1)
        return Rate(self.limit, max(self.limit - self.used[window], 0), reset, reset - int(self.now))


@dataclass
class Replica:
    """Sends as much as it may, as soon as it may."""

    world: World

    def __post_init__(self) -> None:
        self.budget = Budget(lambda: self.world.now)
        # The first thing that a process asks is which district the token reads.
        self.budget.record_rates(Rate(self.world.limit, self.world.limit, 60, 60))

    def ask(self) -> None:
        while self.budget.refusal(OWN) is None and self.budget.room():
            self.budget.begin(OWN)
            self.world.send(self)

    def hears(self, rate: Rate) -> None:
        self.budget.record_rates(rate)
        self.budget.end()
        self.ask()


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 4), st.sampled_from([60, 300, 1200]), st.floats(0.02, 0.5))
def test_replicas_use_most_of_a_window_and_meet_no_429(
    chance: random.Random, replicas: int, limit: int, slowest: float
) -> None:
    world = World(chance, limit, slowest)
    world.run([Replica(world) for _ in range(replicas)], 59)
    assert world.refused == 0
    assert world.used[0] >= limit - (min(16, limit / 4) if replicas > 1 else 0)


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from([60, 300, 1200]), st.floats(0.02, 0.5))
def test_one_process_alone_uses_the_whole_window(chance: random.Random, limit: int, slowest: float) -> None:
    world = World(chance, limit, slowest)
    world.run([Replica(world)], 59)
    assert (world.used[0], world.refused) == (limit, 0)
