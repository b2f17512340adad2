"""The rate limit: a fixed minute, each token for itself."""

from dataclasses import dataclass

import httpx
from starlette.applications import Starlette

from app.sandbox.server import create_sandbox
from app.sandbox.world import World, generate


@dataclass
class Clock:
    now: float = 1_000_000_020.0

    def __call__(self) -> float:
        return self.now


def client_of(sandbox: Starlette, suffix: str = "") -> httpx.AsyncClient:
    transport, headers = httpx.ASGITransport(sandbox), {"Authorization": f"Bearer sandbox-token{suffix}"}
    return httpx.AsyncClient(transport=transport, base_url="http://clever", headers=headers)


def limits(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("x-ratelimit")}


async def test_every_authorised_answer_tells_what_is_left(world: World) -> None:
    bucket = f"district:{world.districts[0].id}"
    async with client_of(create_sandbox(world, clock=Clock())) as clever:
        for remaining, path in ((1199, "users"), (1198, "users/nobody"), (1197, "users?limit=0")):
            assert limits(await clever.get(f"/v3.0/{path}")) == {
                "x-ratelimit-limit": "1200",
                "x-ratelimit-remaining": f"{remaining}",
                "x-ratelimit-reset": "1000000080",
                "x-ratelimit-bucket": bucket,
            }


async def test_past_the_limit_the_body_is_empty_until_the_next_minute(world: World) -> None:
    clock = Clock()
    async with client_of(create_sandbox(world, rate_limit=2, clock=clock)) as clever:
        answers = [await clever.get("/v3.0/schools") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert (answers[2].content, limits(answers[2])["x-ratelimit-remaining"]) == (b"", "0")
        clock.now = float(limits(answers[2])["x-ratelimit-reset"])
        assert (await clever.get("/v3.0/schools")).status_code == 200


async def test_the_limit_is_of_each_token() -> None:
    sandbox = create_sandbox(generate(districts=2), rate_limit=1, clock=Clock())
    async with client_of(sandbox) as first, client_of(sandbox, "-2") as second:
        statuses = [(await clever.get("/v3.0/districts")).status_code for clever in (first, first, second)]
    assert statuses == [200, 429, 200]


async def test_a_limit_of_none_sends_no_headers(world: World) -> None:
    async with client_of(create_sandbox(world, rate_limit=0)) as clever:
        assert limits(await clever.get("/v3.0/districts")) == {}


async def test_the_limit_may_change_while_it_runs(world: World) -> None:
    sandbox = create_sandbox(world, clock=Clock())
    sandbox.state.rate_limit = 1
    async with client_of(sandbox) as clever:
        assert [(await clever.get("/v3.0/districts")).status_code for _ in range(2)] == [200, 429]


async def test_a_limit_for_bursts_stands_beside_it_in_the_same_headers(world: World) -> None:
    clock = Clock()
    sandbox = create_sandbox(world, clock=clock)
    sandbox.state.burst_limit = 1
    async with client_of(sandbox) as clever:
        answers = [await clever.get("/v3.0/schools") for _ in range(2)]
        clock.now += 20
        answers.append(await clever.get("/v3.0/schools"))
    assert [answer.status_code for answer in answers] == [200, 429, 200]
    told = limits(answers[1])
    assert {name.removeprefix("x-ratelimit-"): value for name, value in told.items()} == {
        "limit": "1, 1200",
        "remaining": "0, 1198",
        "reset": "1000000040, 1000000080",
        "bucket": f"district:{world.districts[0].id}:burst, district:{world.districts[0].id}",
    }
