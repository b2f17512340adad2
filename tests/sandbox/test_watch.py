"""What the sandbox tells of itself: its cases, what was asked, how much of it at once."""

import asyncio
from dataclasses import asdict

import httpx
from starlette.applications import Starlette

from app.sandbox.world import World


async def test_the_cases_are_listed_with_ids_and_a_sentence(clever: httpx.AsyncClient, world: World) -> None:
    answer = await clever.get("/_sandbox/cases")
    assert answer.json() == {"cases": {name: asdict(case) for name, case in world.cases.items()}}


async def test_requests_are_counted_by_path_and_can_be_forgotten(clever: httpx.AsyncClient, sandbox: Starlette) -> None:
    for path in ("/v3.0/users?limit=1", "/v3.0/users?limit=2", "/v3.0/users/nobody", "/_sandbox/cases"):
        await clever.get(path)
    counted = {"/v3.0/users": 2, "/v3.0/users/nobody": 1}
    answer = await clever.get("/_sandbox/requests")
    assert answer.json() == {"requests": counted, "most_at_once": 1}
    assert sandbox.state.requests == counted
    assert (await clever.delete("/_sandbox/requests")).status_code == 204
    assert (await clever.get("/_sandbox/requests")).json() == {"requests": {}, "most_at_once": 0}


async def test_requests_at_once_are_counted(clever: httpx.AsyncClient, sandbox: Starlette) -> None:
    sandbox.state.delay_ms = 5
    await asyncio.gather(*(clever.get("/v3.0/districts") for _ in range(4)))
    assert sandbox.state.most_at_once == 4
