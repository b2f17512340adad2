"""The standard's decisions: may this subject do this to that resource, once or many times (AuthZEN 6 and 7)."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.api.authzen.evaluations import items_in, outcomes_of
from app.api.authzen.openapi import ERRORS, asks
from app.api.authzen.requests import (
    EvaluationRequest,
    EvaluationsFrame,
    EvaluationsOptions,
    EvaluationsRequest,
    EvaluationsSemantic,
    read_as,
)
from app.api.authzen.responses import DecisionBody, EvaluationsAnswer, rendered, rendered_many
from app.api.dependencies import CurrentContext, no_parameters
from app.api.http_caching import BatchFreshness, RequestedFreshness, unkept_response
from app.api.strict_json import Said, said_by
from app.services.batch import let_go_of, one_at_a_time
from app.services.decisions import evaluate

EVALUATION_PATH = "/access/v1/evaluation"
EVALUATIONS_PATH = "/access/v1/evaluations"

router = APIRouter(tags=["authzen"], responses=ERRORS, dependencies=[Depends(no_parameters)])


@router.post(
    EVALUATION_PATH,
    operation_id="evaluateAccess",
    summary="May this subject do this to that resource",
    response_model=DecisionBody,
    openapi_extra=asks(EvaluationRequest),
)
async def evaluate_access(context: CurrentContext, freshness: RequestedFreshness, said: Said) -> Response:
    """Decide whether a subject may do something to a resource (OpenID AuthZEN Authorization API 1.0).

    A denial is 200 with `"decision": false`, also for users, resources and actions that nobody knows; `context` tells
    why. Roles and schools come from Clever alone: what `properties` say of the subject gives nothing.
    """
    question = read_as(EvaluationRequest, said).question()
    return unkept_response(rendered(context, await evaluate(context, question, freshness)))


@router.post(
    EVALUATIONS_PATH,
    operation_id="evaluateAccessMany",
    summary="The same for up to 10,000 questions",
    response_model=EvaluationsAnswer,
    openapi_extra=asks(EvaluationsRequest),
)
async def evaluate_access_many(context: CurrentContext, freshness: BatchFreshness, request: Request) -> Response:
    """Decide many questions in one request, in their order; what they have in common stands beside `evaluations`.

    A question that is incomplete, or whose data cannot be read, is answered in its place with `"decision": false` and
    `context.error`. Without `evaluations` the request is a single question and is answered as one.
    """
    await request.body()
    # What is read of a body takes many times its length, until nothing but questions is left of it.
    async with one_at_a_time():
        said = await said_by(request)
        frame = read_as(EvaluationsFrame, said)
        if frame.evaluations:
            del said["evaluations"]
        semantic = (frame.options or EvaluationsOptions()).evaluations_semantic or EvaluationsSemantic.EXECUTE_ALL
        items = await items_in(frame, said)
    if not items:
        return await evaluate_access(context, freshness, said)
    outcomes = await outcomes_of(context, items, semantic, freshness)
    await let_go_of(items)
    response = unkept_response(await rendered_many(context, outcomes))
    await let_go_of(outcomes)
    return response
