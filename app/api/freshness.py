"""How old an answer may be and is, in HTTP's own words: Cache-Control, Age, ETag (RFC 9110, RFC 9111)."""

import re
from typing import Annotated

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import Response

from app.services.permissions import Answer
from app.services.reading import Demand

_SECONDS = re.compile(r'"?([0-9]{1,4000})"?')
_LONGEST = 2**31
"""What a number of seconds that is too large to be meant counts as (RFC 9111 section 1.2.2)."""


def _demand(request: Request) -> Demand:
    listed = ",".join(request.headers.getlist("cache-control")).split(",")
    directives = [(name.strip().lower(), value.strip()) for name, _, value in (each.partition("=") for each in listed)]
    names = {name for name, _ in directives}
    return Demand(
        max_age=min((_seconds(value) for name, value in directives if name == "max-age"), default=None),
        no_cache="no-cache" in names,
        only_if_cached="only-if-cached" in names,
    )


def _seconds(value: str) -> int:
    written = _SECONDS.fullmatch(value)
    if written is None:
        message = "max-age takes a number of seconds, such as max-age=60"
        raise RequestValidationError([{"loc": ("header", "Cache-Control"), "msg": message}])
    return min(int(written[1]), _LONGEST)


CallersDemand = Annotated[Demand, Depends(_demand)]
"""What the request's Cache-Control demands: max-age, no-cache, only-if-cached; other directives are ignored."""


def dated_response(request: Request, answer: Answer, fresh_seconds: int) -> Response:
    """Send ``answer`` with its age and tag, or 304 where the caller has it already."""
    tag = f'"{answer.rendered.tag}"'
    headers = {
        "Age": str(answer.age),
        "Cache-Control": f"private, max-age={fresh_seconds}, must-revalidate",
        "ETag": tag,
        "Vary": "Authorization",
    }
    if has(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(answer.rendered.body, headers=headers, media_type="application/json")


def unkept_response(body: bytes, status: int = 200) -> Response:
    """Send an answer that nobody is to keep."""
    return Response(body, status, {"Cache-Control": "no-store"}, "application/json")


def has(request: Request, tag: str) -> bool:
    """Tell whether If-None-Match names ``tag``, compared weakly (RFC 9110 section 13.1.2)."""
    listed = ",".join(request.headers.getlist("if-none-match"))
    named = [each.strip().removeprefix("W/") for each in listed.split(",")]
    return tag in named or named == ["*"]
