"""The standard's decisions: may this subject do this to that resource, once or many times (AuthZEN 6 and 7)."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.api.authzen.evaluations import evaluations_in, outcomes_of, questions_read
from app.api.authzen.openapi import ERRORS, asks
from app.api.authzen.requests import EvaluationRequest, EvaluationsRequest, question_of, read_as
from app.api.authzen.responses import DecisionBody, EvaluationsAnswer, rendered, rendered_many
from app.api.dependencies import CurrentDecisionPoint, no_parameters
from app.api.http_caching import BatchFreshness, RequestedFreshness, unkept_response
from app.api.strict_json import Said, body_of
from app.services.decisions import evaluate
from app.turns import let_go_of, one_at_a_time

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
async def evaluate_access(pdp: CurrentDecisionPoint, freshness: RequestedFreshness, said: Said) -> Response:
    """Decide whether a subject may do something to a resource (OpenID AuthZEN Authorization API 1.0).

    A denial is 200 with `"decision": false`, also for users, resources and actions that nobody knows; `context` tells
    why. Roles and schools come from Clever alone: what `properties` say of the subject gives nothing.
    """
    question = question_of(read_as(EvaluationRequest, said))
    return unkept_response(rendered(pdp, await evaluate(pdp, question, freshness)))


@router.post(
    EVALUATIONS_PATH,
    operation_id="evaluateAccessMany",
    summary="The same for up to 10,000 questions",
    response_model=EvaluationsAnswer,
    openapi_extra=asks(EvaluationsRequest),
)
async def evaluate_access_many(pdp: CurrentDecisionPoint, freshness: BatchFreshness, request: Request) -> Response:
    """Decide many questions in one request, in their order; what they have in common stands beside `evaluations`.

    A question that is incomplete, or whose data cannot be read, is answered in its place with `"decision": false` and
    `context.error`. Without `evaluations` the request is a single question and is answered as one.
    """
    body = await body_of(request)
    # What is read of a body takes many times its length, until nothing but questions is left of it.
    async with one_at_a_time():
        evaluations = evaluations_in(body)
        items = await questions_read(evaluations)
    if not items:
        return await evaluate_access(pdp, freshness, evaluations.beside)
    outcomes = await outcomes_of(pdp, items, evaluations.semantic, freshness)
    await let_go_of(items)
    response = unkept_response(await rendered_many(pdp, outcomes))
    await let_go_of(outcomes)
    return response
