"""Clever dead: whoever is cached is answered, whoever is not is refused at once, and its return is no stampede."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from app.sandbox.world import generate
from tests.chaos.exchanges import Answer, Peer, now
from tests.chaos.faults import KEYS, SIZE, path_of, ready, stage
from tests.chaos.hastened import FastClock
from tests.chaos.report import Figure, at_least, at_most, quantile, told
from tests.chaos.strangers import Strangers

HOUR = 3_570
"""Seconds from the last reading to Clever's return: past an hour what was read is older than it may be."""

FAST = 120
CACHED, COLD = 60, 500
FIRST_AFTERWARDS = 110
"""Which of the others shows that Clever is back."""
ASKERS = 4
SHORT_FRESH = 10
SHORT_OUTAGE = 14
REST = 0.01
RATE_LIMIT = 1200


@dataclass
class Watched:
    """What a stretch of time was like for those who asked."""

    cached: list[Answer] = field(default_factory=list)
    cold: list[Answer] = field(default_factory=list)
    lost: int = 0
    seconds: float = 0.0

    def unanswered(self) -> int:
        return self.lost + sum(answer.status != 200 for answer in self.cached)

    def otherwise(self) -> str:
        statuses = Counter(answer.status for answer in self.cached if answer.status != 200)
        return "".join(f", {times} of {status}" for status, times in sorted(statuses.items()))

    def per_second(self) -> float:
        return len(self.cached) / self.seconds

    def p99(self) -> float:
        return quantile((answer.seconds for answer in self.cached), 0.99) * 1000

    def stale(self) -> float:
        return sum(b'"stale":true' in answer.body for answer in self.cached) / max(len(self.cached), 1)


async def watched(
    peers: Sequence[Peer], users: Sequence[str], cold: Sequence[str], seconds: float, *, rest: float = 0.0
) -> Watched:
    """Ask for cached users, with a rest after each or without, and for a cold one ten times a second."""
    seen, end = Watched(seconds=seconds), now() + seconds

    async def ask_cached(peer: Peer, draw: random.Random) -> None:
        while now() < end:
            try:
                seen.cached.append(await peer.ask(path_of(draw.choice(users))))
            except OSError:
                seen.lost += 1
            if rest:
                await asyncio.sleep(rest)

    async def ask_cold() -> None:
        async with asyncio.TaskGroup() as group:
            for user in cold[: int(seconds * 10)]:
                group.create_task(note(user))
                await asyncio.sleep(0.1)

    async def note(user: str) -> None:
        seen.cold.append(await peers[0].ask(path_of(user)))

    async with asyncio.TaskGroup() as group:
        for number in range(ASKERS):
            group.create_task(ask_cached(peers[number % len(peers)], random.Random(number)))
        group.create_task(ask_cold())
    return seen


async def fail(sandbox: Peer, *kinds: str) -> None:
    """Let all requests to Clever fail, or those about strangers alone."""
    faults = [{"path": "*", "kind": kind} for kind in kinds] or cast().strangers.faults()
    answer = await sandbox.ask("/_sandbox/faults", {"faults": faults}, method="PUT")
    assert answer.status == 204, answer.body


async def warm(peer: Peer, users: Sequence[str], headers: Mapping[str, str] | None = None) -> dict[str, Answer]:
    """Ask for users, some at once, until all are cached."""
    found: dict[str, Answer] = {}
    for some in batched(users, 8):
        answers = await asyncio.gather(*(peer.ask(path_of(user), headers=headers) for user in some))
        assert {answer.status for answer in answers} == {200}, answers
        found |= zip(some, answers, strict=True)
    return found


def batched(users: Sequence[str], count: int) -> list[Sequence[str]]:
    """Return users in groups of so many."""
    return [users[start : start + count] for start in range(0, len(users), count)]


@dataclass(frozen=True)
class Cast:
    """Users who are to be cached, others, and the strangers who are a tenth of those."""

    cached: list[str]
    cold: list[str]
    strangers: Strangers


@cache
def cast() -> Cast:
    """Return who is asked about."""
    [district] = generate(schools=int(SIZE[0]), teachers=int(SIZE[1]), students=int(SIZE[2])).districts
    draw = random.Random(5)
    users = draw.sample(list(district.users), CACHED + COLD)
    strangers = Strangers.of(district, draw, users)
    cold = strangers.among(users[CACHED:], draw)
    # Whoever shows that Clever is back has to be somebody.
    cold[FIRST_AFTERWARDS] = users[CACHED + FIRST_AFTERWARDS]
    return Cast(users[:CACHED], cold, strangers)


def without_marks(answer: Answer) -> object:
    """Return an answer's body as it is while it is fresh."""
    marks = ("as_of", "stale_reason")
    return {name: said for name, said in json.loads(answer.body).items() if name not in marks} | {"stale": False}


async def hour(peers: Sequence[Peer], sandbox: Peer, users: list[str], cold: list[str]) -> list[Figure]:
    """Let Clever be dead for an hour, in fast-forward."""
    before = await watched(peers, users, [], 2)
    read = now()
    right = await warm(peers[0], users, {"Cache-Control": "no-cache"})
    await fail(sandbox, "drop")
    died = now()
    lasting = read + HOUR / FAST - died
    during = await watched(peers, users, cold[:50], lasting / 2)
    await fail(sandbox, "hang")
    later = await watched(peers, users, cold[50:100], read + HOUR / FAST - now())
    bodies = [without_marks(answer) for answer in right.values()]
    answers = [*during.cached, *later.cached]
    others = [one for one in answers if one.status == 200 and without_marks(one) not in bodies]
    return [
        at_least("minutes without Clever, in fast-forward", (now() - died) * FAST / 60, 57),
        told("cached users asked for meanwhile", len(answers), " times"),
        at_most("… not answered" + during.otherwise() + later.otherwise(), during.unanswered() + later.unanswered(), 0),
        at_most("… answered otherwise than before", len(others), 0),
        told("… answered with the mark, dropping", during.stale() * 100, " %"),
        told("… answered with the mark, hanging", later.stale() * 100, " %"),
        told("answers a second while Clever lives", before.per_second()),
        at_least("… while it drops, to that", during.per_second() / before.per_second(), 0.8),
        at_least("… while it hangs, to that", later.per_second() / before.per_second(), 0.8),
    ]


async def death_and_return(peers: Sequence[Peer], sandbox: Peer, users: list[str], cold: list[str]) -> list[Figure]:
    """Let Clever die and come back in real time."""
    await warm(peers[0], users)
    await fail(sandbox, "hang")
    dying = await watched(peers, users, cold[:20], SHORT_OUTAGE / 2, rest=REST)
    dead = await watched(peers, users, cold[20:90], SHORT_OUTAGE / 2, rest=REST)
    await fail(sandbox, "drop")
    dropping = await watched(peers, users, cold[90:FIRST_AFTERWARDS], 2, rest=REST)
    await sandbox.ask("/_sandbox/requests", method="DELETE")
    returned = now()
    await fail(sandbox)
    first_cold = await _until(lambda: _is_well(peers[0], cold[FIRST_AFTERWARDS]), returned)
    all_fresh = await _until(lambda: _are_fresh(peers[0], users), returned)
    burst = await asyncio.gather(
        *(peers[number % 3].ask(path_of(user)) for number, user in enumerate(cold[FIRST_AFTERWARDS + 1 :]))
    )
    counted = (await sandbox.ask("/_sandbox/requests")).json()
    unclean = [one for one in burst if one.status not in {200, 404, 502, 503, 429}]
    unclean += [one for one in burst if one.status in {503, 429} and not one.headers.get("retry-after")]
    windows = [one["requests"] for token in counted["tokens"].values() for one in token["windows"]]
    refusals = [answer.seconds * 1000 for answer in dead.cold]
    return [
        at_most("cached users not answered", dying.unanswered() + dead.unanswered() + dropping.unanswered(), 0),
        told("slowest cached answer in a hundred while it dies", dying.p99(), " ms"),
        told("… once the breaker is open", dead.p99(), " ms"),
        at_most("cold users refused, once the breaker is open (p95)", quantile(refusals, 0.95), 50, " ms"),
        told("… the slowest, which asks whether Clever is back", max(refusals), " ms"),
        at_most("… not refused", sum(one.status != 503 for one in dead.cold), 0),
        at_most("after Clever's return, first cold user answered after", first_cold, 10, " s"),
        at_most("… every cached user fresh again after", all_fresh, 12, " s"),
        told(f"{len(burst)} cold users at once then: answered", sum(one.status == 200 for one in burst)),
        at_most("… neither answered nor refused cleanly", len(unclean), 0),
        at_most("requests to Clever in one minute", max(windows, default=0), RATE_LIMIT),
        at_most("429 that Clever had to answer", counted["refused"], 0),
        at_most("requests to Clever at once", counted["most_at_once"], 96),
    ]


async def _until(well: Callable[[], Awaitable[bool]], since: float) -> float:
    while now() - since < 60:
        if await well():
            break
        await asyncio.sleep(0.05)
    return now() - since


async def _is_well(peer: Peer, user: str) -> bool:
    return (await peer.ask(path_of(user))).status == 200


async def _are_fresh(peer: Peer, users: Sequence[str]) -> bool:
    answers = [await peer.ask(path_of(user)) for user in users]
    return all(answer.status == 200 and b'"stale":false' in answer.body for answer in answers)


Part = Callable[[Sequence[Peer], Peer, list[str], list[str]], Awaitable[list[Figure]]]


def _played(part: Part, speed: float, fresh: int) -> list[Figure]:
    users, cold = cast().cached, cast().cold
    with stage(FastClock.of(speed), rate_limit=RATE_LIMIT, fresh=fresh) as (sandbox, service):

        async def play() -> list[Figure]:
            peers, clever = [Peer(service.url, key) for key in KEYS], Peer(sandbox.url)
            await ready(peers[0])
            found = await part(peers, clever, users, cold)
            return [*found, at_most("lines in the log that nobody foresaw", len(service.complaints()), 0)]

        return asyncio.run(play())


def main() -> list[Figure]:
    """Play both, and return what was reached."""
    return [*_played(hour, FAST, 300), *_played(death_and_return, 1, SHORT_FRESH)]
