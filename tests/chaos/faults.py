"""Mixed faults in fast-forward: every answer is right for some moment within the allowed age, or a marked error."""

import asyncio
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ruamel.yaml import YAML

from app.main import default_policy
from app.sandbox.records import District
from app.sandbox.world import World, generate
from tests.chaos.disorder import Deck, Disorder
from tests.chaos.exchanges import Answer, Peer
from tests.chaos.hastened import FastClock, Running, running
from tests.chaos.history import History
from tests.chaos.judge import Asked, Judge
from tests.chaos.oracle import Oracle, Policy
from tests.chaos.questions import Asker
from tests.chaos.report import Figure, at_least, at_most, quantile, told
from tests.chaos.strangers import Strangers
from tests.conftest import TOKEN, api_key

SIZE = ("3", "40", "600")
KEYS = ("chaos-1", "chaos-2", "chaos-3")
FRESH, STALE = 300, 3600
COLD_AFTERWARDS = 24
"""Users who are asked about for the first time once all is well again."""
MOST_MB = 400
"""What the service may take: 256 MB of bodies that are being read, and what it is made of."""


@dataclass(frozen=True)
class Plan:
    """How much goes wrong, and for how long.

    Attributes:
        speed: how many times as fast time passes.
        hands: how often other faults are dealt.
        hand_seconds: how long each deal holds, in real seconds.
        kinds: how many kinds of faults a deal has.
        askers: how many ask at once.
        pause: for how many seconds each of them rests between two questions.
        change_seconds: how long it is from one change of the district to the next, in real seconds.
        seed: what all is drawn from.
    """

    speed: float = 30
    hands: int = 30
    hand_seconds: float = 2.0
    kinds: int = 3
    askers: int = 24
    pause: float = 0.05
    change_seconds: float = 0.1
    seed: int = 1


@dataclass
class Outcome:
    """What came of a run."""

    judge: Judge
    disorder: Disorder
    complaints: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    refused: int = 0
    afterwards: list[Answer] = field(default_factory=list)

    @property
    def answers(self) -> int:
        return sum(self.judge.verdicts.values())

    @property
    def kinds_that_struck(self) -> set[str]:
        return {kind for kind, times in self.disorder.struck.items() if times}


@contextmanager
def stage(clock: FastClock, *, rate_limit: int = 1200, fresh: int = FRESH) -> Iterator[tuple[Running, Running]]:
    """Start a sandbox and a service over it, both by the clock."""
    keys = [api_key(key, key).model_dump(mode="json") for key in KEYS]
    with (
        running("sandbox", clock, str(rate_limit), *SIZE) as sandbox,
        running(
            "service",
            clock,
            ROSTERGUARD_CLEVER_URL=sandbox.url,
            ROSTERGUARD_CLEVER_TOKEN=TOKEN,
            ROSTERGUARD_API_KEYS=json.dumps(keys),
            ROSTERGUARD_FRESH_SECONDS=str(fresh),
            ROSTERGUARD_STALE_SECONDS=str(STALE),
        ) as service,
    ):
        yield sandbox, service


async def ready(service: Peer) -> None:
    """Wait until the service has read its first token."""
    async with asyncio.timeout(20):
        while (await service.ask("/readyz")).status != 200:  # noqa: ASYNC110 -- it is another process
            await asyncio.sleep(0.05)


async def oracle_for(service: Peer) -> Oracle:
    """Make an oracle for the policy in force, which is the default one."""
    written = YAML(typ="safe").load(default_policy())
    revision = (await service.ask("/v1/policy")).json()["revision"]
    return Oracle(Policy(written, {"rule": written["rule"], "revision": revision}))


class Run:
    """A run: those who ask, what goes wrong and what changes meanwhile, and what is to be said of it."""

    def __init__(self, plan: Plan, clock: FastClock, sandbox: Running, service: Running) -> None:
        self.plan, self.clock, self.service = plan, clock, service
        self.peers = [Peer(service.url, key) for key in KEYS]
        self.sandbox = Peer(sandbox.url)

    async def __call__(self) -> Outcome:
        await ready(self.peers[0])
        world = generate(schools=int(SIZE[0]), teachers=int(SIZE[1]), students=int(SIZE[2]))
        outcome = await self._outcome(world)
        crowd = outcome.disorder.crowd
        async with asyncio.TaskGroup() as group:
            helpers = [group.create_task(one) for one in (self._change(outcome), self._weigh(outcome))]
            askers = [group.create_task(self._ask(outcome, number, crowd, world)) for number in range(self.plan.askers)]
            deck = Deck(outcome.disorder.draw)
            for _ in range(self.plan.hands):
                await outcome.disorder.fail(deck.take(self.plan.kinds))
                await asyncio.sleep(self.plan.hand_seconds)
            await outcome.disorder.heal()
            for task in (*helpers, *askers):
                task.cancel()
        outcome.afterwards = await self._cold(outcome, world)
        outcome.logged = self.service.complaints()
        outcome.refused = (await self.sandbox.ask("/_sandbox/requests")).json()["refused"]
        for peer in (*self.peers, self.sandbox):
            peer.close()
        # Not before: that a change has been made is known only when the sandbox has said so.
        outcome.complaints = [found for asked in outcome.asked if (found := outcome.judge.complaint(asked))]
        return outcome

    async def _outcome(self, world: World) -> Outcome:
        [district] = world.districts
        draw = random.Random(self.plan.seed)
        crowd, rooms = crowd_of(world, draw)
        strangers = Strangers.of(district, draw, crowd)
        history = History.of(district)
        history.denied = frozenset(strangers.departed)
        disorder = Disorder(self.sandbox, self.clock, history, district, draw, crowd, rooms, strangers)
        return Outcome(Judge(await oracle_for(self.peers[0]), history, self.clock, FRESH, STALE), disorder)

    async def _cold(self, outcome: Outcome, world: World) -> list[Answer]:
        """Ask about users whom nobody asked about before, one after the other, as soon as one of them is answered."""
        known = {*outcome.disorder.crowd, *outcome.disorder.strangers.departed, *outcome.disorder.strangers.half_broken}
        users = iter([user for user in world.districts[0].users if user not in known])
        async with asyncio.timeout(20):
            while (await self.peers[0].ask(path_of(next(users)))).status != 200:  # noqa: ASYNC110 -- another process
                await asyncio.sleep(0.1)
        return [await self.peers[0].ask(path_of(next(users))) for _ in range(COLD_AFTERWARDS)]

    async def _change(self, outcome: Outcome) -> None:
        for number in range(1, 1_000_000):
            if number % 120 == 0:
                await outcome.disorder.come_back()
            else:
                await outcome.disorder.change()
            await asyncio.sleep(self.plan.change_seconds)

    async def _weigh(self, outcome: Outcome) -> None:
        while True:
            outcome.memory.append(self.service.resident_mb())
            await asyncio.sleep(0.5)

    async def _ask(self, outcome: Outcome, number: int, crowd: Sequence[str], world: World) -> None:
        draw = random.Random(f"{self.plan.seed}/{number}")
        asker = asker_of(draw, world.districts[0], crowd, outcome.disorder.rooms, outcome.disorder.strangers)
        peer = self.peers[number % len(self.peers)]
        while True:
            question = asker.question()
            try:
                answer = await peer.ask(question.path(), question.said(), headers=question.freshness.headers())
            except OSError as error:
                outcome.broken.append(f"{type(error).__name__}: {error}: {question}")
                continue
            outcome.asked.append(Asked(question, answer, self.clock.at(answer.began), self.clock.at(answer.ended)))
            await asyncio.sleep(self.plan.pause)


def crowd_of(world: World, draw: random.Random) -> tuple[list[str], list[str]]:
    """Pick users who are asked about, all named cases among them, and sections in which some of them stand."""
    [district] = world.districts
    cases = [case.user for case in world.cases.values()]
    others = [user for role in ("teacher", "student", "staff", "contact") for user in _some(district, role, draw)]
    crowd = list(dict.fromkeys([*cases, *others]))
    known = {section.id for user in crowd for section in district.sections_of_user.get(user, ())}
    return crowd, draw.sample(sorted(known), 50)


def _some(district: District, role: str, draw: random.Random) -> list[str]:
    return [user.id for user in draw.sample(list(district.users_in_role[role]), 12)]


def path_of(user: str) -> str:
    """Return where the permissions of a user are asked for."""
    return f"/v1/users/{user}/permissions"


def asker_of(
    draw: random.Random, district: District, crowd: Sequence[str], rooms: Sequence[str], strangers: Strangers
) -> Asker:
    """Make somebody who asks about a crowd, and about the places where it is."""
    roles = {user: [role for role, held in district.users[user].roles.items() if held is not None] for user in crowd}
    known = {user: [role for role in held if role != "librarian"] for user, held in roles.items()}
    students = [user for user, held in known.items() if "student" in held]
    places = {"section": rooms, "school": list(district.schools), "student": students}
    return Asker(draw, crowd, known, places, strangers)


def run(plan: Plan | None = None) -> Outcome:
    """Run the faults over processes of their own."""
    given = plan or Plan()
    clock = FastClock.of(given.speed)
    with stage(clock) as (sandbox, service):
        return asyncio.run(Run(given, clock, sandbox, service)())


def figures(outcome: Outcome, plan: Plan) -> list[Figure]:
    """Return what was reached."""
    minutes = plan.hands * plan.hand_seconds * plan.speed / 60
    quarter = len(outcome.memory) // 4
    # The lower quartile: what is held while a large body is read does not stay.
    last, second = (quantile(part, 0.25) for part in (outcome.memory[-quarter:], outcome.memory[quarter : 2 * quarter]))
    growth = last / second
    verdicts = sorted(outcome.judge.verdicts.items())
    changes = sum(outcome.disorder.changes.values())
    return [
        at_least("minutes that passed, in fast-forward", minutes, 30),
        told("answers that were judged", outcome.answers),
        *(told(f"… of which {verdict}", times) for verdict, times in verdicts),
        told("changes of the district meanwhile", changes),
        told("faults that struck", sum(outcome.disorder.struck.values())),
        at_least("kinds of faults that struck", len(outcome.kinds_that_struck), 19),
        at_most("wrong answers", len(outcome.complaints), 0),
        at_most("requests without an answer", len(outcome.broken), 0),
        at_most("lines in the log that nobody foresaw", len(outcome.logged), 0),
        at_most("429 that Clever had to answer for its own limit", outcome.refused, 0),
        at_most("cold users not answered once all is well", sum(one.status != 200 for one in outcome.afterwards), 0),
        at_most("… the slowest of them", max(one.seconds for one in outcome.afterwards), 1, " s"),
        told("slowest answer", max((asked.answer.seconds for asked in outcome.asked), default=0), " s"),
        at_most("memory, last quarter of the time over second (lower quartiles)", growth, 1.15),
        told("memory at the end", outcome.memory[-1], " MB"),
        at_most("memory at most", max(outcome.memory), MOST_MB, " MB"),
    ]


def main() -> list[Figure]:
    """Run, and return what was reached; what was wrong is printed."""
    plan = Plan()
    outcome = run(plan)
    for line in (*outcome.complaints[:20], *outcome.broken[:5], *outcome.logged[:40]):
        print(line[:3000])
    return figures(outcome, plan)
