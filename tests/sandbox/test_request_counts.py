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
    sandbox.state.limit.clock = lambda: 1_000_000_030.0
    for path in ("/v3.0/users?limit=1", "/v3.0/users?limit=2", "/v3.0/users/nobody", "/_sandbox/cases"):
        await clever.get(path)
    counted = {"/v3.0/users": 2, "/v3.0/users/nobody": 1}
    answer = await clever.get("/_sandbox/requests")
    windows = [{"start": 1_000_000_020, "requests": 3, "refused": 0}]
    assert answer.json() == {
        "requests": counted,
        "most_at_once": 1,
        "refused": 0,
        "tokens": {"sandbox-token": {"requests": 3, "refused": 0, "windows": windows}},
    }
    assert sandbox.state.requests == counted
    assert (await clever.delete("/_sandbox/requests")).status_code == 204
    nothing = {"requests": {}, "most_at_once": 0, "refused": 0, "tokens": {}}
    assert (await clever.get("/_sandbox/requests")).json() == nothing


async def test_what_went_over_the_limit_is_counted_by_token_and_window(
    clever: httpx.AsyncClient, sandbox: Starlette
) -> None:
    sandbox.state.rate_limit = 2
    for minute, path in ((0, "schools"), (0, "schools"), (0, "schools"), (1, "schools")):
        sandbox.state.limit.clock = lambda minute=minute: 1_000_000_020.0 + 60 * minute
        await clever.get(f"/v3.1/{path}")
    await clever.get("/v3.1/schools", headers={"Authorization": "Bearer somebody else's"})
    told = (await clever.get("/_sandbox/requests")).json()
    first = {"start": 1_000_000_020, "requests": 3, "refused": 1}
    second = {"start": 1_000_000_080, "requests": 1, "refused": 0}
    assert (told["refused"], told["tokens"]["sandbox-token"]["windows"]) == (1, [first, second])
    assert (told["tokens"]["sandbox-token"]["refused"], told["tokens"]["other"]["requests"]) == (1, 1)


async def test_a_429_on_purpose_is_none_that_was_provoked(clever: httpx.AsyncClient) -> None:
    await clever.put("/_sandbox/faults", json={"faults": [{"kind": "status", "status": 429}]})
    assert (await clever.get("/v3.1/schools")).status_code == 429
    assert (await clever.get("/_sandbox/requests")).json()["refused"] == 0


async def test_requests_at_once_are_counted(clever: httpx.AsyncClient, sandbox: Starlette) -> None:
    sandbox.state.delay_ms = 5
    await asyncio.gather(*(clever.get("/v3.0/districts") for _ in range(4)))
    assert sandbox.state.most_at_once == 4
