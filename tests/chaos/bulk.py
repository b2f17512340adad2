"""One caller's full batches beside another's cached answers: the other hardly notices, and memory comes back.

The caller of batches sends as many at once as it can, each as large as one may be, the next as soon as one is answered.
What the other waits for its answers is held against what it waited before.
"""

import asyncio
import hashlib
import json
import random
import sys
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import uvloop

from app.api.authzen.requests import MOST_ITEMS
from app.domain.callers import CallerScope
from app.sandbox.world import generate
from tests.bench.cores import ASKING, pinned
from tests.chaos.exchanges import Answer, Peer, now
from tests.chaos.faults import SIZE, path_of, ready
from tests.chaos.hastened import FastClock, running
from tests.chaos.report import Figure, at_most, quantile, told
from tests.conftest import rosterguard_process

AT_ONCE = 12
USERS = 50
PER_SECOND = 200.0
UNLOADED_SECONDS, LOADED_SECONDS, REST_SECONDS = 8.0, 15.0, 60.0
BATCHES, OTHER = "key of batches", "key of single questions"
PATIENCE = 120


def questions(sets: Sequence[Answer], rng: random.Random) -> bytes:
    """Return as many questions as one request may ask, each about a cached user and a place of theirs."""
    items = []
    known = [(one, sections) for one in (answer.json() for answer in sets) if (sections := sections_of(one))]
    for _ in range(MOST_ITEMS):
        one, sections = rng.choice(known)
        items.append(
            {
                "subject": {"type": "user", "id": one["user"], "properties": {"district": one["district"]}},
                "action": {"name": rng.choice(("view", "edit", "grade"))},
                "resource": {"type": "section", "id": rng.choice(sections)},
            }
        )
    return json.dumps({"evaluations": items}).encode()


def sections_of(told: dict[str, Any]) -> list[str]:
    """Return the sections in which a user may do anything."""
    return [named for grant in told["grants"] if grant["scope"] == "section" for named in grant["ids"]]


async def send_batches(service: Peer, body: bytes, end: float) -> Counter[int]:
    """Send the same batch anew, from so many connections, and return the statuses of the answers."""
    statuses: Counter[int] = Counter()
    head = f"POST /access/v1/evaluations HTTP/1.1\r\nHost: {service.host}\r\nAuthorization: Bearer {BATCHES}\r\n"
    request = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    async def send() -> None:
        reader, writer = await asyncio.open_connection(service.host, service.port)
        while now() < end:
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            status = int(answer.split()[1])
            statuses[status] += 1
            if status != HTTPStatus.OK:
                await asyncio.sleep(1)  # as Retry-After says
        writer.close()

    await asyncio.gather(*(send() for _ in range(AT_ONCE)))
    return statuses


async def waited(service: Peer, users: Sequence[str], seconds: float) -> tuple[list[float], int]:
    """Ask for cached users at a steady rate; return what each waited in milliseconds, and how many were refused."""
    asking = await asyncio.create_subprocess_exec(
        *pinned([sys.executable, "-m", "tests.chaos.steady"], ASKING),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    said = {
        "host": service.host,
        "port": service.port,
        "key": OTHER,
        "paths": list(map(path_of, users)),
        "often": [PER_SECOND, seconds],
    }
    written, _ = await asking.communicate(json.dumps(said).encode())
    answers = json.loads(written)
    return [milliseconds for _, milliseconds in answers], sum(status != HTTPStatus.OK for status, _ in answers)


def resident(pid: int) -> float:
    """Return how many MiB of memory a process has."""
    [line] = [each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


async def measured(url: str, pid: int, users: Sequence[str]) -> list[Figure]:
    """Measure, and return what was reached."""
    other, batches = Peer(url, OTHER), Peer(url, BATCHES)
    await ready(other)
    sets = [await other.ask(path_of(user)) for user in users]
    body = questions(sets, random.Random(5))
    await waited(other, users, 1)
    before = resident(pid)
    alone, _ = await waited(other, users, UNLOADED_SECONDS)
    sent = asyncio.create_task(send_batches(batches, body, now() + LOADED_SECONDS))
    beside, refused = await waited(other, users, LOADED_SECONDS)
    peak = resident(pid)
    async with asyncio.timeout(PATIENCE):
        statuses = await sent
    await asyncio.sleep(REST_SECONDS)
    after = resident(pid)
    other.close()
    batches.close()
    unloaded = quantile(alone, 0.99)
    return [
        told("batches answered, each of 10,000 questions", statuses[200]),
        told("batches refused", statuses.total() - statuses[200]),
        told("cached answers, unloaded: p50", quantile(alone, 0.5), " ms"),
        told("cached answers, unloaded: p99", unloaded, " ms"),
        told("cached answers beside batches: p50", quantile(beside, 0.5), " ms"),
        told("cached answers beside batches: p99", quantile(beside, 0.99), " ms"),
        told("cached answers beside batches: worst", max(beside), " ms"),
        at_most("cached answers refused", refused, 0),
        at_most("p99 beside batches to the unloaded", quantile(beside, 0.99) / unloaded, 10),
        told("memory before", before, " MiB"),
        told("memory under batches", peak, " MiB"),
        at_most("memory a minute later to before", after / before, 1.2),
    ]


def keys() -> str:
    """Return the keys of both callers as a setting."""
    scopes = sorted(CallerScope)
    named = {"batches": BATCHES, "other": OTHER}.items()
    listed = [{"name": n, "sha256": hashlib.sha256(key.encode()).hexdigest(), "scopes": scopes} for n, key in named]
    return json.dumps(listed)


def main() -> list[Figure]:
    """Run, and return what was reached."""
    schools, teachers, students = map(int, SIZE)
    users = list(generate(schools=schools, teachers=teachers, students=students).districts[0].users)
    random.Random(2).shuffle(users)
    with (
        running("sandbox", FastClock.of(1), "0", *SIZE) as sandbox,
        rosterguard_process(ROSTERGUARD_CLEVER_URL=sandbox.url, ROSTERGUARD_API_KEYS=keys()) as (process, url),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(measured(url, process.pid, users[:USERS]))
