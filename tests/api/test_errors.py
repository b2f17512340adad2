"""Every error is a problem: the framework's own, and each that Clever can cause."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from app.api.errors import problem_of
from app.cli.server import in_background
from app.domain import errors
from tests.conftest import Serve

USER = "f" * 24
DISTRICT = {"data": [{"data": {"id": "d" * 24}}]}


@contextmanager
def clever_whose_users_are(answer: Response) -> Iterator[str]:
    """Serve a Clever with one district, whatever is asked of a user getting the same answer."""

    async def districts(_request: Request) -> Response:
        return JSONResponse(DISTRICT)

    app = Starlette(routes=[Route("/v3.1/districts", districts), Mount("/v3.1/users", answer)])
    with in_background(app) as url:
        yield url


@pytest.mark.parametrize(
    ("answer", "status", "kind"),
    [
        (Response(status_code=401), 502, "clever-refused-token"),
        (JSONResponse({"message": "secret of Ann"}, 403), 502, "clever-forbade"),
        (Response(status_code=429), 503, "clever-limited"),
        (Response(status_code=500), 503, "clever-failed"),
        (HTMLResponse("<h1>Bad gateway</h1>", 502), 503, "clever-failed"),
        (Response(status_code=503), 503, "clever-failed"),
        (Response(status_code=418), 502, "clever-unexpected"),
        (HTMLResponse("<h1>Welcome, Ann</h1>"), 502, "clever-not-json"),
        (Response(b'{"data": {"id": "ffff', media_type="application/json"), 502, "clever-malformed"),
        (JSONResponse(["Ann"]), 502, "clever-malformed"),
    ],
)
def test_what_clever_does_wrong_is_reported_by_kind(answer: Response, status: int, kind: str, serve: Serve) -> None:
    with clever_whose_users_are(answer) as url:
        told = serve(clever_url=url).get(f"/v1/users/{USER}/permissions")
    # Its three reads fail at once, and again: the last of them may find that Clever is not asked any more.
    kinds = {kind, "clever-barred"} if kind == "clever-failed" else {kind}
    assert (told.status_code, told.json()["type"].rpartition(":")[2] in kinds) == (status, True)
    assert told.headers["content-type"] == "application/problem+json"
    assert ("retry-after" in told.headers) is (status == 503)
    assert "Ann" not in told.text


def test_a_refused_token_tells_what_the_operator_must_do(serve: Serve) -> None:
    with clever_whose_users_are(Response(status_code=401)) as url:
        told = serve(clever_url=url).get(f"/v1/users/{USER}/permissions").json()
    assert "check the token, and at Clever whether the district is still connected" in told["detail"]


def test_a_clever_that_cannot_be_reached_is_503(serve: Serve) -> None:
    with in_background(Starlette()) as gone:
        pass
    told = serve(clever_url=gone).get(f"/v1/users/{USER}/permissions")
    assert (told.status_code, told.json()["type"]) == (503, "urn:problem-type:rosterguard:clever-unreachable")
    assert int(told.headers["retry-after"]) > 0


RAISED = [
    errors.MalformedId("user", "x"),
    errors.DistrictUnnamed(),
    errors.RoleNotHeld("staff", []),
    errors.UserUnknown(),
    errors.RecordUnknown(),
    errors.DistrictNotFollowed(),
    errors.ChangesUnknown("one"),
    errors.NotCached(),
    errors.PolicyUnusable(),
    errors.CallerMayNot("permissions:read"),
    errors.DistrictNotLoaded(),
    errors.LoadAlone(),
    errors.TooManyWaiting(),
    errors.ProviderUnreachable(),
    *(kind("what happened") for kind in errors.CleverError.__subclasses__()),
]


def test_every_error_that_can_reach_a_caller_has_a_problem_of_its_own() -> None:
    leaves = [kind for kind in _below(errors.RosterguardError) if not kind.__subclasses__()]
    assert {type(error) for error in RAISED} == set(leaves) - {errors.PolicyMistakes, errors.EventsLost}
    assert len({problem_of(error).type for error in RAISED}) == len(RAISED)


def _below(kind: type[errors.RosterguardError]) -> Iterator[type[errors.RosterguardError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/no/such/path", 404, "no-such-path"),
        ("GET", f"/v1/users/{USER}/permissions/", 404, "no-such-path"),
        ("DELETE", "/v1/policy", 405, "method-not-allowed"),
        ("GET", "/docs/assets/no-such-file.js", 404, "no-such-path"),
    ],
)
def test_what_is_not_there_is_a_problem(method: str, path: str, status: int, kind: str, service: httpx.Client) -> None:
    told = service.request(method, path)
    assert (told.status_code, told.headers["content-type"]) == (status, "application/problem+json")
    assert told.json()["type"] == f"urn:problem-type:rosterguard:{kind}"
    assert told.json()["status"] == status


def test_405_tells_what_is_allowed(service: httpx.Client) -> None:
    assert service.delete("/v1/policy").headers["allow"] == "GET, HEAD"
    assert service.delete("/docs/assets/swagger-ui.css").headers["allow"] == "GET, HEAD"
    assert service.get("/v1/users/permissions").headers["allow"] == "POST"
