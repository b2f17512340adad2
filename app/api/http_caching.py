"""How old an answer may be and is, in HTTP's own words: Cache-Control, Age, ETag (RFC 9110, RFC 9111)."""

import asyncio
import re
from collections.abc import Sequence
from functools import cache
from typing import Annotated

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from msgspec.structs import replace
from starlette.responses import Response

from app.api.authentication import CurrentCaller
from app.api.dependencies import CurrentDecisionPoint
from app.api.security_headers import RawHeaders
from app.domain.callers import Caller, CallerScope
from app.roster.freshness import Freshness
from app.services.decision_point import DecisionPoint
from app.services.permissions import Answer

_DIRECTIVE = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')
"""What stands between commas; those of a quoted value stand in it (RFC 9111 section 5.2)."""

_SECONDS = re.compile(r'"?([0-9]{1,4000})"?')
_LONGEST = 2**31
"""What a number of seconds that is too large to be meant counts as (RFC 9111 section 1.2.2)."""


async def _requested_freshness(request: Request, pdp: CurrentDecisionPoint, caller: CurrentCaller) -> Freshness:
    written = request.headers.getlist("cache-control")
    if not written:
        return _default_freshness(pdp, caller)
    listed = _DIRECTIVE.findall(",".join(written))
    directives = [(name.strip().lower(), value.strip()) for name, _, value in (each.partition("=") for each in listed)]
    names = {name for name, _ in directives}
    if not names.isdisjoint({"no-cache", "max-age"}):
        caller.require(CallerScope.FACTS_REFRESH)
    return replace(
        _default_freshness(pdp, caller),
        max_age=_least(directives, "max-age"),
        no_cache="no-cache" in names,
        max_stale=_least([(name, value or str(_LONGEST)) for name, value in directives], "max-stale"),
        only_if_cached="only-if-cached" in names,
    )


def _default_freshness(pdp: DecisionPoint, caller: Caller) -> Freshness:
    until = asyncio.get_running_loop().time() + pdp.roster.deadlines.alone
    return Freshness(asked_at=pdp.roster.clock(), caller=caller, until=until)


async def _batch_freshness(
    freshness: Annotated[Freshness, Depends(_requested_freshness)], pdp: CurrentDecisionPoint
) -> Freshness:
    until = asyncio.get_running_loop().time() + pdp.roster.deadlines.many
    return replace(freshness, until=until, one_of_many=True)


def _least(directives: Sequence[tuple[str, str]], named: str) -> int | None:
    return min((_seconds(named, value) for name, value in directives if name == named), default=None)


def _seconds(name: str, value: str) -> int:
    written = _SECONDS.fullmatch(value)
    if written is None:
        message = f"{name} takes a number of seconds, such as {name}=60"
        raise RequestValidationError([{"loc": ("header", "Cache-Control"), "msg": message}])
    return min(int(written[1]), _LONGEST)


RequestedFreshness = Annotated[Freshness, Depends(_requested_freshness)]
"""The freshness that the request's Cache-Control asks for (`max-age`, `no-cache`, `max-stale`, `only-if-cached`; other
directives are ignored), its caller, and by when it has to be answered."""

BatchFreshness = Annotated[Freshness, Depends(_batch_freshness)]
"""The same of a batch or a search."""


def dated_response(request: Request, answer: Answer, fresh_seconds: int) -> Response:
    """Send ``answer`` with its age and tag, or 304 where the caller has it already."""
    held = request.headers.getlist("if-none-match")
    return _response(stamped(",".join(held) or None, answer, fresh_seconds))


Stamped = tuple[int, RawHeaders, bytes]
"""Status, headers and body of an answer."""


def stamped(held: str | None, answer: Answer, fresh_seconds: int) -> Stamped:
    """Return ``answer`` for a caller who holds what If-None-Match says, if it is there."""
    tag = f'"{answer.rendered.tag}"'
    # HTTP counts the age in, and whoever keeps the answer must not keep it past a pause, a launch or the end of a term.
    seconds = fresh_seconds if answer.lasts > fresh_seconds else min(fresh_seconds, answer.age + int(answer.lasts))
    headers = [*_kept_for(seconds), (b"age", b"%d" % answer.age), (b"etag", tag.encode())]
    if held is not None and _names(held, tag):
        return 304, headers, b""
    body = answer.rendered.body
    return 200, [*headers, _JSON, (b"content-length", b"%d" % len(body))], body


@cache
def _kept_for(seconds: int) -> RawHeaders:
    return (b"cache-control", b"private, max-age=%d, must-revalidate" % seconds), (b"vary", b"Authorization")


def unkept(body: bytes, status: int = 200) -> Stamped:
    """Return an answer that nobody is to keep."""
    return status, [(b"cache-control", b"no-store"), _JSON, (b"content-length", b"%d" % len(body))], body


_JSON = (b"content-type", b"application/json")


def unkept_response(body: bytes, status: int = 200) -> Response:
    """Send an answer that nobody is to keep."""
    return _response(unkept(body, status))


def _response(stamped: Stamped) -> Response:
    response = Response(status_code=stamped[0])
    response.raw_headers, response.body = [*stamped[1]], stamped[2]
    return response


def has(request: Request, tag: str) -> bool:
    """Tell whether If-None-Match names ``tag``, compared weakly (RFC 9110 section 13.1.2)."""
    return _names(",".join(request.headers.getlist("if-none-match")), tag)


def _names(held: str, tag: str) -> bool:
    named = [each.strip().removeprefix("W/") for each in held.split(",")]
    return tag in named or named == ["*"]
