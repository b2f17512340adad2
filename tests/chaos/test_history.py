"""What the judge takes for true is what the sandbox sends, whatever has changed."""

import random

from app.cli.server import in_background
from app.sandbox.server import create_sandbox
from app.sandbox.world import World
from tests.chaos.disorder import Disorder
from tests.chaos.exchanges import Peer
from tests.chaos.faults import crowd_of
from tests.chaos.hastened import FastClock
from tests.chaos.history import History, Window
from tests.chaos.strangers import Strangers
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


def test_of_strangers_it_is_known_who_may_be_denied_and_nothing_else_is_true(world: World) -> None:
    [district] = world.districts
    strangers, always = Strangers.of(district, random.Random(1)), Window(0, 1)
    history = History.of(district)
    history.denied = frozenset(strangers.departed)
    unknown = Strangers().one(random.Random(1))
    assert [history.may_be_unknown(user, always) for user in (*strangers.departed, unknown)] == [True] * 7
    assert not any(history.may_be_unknown(user, always) for user in strangers.half_broken)
    assert history.people(unknown, always) == []
    assert all(history.people(user, always) for user in (*strangers.departed, *strangers.half_broken))
