"""Whether the process is alive, and whether it is fit to take traffic."""

from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.api.dependencies import AuthenticationParts, CurrentActivePolicy, CurrentClever
from app.api.errors import BROKEN_HTTP, FOREIGN_HOST, HEAD_TOO_LARGE, PATH_TOO_LONG, described_as
from app.api.http_caching import unkept_response
from app.policy_files.reload import ActivePolicy
from app.roster.context import Clever

PROCESS = "process"
"""The part that is there while the process is about to end."""

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
            description="`policy`: `ok`; `outdated`, while its file cannot be used and what it said before is in "
            "force; `unusable`, while there is nothing to be in force. `clever`: `ok`, `not_asked`, or what its last "
            "answer was: `token_refused`, `forbidden`, `rate_limited`, `failing`, `unreachable`, `timed_out`, "
            "`garbled`; or `no_connection`, where it was not asked, since every connection to it had been in use for "
            "too long. Clever failing after it has once accepted a token does not end readiness: cached users are "
            "still answered. `keys`, where a file says them: as `policy`. `provider`, where there is one whose "
            "tokens are taken: `ok`, `not_asked`, or why its keys could not be read: `unreachable`, `garbled`. "
            "`redis`, where there is one: `ok`, `not_asked`, `unreachable`, or `failing` where it lately answered with "
            "an error; it does not decide readiness. `process`, after it was told to end: `stopping`."
        ),
    ]


_UNREAD = described_as(BROKEN_HTTP, PATH_TOO_LONG, FOREIGN_HOST, HEAD_TOO_LARGE)
"""How a request is refused that no route has read; these take nothing, and so refuse nothing else."""


def is_ready(active_policy: ActivePolicy, clever: Clever, parts: Mapping[str, Callable[[], str]]) -> bool:
    """Tell whether to send traffic here: a policy and keys are in force and Clever accepted a token once.

    Not to a process that is about to end.
    """
    keys = parts.get("keys")
    if PROCESS in parts:
        return False
    return active_policy.context is not None and clever.state().accepted_once and (keys is None or keys() != "unusable")


@router.get(
    "/livez",
    operation_id="getLiveness",
    summary="Is the process alive",
    response_model=Liveness,
    responses=_UNREAD,
)
async def get_liveness() -> Response:
    """Tell that the process is alive; it asks nothing of anyone."""
    return unkept_response(Liveness().model_dump_json().encode())


@router.get(
    "/readyz",
    operation_id="getReadiness",
    summary="Is the service ready",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "Not ready"}, **_UNREAD},
)
async def get_readiness(
    active_policy: CurrentActivePolicy, clever: CurrentClever, authentication: AuthenticationParts
) -> Response:
    """Tell whether to send traffic here: a policy and keys are in force and Clever accepted a token once."""
    ready = is_ready(active_policy, clever, authentication)
    parts = {"policy": active_policy.state, "clever": clever.state().word} | {
        name: told() for name, told in authentication.items()
    }
    readiness = Readiness(status="ready" if ready else "not_ready", parts=parts)
    return unkept_response(readiness.model_dump_json().encode(), 200 if ready else 503)
