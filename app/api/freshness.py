"""How old an answer may be and is, in HTTP's own words: Cache-Control, Age, ETag (RFC 9110, RFC 9111)."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import Response

from app.api.callers import CurrentCaller
from app.api.context import CurrentContext
from app.domain.callers import Caller, CallerScope
from app.services.permissions import Answer
from app.services.ports import Context
from app.services.reading import Demand

_SECONDS = re.compile(r'"?([0-9]{1,4000})"?')
_LONGEST = 2**31
"""What a number of seconds that is too large to be meant counts as (RFC 9111 section 1.2.2)."""


async def _demand(request: Request, context: CurrentContext, caller: CurrentCaller) -> Demand:
    written = request.headers.getlist("cache-control")
    if not written:
        return plain_demand(context, caller)
    listed = ",".join(written).split(",")
    directives = [(name.strip().lower(), value.strip()) for name, _, value in (each.partition("=") for each in listed)]
    names = {name for name, _ in directives}
    if not names.isdisjoint({"no-cache", "max-age"}):
        caller.require(CallerScope.FACTS_REFRESH)
    return replace(
        plain_demand(context, caller),
        max_age=_least(directives, "max-age"),
        no_cache="no-cache" in names,
        max_stale=_least([(name, value or str(_LONGEST)) for name, value in directives], "max-stale"),
        only_if_cached="only-if-cached" in names,
    )


def plain_demand(context: Context, caller: Caller) -> Demand:
    """Return what a request without a Cache-Control of its own demands."""
    until = asyncio.get_running_loop().time() + context.deadlines.alone
    return Demand(asked_at=context.clock(), caller=caller, until=until)


async def _demand_of_many(demand: Annotated[Demand, Depends(_demand)], context: CurrentContext) -> Demand:
    until = asyncio.get_running_loop().time() + context.deadlines.many
    return replace(demand, until=until, one_of_many=True)


def _least(directives: Sequence[tuple[str, str]], named: str) -> int | None:
    return min((_seconds(named, value) for name, value in directives if name == named), default=None)


def _seconds(name: str, value: str) -> int:
    written = _SECONDS.fullmatch(value)
    if written is None:
        message = f"{name} takes a number of seconds, such as {name}=60"
        raise RequestValidationError([{"loc": ("header", "Cache-Control"), "msg": message}])
    return min(int(written[1]), _LONGEST)


CallersDemand = Annotated[Demand, Depends(_demand)]
"""What the request's Cache-Control demands (`max-age`, `no-cache`, `max-stale`, `only-if-cached`; other directives are
ignored), on whose account, and by when."""

DemandOfMany = Annotated[Demand, Depends(_demand_of_many)]
"""The same of a batch or a search."""


def dated_response(request: Request, answer: Answer, fresh_seconds: int) -> Response:
    """Send ``answer`` with its age and tag, or 304 where the caller has it already."""
    return dated(request.headers.getlist("if-none-match"), answer, fresh_seconds)


def dated(held: Sequence[str], answer: Answer, fresh_seconds: int) -> Response:
    """Do the same for a caller who holds what the values of If-None-Match say."""
    tag = f'"{answer.rendered.tag}"'
    headers = {
        "Age": str(answer.age),
        "Cache-Control": f"private, max-age={fresh_seconds}, must-revalidate",
        "ETag": tag,
        "Vary": "Authorization",
    }
    if held and _names(held, tag):
        return Response(status_code=304, headers=headers)
    return Response(answer.rendered.body, headers=headers, media_type="application/json")


def unkept_response(body: bytes, status: int = 200) -> Response:
    """Send an answer that nobody is to keep."""
    return Response(body, status, {"Cache-Control": "no-store"}, "application/json")


def has(request: Request, tag: str) -> bool:
    """Tell whether If-None-Match names ``tag``, compared weakly (RFC 9110 section 13.1.2)."""
    return _names(request.headers.getlist("if-none-match"), tag)


def _names(held: Sequence[str], tag: str) -> bool:
    named = [each.strip().removeprefix("W/") for each in ",".join(held).split(",")]
    return tag in named or named == ["*"]
