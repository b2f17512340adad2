"""What cached users take: `python -m tests.bench.filling USERS [traced]` asks for that many, and prints what it took.

The application is asked as a server would ask it, over a Clever that makes up teachers at once; no socket, no sandbox.
"""

import asyncio
import gc
import json
import logging
import os
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from fastapi import FastAPI
from pydantic import SecretStr
from starlette.types import Message

from app.cli.serve import lasting_app
from app.domain.calendar import Calendar
from app.domain.facts import Facts
from app.domain.ids import DistrictId, UserId
from app.domain.read_context import ReadContext
from app.policy_files.reload import ActivePolicy
from app.roster.ports import Clever
from app.settings import Settings
from tests.bench.cast import path_of
from tests.bench.people import DISTRICT, teacher, user_id

WARM = 12_000
"""Users asked for beforehand, until all is full that is kept of a bounded number of users."""

_NOWHERE = "http://127.0.0.1:9"


class Imagined:
    """A Clever that has every teacher whom it is asked for."""

    def known_districts(self) -> frozenset[DistrictId]:
        return frozenset({DISTRICT})

    def circuit_open(self, _district: DistrictId) -> None:
        return None

    async def facts(self, user: UserId, _district: DistrictId, _errand: ReadContext, *, confirm_schools: bool) -> Facts:
        return teacher(int(user[:8], 16))

    async def calendar(self, _district: DistrictId, _context: ReadContext, *, with_terms: bool) -> Calendar:
        return Calendar()


class Pauses:
    """Notes how long the garbage collector stops everything else."""

    def __init__(self) -> None:
        self.longest, self._began = 0.0, 0.0
        gc.callbacks.append(self._note)

    def _note(self, phase: str, _told: Mapping[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self.longest = max(self.longest, time.perf_counter() - self._began)

    def take(self) -> float:
        """Return the longest pause so far, in milliseconds, and begin anew."""
        longest, self.longest = self.longest, 0.0
        return longest * 1000


async def ask(app: FastAPI, state: Mapping[str, object], user: str) -> int:
    """Ask for a permission set, and return how much memory its body takes alone."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": path_of(user),
        "raw_path": path_of(user).encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "state": dict(state),
    }
    body, status = b"", 0

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal body, status
        status, body = message.get("status", status), message.get("body", body)

    await app(scope, receive, send)
    assert status == 200
    return sys.getsizeof(body)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _traced() -> int:
    return tracemalloc.get_traced_memory()[0]


async def filled(users: int, used: Callable[[], int]) -> dict[str, float]:
    """Fill the cache, and tell what a user takes and how long the collector paused."""
    settings = Settings(
        clever_url=_NOWHERE, clever_token=SecretStr("unused"), cache_users=users + WARM, fresh_seconds=86_400
    )
    app = lasting_app(settings, no_auth=True, own_url=None, requests_to=None)
    async with app.router.lifespan_context(app) as state:
        assert state is not None
        active_policy: ActivePolicy = state["active_policy"]
        pdp = active_policy.decision_point
        assert pdp is not None
        active_policy.decision_point = replace(pdp, roster=replace(pdp.roster, clever=cast(Clever, Imagined())))
        for number in range(WARM):
            await ask(app, state, user_id(number))
        gc.collect()
        before, pauses = used(), Pauses()
        rendered = 0
        for number in range(WARM, WARM + users):
            rendered += await ask(app, state, user_id(number))
        filling = pauses.take()
        gc.collect()
        taken = used() - before
        assert len(pdp.roster.store.users) == users + WARM
        return {
            "rendered": rendered / users,
            "beyond": (taken - rendered) / users,
            "before": before,
            "filling_ms": filling,
            "full_ms": pauses.take(),
        }


def main(users: str, traced: str = "") -> None:
    """Measure, and print."""
    # That Clever cannot be reached is logged again and again.
    logging.disable()
    if traced:
        tracemalloc.start()
    print(json.dumps(asyncio.run(filled(int(users), _traced if traced else _resident))))


if __name__ == "__main__":
    main(*sys.argv[1:])
