"""The policy in force."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.api.context import CurrentContext
from app.api.freshness import has
from app.api.problems import documented
from app.api.queries import no_other_parameters
from app.domain.policy_file import PolicyFile

router = APIRouter(prefix="/v1", tags=["policy"], dependencies=[Depends(no_other_parameters)])


class PolicyInForce(BaseModel):
    """The policy that answers are computed by."""

    revision: Annotated[str, Field(description="Changes with the policy, though not with its layout or comments.")]
    policy: PolicyFile


@router.get(
    "/policy",
    operation_id="getPolicy",
    summary="The policy in force",
    response_model=PolicyInForce,
    responses=documented(503) | {304: {"description": "Not modified"}},
)
async def get_policy(request: Request, context: CurrentContext) -> Response:
    """Tell the policy in force and its revision, which every permission set names."""
    policy = context.policy
    tag = f'"{policy.revision}"'
    headers = {"Cache-Control": "private, no-cache", "ETag": tag, "Vary": "Authorization"}
    if has(request, tag):
        return Response(status_code=304, headers=headers)
    body = PolicyInForce(revision=policy.revision, policy=policy.file).model_dump_json()
    return Response(body, headers=headers, media_type="application/json")
