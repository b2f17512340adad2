"""What questions are about, as models: strict where the standard says something, and blind to what it does not name.

An optional member that is null counts as absent; a required one is a mistake.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from app.api.errors import Refused
from app.domain.question import Action, Entity, Question

AuthzenObject = Annotated[
    dict[str, Any],
    Meta(title="AuthzenObject", description="An object with whatever members the caller likes."),
]

Free = Annotated[AuthzenObject | None, Meta(description="Whatever the caller likes to say.")]


class Asked(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A part of a request."""


class _Kind(Asked, frozen=True, gc=False, kw_only=True):
    type: Annotated[str, Meta(description="Such as `user`, `section`, or a type of the application's own.")]
    properties: Free = None

    def entity(self) -> Entity:
        """Return what is named, as services take it."""
        return Entity(self.type, "", said_in(self.properties))


class _Named(_Kind, frozen=True, gc=False, kw_only=True):
    id: Annotated[str, Meta(description="Unique within its type: Clever's id, or the application's own.")]

    def entity(self) -> Entity:
        """Return what is named, as services take it."""
        return Entity(self.type, self.id, said_in(self.properties))


class AuthzenSubject(_Named, frozen=True, gc=False, kw_only=True):
    """Who asks: a user of Clever's. Its `properties` give no rights; `district` among them names the district."""


class AuthzenResource(_Named, frozen=True, gc=False, kw_only=True):
    """What is asked about; for a type of the application's own, `properties` say where it lies, such as `section`."""


class AuthzenSubjectType(_Kind, frozen=True, gc=False, kw_only=True):
    """The kind of subject that is searched; an `id` is ignored."""


class AuthzenResourceType(_Kind, frozen=True, gc=False, kw_only=True):
    """The kind of resource that is searched; an `id` is ignored."""


class AuthzenAction(Asked, frozen=True, gc=False, kw_only=True):
    """What is to be done."""

    name: Annotated[str, Meta(description="Such as `edit`; with a colon it is a whole permission.")]
    properties: Free = None

    def action(self) -> Action:
        """Return it as services take it."""
        return Action(self.name, said_in(self.properties))


M = TypeVar("M", bound=msgspec.Struct)


def read_as(model: type[M], said: object) -> M:
    """Return what a request says as a ``model``, or raise ``Refused`` with the first thing that is wrong."""
    try:
        return msgspec.convert(said, model)
    except msgspec.ValidationError as error:
        raise Refused(_mistake(str(error))) from None


def said_in(free: Mapping[str, object] | None) -> Mapping[str, object]:
    """Return what an optional object says; nothing where it is absent."""
    return _NOTHING if free is None else free


_NOTHING: Mapping[str, object] = MappingProxyType({})
"""One for all: of ten thousand questions most say nothing."""


class EvaluationRequest(Asked, frozen=True, gc=False, kw_only=True):
    """May this subject do this to that resource?"""

    subject: AuthzenSubject
    action: AuthzenAction
    resource: AuthzenResource
    context: Free = None


class EvaluationItem(Asked, frozen=True, gc=False, kw_only=True):
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


class EvaluationsOptions(Asked, frozen=True, gc=False, kw_only=True):
    """How to answer many questions."""

    evaluations_semantic: Annotated[
        EvaluationsSemantic | None, Meta(description="All questions are answered if it is not there.")
    ] = None


MOST_ITEMS = 10_000


class EvaluationsRequest(EvaluationItem, frozen=True, gc=False, kw_only=True):
    """Many questions, with what they have in common beside them; without any it is a single one itself."""

    evaluations: Annotated[list[EvaluationItem], Meta(max_length=MOST_ITEMS)] | None = None
    options: EvaluationsOptions | None = None


class PageRequest(Asked, frozen=True, gc=False, kw_only=True):
    """Which part of the results to send."""

    token: Annotated[str | None, Meta(description='`next_token` of the answer before; `""` is none.')] = None
    limit: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="How many results at most; a token remembers it. 0 asks for `total` alone."),
    ] = None
    properties: Free = None


class _Search(Asked, frozen=True, gc=False, kw_only=True):
    context: Free = None
    page: PageRequest | None = None


class SubjectSearchRequest(_Search, frozen=True, gc=False, kw_only=True):
    """Who may do this to that resource?"""

    subject: AuthzenSubjectType
    action: AuthzenAction
    resource: AuthzenResource


class ResourceSearchRequest(_Search, frozen=True, gc=False, kw_only=True):
    """To which resources may this subject do this?"""

    subject: AuthzenSubject
    action: AuthzenAction
    resource: AuthzenResourceType


class ActionSearchRequest(_Search, frozen=True, gc=False, kw_only=True):
    """What may this subject do to that resource?"""

    subject: AuthzenSubject
    resource: AuthzenResource


QuestionRequest = EvaluationRequest | SubjectSearchRequest | ResourceSearchRequest | ActionSearchRequest


def question_of(request: QuestionRequest) -> Question:
    """Return what a request asks, as services take it; what is searched for has no id or name."""
    action = Action("", {}) if isinstance(request, ActionSearchRequest) else request.action.action()
    return Question(request.subject.entity(), action, request.resource.entity(), said_in(request.context))


REQUESTS = (
    EvaluationRequest,
    EvaluationsRequest,
    SubjectSearchRequest,
    ResourceSearchRequest,
    ActionSearchRequest,
)
"""The models of bodies that routes read by themselves, so that the framework knows nothing of them."""

_FAULT = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<where>.*)`)?")
_MISSING = re.compile(r"Object missing required field `(.*)`")
_MISTAKES = (
    ("Expected `str", "must be a string"),
    ("Expected `object", "must be an object"),
    ("Expected `array", "must be an array"),
    ("Expected `int` >= 0", "must not be negative"),
    ("Expected `int", "must be an integer"),
    ("Invalid enum value", "should be 'execute_all', 'deny_on_first_deny' or 'permit_on_first_permit'"),
)


def _mistake(error: str) -> str:
    """Put what msgspec says of a mistake into our words, which hold nothing of what was sent."""
    fault = _FAULT.fullmatch(error)
    what, where = (error, None) if fault is None else fault.group("what", "where")
    if missing := _MISSING.fullmatch(what):
        return f"{where}.{missing[1]} is required" if where else f"{missing[1]} is required"
    said = next((said for start, said in _MISTAKES if what.startswith(start)), "cannot be read")
    return f"{where or 'the body'} {said}"
