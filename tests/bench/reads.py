"""The least that a cold user costs with our HTTP client: three reads at once, and nothing made of them.

`python -m tests.bench.reads URL` takes rounds from standard input, each a line of user ids, reads these users of the
Clever at an address one after another, and prints for each round how much processor time that took, in seconds.
"""

import asyncio
import sys
import time
from collections.abc import Sequence

import httpx
import uvloop

from tests.conftest import TOKEN

CREDENTIAL = {"Authorization": f"Bearer {TOKEN}"}


def paths_of(user: str) -> tuple[str, str, str]:
    """Return the three reads of a user, as the service asks for them."""
    whole = f"/v3.1/users/{user}"
    return whole, f"{whole}/sections?limit=1000", f"{whole}/schools?limit=1000"


async def taken(client: httpx.AsyncClient, users: Sequence[str]) -> float:
    """Return the processor time that it takes to read some users."""
    began = time.process_time()
    for user in users:
        for answer in await asyncio.gather(*map(client.get, paths_of(user))):
            assert answer.content
            answer.raise_for_status()
    return time.process_time() - began


async def main(url: str) -> None:
    """Read round by round."""
    async with httpx.AsyncClient(base_url=url, headers=CREDENTIAL) as client:
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(await taken(client, line.split()), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1]))
