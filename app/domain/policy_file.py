"""The policy as it is written: the YAML file as a model, whose JSON Schema lets an editor complete and check it.

What may stand where is said by a class for each role, so that the schema says it too.
"""

from enum import StrEnum
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)

from app.domain.facts import Role

_WORD = r"[A-Za-z][A-Za-z0-9_.\-]*"

Permission = Annotated[
    str,
    Field(
        pattern=rf"^({_WORD}|\*):({_WORD}|\*)$",
        description="`type:action`, such as `section:edit`; `*:view` and `section:*` stand for the matching "
        "permissions that the policy names elsewhere in full.",
        examples=["section:edit", "*:view"],
    ),
]

Value = bool | int | float | str


def _listed(given: object) -> tuple[Value, ...]:
    values = tuple(given) if isinstance(given, list | tuple) else (given,)
    if not values or not all(isinstance(value, Value) for value in values):
        raise ValueError("a value is text, a number, true or false, or a list of these")
    return values


Values = Annotated[
    tuple[Value, ...],
    BeforeValidator(_listed, json_schema_input_type=Value | Annotated[list[Value], Field(min_length=1)]),
]

Over = TypeVar("Over", bound=str)
Key = TypeVar("Key", bound=str)


def _no_field(key: object) -> str:
    raise ValueError(f"students have no field that a condition could read, so {key!r} can never hold")


NoField = Annotated[str, BeforeValidator(_no_field), Field(max_length=0)]


def _whole(given: object) -> object:
    # Python takes true and 1.0 for 1.
    if type(given) is not int:
        raise ValueError("this should be 1")
    return given


class Rule(StrEnum):
    """How the roles of one user combine."""

    SCOPED = "scoped"
    SUPERSET = "superset"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"


class _Written(BaseModel):
    """A part of the file: an unknown key is a mistake, for it may be a misspelt restriction."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Statement(_Written, Generic[Over, Key]):
    """What a role allows, over which of its places, and on what condition."""

    allow: Annotated[tuple[Permission, ...], Field(min_length=1, description="The permissions given.")]
    over: Annotated[Over, Field(description="The places where they are given.")]
    when: Annotated[
        dict[Key, Values],
        Field(description="Holds where each field named has one of its values; an absent field has none."),
    ] = {}
    unless: Annotated[
        dict[Key, Values],
        Field(description="Holds where no field named has one of its values; an absent field has none."),
    ] = {}


class StudentStatement(Statement[Literal["sections", "schools", "self"], NoField]):
    """Over `sections`: those they are enrolled in; `schools`: their primary school and all others."""


class ContactStatement(Statement[Literal["students", "self"], Literal["relationship", "type"]]):
    """Over `students`: those they are a contact of; a condition is read of each relationship by itself."""


class TeacherStatement(Statement[Literal["sections", "schools", "self"], Literal["title"]]):
    """Over `sections`: those they teach; `schools`: those they teach at, which says nothing of administering."""


class StaffStatement(Statement[Literal["schools", "self"], Literal["roles", "title", "department"]]):
    """Over `schools`: those they administer."""


class DistrictAdminStatement(Statement[Literal["district", "self"], Literal["title"]]):
    """Over `district`: their own, whole."""


class Roles(_Written):
    """What each role allows."""

    district_admin: tuple[DistrictAdminStatement, ...] = ()
    staff: tuple[StaffStatement, ...] = ()
    teacher: tuple[TeacherStatement, ...] = ()
    student: tuple[StudentStatement, ...] = ()
    contact: tuple[ContactStatement, ...] = ()


class DistrictStates(_Written):
    """What is left of the permissions while a district is paused or not yet launched."""

    paused: Annotated[
        Literal["allow", "read_only", "deny"], Field(description="While the district's data is last year's.")
    ] = "allow"
    before_launch: Annotated[Literal["allow", "deny"], Field(description="Before the district's launch date.")] = "deny"
    read_only: Annotated[tuple[Permission, ...], Field(description="What is left under `read_only`.")] = ("*:view",)


class Schools(_Written):
    """What the schools that Clever lists for a user do to those that the staff role administers."""

    unconfirmed: Annotated[
        Literal["keep", "drop"],
        Field(description="An administered school that Clever's list of the user's schools lacks."),
    ] = "keep"


class PolicyFile(_Written):
    """Which role gives which permissions where, and how roles combine."""

    version: Annotated[Literal[1], BeforeValidator(_whole), Field(description="The version of this language.")]
    rule: Annotated[
        Rule,
        Field(
            description="`scoped`: each statement over its own places. `superset`: as scoped, and a senior role always "
            "holds what its juniors hold. `maximum`: every permission of any role on every place of any role. "
            "`minimum`: only what every role gives."
        ),
    ]
    superset: Annotated[
        dict[Role, tuple[Role, ...]], Field(description="For each senior role, its juniors; used by `rule: superset`.")
    ] = {}
    roles: Roles
    district: DistrictStates = DistrictStates()
    schools: Schools = Schools()

    def statements(self, role: Role) -> tuple[Statement[str, str], ...]:
        """Return what the file says of ``role``, in its order."""
        said: tuple[Statement[str, str], ...] = getattr(self.roles, role.value)
        return said
