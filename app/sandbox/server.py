"""The sandbox as an ASGI application: Clever's paths, envelopes, errors and headers."""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.sandbox.admin import ADMIN_ROUTES, Guard
from app.sandbox.changes import LiveWorld
from app.sandbox.endpoints import (
    EVENTS,
    ONE_EVENT,
    ListQuestion,
    OneQuestion,
    Refusal,
    bad_parameter,
    not_found,
    page_links,
    page_of,
)
from app.sandbox.events import LAST, event_of, events_asked_for
from app.sandbox.fault_kinds import Faulty
from app.sandbox.faults import FaultInjector, TransportProtocol
from app.sandbox.login import UNVERSIONED, me_of, userinfo_of
from app.sandbox.oauth import CLIENT_ID, CLIENT_SECRET, TOKEN, Access, access_to, oauth_routes
from app.sandbox.records import District
from app.sandbox.request_counts import RateLimit, RequestCounts, request_count_routes, start_counting
from app.sandbox.versions import VERSIONS, OtherQuestion, Version, error_of
from app.sandbox.world import World

Answer = Callable[[District, Request], Mapping[str, object]]


def create_sandbox(  # noqa: PLR0913  (all but the world are settings with a default)
    world: World,
    *,
    token: str = TOKEN,
    client_id: str = CLIENT_ID,
    client_secret: str = CLIENT_SECRET,
    delay_ms: int = 0,
    rate_limit: int = 1200,
    clock: Callable[[], float] = time.time,
    admin_token: str | None = None,
    events: bool = True,
    redirect_uris: Sequence[str] = (),
) -> Starlette:
    """Return the application for a world; with an ``admin_token``, the sandbox's own endpoints require it.

    ``clock`` gives Unix seconds for the rate limit, the age of events and the expiry of logins; without ``events`` no
    change makes any. Users log in to applications on this machine, and to those at ``redirect_uris``.

    `app.state` may be changed while it runs: `delay_ms`, `rate_limit` (per minute and token, 0 for none),
    `burst_limit` (per 20 seconds and token), `world` (a `LiveWorld`) and `faults` (a `FaultInjector`). It counts
    requests: `requests` by path, `most_at_once`, and `tally` by token and window. `protocol` is the protocol class that
    uvicorn needs for faults of connections.
    """
    live = LiveWorld(world, clock, events_enabled=events)
    access = access_to(live, token=token, client_id=client_id, client_secret=client_secret, redirect_uris=redirect_uris)
    app = Starlette(
        routes=[
            *request_count_routes(world),
            *ADMIN_ROUTES,
            *oauth_routes(access),
            *_login_routes(access),
            *_data_routes(access),
        ],
        middleware=[Middleware(Guard, token=admin_token), Middleware(RequestCounts), Middleware(Faulty)],
        exception_handlers={404: _unknown_path, 405: _wrong_method},
    )
    app.router.redirect_slashes = False
    start_counting(app.state, delay_ms=delay_ms)
    app.state.rate_limit, app.state.burst_limit, app.state.limit = rate_limit, 0, RateLimit(clock)
    app.state.limits_at_start = {"rate_limit": rate_limit, "burst_limit": 0, "delay_ms": delay_ms}
    app.state.world, app.state.access, app.state.faults = live, access, FaultInjector()
    app.state.protocol, app.state.previous_attributes = TransportProtocol, "beside_object"
    return app


def _login_routes(access: Access) -> Iterator[Route]:
    versions = {"/me": VERSIONS[UNVERSIONED], **{f"/{name}/me": version for name, version in VERSIONS.items()}}
    for path, version in versions.items():
        yield Route(path, _endpoint(version, _me(version, access), access), methods=["GET"])
    yield Route("/userinfo", _endpoint(VERSIONS["v3.1"], _userinfo(access), access), methods=["GET"])


def _data_routes(access: Access) -> Iterator[Route]:
    for version in VERSIONS.values():
        answers = {path: _one(version, question) for path, question in version.ones.items()}
        answers |= {path: _other(question) for path, question in version.others.items()}
        answers |= {path: _list(version, path, question) for path, question in version.lists.items()}
        if version.has_events:
            answers |= {EVENTS: _events(version), ONE_EVENT: _one_event(version)}
        for path, answer in answers.items():
            yield Route(f"/{version.name}{path}", _endpoint(version, answer, access), methods=["GET"])


def _endpoint(version: Version, answer: Answer, access: Access) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        district = access.read_by(request)
        if district is None:
            return JSONResponse(version.error_of("The token is missing or unknown"), 401)
        state = request.app.state
        allowance = state.limit.take(access.bucket_of(request, district), state.rate_limit, state.burst_limit)
        if not allowance.allowed:
            state.tally.refused[access.name_of(request), state.limit.window] += 1
            return Response(status_code=429, headers=allowance.headers)
        try:
            access.check_reach(request)
            body = orjson.dumps(answer(version.view(district), request))
            return Response(body, 200, allowance.headers, "application/json")
        except Refusal as refusal:
            error = version.error_of(refusal.message)
            return JSONResponse(error, refusal.status, allowance.headers)

    return endpoint


def _me(version: Version, access: Access) -> Answer:
    return lambda district, request: me_of(*access.who_reads(request), version, district)


def _userinfo(access: Access) -> Answer:
    return lambda _, request: userinfo_of(*access.who_reads(request))


def _one(version: Version, question: OneQuestion) -> Answer:
    def answer(district: District, request: Request) -> Mapping[str, object]:
        record = question(district, request.path_params["id"])
        return {"data": version.fields_of(district, record), "links": version.links_of(record)}

    return answer


def _other(question: OtherQuestion) -> Answer:
    def answer(district: District, request: Request) -> Mapping[str, object]:
        links = [{"rel": "self", "uri": request.url.path}]
        return {"data": question(district, request.path_params["id"]), "links": links}

    return answer


def _list(version: Version, path: str, question: ListQuestion) -> Answer:
    def answer(district: District, request: Request) -> Mapping[str, object]:
        parameters = dict(request.query_params)
        records = question(district, request.path_params.get("id", ""), parameters)
        if path in version.counted and _wants_count(parameters):
            return {"count": len(question(district, "", {}))}
        ignored = ("limit",) if path in version.without_limit else ()
        asked = {name: value for name, value in parameters.items() if name not in ignored}
        page = page_of(records, _from_last(asked) if path.endswith(EVENTS) else asked)
        data: list[Mapping[str, object]] = [version.fields_of(district, record) for record in page.records]
        if path not in version.bare:
            data = [
                {"data": one, "uri": version.uri_of(record)} for one, record in zip(data, page.records, strict=True)
            ]
        return {"data": data, "links": page_links(request.url.path, parameters, page)}

    return answer


def _events(version: Version) -> Answer:
    def answer(district: District, request: Request) -> Mapping[str, object]:
        place, record_types = request.app.state.previous_attributes, request.query_params.getlist("record_type")
        parameters, fields_of = dict(request.query_params), partial(version.fields_of, district)
        events = events_asked_for(request.app.state.world.events[district.id], parameters, record_types)
        page = page_of(events, _from_last(parameters))
        path = request.url.path
        data = [{"data": event_of(one, fields_of, place), "uri": f"{path}/{one.id}"} for one in page.records]
        repeated = {"record_type": record_types} if record_types else {}
        return {"data": data, "links": page_links(path, {**parameters, **repeated}, page)}

    return answer


def _from_last(parameters: dict[str, str]) -> dict[str, str]:
    return parameters | ({"ending_before": "f" * 24} if parameters.get("ending_before") == LAST else {})


def _one_event(version: Version) -> Answer:
    def answer(district: District, request: Request) -> Mapping[str, object]:
        event = request.app.state.world.events[district.id].one(request.path_params["id"])
        fields_of, links = partial(version.fields_of, district), [{"rel": "self", "uri": request.url.path}]
        return {"data": event_of(event, fields_of, request.app.state.previous_attributes), "links": links}

    return answer


def _wants_count(parameters: Mapping[str, str]) -> bool:
    asked = parameters.get("count", "")
    if asked not in ("", "true", "false", "undefined"):
        raise bad_parameter("count")
    return asked == "true"


async def _unknown_path(request: Request, _: Exception) -> Response:
    return JSONResponse(error_of(request.url.path, not_found().message), 404)


async def _wrong_method(_: Request, refused: Exception) -> Response:
    return Response(status_code=405, headers=refused.headers if isinstance(refused, HTTPException) else None)
