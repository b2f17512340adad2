"""Whether the process is alive, and whether it is fit to take traffic."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.api.context import CurrentContext
from app.api.freshness import unkept_response

router = APIRouter(tags=["health"])


class Liveness(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """Whether the process can answer questions, and how each part of it fares, in fixed words."""

    status: Literal["ready", "not_ready"]
    parts: Annotated[
        dict[str, str],
        Field(
            description="`policy`: `ok`. `clever`: `ok`, `not_asked`, or what its last answer was: `token_refused`, "
            "`forbidden`, `rate_limited`, `failing`, `unreachable`, `timed_out`, `garbled`. Clever failing after it "
            "has once accepted a token does not end readiness: cached users are still answered."
        ),
    ]


@router.get("/livez", operation_id="getLiveness", summary="Is the process alive", response_model=Liveness)
async def get_liveness() -> Response:
    """Tell that the process is alive; it asks nothing of anyone."""
    return unkept_response(Liveness().model_dump_json().encode())


@router.get(
    "/readyz",
    operation_id="getReadiness",
    summary="Is the service ready",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "Not ready"}},
)
async def get_readiness(context: CurrentContext) -> Response:
    """Tell whether to send traffic here: the policy is loaded and Clever accepted a token once."""
    clever = context.clever.state()
    readiness = Readiness(
        status="ready" if clever.accepted_once else "not_ready", parts={"policy": "ok", "clever": clever.word}
    )
    return unkept_response(readiness.model_dump_json().encode(), 200 if clever.accepted_once else 503)
