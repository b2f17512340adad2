"""The sandbox as an ASGI application: Clever's paths, envelopes, errors and headers."""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping

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
    COUNTED,
    EVENTS,
    LISTS,
    ONE_EVENT,
    ONES,
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
from app.sandbox.oauth import CLIENT_ID, CLIENT_SECRET, TOKEN, Access, access_to, oauth_routes
from app.sandbox.records import District
from app.sandbox.request_counts import RateLimit, RequestCounts, request_count_routes, start_counting
from app.sandbox.serialization import VERSIONS, data_of, links_of, uri_of
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
) -> Starlette:
    """Return the application for a world; with an ``admin_token``, the sandbox's own endpoints require it.

    ``clock`` gives Unix seconds for the rate limit and the age of events; without ``events`` no change makes any.

    `app.state` may be changed while it runs: `delay_ms`, `rate_limit` (per minute and token, 0 for none),
    `burst_limit` (per 20 seconds and token), `world` (a `LiveWorld`) and `faults` (a `FaultInjector`). It counts
    requests: `requests` by path, `most_at_once`, and `tally` by token and window. `protocol` is the protocol class that
    uvicorn needs for faults of connections.
    """
    live = LiveWorld(world, clock, events_enabled=events)
    access = access_to(live, token=token, client_id=client_id, client_secret=client_secret)
    app = Starlette(
        routes=[*request_count_routes(world), *ADMIN_ROUTES, *oauth_routes(access), *_data_routes(access)],
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


def _data_routes(access: Access) -> Iterator[Route]:
    for version in VERSIONS:
        answers = {path: _one(version, question) for path, question in ONES.items()}
        answers |= {path: _list(version, question, is_counted=path in COUNTED) for path, question in LISTS.items()}
        answers |= {EVENTS: _events(version), ONE_EVENT: _one_event(version)}
        for path, answer in answers.items():
            yield Route(f"/{version}{path}", _endpoint(answer, access), methods=["GET"])


def _endpoint(answer: Answer, access: Access) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        district = access.read_by(request)
        if district is None:
            return JSONResponse({"message": "The token is missing or unknown"}, 401)
        state = request.app.state
        allowance = state.limit.take(f"district:{district.id}", state.rate_limit, state.burst_limit)
        if not allowance.allowed:
            state.tally.refused[access.name_of(request), state.limit.window] += 1
            return Response(status_code=429, headers=allowance.headers)
        try:
            return Response(orjson.dumps(answer(district, request)), 200, allowance.headers, "application/json")
        except Refusal as refusal:
            return JSONResponse({"message": refusal.message}, refusal.status, allowance.headers)

    return endpoint


def _one(version: str, question: OneQuestion) -> Answer:
    def answer(district: District, request: Request) -> Mapping[str, object]:
        record = question(district, request.path_params["id"])
        return {"data": data_of(record, version), "links": links_of(record, version)}

    return answer


def _list(version: str, question: ListQuestion, *, is_counted: bool) -> Answer:
    def answer(district: District, request: Request) -> Mapping[str, object]:
        parameters = dict(request.query_params)
        records = question(district, request.path_params.get("id", ""), parameters)
        if is_counted and _wants_count(parameters):
            return {"count": len(question(district, "", {}))}
        page = page_of(records, parameters)
        data = [{"data": data_of(record, version), "uri": uri_of(record, version)} for record in page.records]
        return {"data": data, "links": page_links(request.url.path, parameters, page)}

    return answer


def _events(version: str) -> Answer:
    def answer(district: District, request: Request) -> Mapping[str, object]:
        place, record_types = request.app.state.previous_attributes, request.query_params.getlist("record_type")
        parameters = dict(request.query_params)
        events = events_asked_for(request.app.state.world.events[district.id], parameters, record_types)
        newest = {"ending_before": "f" * 24} if parameters.get("ending_before") == LAST else {}
        page = page_of(events, parameters | newest)
        data = [{"data": event_of(one, version, place), "uri": f"/{version}/events/{one.id}"} for one in page.records]
        repeated = {"record_type": record_types} if record_types else {}
        return {"data": data, "links": page_links(request.url.path, {**parameters, **repeated}, page)}

    return answer


def _one_event(version: str) -> Answer:
    def answer(district: District, request: Request) -> Mapping[str, object]:
        event = request.app.state.world.events[district.id].one(request.path_params["id"])
        links = [{"rel": "self", "uri": f"/{version}/events/{event.id}"}]
        return {"data": event_of(event, version, request.app.state.previous_attributes), "links": links}

    return answer


def _wants_count(parameters: Mapping[str, str]) -> bool:
    asked = parameters.get("count", "")
    if asked not in ("", "true", "false", "undefined"):
        raise bad_parameter("count")
    return asked == "true"


async def _unknown_path(_: Request, __: Exception) -> Response:
    return JSONResponse({"message": not_found().message}, 404)


async def _wrong_method(_: Request, refused: Exception) -> Response:
    return Response(status_code=405, headers=refused.headers if isinstance(refused, HTTPException) else None)
