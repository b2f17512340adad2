"""What the judge takes for true is what the sandbox sends, whatever has changed."""

import random

from app.cli.listening import in_background
from app.sandbox.server import create_sandbox
from app.sandbox.world import World
from tests.chaos.disorder import Disorder
from tests.chaos.exchanges import Peer
from tests.chaos.faults import crowd_of
from tests.chaos.hastened import FastClock
from tests.chaos.history import History
from tests.conftest import TOKEN


async def test_the_history_ends_with_what_the_sandbox_sends(world: World) -> None:
    clock, draw = FastClock.of(1), random.Random(1)
    [district] = world.districts
    crowd, rooms = crowd_of(world, draw)
    with in_background(create_sandbox(world, rate_limit=0)) as url:
        peer, clever = Peer(url), Peer(url, TOKEN)
        disorder = Disorder(peer, clock, History.of(district), district, draw, crowd, rooms)
        for number in range(1, 150):
            await (disorder.change() if number % 100 else disorder.come_back())
        for user in crowd:
            await _agrees(clever, f"/v3.1/users/{user}", disorder.history.users[user].last)
        for section in rooms:
            await _agrees(clever, f"/v3.1/sections/{section}", disorder.history.sections[section].last)
        peer.close()
        clever.close()


async def _agrees(clever: Peer, path: str, record: object) -> None:
    answer = await clever.ask(path)
    if record is None:
        assert answer.status == 404
    else:
        assert _plain(answer.json()["data"]) == _plain(record)


def _plain(said: object) -> object:
    if isinstance(said, dict):
        return {name: _plain(value) for name, value in said.items()}
    return [_plain(value) for value in said] if isinstance(said, (list, tuple)) else said
