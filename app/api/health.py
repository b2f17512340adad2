"""What operators ask the process: whether it is alive, whether it is ready, and its metrics."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.api.dependencies import AuthenticationParts, CurrentActivePolicy, CurrentClever
from app.api.errors import BROKEN_HTTP, FOREIGN_HOST, HEAD_TOO_LARGE, PATH_TOO_LONG, described, described_as
from app.api.http_caching import unkept_response
from app.policy_files.reload import ActivePolicy
from app.roster.ports import Clever
from app.telemetry import metrics

PROCESS = "process"
"""A part that exists only while the process is stopping."""

router = APIRouter(tags=["health"])

metrics_router = APIRouter(tags=["health"])
"""Alone, since only some callers may see the metrics."""


class Liveness(BaseModel):
    """The process is alive."""

    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """Whether the process can answer questions, and the status of each part."""

    status: Literal["ready", "not_ready"]
    parts: Annotated[
        dict[str, str],
        Field(
            description="`policy`: `ok`; `outdated` if its file is invalid and the policy before is in force; "
            "`unusable` if none is in force. `clever`: `ok`, `not_asked`, or the last failure: `token_refused`, "
            "`forbidden`, `rate_limited`, `failing`, `unreachable`, `timed_out`, `garbled`, or `no_connection` if no "
            "connection became free in time. Once Clever has accepted a token, its failures do not end readiness: "
            "cached users are still answered. `keys`, if they are in a file: as `policy`. `provider`, if one is "
            "configured: `ok`, `not_asked`, or why its keys could not be read: `unreachable`, `garbled`. `redis`, if "
            "one is configured: `ok`, `not_asked`, `unreachable`, or `failing` if it lately answered with an error; it "
            "does not affect readiness. `process`: `stopping`, after SIGTERM."
        ),
    ]


_REFUSALS = described_as(BROKEN_HTTP, PATH_TOO_LONG, FOREIGN_HOST, HEAD_TOO_LARGE)
"""The refusals before any route; these routes have no parameters, and so no other refusals."""


def is_ready(active_policy: ActivePolicy, clever: Clever, parts: Mapping[str, Callable[[], str]]) -> bool:
    """Whether to send traffic here: a policy and keys are in force, and Clever has accepted a token once.

    A process that is stopping is not ready.
    """
    keys = parts.get("keys")
    if PROCESS in parts:
        return False
    return (
        active_policy.decision_point is not None
        and clever.state().accepted_once
        and (keys is None or keys() != "unusable")
    )


@router.get(
    "/livez",
    operation_id="getLiveness",
    summary="Is the process alive",
    response_model=Liveness,
    responses=_REFUSALS,
)
async def get_liveness() -> Response:
    """Say that the process is alive, without looking at anything else."""
    return unkept_response(Liveness().model_dump_json().encode())


@router.get(
    "/readyz",
    operation_id="getReadiness",
    summary="Is the service ready",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "Not ready"}, **_REFUSALS},
)
async def get_readiness(
    active_policy: CurrentActivePolicy, clever: CurrentClever, authentication: AuthenticationParts
) -> Response:
    """Say whether to send traffic here: a policy and keys are in force, and Clever has accepted a token once."""
    ready = is_ready(active_policy, clever, authentication)
    parts = {"policy": active_policy.state, "clever": clever.state().outcome} | {
        name: status() for name, status in authentication.items()
    }
    readiness = Readiness(status="ready" if ready else "not_ready", parts=parts)
    return unkept_response(readiness.model_dump_json().encode(), 200 if ready else 503)


@metrics_router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Metrics",
    response_class=Response,
    responses=described(401, 403, 413)
    | {200: {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_metrics(request: Request) -> Response:
    """Return the metrics of the service, of all its workers, in the text format of Prometheus."""
    measure: Callable[[], None] = request.state.measure
    measure()
    exposition = await asyncio.to_thread(metrics.exposition)
    return Response(exposition, headers={"Cache-Control": "no-store", "Content-Type": metrics.MEDIA_TYPE})
