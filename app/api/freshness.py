"""How old an answer may be and is, in HTTP's own words: Cache-Control, Age, ETag (RFC 9110, RFC 9111)."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import Response

from app.services.permissions import Answer
from app.services.reading import Demand


def _demand(request: Request) -> Demand:
    max_age, flags = None, set()
    for directive in ",".join(request.headers.getlist("cache-control")).split(","):
        name, _, value = (part.strip() for part in directive.partition("="))
        if name.lower() == "max-age":
            seconds = value.strip('"')
            if not (seconds.isascii() and seconds.isdigit()):
                message = "max-age takes a number of seconds, such as max-age=60"
                raise RequestValidationError([{"loc": ("header", "Cache-Control"), "msg": message}])
            max_age = min(int(seconds[:10]), max_age if max_age is not None else int(seconds[:10]))
        flags.add(name.lower())
    return Demand(max_age, no_cache="no-cache" in flags, only_if_cached="only-if-cached" in flags)


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
    named = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    return tag in named or named == ["*"]
