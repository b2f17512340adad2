"""Counts of requests: by token and minute for Clever's rate limit, and in all for tests.

The limit is reported in the headers of every answer. A second limit for bursts is possible, as gateways have it; the
headers then have an entry for each limit.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.sandbox.world import World

WINDOW_SECONDS, BURST_SECONDS = 60, 20


@dataclass(frozen=True, slots=True)
class Allowance:
    """Whether a request is allowed, and the headers that report the limit."""

    allowed: bool
    headers: dict[str, str]


@dataclass(slots=True)
class RateLimit:
    """Counts the requests of each bucket in the current minute."""

    clock: Callable[[], float]
    used: dict[tuple[str, int], int] = field(default_factory=dict)

    def take(self, bucket: str, limit: int, burst_limit: int = 0) -> Allowance:
        """Count a request in a bucket and in its bucket for bursts; a limit of 0 is none, and sends no headers."""
        entries = []
        if burst_limit:
            ends = self._began(BURST_SECONDS) + BURST_SECONDS
            entries.append(_Entry(f"{bucket}:burst", burst_limit, self._count(f"{bucket}:burst", ends), ends))
        if limit:
            ends = self.window + WINDOW_SECONDS
            entries.append(_Entry(bucket, limit, self._count(bucket, ends), ends))
        return Allowance(allowed=all(entry.used <= entry.limit for entry in entries), headers=_headers(entries))

    def exhausted(self, bucket: str, limit: int) -> dict[str, str]:
        """Return the headers of an exhausted bucket, whatever its count."""
        return _headers([_Entry(bucket, limit, limit, self.window + WINDOW_SECONDS)])

    @property
    def window(self) -> int:
        """The Unix time at which the current window began."""
        return self._began(WINDOW_SECONDS)

    def _began(self, lasts: int) -> int:
        return int(self.clock() // lasts) * lasts

    def _count(self, bucket: str, ends: int) -> int:
        self.used = {key: count for key, count in self.used.items() if key[1] > self.clock()}
        self.used[bucket, ends] = self.used.get((bucket, ends), 0) + 1
        return self.used[bucket, ends]


class _Entry(NamedTuple):
    bucket: str
    limit: int
    used: int
    ends: int


def _headers(entries: Sequence[_Entry]) -> dict[str, str]:
    if not entries:
        return {}
    return {
        "X-RateLimit-Limit": ", ".join(f"{entry.limit}" for entry in entries),
        "X-RateLimit-Remaining": ", ".join(f"{max(entry.limit - entry.used, 0)}" for entry in entries),
        "X-RateLimit-Reset": ", ".join(f"{entry.ends}" for entry in entries),
        "X-RateLimit-Bucket": ", ".join(entry.bucket for entry in entries),
    }


Counts = Counter[tuple[str, int]]


@dataclass(slots=True)
class ResponseCounts:
    """Counts of requests by token and by the start of the window in Unix seconds.

    Requests struck by a fault count too; a 429 from a fault does not count as `refused`.
    """

    asked: Counts = field(default_factory=Counter)
    refused: Counts = field(default_factory=Counter)

    def to_json(self) -> dict[str, object]:
        """Return the total `refused`, and the counts of each of the `tokens`, in total and by window."""
        tokens = {token: self._of(token) for token in dict.fromkeys(token for token, _ in self.asked)}
        return {"refused": self.refused.total(), "tokens": tokens}

    def _of(self, token: str) -> dict[str, object]:
        windows = [
            {"start": start, "requests": count, "refused": self.refused[token, start]}
            for (one, start), count in self.asked.items()
            if one == token
        ]
        refused = sum(count for (one, _), count in self.refused.items() if one == token)
        requests = sum(count for (one, _), count in self.asked.items() if one == token)
        return {"requests": requests, "refused": refused, "windows": windows}


OWN_PATHS = "/_sandbox"


class RequestCounts:
    """Counts the requests in the application's state, and delays their answers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through; those to the sandbox's own endpoints are neither counted nor delayed."""
        if scope["type"] != "http" or scope["path"].startswith(OWN_PATHS):
            await self.app(scope, receive, send)
            return
        state: State = scope["app"].state
        state.requests[scope["path"]] += 1
        state.tally.asked[state.access.name_of(Request(scope)), state.limit.window] += 1
        state.in_flight += 1
        state.most_at_once = max(state.most_at_once, state.in_flight)
        try:
            if state.delay_ms:
                await asyncio.sleep(state.delay_ms / 1000)
            await self.app(scope, receive, send)
        finally:
            state.in_flight -= 1


def start_counting(state: State, *, delay_ms: int) -> None:
    """Initialise the state of `RequestCounts`."""
    state.delay_ms = delay_ms
    state.requests = Counter()
    state.tally = ResponseCounts()
    state.in_flight = 0
    state.most_at_once = 0


def request_count_routes(world: World) -> list[Route]:
    """Return the routes of the cases and the counts."""

    async def cases(_: Request) -> Response:
        return JSONResponse(
            {
                "cases": {
                    name: {"user": case.user, "district": case.district, "about": case.about}
                    for name, case in world.cases.items()
                }
            }
        )

    return [
        Route(f"{OWN_PATHS}/cases", cases, methods=["GET"]),
        Route(f"{OWN_PATHS}/requests", _requests, methods=["GET"]),
        Route(f"{OWN_PATHS}/requests", _forget_requests, methods=["DELETE"]),
    ]


async def _requests(request: Request) -> Response:
    state = request.app.state
    return JSONResponse({"requests": dict(state.requests), "most_at_once": state.most_at_once, **state.tally.to_json()})


async def _forget_requests(request: Request) -> Response:
    state = request.app.state
    state.requests.clear()
    state.tally = ResponseCounts()
    state.most_at_once = state.in_flight
    return Response(status_code=204)
