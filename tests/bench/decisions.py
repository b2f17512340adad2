"""Decisions on cached users: `python -m tests.bench.decisions`.

A thousand questions are asked in one request and one by one, in process and without a socket, so that what is counted
is the service's own processor time; beside them the engine alone, on facts and places that are at hand.
"""

import asyncio
import json
import os
import platform
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice
from statistics import median

from fastapi import FastAPI
from pydantic import SecretStr
from starlette.types import Message

from app.domain.access import access_of
from app.domain.decision import decided
from app.domain.facts import Facts
from app.domain.places import Location
from app.main import create_app
from app.sandbox.world import World, generate
from app.services.locating import Entity, Seeker
from app.services.ports import Context
from app.services.reading import Demand, reading_of
from app.settings import Settings
from tests.bench.cold import TOKEN, running

QUESTIONS = 1_000
ROUNDS = 9


@dataclass(frozen=True)
class Pair:
    """A user and a section that they may edit."""

    user: str
    section: str

    def question(self) -> dict[str, object]:
        """Ask whether the one may edit the other."""
        resource = {"type": "section", "id": self.section}
        return {"subject": {"type": "user", "id": self.user}, "action": {"name": "edit"}, "resource": resource}


def pairs_of(world: World) -> list[Pair]:
    """Pair teachers with what they teach, and staff, who have to be found through the school, by turns."""
    district = world.districts[0]
    taught = [
        Pair(user.id, section.id)
        for user in district.users_in_role["teacher"]
        for section in district.sections_of_user.get(user.id, ())
        if user.id in section.taught_by
    ]
    administered = [
        Pair(user.id, section.id)
        for user in district.users_in_role["staff"]
        for school in user.ids_in("staff", "schools")
        for section in district.sections_at_school.get(school, ())
    ]
    by_turns = chain.from_iterable(zip(cycle(taught), cycle(administered), strict=False))
    return list(islice(by_turns, QUESTIONS))


async def ask(app: FastAPI, state: Mapping[str, object], path: str, said: object) -> bytes:
    """Ask the application as a server would, and return the body of its answer."""
    body, sent = json.dumps(said).encode(), list[bytes]()
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "state": dict(state),
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        assert message.get("status", 200) == 200
        sent.append(message.get("body", b""))

    await app(scope, receive, send)
    return b"".join(sent)


async def per_second(act: Callable[[], Awaitable[None]]) -> float:
    """Return how many decisions a second of processor time has room for."""
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        await act()
        taken.append(time.process_time() - began)
    return QUESTIONS / median(taken)


async def at_hand(context: Context, pairs: Sequence[Pair]) -> list[tuple[Facts, Location]]:
    """Return the facts of each user and where each section lies, as the cache has them."""
    [district] = await context.clever.districts()
    seeker = Seeker(context, district, Demand())
    return [
        (
            (await reading_of(context, context.id_shape.user(pair.user), district, seeker.demand)).facts,
            await seeker.location(Entity("section", pair.section, {})),
        )
        for pair in pairs
    ]


async def measured(clever: str, world: World) -> dict[str, float]:
    """Return decisions per second and core, by how they were asked for."""
    pairs = pairs_of(world)
    questions = [pair.question() for pair in pairs]
    app = create_app(Settings(clever_url=clever, clever_token=SecretStr(TOKEN)), no_auth=True)
    async with app.router.lifespan_context(app) as state:
        assert state is not None
        context: Context = state["in_force"].context

        async def in_one_request() -> None:
            answer = json.loads(await ask(app, state, "/access/v1/evaluations", {"evaluations": questions}))
            assert sum(each["decision"] for each in answer["evaluations"]) == QUESTIONS

        async def one_by_one() -> None:
            for question in questions:
                assert b'"decision":true' in await ask(app, state, "/access/v1/evaluation", question)

        await in_one_request()
        known = await at_hand(context, pairs)
        policy = context.policy
        accesses = [access_of(facts, policy) for facts, _ in known]

        async def engine() -> None:
            for access, (_, location) in zip(accesses, known, strict=True):
                decided(access, "section:edit", location, {})

        async def engine_from_facts() -> None:
            for facts, location in known:
                decided(access_of(facts, policy), "section:edit", location, {})

        return {
            "1,000 single requests": await per_second(one_by_one),
            "1,000 questions in one request": await per_second(in_one_request),
            "the engine alone, from facts": await per_second(engine_from_facts),
            "the engine alone, from what a user may do": await per_second(engine),
        }


def main() -> None:
    """Measure, and print a table."""
    with running("sandbox", "--port", "0", "--rate-limit", "0", "--teachers", "120") as clever:
        table = asyncio.run(measured(clever, generate(teachers=120)))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; users are cached")
    print("\n| what | decisions a second and core |\n| --- | --- |")
    for what, count in table.items():
        print(f"| {what} | {count:,.0f} |")


if __name__ == "__main__":
    main()
