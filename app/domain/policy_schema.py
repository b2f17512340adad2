"""The policy file as a model. Its JSON Schema lets an editor complete and check the YAML.

Each role has a class of its own, so that the schema knows which places and conditions the role may have.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from math import isfinite
from typing import Annotated, Generic, Literal, TypeVar, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)

from app.domain.facts import EMPLOYEES, Role
from app.domain.scopes import Scope
from app.domain.text import LONGEST

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
    if not values or not all(_is_value(value) for value in values):
        raise ValueError("a value is text, a number, true or false, or a list of these")
    if any(isinstance(value, str) and len(value) > LONGEST for value in values):
        raise ValueError(f"a text that is compared has {LONGEST} characters at most")
    return values


def _is_value(given: object) -> bool:
    # Answers show conditions as JSON, which has no infinity and no NaN.
    return isinstance(given, Value) and not (isinstance(given, float) and not isfinite(given))


Values = Annotated[
    tuple[Value, ...],
    BeforeValidator(_listed, json_schema_input_type=Value | Annotated[list[Value], Field(min_length=1)]),
]

Over = TypeVar("Over", bound=str)

Key = TypeVar("Key", bound=str)

_REQUEST_KEY = r"(resource|action|context)\.[A-Za-z0-9_\-]+"

RequestKey = Annotated[str, Field(pattern=rf"^{_REQUEST_KEY}$")]

TitleField = Literal["title"]

StaffField = Literal["roles", "title", "department"]

ContactField = Literal["relationship", "type"]


def _known_key(key: object, validated: ValidatorFunctionWrapHandler) -> object:
    try:
        return validated(key)
    except ValidationError as error:
        fields = [about["expected"] for found in error.errors() if (about := found.get("ctx")) and "expected" in about]
        read = " or ".join([*fields, "what a request says: resource.…, action.… or context.…"])
        raise ValueError(f"a condition of this role reads {read}") from None


def _key_schema(*fields: str) -> WithJsonSchema:
    # One pattern, since pydantic drops every other schema of a dict's keys.
    return WithJsonSchema({"type": "string", "pattern": f"^({'|'.join([*fields, _REQUEST_KEY])})$"})


_KNOWN_KEY = WrapValidator(_known_key)

StudentKey = Annotated[RequestKey, _KNOWN_KEY, _key_schema()]

TitleKey = Annotated[TitleField | RequestKey, _KNOWN_KEY, _key_schema(*get_args(TitleField))]

StaffKey = Annotated[StaffField | RequestKey, _KNOWN_KEY, _key_schema(*get_args(StaffField))]

ContactKey = Annotated[ContactField | RequestKey, _KNOWN_KEY, _key_schema(*get_args(ContactField))]

Alias = Annotated[str, Field(pattern=rf"^{_WORD}$")]

_RANKED = tuple(role.value for role in Role if role in EMPLOYEES)


def _ranked(given: object) -> object:
    if given in (Role.STUDENT, Role.CONTACT):
        raise ValueError(
            f"{given} cannot be senior or junior: what a student or a contact may do holds for their own sections or "
            "students, and no other role can inherit it"
        )
    if given not in _RANKED:
        raise ValueError(f"this should be {', '.join(map(repr, _RANKED[:-1]))} or {_RANKED[-1]!r}")
    return given


Ranked = Annotated[Role, BeforeValidator(_ranked), WithJsonSchema({"type": "string", "enum": list(_RANKED)})]


def _whole(given: object) -> object:
    # Python takes true and 1.0 for 1.
    if type(given) is not int:
        raise ValueError("this should be 1")
    return given


CleverType = Literal["district", "school", "section", "student", "user"]


class Rule(StrEnum):
    """How the roles of one user combine."""

    SCOPED = "scoped"
    SUPERSET = "superset"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"


class _Strict(BaseModel):
    """A part of the file; an unknown key is a mistake, since it may be a misspelt restriction."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Statement(_Strict, Generic[Over, Key]):
    """What a role allows, at which of its places, and on which condition."""

    allow: Annotated[tuple[Permission, ...], Field(min_length=1, description="The permissions given.")]
    over: Annotated[Over, Field(description="The places where they are given.")]
    when: Annotated[
        dict[Key, Values],
        Field(
            description="For each key, the value must be one of these. Text is compared without case, with every run "
            "of blanks as one; numbers and booleans equal only their own kind. "
            '`""` matches a missing value. A key is a field of the role, or a property of the request: '
            "`resource.status`, `action.soft`, `context.purpose`.",
            json_schema_extra={"additionalProperties": False},
        ),
    ] = {}
    unless: Annotated[
        dict[Key, Values],
        Field(
            description="For each key, the value must be none of these. An absent field of the role passes. A key of "
            "the request fails if the request leaves it out, or sends a value of another kind (text, number, boolean) "
            "than all of these; every value of a list is compared. "
            '`""` has no kind beside other values.',
            json_schema_extra={"additionalProperties": False},
        ),
    ] = {}


class StudentStatement(Statement[Literal["sections", "schools", "self"], StudentKey]):
    """Over `sections`: those that they are enrolled in; `schools`: their primary school and all others."""


class ContactStatement(Statement[Literal["students", "self"], ContactKey]):
    """Over `students`: those whose contact they are; a condition is checked for each relationship separately."""


class TeacherStatement(Statement[Literal["sections", "schools", "self"], TitleKey]):
    """Over `sections`: those that they teach; `schools`: those where they teach, which they need not administer."""


class StaffStatement(Statement[Literal["schools", "self"], StaffKey]):
    """Over `schools`: those that they administer."""


class DistrictAdminStatement(Statement[Literal["district", "self"], TitleKey]):
    """Over `district`: their whole district."""


class Roles(_Strict):
    """What each role allows."""

    district_admin: tuple[DistrictAdminStatement, ...] = ()
    staff: tuple[StaffStatement, ...] = ()
    teacher: tuple[TeacherStatement, ...] = ()
    student: tuple[StudentStatement, ...] = ()
    contact: tuple[ContactStatement, ...] = ()


class DistrictStates(_Strict):
    """What is left of all permissions while a district is paused or not yet launched."""

    paused: Annotated[
        Literal["allow", "read_only", "deny"],
        Field(
            description="While the district's data is from last year: Clever says `paused`, or the day (UTC) lies in "
            "the pause that it names."
        ),
    ] = "allow"
    before_launch: Annotated[
        Literal["allow", "deny"], Field(description="Before the district's launch date, a day in UTC.")
    ] = "allow"
    read_only: Annotated[
        tuple[Permission, ...],
        Field(description="The permissions that are left under `read_only`, here and in `sections`."),
    ] = ("*:view",)


class Sections(_Strict):
    """Whether the sections of teachers and students count in their term only.

    A section without a term, or whose term Clever does not list, always counts.
    """

    terms: Annotated[
        Literal["any", "current"],
        Field(description="`current`: a section counts from the first through the last day of its term (UTC)."),
    ] = "any"
    grace_days: Annotated[
        StrictInt, Field(ge=0, le=366, description="Days before and after the term in which it counts as well.")
    ] = 14
    after: Annotated[
        Literal["drop", "read_only"],
        Field(
            description="What is left in a section after that: nothing, or the permissions of `district.read_only`. "
            "Before its term there is nothing."
        ),
    ] = "drop"


class Schools(_Strict):
    """How Clever's list of a user's schools affects the schools that the staff role administers."""

    unconfirmed: Annotated[
        Literal["keep", "drop"],
        Field(description="An administered school that Clever's list of the user's schools lacks."),
    ] = "keep"


class PolicyFile(_Strict):
    """Which role gives which permissions where, and how roles combine."""

    version: Annotated[Literal[1], BeforeValidator(_whole), Field(description="The version of this language.")]
    rule: Annotated[
        Rule,
        Field(
            description="`scoped`: each statement applies at its own places. `superset`: as scoped, and a senior role "
            "always holds what its juniors hold. `maximum`: every permission of any role applies at every place of a "
            "teacher, staff or district admin role; places of a student or contact role keep to their own statements. "
            "`minimum`: only permissions that every role gives. Under every rule, a contact's statement with a "
            "condition applies only to the students whose entries meet it."
        ),
    ]
    superset: Annotated[
        dict[Ranked, tuple[Ranked, ...]],
        Field(description="For each senior role, its juniors; used by `rule: superset`."),
    ] = {}
    aliases: Annotated[
        dict[Alias, CleverType],
        Field(
            description="The application's names for Clever's types, such as `classroom: section`.",
            json_schema_extra={"additionalProperties": False},
        ),
    ] = {}
    roles: Roles
    district: DistrictStates = DistrictStates()
    schools: Schools = Schools()
    sections: Sections = Sections()

    def statements(self, role: Role) -> tuple[Statement[str, str], ...]:
        """Return the statements of a role, in the file's order."""
        statements: tuple[Statement[str, str], ...] = getattr(self.roles, role.value)
        return statements


OVER: Mapping[str, Scope] = {
    "district": Scope.DISTRICT,
    "schools": Scope.SCHOOL,
    "sections": Scope.SECTION,
    "students": Scope.STUDENT,
    "self": Scope.SELF,
}


def plain(name: str, file: PolicyFile) -> str:
    """Return a permission with Clever's type in place of an alias."""
    kind, _, action = name.partition(":")
    return f"{file.aliases.get(kind, kind)}:{action}"


def written_permissions(file: PolicyFile) -> Iterator[tuple[Role, int, int, str]]:
    """Yield each permission as written, after its role, its statement's position, and its position there."""
    for role in Role:
        for position, statement in enumerate(file.statements(role)):
            for entry, name in enumerate(statement.allow):
                yield role, position, entry, name


def full_names(file: PolicyFile) -> frozenset[str]:
    """Return the permissions named without a wildcard, with Clever's types in place of aliases."""
    return frozenset(plain(name, file) for _, _, _, name in written_permissions(file) if "*" not in name)


def matches(name: str, named: frozenset[str]) -> frozenset[str]:
    """Return the permissions that a name stands for: itself, or for a wildcard all of ``named`` that match it."""
    return frozenset(match for match in named if fnmatchcase(match, name)) if "*" in name else frozenset({name})


def all_juniors(file: PolicyFile) -> dict[Role, frozenset[Role]]:
    """Return each senior's juniors, direct and indirect; a senior in a circle is its own junior."""
    juniors: dict[Role, frozenset[Role]] = {}
    for senior in file.superset:
        seen: set[Role] = set()
        left = list(file.superset[senior])
        while left:
            junior = left.pop()
            if junior not in seen:
                seen.add(junior)
                left.extend(file.superset.get(junior, ()))
        if seen:
            juniors[senior] = frozenset(seen)
    return juniors
