"""The policy in force."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.api.dependencies import CurrentDecisionPoint, no_other_parameters
from app.api.errors import documented
from app.api.http_caching import has
from app.domain.policy_schema import PolicyFile

router = APIRouter(prefix="/v1", tags=["policy"], dependencies=[Depends(no_other_parameters)])


class PolicyInForce(BaseModel):
    """The policy in force."""

    revision: Annotated[str, Field(description="Changes with the policy, but not with its layout or comments.")]
    policy: PolicyFile
    warnings: Annotated[
        list[str],
        Field(
            description="A sentence for each part that has no effect, that no user can meet, or that reaches further "
            "than usually meant; `rosterguard policy check` and the log show the same."
        ),
    ]


@router.get(
    "/policy",
    operation_id="getPolicy",
    summary="The policy in force",
    response_model=PolicyInForce,
    responses=documented(503) | {304: {"description": "Not modified"}},
)
async def get_policy(request: Request, pdp: CurrentDecisionPoint) -> Response:
    """Return the policy in force, its warnings, and its revision, which is in every permission set."""
    policy = pdp.policy
    tag = f'"{"-".join([policy.revision, *([_digest(policy.warnings)] if policy.warnings else [])])}"'
    headers = {"Cache-Control": "private, no-cache", "ETag": tag, "Vary": "Authorization"}
    if has(request, tag):
        return Response(status_code=304, headers=headers)
    body = PolicyInForce(revision=policy.revision, policy=policy.file, warnings=list(policy.warnings))
    return Response(body.model_dump_json(), headers=headers, media_type="application/json")


def _digest(sentences: tuple[str, ...]) -> str:
    # Warnings can change without the revision: with a release, or when a default is written out.
    return hashlib.sha256("\n".join(sentences).encode()).hexdigest()[:8]
