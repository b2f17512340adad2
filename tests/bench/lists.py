"""The least that a district costs to read with our HTTP client and the fastest parser: page by page, into nothing.

`python -m tests.bench.lists URL` takes rounds from standard input, each a line of lists, reads them to their ends from
the Clever at an address, and prints for each round its seconds, those of the processor, and how many pages there were.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import httpx
import orjson
import uvloop

from app.clever.bulk import BULK_LIMIT
from tests.bench.reads import CREDENTIAL

API = "/v3.1"


def first_page(of: str) -> str:
    """Return where a list begins, which is named like ``users`` or ``users?role=staff``."""
    return f"{API}/{of}{'&' if '?' in of else '?'}limit={BULK_LIMIT}"


def next_page(page: dict[str, Any]) -> str | None:
    """Return where the page after one is, as Clever links it."""
    return next((link["uri"] for link in page["links"] if link["rel"] == "next"), None)


async def taken(client: httpx.AsyncClient, lists: Sequence[str]) -> dict[str, float]:
    """Read some lists, and return what that took."""
    began, worked, pages = time.perf_counter(), time.process_time(), 0
    for each in lists:
        at: str | None = first_page(each)
        while at is not None:
            answer = (await client.get(at)).raise_for_status()
            at, pages = next_page(orjson.loads(answer.content)), pages + 1
    return {"seconds": time.perf_counter() - began, "processor": time.process_time() - worked, "pages": pages}


async def main(url: str) -> None:
    """Read round by round."""
    async with httpx.AsyncClient(base_url=url, headers=CREDENTIAL, timeout=60) as client:
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await taken(client, line.split())), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1]))
