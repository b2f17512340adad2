"""Counts of the sandbox's requests, for tests: by path, by token, and the most at once."""

import asyncio
from collections import Counter

from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.sandbox.rate_limit import ResponseCounts
from app.sandbox.world import World

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
