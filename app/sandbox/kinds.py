"""The kinds of faults: what each does to a request, and the layer of the sandbox that does it."""

import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.sandbox import breakdowns, fictions, lies
from app.sandbox.exchange import Exchange, with_body
from app.sandbox.faults import KindName
from app.sandbox.questions import template_of
from app.sandbox.watch import OWN_PATHS

Kind: TypeAlias = Callable[[Exchange], Awaitable[None]]


class Faulty:
    """Lets the faults in force strike, but never at the sandbox's own pages."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or let it meet what is to happen to it."""
        is_ours = scope["type"] != "http" or scope["path"].startswith(OWN_PATHS)
        strike = None if is_ours else scope["app"].state.faults.strike(Request(scope))
        if strike is None:
            await self.app(scope, receive, send)
        else:
            await KINDS[strike.kind](Exchange(self.app, scope, receive, send, strike))


def _answering(make: Callable[[Exchange], Response]) -> Kind:
    async def kind(exchange: Exchange) -> None:
        await exchange.answer(make(exchange))

    return kind


def _telling(change: Callable[[Exchange, Any], Any]) -> Kind:
    async def kind(exchange: Exchange) -> None:
        answer = await exchange.true_answer()
        body = json.loads(bytes(answer.body)) if answer.status_code == HTTPStatus.OK else {}
        # A count has no data that could be lied about.
        if "data" in body:
            answer = with_body(answer, json.dumps(change(exchange, body)).encode())
        await exchange.answer(answer)

    return kind


def _asking(another: Callable[[Exchange], Exchange]) -> Kind:
    async def kind(exchange: Exchange) -> None:
        await another(exchange).proceed()

    return kind


async def _other_record(exchange: Exchange) -> None:
    # A token reads one district: there is no neighbour to ask for.
    of_district = template_of(exchange.scope["path"]) in {"/districts/{id}", "/users/{id}/district"}
    kind = _telling(lies.other_district) if of_district else _asking(lies.other_record)
    await kind(exchange)


KINDS: Mapping[KindName, Kind] = {
    "astray": _telling(lies.astray),
    "bomb": _answering(fictions.bomb),
    "dangling": _telling(lies.dangling),
    "delay": breakdowns.delay,
    "drip": breakdowns.drip,
    "drop": breakdowns.drop,
    "garble": _answering(fictions.garble),
    "gone": _answering(fictions.gone),
    "half_json": breakdowns.half_json,
    "hang": breakdowns.hang,
    "headers": breakdowns.headers,
    "html": _answering(fictions.html),
    "huge": breakdowns.huge,
    "loop": _telling(lies.loop),
    "other_district": _telling(lies.other_district),
    "other_record": _other_record,
    "shifted": _asking(lies.shifted),
    "status": _answering(fictions.status),
    "truncate": breakdowns.truncate,
    "wrong_shape": _answering(fictions.wrong_shape),
}
