"""Replicas replaced one by one under load: whoever asks again once, elsewhere, has their answer."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from app.sandbox.world import generate
from tests.chaos.exchanges import Answer, Peer
from tests.chaos.faults import SIZE, path_of, ready
from tests.chaos.hastened import FastClock, running
from tests.chaos.report import Figure, at_least, at_most, told
from tests.chaos.strangers import Strangers
from tests.conftest import rosterguard_process

REPLICAS = 2
ROUNDS = 2
ASKERS = 20
PAUSE = 0.02
DELAY_MS = 80
UNTIL_KNOWN = 0.3
"""Seconds for which a replica that got SIGTERM is still asked: whoever sends requests there learns it late."""


ANSWERED = frozenset({"200", "404", "502"})
"""A tenth of the users are strangers, of whom Clever says that it does not know them, or only a part."""

ENDED = (0, -signal.SIGTERM)
"""uvicorn raises the signal again that ended it, once all is done."""


@dataclass
class Fleet:
    """The replicas that are asked, and what came of it.

    Attributes:
        codes: exit codes of those that were told to end.
    """

    clever: str
    peers: list[Peer] = field(default_factory=list)
    stacks: list[tuple[ExitStack, Peer]] = field(default_factory=list)
    answers: int = 0
    cured: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)

    async def grow(self) -> None:
        """Start a replica, and send requests there once it is ready."""
        stack = ExitStack()
        started = rosterguard_process("--no-auth", ROSTERGUARD_CLEVER_URL=self.clever)
        process, url = await asyncio.to_thread(stack.enter_context, started)
        stack.callback(lambda: self.codes.append(process.wait()))
        stack.callback(process.terminate)
        peer = Peer(url)
        self.stacks.append((stack, peer))
        await ready(peer)
        self.peers.append(peer)

    async def shrink(self) -> None:
        """Tell the oldest replica to end; requests are sent there for a moment still."""
        stack, peer = self.stacks.pop(0)
        ending = asyncio.create_task(asyncio.to_thread(stack.close))
        await asyncio.sleep(UNTIL_KNOWN)
        if peer in self.peers:
            self.peers.remove(peer)
        await ending
        peer.close()

    async def ask(self, draw: random.Random, user: str) -> None:
        """Ask one replica, and where that fails another, once."""
        first = draw.choice(self.peers)
        told = await _told(first, user)
        self.answers += 1
        if told in ANSWERED:
            return
        others = [peer for peer in self.peers if peer is not first] or self.peers
        again = await _told(draw.choice(others), user)
        if again in ANSWERED:
            self.cured[told] += 1
        else:
            self.failed.append(f"{told}, then {again}")


async def _told(peer: Peer, user: str) -> str:
    try:
        answer: Answer = await peer.ask(path_of(user))
    except OSError as error:
        return type(error).__name__
    return str(answer.status)


async def rolled(clever: str, users: Sequence[str], strangers: Strangers) -> list[Figure]:
    """Replace every replica some times under load, and return what was reached."""
    fleet = Fleet(clever)
    for _ in range(REPLICAS):
        await fleet.grow()

    async def keep_asking(draw: random.Random) -> None:
        while True:
            [user] = strangers.among([draw.choice(users)], draw)
            await fleet.ask(draw, user)
            await asyncio.sleep(PAUSE)

    askers = [asyncio.create_task(keep_asking(random.Random(number))) for number in range(ASKERS)]
    for _ in range(ROUNDS * REPLICAS):
        await fleet.grow()
        await asyncio.sleep(0.5)
        await fleet.shrink()
    for task in askers:
        task.cancel()
    await asyncio.gather(*askers, return_exceptions=True)
    ended = list(fleet.codes)
    while fleet.stacks:
        await fleet.shrink()
    for line in fleet.failed[:5]:
        print(line)
    return [
        at_least("replicas replaced", len(ended), ROUNDS * REPLICAS),
        at_most("… that ended otherwise than they should", sum(code not in ENDED for code in ended), 0),
        told("requests", fleet.answers),
        told("… cured by asking again: " + (str(dict(fleet.cured)) if fleet.cured else "none"), fleet.cured.total()),
        at_most("… not cured by asking again once", len(fleet.failed), 0),
    ]


def main() -> list[Figure]:
    """Run, and return what was reached."""
    [district] = generate(schools=int(SIZE[0]), teachers=int(SIZE[1]), students=int(SIZE[2])).districts
    strangers = Strangers.of(district, random.Random(6))
    with running("sandbox", FastClock.of(1), "0", *SIZE) as sandbox:

        async def run() -> list[Figure]:
            clever = Peer(sandbox.url)
            await clever.ask("/_sandbox/limits", {"delay_ms": DELAY_MS}, method="PUT")
            await clever.ask("/_sandbox/faults", {"faults": strangers.faults()}, method="PUT")
            clever.close()
            return await rolled(sandbox.url, list(district.users), strangers)

        return asyncio.run(run())
