"""Errors as `application/problem+json` (RFC 9457), with one table from each domain error to its problem."""

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from app.api.staleness import AsOf, Stale, StaleReason, members_of
from app.domain import errors
from app.domain.errors import (
    CallerMayNot,
    ChangesUnknown,
    CleverError,
    PolicyUnusable,
    ProviderUnreachable,
    RoleNotHeld,
    RosterguardError,
    TooManyWaiting,
)

CONFIGURATION_PATH = "/.well-known/authzen-configuration"

MESSAGE_TYPE = "text/plain"


class Refused(Exception):
    """A refused AuthZEN request, or an item of one: an HTTP status and a message for the caller."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def are_wanted_at(path: str) -> bool:
    """Whether a path is one of the AuthZEN standard, whose errors are plain messages."""
    return path.startswith(("/access/", CONFIGURATION_PATH))


def message_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a plain message that may not be stored."""
    return Response(message, status, {"Cache-Control": "no-store", **(headers or {})}, MESSAGE_TYPE)


MEDIA_TYPE = "application/problem+json"

INVALID = 422

_INVALID_KIND = "invalid-request"

_TYPE = "urn:problem-type:rosterguard:"

_PASSING = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})

_OPERATOR = "The operator of this service has to"


class Problem(BaseModel):
    """A problem (RFC 9457)."""

    type: Annotated[str, Field(description="The kind of problem; stable, for comparisons.")]
    title: Annotated[str, Field(description="The kind of problem in words.")]
    status: Annotated[int, Field(description="The HTTP status.")]
    detail: Annotated[str, Field(description="What is wrong with this request, and what to do about it.")]


class InvalidPart(BaseModel):
    """An invalid part of a request."""

    where: Annotated[Literal["path", "query", "header", "body"], Field(description="The part of the request.")]
    at: Annotated[str, Field(description="The name of the parameter, or a JSON Pointer (RFC 6901) into the body.")]
    detail: Annotated[str, Field(description="What is wrong with it.")]


class InvalidRequest(Problem):
    """A request with invalid parts."""

    errors: Annotated[list[InvalidPart], Field(description="The invalid parts; empty if `detail` says it all.")] = []


class RoleNotHeldProblem(Problem):
    """The question is about a role that the user does not hold."""

    held: Annotated[list[str], Field(description="The roles that the user holds.")]
    stale: Stale = False
    as_of: AsOf = None
    stale_reason: StaleReason = None


class ChangesUnknownProblem(Problem):
    """What has changed since a cursor is not known: everybody's permissions may have."""

    cursor: Annotated[str, Field(description="What to send as `after` next time.")]


SCHEMAS = frozenset(model.__name__ for model in (Problem, InvalidRequest, RoleNotHeldProblem, ChangesUnknownProblem))
"""The names of the problem models in the OpenAPI document."""

_KINDS: Mapping[type[RosterguardError], tuple[int, str, str]] = {
    errors.MalformedId: (422, "malformed-id", "Malformed id"),
    errors.DistrictUnnamed: (422, "district-unnamed", "No district named"),
    errors.RoleNotHeld: (409, "role-not-held", "Role not held"),
    errors.UserUnknown: (404, "user-unknown", "Unknown user"),
    errors.RecordUnknown: (404, "record-unknown", "Unknown record"),
    errors.DistrictNotFollowed: (409, "district-not-followed", "District not followed"),
    errors.ChangesUnknown: (410, "changes-unknown", "Changes unknown"),
    errors.CallerMayNot: (403, "missing-scope", "Scope missing"),
    errors.ProviderUnreachable: (503, "provider-unreachable", "OpenID provider cannot be read"),
    errors.DistrictNotLoaded: (409, "district-not-loaded", "District not loaded"),
    errors.TooManyWaiting: (503, "too-many-waiting", "Too many wait for changes"),
    errors.LoadAlone: (409, "load-alone", "Other workers cannot be told"),
    errors.NotCached: (504, "not-cached", "Not cached"),
    errors.PolicyUnusable: (503, "policy-unusable", "No policy in force"),
    errors.CleverRefusedToken: (502, "clever-refused-token", "Clever refuses the district token"),
    errors.CleverForbade: (502, "clever-forbade", "Clever forbids the read"),
    errors.CleverRecordMissing: (502, "clever-record-missing", "Clever lacks a part of the user"),
    errors.CleverLimited: (503, "clever-limited", "Clever's rate limit is reached"),
    errors.CleverCircuitOpen: (503, "clever-barred", "Clever is not called for a moment"),
    errors.CleverBusy: (503, "busy", "Too many reads at once"),
    errors.CleverCrowded: (503, "no-connection", "No connection to Clever is free"),
    errors.CallerOverspent: (429, "caller-overspent", "Caller's share of requests used up"),
    errors.CleverFailed: (503, "clever-failed", "Clever is failing"),
    errors.CleverUnexpected: (502, "clever-unexpected", "Clever answers unexpectedly"),
    errors.CleverUnreachable: (503, "clever-unreachable", "Clever cannot be reached"),
    errors.CleverTimedOut: (503, "clever-timed-out", "Clever does not answer in time"),
    errors.CleverNotJson: (502, "clever-not-json", "Clever does not answer in JSON"),
    errors.CleverMalformed: (502, "clever-malformed", "Clever's answer cannot be understood"),
    errors.CleverPagingBroken: (502, "clever-paging-broken", "Clever's pages cannot be followed"),
}

_SAYING_WHEN = (CleverError, PolicyUnusable, ProviderUnreachable, TooManyWaiting)

_REMEDIES: Mapping[type[RosterguardError], str] = {
    errors.CleverRefusedToken: f"{_OPERATOR} check the token, and at Clever whether the district is still connected.",
    errors.CleverForbade: f"{_OPERATOR} check at Clever that the application has Secure Sync access to the district.",
}

_EXAMPLES = (
    errors.MalformedId("user", "[0-9a-f]{24}"),
    errors.DistrictUnnamed(),
    errors.RoleNotHeld("student", ["staff", "teacher"]),
    errors.UserUnknown(),
    errors.ChangesUnknown("66826200e1c1f0c4a5000007.9c58aa1f"),
    errors.CallerMayNot("permissions:read"),
    errors.NotCached(),
    errors.CleverRefusedToken("Clever refuses the token"),
    errors.CleverForbade("Clever forbids this token to read what is needed"),
    errors.CleverTimedOut("Clever did not answer within the time limit"),
    errors.CleverFailed("Clever says that it is failing"),
    errors.CallerOverspent("this caller has used up its share of the requests to Clever"),
)
"""The examples of errors in the reference."""

_MODELS: Mapping[int, type[Problem]] = {
    409: RoleNotHeldProblem,
    410: ChangesUnknownProblem,
    INVALID: InvalidRequest,
}

_STATUSES: Mapping[int, tuple[str, str, str]] = {
    400: ("unreadable-body", "Unreadable body", "the body cannot be read as JSON"),
    401: (
        "unauthenticated",
        "Credential missing or not valid",
        "send one header Authorization: Bearer <credential>, with a key of this service or a token of its provider",
    ),
    404: ("no-such-path", "No such path", "nothing is served at this path; /docs lists all paths"),
    405: ("method-not-allowed", "Method not allowed", "the header Allow lists the methods of this path"),
    413: ("body-too-large", "Body too large", "the body is larger than this service reads"),
    500: ("internal-error", "Internal error", "an unexpected error; the log says more"),
}


def problem_named(status: int, kind: str, title: str, detail: str) -> Problem:
    """Return a problem without a domain error; its ``type`` ends in ``kind``."""
    return Problem(type=_TYPE + kind, title=title, status=status, detail=detail)


def problem_of(error: RosterguardError) -> Problem:
    """Return the problem of a domain error; no error contains a token, name or email."""
    status, kind, title = _KINDS[type(error)]
    detail = f"{error}. {remedy}" if (remedy := _REMEDIES.get(type(error))) else str(error)
    problem = Problem(type=_TYPE + kind, title=title, status=status, detail=detail)
    if isinstance(error, RoleNotHeld):
        return RoleNotHeldProblem(**problem.model_dump(), held=list(error.held), **members_of(error.stale))
    if isinstance(error, ChangesUnknown):
        return ChangesUnknownProblem(**problem.model_dump(), cursor=error.cursor)
    return problem


def message_of(problem: Problem) -> tuple[int, str]:
    """Return a problem's status and message for the AuthZEN standard, where an invalid request is 400."""
    details = [f"{part.at}: {part.detail}" for part in problem.errors] if isinstance(problem, InvalidRequest) else []
    return 400 if problem.status == INVALID else problem.status, "; ".join(details) or problem.detail


def types() -> Mapping[str, list[str]]:
    """Return every ``type`` of each problem model, by the model's name, except those in ``ALL``."""
    kinds = [(status, kind) for status, kind, _ in _KINDS.values()]
    kinds += [(status, kind) for status, (kind, _, _) in _STATUSES.items()]
    kinds += [(INVALID, _INVALID_KIND)]
    of_model = {model.__name__: [kind for code, kind in kinds if code == status] for status, model in _MODELS.items()}
    of_model[Problem.__name__] = [kind for _, kind in kinds]
    return {name: [_TYPE + kind for kind in told] for name, told in of_model.items()}


def problem_response(scope: Scope, problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response for a problem; on AuthZEN paths a plain message."""
    if are_wanted_at(scope["path"]):
        return message_response(*message_of(problem), headers)
    body = problem.model_dump_json()
    return Response(body, problem.status, {"Cache-Control": "no-store", **(headers or {})}, MEDIA_TYPE)


def error_response(scope: Scope, error: RosterguardError) -> Response:
    """Return the response for a domain error, with ``Retry-After`` in seconds if a retry may help."""
    problem = problem_of(error)
    if isinstance(error, _SAYING_WHEN) and problem.status in _PASSING:
        return problem_response(scope, problem, {"Retry-After": str(error.retry_after)})
    if isinstance(error, CallerMayNot):
        challenge = f'Bearer realm="rosterguard", error="insufficient_scope", scope="{error.scope}"'
        return problem_response(scope, problem, {"WWW-Authenticate": challenge})
    return problem_response(scope, problem)


def status_response(scope: Scope, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response for an HTTP status without a domain error."""
    return problem_response(scope, _problem_of_status(status), headers)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the problems of an authenticated operation: 401, 403, 413, 422, and those of ``statuses``."""
    return described(401, 403, 413, INVALID, *statuses)


def described_as(*shown: Problem) -> dict[int | str, dict[str, Any]]:
    """Describe single problems with different statuses, for an operation's OpenAPI ``responses``."""
    return {
        problem.status: {
            "model": Problem,
            "description": problem.title,
            "content": {MEDIA_TYPE: {"examples": {_kind(problem): _example(problem)}}},
        }
        for problem in shown
    }


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the problems of ``statuses`` for an operation's OpenAPI ``responses``."""
    return {
        status: {
            "model": _MODELS.get(status, Problem),
            "description": "; ".join(_titles(status)),
            "content": {MEDIA_TYPE: {"examples": {_kind(shown): _example(shown) for shown in _shown(status)}}},
        }
        for status in sorted({*statuses})
    }


def install(app: FastAPI) -> None:
    """Install handlers that turn domain errors, the framework's errors and unexpected exceptions into problems."""

    @app.exception_handler(RosterguardError)
    async def ours(request: Request, error: RosterguardError) -> Response:
        return error_response(request.scope, error)

    @app.exception_handler(Refused)
    async def refused(_request: Request, error: Refused) -> Response:
        return message_response(error.status, str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        parts = [_invalid_part(*_placed(found)) for found in error.errors()]
        return problem_response(request.scope, _invalid_request(parts))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return status_response(request.scope, error.status_code, _with_head(error.headers or {}))

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, _error: Exception) -> Response:
        return status_response(request.scope, 500)


def _with_head(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Add HEAD to ``Allow`` if it has GET, since the service answers both."""
    methods = set(headers.get("Allow", "").split(", "))
    return {**headers, "Allow": ", ".join(sorted(methods | {"HEAD"}))} if "GET" in methods else headers


def _problem_of_status(status: int) -> Problem:
    phrase = HTTPStatus(status).phrase
    kind, title, detail = _STATUSES.get(status, (f"http-{status}", phrase, phrase))
    return Problem(type=_TYPE + kind, title=title, status=status, detail=detail)


def _invalid_request(parts: list[InvalidPart]) -> InvalidRequest:
    return InvalidRequest(
        type=_TYPE + _INVALID_KIND,
        title="Invalid request",
        status=INVALID,
        detail="the request has invalid parts, see errors",
        errors=parts,
    )


def _shown(status: int) -> Iterator[Problem]:
    """Yield the examples of a status."""
    if status in _STATUSES and status != HTTPStatus.NOT_FOUND:
        yield _problem_of_status(status)
    if status == INVALID:
        yield _invalid_request([InvalidPart(where="query", at="rol", detail="there is no such parameter")])
    yield from (problem for problem in map(problem_of, _EXAMPLES) if problem.status == status)


def _kind(problem: Problem) -> str:
    return problem.type.removeprefix(_TYPE)


def _example(problem: Problem) -> dict[str, Any]:
    return {"summary": problem.title, "value": problem.model_dump(mode="json")}


def _titles(status: int) -> Iterator[str]:
    if status in _STATUSES:
        yield _STATUSES[status][1]
    if status == INVALID:
        yield "Invalid request"
    yield from (title for code, _, title in _KINDS.values() if code == status)


# An unknown name is the caller's text: anything that does not look like a name, such as an email, is not repeated.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}")


def _placed(found: Mapping[str, Any]) -> tuple[Sequence[int | str], str]:
    """Return the path and message of a mistake; invalid JSON has no path, only a character position."""
    if found.get("type") == "json_invalid":
        where, character = found["loc"]
        return (where,), f"the body is not JSON from character {character} on"
    return found["loc"], found["msg"]


def _invalid_part(path: Sequence[int | str], message: str) -> InvalidPart:
    where, *steps = (step if isinstance(step, int) or _NAME.fullmatch(step) else "…" for step in path)
    if where == "body":
        at = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)
    else:
        at = ".".join(str(step) for step in steps)
    return InvalidPart.model_validate({"where": where, "at": at, "detail": message.removeprefix("Value error, ")})


BROKEN_HTTP = problem_named(400, "broken-http", "Not HTTP", "what was sent is not HTTP/1.1 (RFC 9112)")

TOO_SLOW = problem_named(408, "too-slow", "Request too slow", "the request did not arrive whole within the time limit")

PATH_TOO_LONG = problem_named(414, "path-too-long", "Path too long", "path and query are longer than the limit")

HEAD_TOO_LARGE = problem_named(431, "head-too-large", "Head too large", "the headers are larger than the limit")

FOREIGN_HOST = problem_named(
    421,
    "foreign-host",
    "Host is not this machine",
    "with --no-auth, the Host of a request has to be a loopback name, such as localhost or 127.0.0.1",
)

BULK_BUSY = problem_named(
    503,
    "bulk-busy",
    "Too many batches and searches at once",
    "too many batches and searches are in progress; try again in a moment, single questions are still answered",
)

STOPPING = problem_named(
    503, "stopping", "Service stopping", "the service is stopping; try again, another process may answer"
)

ALL = (BROKEN_HTTP, TOO_SLOW, PATH_TOO_LONG, HEAD_TOO_LARGE, FOREIGN_HOST, BULK_BUSY, STOPPING)


def retry_later(request: Request, problem: Problem, seconds: int) -> Response:
    """Return the response for a problem with ``Retry-After`` in seconds."""
    return problem_response(request.scope, problem, {"Retry-After": str(seconds)})


async def left_early(request: Request, _error: Exception) -> Response:
    """Answer a client that disconnected, or was cut off, before its whole body arrived; only the log sees this."""
    return problem_response(request.scope, TOO_SLOW)
