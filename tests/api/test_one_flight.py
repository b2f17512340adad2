"""However many callers wait for a cold user, Clever is asked once."""

import asyncio
import resource

import httpx

from tests.conftest import Sandbox, rosterguard_process


def allow_many_sockets() -> None:
    """A thousand connections need as many file descriptors."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192), most))


async def test_a_thousand_callers_for_one_cold_user_cost_three_requests(sandbox: Sandbox) -> None:
    allow_many_sockets()
    sandbox.app.state.delay_ms = 1000
    user = sandbox.user("teacher_only")
    # Kept ones would be looked through for every answer.
    unlimited = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    with rosterguard_process("--no-auth", ROSTERGUARD_CLEVER_URL=sandbox.url) as (_, url):
        async with httpx.AsyncClient(limits=unlimited, timeout=60) as client:
            question = f"{url}/v1/users/{user}/permissions"
            answers = await asyncio.gather(*(client.get(question) for _ in range(1000)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert {path: times for path, times in sandbox.requests.items() if "/users/" in path} == {
        f"/v3.1/users/{user}": 1,
        f"/v3.1/users/{user}/sections": 1,
        f"/v3.1/users/{user}/schools": 1,
    }
