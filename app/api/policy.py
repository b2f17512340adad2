"""The policy in force."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.api.dependencies import CurrentContext, no_other_parameters
from app.api.errors import documented
from app.api.http_caching import has
from app.domain.policy_schema import DistrictStates, PolicyFile

router = APIRouter(prefix="/v1", tags=["policy"], dependencies=[Depends(no_other_parameters)])


class PolicyInForce(BaseModel):
    """The policy that answers are computed by."""

    revision: Annotated[str, Field(description="Changes with the policy, though not with its layout or comments.")]
    policy: PolicyFile
    warnings: Annotated[
        list[str],
        Field(
            description="What is odd in it, a sentence each, as `rosterguard policy check` and the log tell it: what "
            "has no effect, what no user can meet, what reaches further than is usually meant."
        ),
    ]


@router.get(
    "/policy",
    operation_id="getPolicy",
    summary="The policy in force",
    response_model=PolicyInForce,
    responses=documented(503) | {304: {"description": "Not modified"}},
)
async def get_policy(request: Request, context: CurrentContext) -> Response:
    """Tell the policy in force, what is odd in it, and its revision, which every permission set names."""
    policy = context.policy
    tag = f'"{"-".join([policy.revision, *([_digest(policy.warnings)] if policy.warnings else [])])}"'
    headers = {"Cache-Control": "private, no-cache", "ETag": tag, "Vary": "Authorization"}
    if has(request, tag):
        return Response(status_code=304, headers=headers)
    told = PolicyInForce(revision=policy.revision, policy=policy.file, warnings=list(policy.warnings))
    # Its default says before_launch: deny, which would look as if that were in force.
    states = policy.file.district
    unsaid = states == DistrictStates() and "before_launch" not in states.model_fields_set
    left_out = {"policy": {"district"}} if unsaid else None
    return Response(told.model_dump_json(exclude=left_out), headers=headers, media_type="application/json")


def _digest(sentences: tuple[str, ...]) -> str:
    # They may change where the revision does not: with a release, or where a default is written out.
    return hashlib.sha256("\n".join(sentences).encode()).hexdigest()[:8]
