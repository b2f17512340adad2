"""Many questions in one request (AuthZEN section 7): what they have in common, and which of them are answered."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from pydantic import BaseModel

from app.api.authzen.requests import (
    MOST_ITEMS,
    AuthzenAction,
    AuthzenObject,
    AuthzenResource,
    AuthzenSubject,
    EvaluationRequest,
    EvaluationsFrame,
    EvaluationsRequest,
    EvaluationsSemantic,
    read_as,
    said_in,
)
from app.api.authzen.responses import Outcome
from app.api.errors import Refused
from app.roster.context import Context
from app.roster.freshness import Freshness
from app.services.batch import give_way
from app.services.decisions import Decision, Question, evaluate_many, evaluate_until
from app.services.resource_lookup import Entity

Item = Question | Refused
"""One of many questions, or what is wrong with it."""

_MEMBERS: Mapping[str, type[BaseModel]] = {
    "subject": AuthzenSubject,
    "action": AuthzenAction,
    "resource": AuthzenResource,
    "context": AuthzenObject,
}


async def items_in(frame: EvaluationsFrame, said: Mapping[str, object]) -> list[Item]:
    """Take the questions out of a request, each with what it lacks taken from beside them; raises ``Refused``.

    Nothing is merged inside an entity: the id of one subject with the type of another would be somebody else.
    """
    items = frame.evaluations or []
    if len(items) > MOST_ITEMS:
        raise Refused(f"evaluations has {len(items)} items, and {MOST_ITEMS} is the most", 413)
    shared = {key: _read_once(key, part) for key, part in _present(said).items()}
    read = []
    for place, item in enumerate(items):
        read.append(_item(shared, item))
        items[place] = None
        await give_way(place)
    return read


def well_formed_questions(said: Mapping[str, object], most: int) -> list[Question] | None:
    """Return the questions that ``items_in`` would, where there are few, all well-formed and all to be answered.

    Else None, or ``Refused`` is raised; then they are to be read one by one.
    """
    asked = read_as(EvaluationsRequest, said)
    items = asked.evaluations or []
    if asked.options is not None or not 0 < len(items) <= most:
        return None
    subject, action = _entity(asked.subject), asked.action.action() if asked.action else None
    resource, context = _entity(asked.resource), said_in(asked.context)
    questions = []
    for item in items:
        who, what = _entity(item.subject) or subject, item.action.action() if item.action else action
        which = _entity(item.resource) or resource
        if who is None or what is None or which is None:
            return None
        questions.append(Question(who, what, which, context if item.context is None else said_in(item.context)))
    return questions


def _entity(named: AuthzenSubject | AuthzenResource | None) -> Entity | None:
    return None if named is None else named.entity(named.id)


async def outcomes_of(
    context: Context, items: Sequence[Item], semantic: EvaluationsSemantic, freshness: Freshness
) -> list[Outcome]:
    """Answer questions in the order asked, all of them or up to the first that ends the run.

    Raises:
        CleverError: Clever could not be read for any of them.
    """
    ends = _ENDS[semantic]
    run = list(_until(items, lambda item: isinstance(item, Refused) and ends(item)))
    questions = [item for item in run if isinstance(item, Question)]
    if semantic is EvaluationsSemantic.EXECUTE_ALL:
        decided = iter(await evaluate_many(context, questions, freshness))
    else:
        decided = iter(await evaluate_until(context, questions, freshness, ends))
    outcomes: Iterator[Outcome] = (item if isinstance(item, Refused) else next(decided) for item in run)
    return list(_until(outcomes, ends))


def _present(said: Mapping[str, object]) -> dict[str, object]:
    return {key: said[key] for key in _MEMBERS if said.get(key) is not None}


def _read_once(key: str, said: object) -> object:
    """Read what questions have in common, lest its length costs once for each; mistakes are told by who needs it."""
    try:
        return read_as(_MEMBERS[key], said)
    except Refused:
        return said


def _item(shared: Mapping[str, object], said: object) -> Item:
    if not isinstance(said, dict):
        return Refused("an evaluation must be an object")
    try:
        return read_as(EvaluationRequest, {**shared, **_present(said)}).question()
    except Refused as error:
        return error


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
