"""Requests that nobody would send: made from the OpenAPI document, and HTTP that is barely any.

Whatever comes, the answer is one that the document describes, an error is a problem or the standard's message, nobody
without a key is told anything, and nothing that is personal, secret or the caller's own gets out or into a log.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import httpx
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.cli.server import in_background
from app.sandbox.oauth import CLIENT_ID, CLIENT_SECRET
from app.sandbox.world import World
from tests.chaos.barely_http import abrupt, ask_raw, raw_requests
from tests.chaos.described import ask, ask_without_key, cases_of, look, operations
from tests.chaos.exchanges import Peer
from tests.chaos.faults import ready
from tests.chaos.findings import RIGHT, Findings
from tests.chaos.report import Figure, at_least, at_most, told
from tests.conftest import api_key, rosterguard_process
from tests.marking import Marks, marked_sandbox
from tests.planted import KEY, SECRET


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is sent.

    Attributes:
        described: requests that are made from the document, about so many.
        raw: requests that are barely HTTP.
        abrupt: callers who go away in the middle.
    """

    described: int = 20_500
    raw: int = 6_000
    abrupt: int = 200


LONG = Plan()
WELCOME = ("title", "said", "request id", "request id in the log", "request id in the log of decisions")

Drawn = TypeVar("Drawn")


@contextmanager
def staged(findings: Findings) -> Iterator[tuple[str, World]]:
    """Run the service with every secret, over a sandbox full of marks; at the end look through all that it wrote."""
    clever = marked_sandbox(Marks())
    world: World = clever.state.world.start
    with TemporaryDirectory() as folder, in_background(clever) as clever_url:
        log, decisions = Path(folder) / "log", Path(folder) / "decisions"
        environment = _environment(clever_url, world, decisions)
        with log.open("wb") as stderr, rosterguard_process(stderr=stderr.fileno(), **environment) as (process, url):
            asyncio.run(_ready(url))
            yield url, world
            findings.alive = httpx.get(f"{url}/livez").status_code
            metrics = httpx.get(f"{url}/metrics", headers={"Authorization": RIGHT[0]}).content
            process.terminate()
            process.wait()
            stdout = process.stdout.read() if process.stdout else ""
        written = {"standard output": stdout.encode(), "the metrics": metrics}
        written |= {"the log": log.read_bytes(), "the log of decisions": decisions.read_bytes()}
    for where, text in written.items():
        findings.lookout.written(text, where)


def _environment(clever: str, world: World, decisions: Path) -> Mapping[str, str]:
    """Return the settings of a service that has every secret, and tells as much as it can."""
    key = api_key("fuzz", KEY, districts={world.cases["teacher_only"].district})
    return {
        "ROSTERGUARD_CLEVER_URL": clever,
        "ROSTERGUARD_CLEVER_AUTH_URL": clever,
        # The token comes from Clever then, and is no less a secret.
        "ROSTERGUARD_CLEVER_TOKEN": "",
        "ROSTERGUARD_CLEVER_CLIENT_ID": CLIENT_ID,
        "ROSTERGUARD_CLEVER_CLIENT_SECRET": CLIENT_SECRET,
        "ROSTERGUARD_SECRET": SECRET,
        "ROSTERGUARD_API_KEYS": f"[{key.model_dump_json(exclude_none=True)}]",
        "ROSTERGUARD_CALLER_SHARE": "1",
        "ROSTERGUARD_DECISION_LOG": str(decisions),
        "ROSTERGUARD_LOG_FORMAT": "json",
        "ROSTERGUARD_LOG_IDS": "plain",
    }


async def _ready(url: str) -> None:
    peer = Peer(url)
    await ready(peer)
    peer.close()


def run(plan: Plan) -> Findings:
    """Send all that is planned, and return what came of it; whatever fails, the rest is sent still."""
    findings, described = Findings(), operations()
    with staged(findings) as (url, world):
        named = [case.user for case in world.cases.values()]
        users = st.just("f" * 24) | st.sampled_from(named)
        for label, operation in described.items():
            with findings.noting(label), httpx.Client(base_url=url, timeout=30) as client:
                made_up(
                    st.data(),
                    plan.described // len(described),
                    partial(ask, cases_of(operation), users, client, findings),
                )
            with findings.noting(label):
                ask_without_key(url, operation, findings)
        with httpx.Client(base_url=url, headers={"Authorization": RIGHT[0]}) as client:
            # Chance may have asked for nobody's roles who has a title.
            for user in named:
                look(client.get(f"/v1/users/{user}/roles"), RIGHT, findings)
        with findings.noting("barely HTTP"):
            made_up(raw_requests(), plan.raw, partial(ask_raw, url, findings))
        asyncio.run(abrupt(url, plan.abrupt, 1))
    return findings


def made_up(strategy: st.SearchStrategy[Drawn], examples: int, act: Callable[[Drawn], None]) -> None:
    """Act upon so many examples, the same each time; raises what an act raises."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def acting(drawn: Drawn) -> None:
        act(drawn)

    acting()


def main(plan: Plan = LONG, wanted: int = 20_000) -> list[Figure]:
    """Run, and return what came of it."""
    findings = run(plan)
    for line in (*findings.failures, *findings.let_in[:10], *findings.lookout.found):
        print(line[:2000])
    lookout, statuses = findings.lookout, findings.statuses
    failed = sum(times for status, times in statuses.items() if status >= 500 and status != 504)
    described = findings.with_key.total() + findings.without_key.total()
    return [
        at_least("requests from the document", described, wanted),
        told(f"… with a key, by status: {_by_status(findings.with_key)}", findings.with_key.total()),
        told(
            f"… without, or with a wrong one, by status: {_by_status(findings.without_key)}",
            described - findings.with_key.total(),
        ),
        told(f"requests that are barely HTTP, by status: {_by_status(findings.raw)}", findings.raw.total()),
        at_most("operations with an answer that is not as documented, or a failure", len(findings.failures), 0),
        at_most("5xx but 504, which is told to who asks for what is cached alone", failed, 0),
        at_most("answers for somebody without a key", len(findings.let_in), 0),
        at_most("leaks: of anything personal, of secrets, of what callers sent", lookout.found.total(), 0),
        *(told(f"… bytes looked through {where}", count) for where, count in lookout.looked.items()),
        *(at_least(f"… planted and found where it may be: {what}", lookout.welcome[what], 1) for what in WELCOME),
        Figure("alive in the end", str(findings.alive), "200", findings.alive == 200),
    ]


def _by_status(statuses: Counter[int]) -> str:
    return ", ".join(f"{times} of {status}" for status, times in sorted(statuses.items()))
