"""The sandbox's own endpoints, which Clever does not have: faults, limits, and changes of people and sections."""

from collections.abc import Awaitable, Callable, Mapping
from secrets import compare_digest
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.sandbox.endpoints import Refusal
from app.sandbox.events import PreviousPlace
from app.sandbox.faults import Faults
from app.sandbox.oauth import bearer_of
from app.sandbox.request_counts import OWN_PATHS

M = TypeVar("M", bound=BaseModel)
Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


class Guard:
    """Requires a token at the sandbox's own endpoints, if one is set."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self.app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        app = self.app if self._admits(scope) else JSONResponse({"message": "The token is missing or unknown"}, 401)
        await app(scope, receive, send)

    def _admits(self, scope: Scope) -> bool:
        if self._token is None or scope["type"] != "http" or not scope["path"].startswith(OWN_PATHS):
            return True
        return compare_digest((bearer_of(Request(scope)) or "").encode(), self._token.encode())


class Limits(BaseModel):
    """Settings that can be changed while the sandbox runs; those left out stay."""

    model_config = ConfigDict(extra="forbid")

    rate_limit: int | None = Field(None, ge=0, description="Requests a minute and token; 0 for no limit.")
    burst_limit: int | None = Field(None, ge=0, description="Requests in 20 seconds and token; 0 for no limit.")
    delay_ms: int | None = Field(None, ge=0, le=600_000, description="The delay of every answer in milliseconds.")


class RoleFields(BaseModel):
    """A role to give a user: any fields; those that the sandbox reads are checked."""

    model_config = ConfigDict(extra="allow")

    legacy_id: str = ""
    school: str = ""
    schools: tuple[str, ...] = ()
    student_relationships: tuple["Relationship", ...] = ()


class Relationship(BaseModel):
    """A student of a contact."""

    model_config = ConfigDict(extra="allow")

    student: str


class UserChange(BaseModel):
    """The roles to give a user; each replaces the role of that name, and null removes it."""

    model_config = ConfigDict(extra="forbid")

    roles: dict[str, RoleFields | None]


class SectionChange(BaseModel):
    """The fields of a section to change; those left out stay."""

    model_config = ConfigDict(extra="forbid")

    teachers: tuple[str, ...] = Field((), description="The primary teacher first.")
    students: tuple[str, ...] = ()
    school: str = ""
    term: str | None = Field(None, alias="term_id")
    course: str | None = None
    name: str = ""


class NewUser(UserChange):
    """A user to add to a district, the first one by default."""

    district: str | None = None


class NewSection(SectionChange):
    """A section to add."""

    district: str | None = None
    school: str
    teachers: tuple[str, ...]
    students: tuple[str, ...]


class SchoolChange(BaseModel):
    """The fields of a school to change."""

    model_config = ConfigDict(extra="forbid")

    name: str


class NewSchool(SchoolChange):
    """A school to add."""

    district: str | None = None


class TermChange(BaseModel):
    """The fields of a term to change; dates are not checked."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    start_date: Any = None
    end_date: Any = None


class NewTerm(TermChange):
    """A term to add."""

    district: str | None = None


class CourseChange(BaseModel):
    """The fields of a course to change."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None


class NewCourse(CourseChange):
    """A course to add."""

    district: str | None = None


class DistrictChange(BaseModel):
    """The fields of a district to change; dates are not checked, so that they can be unreadable."""

    model_config = ConfigDict(extra="forbid")

    state: str | None = None
    error: str | None = Field(None, description="For people; null leaves the field out.")
    launch_date: Any = None
    pause_start: Any = None
    pause_end: Any = None
    last_sync: Any = None


class EventSettings(BaseModel):
    """Settings of events; those left out stay."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool | None = Field(None, description="Whether changes make events; at Clever, applications opt in.")
    previous_attributes: PreviousPlace | None = Field(None, description="Where an event has its previous attributes.")


class RandomChanges(BaseModel):
    """How many random changes to make, and from which seed."""

    model_config = ConfigDict(extra="forbid")

    seed: int = 0
    changes: int = Field(100, ge=1, le=100_000)
    sync: int = Field(25, ge=1, le=100_000, description="The number of changes in one sync.")
    district: str | None = Field(None, description="The district; the first one by default.")


async def _get_faults(request: Request) -> Response:
    return JSONResponse(request.app.state.faults.to_json())


async def _put_faults(request: Request) -> Response:
    request.app.state.faults.put(await _body_of(request, Faults))
    return Response(status_code=204)


async def _clear_faults(request: Request) -> Response:
    request.app.state.faults.clear()
    return Response(status_code=204)


async def _put_limits(request: Request) -> Response:
    limits = await _body_of(request, Limits)
    _set(request.app.state, limits.model_dump(exclude_none=True))
    return Response(status_code=204)


async def _change_user(request: Request) -> Response:
    change = await _body_of(request, UserChange)
    request.app.state.world.change_user(request.path_params["id"], _roles_of(change))
    return Response(status_code=204)


def _roles_of(change: UserChange) -> dict[str, Any]:
    roles: dict[str, Any] = _frozen(change.model_dump(exclude_unset=True)["roles"])
    return roles


def _frozen(value: Any) -> Any:
    """Replace lists by tuples, as in records: otherwise equal values would differ and make an event."""
    if isinstance(value, dict):
        return {name: _frozen(one) for name, one in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


async def _change_district(request: Request) -> Response:
    change = await _body_of(request, DistrictChange)
    request.app.state.world.change_district(request.path_params["id"], **change.model_dump(exclude_unset=True))
    return Response(status_code=204)


def _changing(collection: str, shape: type[BaseModel]) -> Endpoint:
    async def change(request: Request) -> Response:
        fields = (await _body_of(request, shape)).model_dump(exclude_unset=True)
        request.app.state.world.change(collection, request.path_params["id"], **fields)
        return Response(status_code=204)

    return change


def _removing(collection: str) -> Endpoint:
    async def remove(request: Request) -> Response:
        request.app.state.world.remove(collection, request.path_params["id"])
        return Response(status_code=204)

    return remove


async def _add_user(request: Request) -> Response:
    new = await _body_of(request, NewUser)
    return JSONResponse({"id": request.app.state.world.add_user(new.district, _roles_of(new))}, 201)


def _adding(collection: str, shape: type[BaseModel]) -> Endpoint:
    async def add(request: Request) -> Response:
        fields = {"district": None, **(await _body_of(request, shape)).model_dump(exclude_unset=True)}
        return JSONResponse({"id": request.app.state.world.add(collection, **fields)}, 201)

    return add


async def _change_at_random(request: Request) -> Response:
    asked, world = await _body_of(request, RandomChanges), request.app.state.world
    made = await run_in_threadpool(
        world.change_at_random, asked.district, seed=asked.seed, changes=asked.changes, sync=asked.sync
    )
    return JSONResponse({"changes": asked.changes, "events": made.total(), "types": made})


async def _put_event_settings(request: Request) -> Response:
    asked, state = await _body_of(request, EventSettings), request.app.state
    if asked.enabled is not None:
        state.world.switch_events(enabled=asked.enabled)
    if asked.previous_attributes is not None:
        state.previous_attributes = asked.previous_attributes
    return Response(status_code=204)


async def _reset(request: Request) -> Response:
    state: State = request.app.state
    state.world.reset()
    state.faults.clear()
    state.previous_attributes = "beside_object"
    _set(state, state.limits_at_start)
    return Response(status_code=204)


def _set(state: State, limits: Mapping[str, int]) -> None:
    for name, value in limits.items():
        setattr(state, name, value)


async def _body_of(request: Request, shape: type[M]) -> M:
    try:
        return shape.model_validate_json(await request.body())
    except ValidationError as error:
        raise Refusal(400, "; ".join(map(_described, error.errors()))) from error


def _described(mistake: Any) -> str:
    where = ".".join(map(str, mistake["loc"]))
    return f"{where}: {mistake['msg']}" if where else mistake["msg"]


def _refusing(endpoint: Endpoint) -> Endpoint:
    async def refusing(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Refusal as refusal:
            return JSONResponse({"message": refusal.message}, refusal.status)

    return refusing


_SHAPES: Mapping[str, tuple[type[BaseModel], type[BaseModel]]] = {
    "sections": (NewSection, SectionChange),
    "schools": (NewSchool, SchoolChange),
    "terms": (NewTerm, TermChange),
    "courses": (NewCourse, CourseChange),
}

ADMIN_ROUTES = [
    Route(f"{OWN_PATHS}{path}", _refusing(endpoint), methods=[method])
    for method, path, endpoint in (
        ("GET", "/faults", _get_faults),
        ("PUT", "/faults", _put_faults),
        ("DELETE", "/faults", _clear_faults),
        ("PUT", "/limits", _put_limits),
        ("PUT", "/events", _put_event_settings),
        ("POST", "/changes", _change_at_random),
        ("POST", "/users", _add_user),
        ("PATCH", "/users/{id}", _change_user),
        *(("POST", f"/{name}", _adding(name, shape)) for name, (shape, _) in _SHAPES.items()),
        *(("PATCH", f"/{name}/{{id}}", _changing(name, shape)) for name, (_, shape) in _SHAPES.items()),
        *(("DELETE", f"/{name}/{{id}}", _removing(name)) for name in ("users", *_SHAPES)),
        ("PATCH", "/districts/{id}", _change_district),
        ("POST", "/reset", _reset),
    )
]
