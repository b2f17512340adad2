"""The standard's decisions: may this subject do this to that resource, once or many times (AuthZEN 6 and 7)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from fastapi import APIRouter, Depends, Request
from msgspec import Raw
from starlette.responses import Response

from app.api.authzen.openapi import ERRORS, asks
from app.api.authzen.requests import (
    MOST_ITEMS,
    EvaluationItem,
    EvaluationRequest,
    EvaluationsOptions,
    EvaluationsRequest,
    EvaluationsSemantic,
    question_of,
    read_as,
    said_in,
)
from app.api.authzen.responses import DecisionBody, EvaluationsAnswer, Outcome, rendered, rendered_many
from app.api.dependencies import CurrentDecisionPoint, no_parameters
from app.api.errors import Refused
from app.api.http_caching import BatchFreshness, RequestedFreshness, unkept_response
from app.api.strict_json import Said, body_of, items_in, members_in, values_in
from app.domain.decision import Decision
from app.domain.question import Action, Entity, Question
from app.roster.freshness import Freshness
from app.services.decision_point import DecisionPoint
from app.services.decisions import evaluate, evaluate_many, evaluate_until
from app.waiting import AT_A_STRETCH, give_way, let_go_of, one_at_a_time

Item = Question | Refused
"""One of many questions, or what is wrong with it."""


class Evaluations(NamedTuple):
    """A request for many answers: what is said beside the questions, these as they came, and which to answer."""

    beside: dict[str, Any]
    items: Sequence[Raw]
    semantic: EvaluationsSemantic


def evaluations_in(body: bytes) -> Evaluations:
    """Take a request apart, without reading its questions; raises ``Refused``."""
    members = members_in(body)
    array = members.pop("evaluations", None)
    beside = dict(zip(members, values_in([*members.values()]), strict=True))
    items = () if array is None else items_in(array, "evaluations")
    if len(items) > MOST_ITEMS:
        raise Refused(f"evaluations has {len(items)} items, and {MOST_ITEMS} is the most", 413)
    options = read_as(EvaluationsRequest, {"options": beside.get("options")}).options or EvaluationsOptions()
    return Evaluations(beside, items, options.evaluations_semantic or EvaluationsSemantic.EXECUTE_ALL)


def questions_in(evaluations: Evaluations) -> Iterator[Item]:
    """Read the questions one after the other, each with what it lacks taken from beside them.

    Nothing is merged inside an entity: the id of one subject with the type of another would be somebody else.

    Raises:
        Refused: something is not JSON as it has to be, and so nothing is answered.
    """
    shared = _shared_in(evaluations.beside)
    for start in range(0, len(evaluations.items), AT_A_STRETCH):
        for said in values_in(evaluations.items[start : start + AT_A_STRETCH]):
            yield _question(shared, said)


async def questions_read(evaluations: Evaluations) -> list[Item]:
    """Read the questions as ``questions_in`` does, and let others have their turn meanwhile."""
    items = []
    for place, item in enumerate(questions_in(evaluations)):
        items.append(item)
        await give_way(place)
    return items


class _Shared(NamedTuple):
    """What questions have in common, and what is wrong with a question that needs a part which is not there."""

    subject: Entity | None
    action: Action | None
    resource: Entity | None
    context: Mapping[str, object] | None
    faults: Mapping[str, Refused]


_PARTS = _Shared._fields[:-1]


def _shared_in(beside: Mapping[str, object]) -> _Shared:
    """Read what questions have in common once, lest its length costs once for each."""
    faults = {key: Refused(f"{key} is required") for key in _PARTS}

    def part(key: str) -> Any:
        try:
            return getattr(read_as(EvaluationItem, {key: beside.get(key)}), key)
        except Refused as error:
            faults[key] = error
            return None

    subject, action, resource, context = map(part, _PARTS)
    return _Shared(
        subject and subject.entity(),
        action and action.action(),
        resource and resource.entity(),
        context if beside.get("context") is not None else said_in(None),
        faults,
    )


def _question(shared: _Shared, said: object) -> Item:
    if not isinstance(said, dict):
        return Refused("an evaluation must be an object")
    try:
        item = read_as(EvaluationItem, said)
    except Refused as error:
        return error
    subject = shared.subject if item.subject is None else item.subject.entity()
    action = shared.action if item.action is None else item.action.action()
    resource = shared.resource if item.resource is None else item.resource.entity()
    context = shared.context if item.context is None else item.context
    if subject is None or action is None or resource is None or context is None:
        parts = zip(_PARTS, (subject, action, resource, context), strict=True)
        return next(shared.faults[key] for key, part in parts if part is None)
    return Question(subject, action, resource, context)


async def outcomes_of(
    pdp: DecisionPoint, items: Sequence[Item], semantic: EvaluationsSemantic, freshness: Freshness
) -> list[Outcome]:
    """Answer questions in the order asked, all of them or up to the first that ends the run.

    Raises:
        CleverError: Clever could not be read for any of them.
    """
    ends = _ENDS[semantic]
    run = list(_until(items, lambda item: isinstance(item, Refused) and ends(item)))
    questions = [item for item in run if isinstance(item, Question)]
    if semantic is EvaluationsSemantic.EXECUTE_ALL:
        decided = iter(await evaluate_many(pdp, questions, freshness))
    else:
        decided = iter(await evaluate_until(pdp, questions, freshness, ends))
    outcomes: Iterator[Outcome] = (item if isinstance(item, Refused) else next(decided) for item in run)
    return list(_until(outcomes, ends))


T = TypeVar("T")


def _until(each: Iterable[T], ends: Callable[[T], bool]) -> Iterator[T]:
    """Take up to and including the first that ``ends``."""
    for one in each:
        yield one
        if ends(one):
            return


def _never(_outcome: Outcome) -> bool:
    return False


def _is_permitted(outcome: Outcome) -> bool:
    return isinstance(outcome, Decision) and outcome.held


def _is_not_permitted(outcome: Outcome) -> bool:
    return not _is_permitted(outcome)


_ENDS: Mapping[EvaluationsSemantic, Callable[[Outcome], bool]] = {
    EvaluationsSemantic.EXECUTE_ALL: _never,
    EvaluationsSemantic.DENY_ON_FIRST_DENY: _is_not_permitted,
    EvaluationsSemantic.PERMIT_ON_FIRST_PERMIT: _is_permitted,
}


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
