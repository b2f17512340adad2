"""What is answered: the models, and their rendering without a null (AuthZEN section 11.5)."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, RootModel

from app.api.dependencies import SECTION_EXAMPLE
from app.api.errors import Refused, message_of, problem_of
from app.api.staleness import AsOf, Stale, StalenessMembers, StaleReason, members_of
from app.domain.decision import Decision, Reason
from app.domain.errors import RosterguardError
from app.domain.snapshot import Staleness
from app.services.decision_point import DecisionPoint
from app.waiting import give_way


class Texts(NamedTuple):
    """A reason in words, once for administrators and once for users; neither text names a person or a place."""

    admin: str
    user: str


_NO_ACCESS = "You don't have access to this."

TEXTS: Mapping[Reason, Texts] = {
    Reason.GRANTED: Texts("a grant covers a place where the resource lies", "You have access to this."),
    Reason.UNKNOWN_SUBJECT: Texts("Clever has no such user, or does not share them", _NO_ACCESS),
    Reason.UNKNOWN_RESOURCE: Texts("Clever has no such resource, or does not share it", _NO_ACCESS),
    Reason.UNKNOWN_ACTION: Texts("the policy names no such permission", "This cannot be done."),
    Reason.ROLE_NOT_HELD: Texts(
        "the user does not hold the role that context.role_context names", "You don't have this role."
    ),
    Reason.NOT_APPLICABLE: Texts(
        "a permission of this type says nothing on a resource of that", "This cannot be done."
    ),
    Reason.NO_PLACE: Texts("resource.properties does not say where the resource lies", _NO_ACCESS),
    Reason.PLACES_DISAGREE: Texts("the places that resource.properties names do not fit together", _NO_ACCESS),
    Reason.NOT_PERMITTED: Texts(
        "no role of the user gives this permission anywhere", "You are not allowed to do this."
    ),
    Reason.NOT_IN_REACH: Texts("the user holds this permission, but where the resource lies they do not", _NO_ACCESS),
    Reason.CONDITION_NOT_MET: Texts(
        "the policy gives this permission here on a condition that the request does not meet",
        "This cannot be done at the moment.",
    ),
    Reason.CONDITION_NOT_COMPARABLE: Texts(
        "the policy gives this permission here unless the request says certain values; the request does not say any "
        "value there, or one of another kind",
        "This cannot be done at the moment.",
    ),
    Reason.DISTRICT_PAUSED: Texts(
        "the district is paused, and the policy does not allow this meanwhile", "This cannot be done at the moment."
    ),
    Reason.DISTRICT_NOT_LAUNCHED: Texts(
        "the district is not launched, and the policy does not allow this before", "This cannot be done yet."
    ),
    Reason.TERM_ENDED: Texts(
        "the term of the section has ended, and the policy does not allow this after it",
        "This cannot be done any more: the term is over.",
    ),
    Reason.TERM_NOT_BEGUN: Texts(
        "the term of the section has not begun, and the policy does not allow this before",
        "This cannot be done yet: the term has not begun.",
    ),
}
"""The words of each reason."""

Outcome = Decision | RosterguardError | Refused
"""What came of one question: it was decided, or could not be, or was malformed."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)

    def rendered(self) -> bytes:
        """Return it as JSON; what is not there is left out."""
        return self.model_dump_json(exclude_none=True).encode()


class AuthzenText(_Answer):
    """A text by its language."""

    en: str


class EvaluationError(_Answer):
    """Why one of many questions was not answered."""

    status: Annotated[int, Field(description="What HTTP would have said of the question alone.", examples=[400])]
    message: str


class DecisionContext(_Answer):
    """What there is to say about a decision; nothing in it has to be understood."""

    reason: Annotated[Reason | None, Field(description="Why.")] = None
    reason_admin: Annotated[AuthzenText | None, Field(description="Why, for whoever runs the application.")] = None
    reason_user: Annotated[AuthzenText | None, Field(description="Why, for whoever uses it.")] = None
    policy_revision: Annotated[str | None, Field(description="The revision of the policy in force.")] = None
    stale: Stale | None = None
    as_of: AsOf = None
    stale_reason: StaleReason = None
    error: Annotated[EvaluationError | None, Field(description="One of many questions was not answered.")] = None


class DecisionBody(_Answer):
    """Whether it is allowed."""

    decision: bool
    context: DecisionContext | None = None


class EvaluationsBody(_Answer):
    """The decisions, in the order asked."""

    evaluations: list[DecisionBody]


class EvaluationsAnswer(RootModel[EvaluationsBody | DecisionBody]):
    """The decisions; a single one where a single question was asked."""


class PageBody(_Answer):
    """Which part of the results this is."""

    next_token: Annotated[
        str, Field(description='For `page.token` of the next request; `""` where there is nothing to go on to.')
    ]
    count: Annotated[int, Field(description="How many results are here.")]
    total: Annotated[int, Field(description="How many there are in all.")]


class SearchContext(_Answer):
    """What there is to say about results."""

    policy_revision: Annotated[str, Field(description="The revision of the policy in force.")]
    stale: Stale = False
    as_of: AsOf = None
    stale_reason: StaleReason = None


class FoundSubject(_Answer):
    """A subject that may do it."""

    type: str
    id: str


class FoundResource(_Answer):
    """A resource to which it may be done."""

    type: Annotated[str, Field(examples=["section"])]
    id: Annotated[str, Field(examples=[SECTION_EXAMPLE])]


class FoundAction(_Answer):
    """An action that may be done."""

    name: Annotated[str, Field(examples=["edit"])]


class _Results(_Answer):
    page: Annotated[PageBody | None, Field(description="Missing where these are all results.")] = None
    context: SearchContext | None = None


class SubjectResults(_Results):
    """Who may do it, by id."""

    results: Sequence[FoundSubject]


class ResourceResults(_Results):
    """To what it may be done, by id."""

    results: Sequence[FoundResource]


class ActionResults(_Results):
    """What may be done, by name."""

    results: Sequence[FoundAction]


def rendered(pdp: DecisionPoint, outcome: Outcome) -> bytes:
    """Return what came of one question as JSON; what was not answered is denied, and says that it was not."""
    if isinstance(outcome, Decision):
        return _decision(outcome, pdp.policy.revision if pdp.reasons else None)
    status, message = _status_and_message(outcome)
    error = EvaluationError(status=status, message=message)
    return DecisionBody(decision=False, context=DecisionContext(error=error)).rendered()


async def rendered_many(pdp: DecisionPoint, outcomes: Iterable[Outcome]) -> bytes:
    """Return what came of many questions as JSON, in their order."""
    answers = []
    for place, outcome in enumerate(outcomes):
        answers.append(rendered(pdp, outcome))
        await give_way(place)
    return _together(answers)


def rendered_together(pdp: DecisionPoint, outcomes: Iterable[Outcome]) -> bytes:
    """Do the same in one go, for a few."""
    return _together([rendered(pdp, outcome) for outcome in outcomes])


def _together(answers: Sequence[bytes]) -> bytes:
    return b'{"evaluations":[%b]}' % b",".join(answers)


def search_context(pdp: DecisionPoint, staleness: Staleness | None) -> SearchContext | None:
    """Return what to say about results; with reasons off nothing, unless they are stale."""
    if not pdp.reasons and staleness is None:
        return None
    return SearchContext(policy_revision=pdp.policy.revision, **members_of(staleness))


@lru_cache(maxsize=64)
def _decision(decision: Decision, revision: str | None) -> bytes:
    """Render each reason once: ten thousand answers are mostly the same few."""
    if revision is None:
        stale = DecisionContext(**members_of(decision.stale)) if decision.stale else None
        return DecisionBody(decision=decision.held, context=stale).rendered()
    admin, user = (AuthzenText(en=text) for text in TEXTS[decision.reason])
    staleness: StalenessMembers = {"stale": False, **members_of(decision.stale)}
    context = DecisionContext(
        reason=decision.reason, reason_admin=admin, reason_user=user, policy_revision=revision, **staleness
    )
    return DecisionBody(decision=decision.held, context=context).rendered()


def _status_and_message(error: RosterguardError | Refused) -> tuple[int, str]:
    return (error.status, str(error)) if isinstance(error, Refused) else message_of(problem_of(error))
