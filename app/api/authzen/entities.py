"""What questions are about, as models: strict where the standard says something, and blind to what it does not name.

An optional member that is null counts as absent; a required one is a mistake.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, RootModel, StrictStr, ValidationError
from pydantic_core import ErrorDetails

from app.api.messages import Refused
from app.services.decisions import Action
from app.services.locating import Entity


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
