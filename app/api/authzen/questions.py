"""What can be asked, as models of the bodies; members that the standard does not name are ignored."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StrictInt, StrictStr

from app.api.authzen.entities import (
    Asked,
    AuthzenAction,
    AuthzenResource,
    AuthzenResourceType,
    AuthzenSubject,
    AuthzenSubjectType,
    Free,
    said_in,
)
from app.services.decisions import Action, Question

MOST_ITEMS = 10_000


class EvaluationRequest(Asked):
    """May this subject do this to that resource?"""

    subject: AuthzenSubject
    action: AuthzenAction
    resource: AuthzenResource
    context: Free = None

    def question(self) -> Question:
        """Return it as services take it."""
        subject, resource = self.subject.entity(self.subject.id), self.resource.entity(self.resource.id)
        return Question(subject, self.action.action(), resource, said_in(self.context))


class EvaluationItem(Asked):
    """One of many questions; what it lacks is taken whole from beside `evaluations`."""

    subject: AuthzenSubject | None = None
    action: AuthzenAction | None = None
    resource: AuthzenResource | None = None
    context: Free = None


class EvaluationsSemantic(StrEnum):
    """Which of many questions are answered: all, or those up to the first that is denied, or permitted."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"


class EvaluationsOptions(Asked):
    """How to answer many questions."""

    evaluations_semantic: Annotated[
        EvaluationsSemantic | None, Field(description="All questions are answered if it is not there.")
    ] = None


class EvaluationsRequest(EvaluationItem):
    """Many questions, with what they have in common beside them; without any it is a single one itself."""

    evaluations: Annotated[list[EvaluationItem] | None, Field(max_length=MOST_ITEMS)] = None
    options: EvaluationsOptions | None = None


class EvaluationsFrame(Asked):
    """The same before its questions are looked at, each of which may be wrong by itself."""

    evaluations: list[object] | None = None
    options: EvaluationsOptions | None = None


class PageRequest(Asked):
    """Which part of the results to send."""

    token: Annotated[StrictStr | None, Field(description='`next_token` of the answer before; `""` is none.')] = None
    limit: Annotated[
        StrictInt | None,
        Field(ge=0, description="How many results at most; a token remembers it. 0 asks for `total` alone."),
    ] = None
    properties: Free = None


class _Search(Asked):
    context: Free = None
    page: PageRequest | None = None


class SubjectSearchRequest(_Search):
    """Who may do this to that resource?"""

    subject: AuthzenSubjectType
    action: AuthzenAction
    resource: AuthzenResource

    def question(self) -> Question:
        """Return it as services take it."""
        resource = self.resource.entity(self.resource.id)
        return Question(self.subject.entity(), self.action.action(), resource, said_in(self.context))


class ResourceSearchRequest(_Search):
    """To which resources may this subject do this?"""

    subject: AuthzenSubject
    action: AuthzenAction
    resource: AuthzenResourceType

    def question(self) -> Question:
        """Return it as services take it."""
        subject = self.subject.entity(self.subject.id)
        return Question(subject, self.action.action(), self.resource.entity(), said_in(self.context))


class ActionSearchRequest(_Search):
    """What may this subject do to that resource?"""

    subject: AuthzenSubject
    resource: AuthzenResource

    def question(self) -> Question:
        """Return it as services take it."""
        subject, resource = self.subject.entity(self.subject.id), self.resource.entity(self.resource.id)
        return Question(subject, Action("", {}), resource, said_in(self.context))


REQUESTS = (
    EvaluationRequest,
    EvaluationsRequest,
    SubjectSearchRequest,
    ResourceSearchRequest,
    ActionSearchRequest,
)
"""The models of bodies that routes read by themselves, so that the framework knows nothing of them."""
