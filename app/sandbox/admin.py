"""The sandbox's own endpoints, which Clever does not have: faults, limits, and changes of people and sections."""

from collections.abc import Awaitable, Callable, Mapping
from secrets import compare_digest
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.sandbox.endpoints import Refusal
from app.sandbox.faults import Faults
from app.sandbox.oauth import bearer_of
from app.sandbox.request_counts import OWN_PATHS

M = TypeVar("M", bound=BaseModel)


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
    """The members of a section to change; those left out stay."""

    model_config = ConfigDict(extra="forbid")

    teachers: tuple[str, ...] = Field((), description="The primary teacher first.")
    students: tuple[str, ...] = ()
    school: str = ""


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
    request.app.state.world.change_user(request.path_params["id"], change.model_dump(exclude_unset=True)["roles"])
    return Response(status_code=204)


async def _change_section(request: Request) -> Response:
    change = await _body_of(request, SectionChange)
    request.app.state.world.change_section(request.path_params["id"], **change.model_dump(exclude_unset=True))
    return Response(status_code=204)


async def _remove_user(request: Request) -> Response:
    request.app.state.world.remove_user(request.path_params["id"])
    return Response(status_code=204)


async def _remove_section(request: Request) -> Response:
    request.app.state.world.remove_section(request.path_params["id"])
    return Response(status_code=204)


async def _reset(request: Request) -> Response:
    state: State = request.app.state
    state.world.reset()
    state.faults.clear()
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


def _refusing(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def refusing(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Refusal as refusal:
            return JSONResponse({"message": refusal.message}, refusal.status)

    return refusing


ADMIN_ROUTES = [
    Route(f"{OWN_PATHS}{path}", _refusing(endpoint), methods=[method])
    for method, path, endpoint in (
        ("GET", "/faults", _get_faults),
        ("PUT", "/faults", _put_faults),
        ("DELETE", "/faults", _clear_faults),
        ("PUT", "/limits", _put_limits),
        ("PATCH", "/users/{id}", _change_user),
        ("DELETE", "/users/{id}", _remove_user),
        ("PATCH", "/sections/{id}", _change_section),
        ("DELETE", "/sections/{id}", _remove_section),
        ("POST", "/reset", _reset),
    )
]
