"""The standard's decisions: may this subject do this to that resource, once or many times (AuthZEN 6 and 7)."""

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.api.authzen.answers import DecisionBody, EvaluationsAnswer, rendered, rendered_many
from app.api.authzen.entities import read_as
from app.api.authzen.evaluations import items_in, outcomes_of
from app.api.authzen.questions import (
    EvaluationRequest,
    EvaluationsFrame,
    EvaluationsOptions,
    EvaluationsRequest,
    EvaluationsSemantic,
)
from app.api.authzen.reference import ERRORS, asks
from app.api.context import CurrentContext
from app.api.freshness import CallersDemand, DemandOfMany, unkept_response
from app.api.json_body import Said
from app.api.queries import no_parameters
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
async def evaluate_access(context: CurrentContext, demand: CallersDemand, said: Said) -> Response:
    """Decide whether a subject may do something to a resource (OpenID AuthZEN Authorization API 1.0).

    A denial is 200 with `"decision": false`, also for users, resources and actions that nobody knows; `context` tells
    why. Roles and schools come from Clever alone: what `properties` say of the subject gives nothing.
    """
    question = read_as(EvaluationRequest, said).question()
    return unkept_response(rendered(context, await evaluate(context, question, demand)))


@router.post(
    EVALUATIONS_PATH,
    operation_id="evaluateAccessMany",
    summary="The same for up to 10,000 questions",
    response_model=EvaluationsAnswer,
    openapi_extra=asks(EvaluationsRequest),
)
async def evaluate_access_many(context: CurrentContext, demand: DemandOfMany, said: Said) -> Response:
    """Decide many questions in one request, in their order; what they have in common stands beside `evaluations`.

    A question that is incomplete, or whose data cannot be read, is answered in its place with `"decision": false` and
    `context.error`. Without `evaluations` the request is a single question and is answered as one.
    """
    frame = read_as(EvaluationsFrame, said)
    if not frame.evaluations:
        return await evaluate_access(context, demand, said)
    semantic = (frame.options or EvaluationsOptions()).evaluations_semantic or EvaluationsSemantic.EXECUTE_ALL
    outcomes = await outcomes_of(context, await items_in(frame, said), semantic, demand)
    return unkept_response(await rendered_many(context, outcomes))
