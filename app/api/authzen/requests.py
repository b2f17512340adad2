"""What questions are about, as models: strict where the standard says something, and blind to what it does not name.

An optional member that is null counts as absent; a required one is a mistake.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, RootModel, StrictInt, StrictStr, ValidationError
from pydantic_core import ErrorDetails

from app.api.errors import Refused
from app.services.decisions import Action, Question
from app.services.resource_lookup import Entity


class AuthzenObject(RootModel[dict[str, object]]):
    """An object with whatever members the caller likes."""


Free = Annotated[AuthzenObject | None, Field(description="Whatever the caller likes to say.")]


class Asked(BaseModel):
    """A part of a request."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Kind(Asked):
    type: Annotated[StrictStr, Field(description="Such as `user`, `section`, or a type of the application's own.")]
    properties: Free = None

    def entity(self, named: str = "") -> Entity:
        """Return what is named, as services take it."""
        return Entity(self.type, named, said_in(self.properties))


class AuthzenSubject(_Kind):
    """Who asks: a user of Clever's. Its `properties` give no rights; `district` among them names the district."""

    id: Annotated[StrictStr, Field(description="Unique within its type: the Clever id of the user.")]


class AuthzenResource(_Kind):
    """What is asked about; for a type of the application's own, `properties` say where it lies, such as `section`."""

    id: Annotated[StrictStr, Field(description="Unique within its type: Clever's id, or the application's own.")]


class AuthzenSubjectType(_Kind):
    """The kind of subject that is searched; an `id` is ignored."""


class AuthzenResourceType(_Kind):
    """The kind of resource that is searched; an `id` is ignored."""


class AuthzenAction(Asked):
    """What is to be done."""

    name: Annotated[StrictStr, Field(description="Such as `edit`; with a colon it is a whole permission.")]
    properties: Free = None

    def action(self) -> Action:
        """Return it as services take it."""
        return Action(self.name, said_in(self.properties))


M = TypeVar("M", bound=BaseModel)


def read_as(model: type[M], said: object) -> M:
    """Return what a request says as a ``model``, or raise ``Refused`` with everything that is wrong."""
    try:
        return model.model_validate(said)
    except ValidationError as error:
        raise Refused("; ".join(map(_mistake, error.errors(include_url=False, include_input=False)))) from None


def said_in(free: AuthzenObject | None) -> Mapping[str, object]:
    """Return what an optional object says; nothing where it is absent."""
    return _NOTHING if free is None else free.root


_NOTHING: Mapping[str, object] = MappingProxyType({})
"""One for all: of ten thousand questions most say nothing."""

_MISTAKES = {
    "missing": "is required",
    "string_type": "must be a string",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be an array",
    "int_type": "must be an integer",
    "greater_than_equal": "must not be negative",
}


def _mistake(error: ErrorDetails) -> str:
    where = ".".join(map(str, error["loc"]))
    return f"{where} {_MISTAKES.get(error['type']) or error['msg'].removeprefix('Input ')}"


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
