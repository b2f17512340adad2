"""The policy as it is written: the YAML file as a model, whose JSON Schema lets an editor complete and check it.

What may stand where is said by a class for each role, so that the schema says it too.
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
    # Answers tell conditions as JSON, which has no infinity and no NaN.
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
    # As one pattern, since pydantic leaves out of a dict's schema what is said of its keys in any other way.
    return WithJsonSchema({"type": "string", "pattern": f"^({'|'.join([*fields, _REQUEST_KEY])})$"})


_TOLD = WrapValidator(_known_key)

StudentKey = Annotated[RequestKey, _TOLD, _key_schema()]

TitleKey = Annotated[TitleField | RequestKey, _TOLD, _key_schema(*get_args(TitleField))]

StaffKey = Annotated[StaffField | RequestKey, _TOLD, _key_schema(*get_args(StaffField))]

ContactKey = Annotated[ContactField | RequestKey, _TOLD, _key_schema(*get_args(ContactField))]

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


class _Written(BaseModel):
    """A part of the file: an unknown key is a mistake, for it may be a misspelt restriction."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Statement(_Written, Generic[Over, Key]):
    """What a role allows, over which of its places, and on what condition."""

    allow: Annotated[tuple[Permission, ...], Field(min_length=1, description="The permissions given.")]
    over: Annotated[Over, Field(description="The places where they are given.")]
    when: Annotated[
        dict[Key, Values],
        Field(
            description="Holds where each key named has one of its values. Text compares without case, blanks of any "
            "kind count as one; a number, true and false equal their like alone. An absent key has no value, which is "
            'what `""` means. A key is a field of the role, or what a request says: `resource.status`, '
            "`action.soft`, `context.purpose`.",
            json_schema_extra={"additionalProperties": False},
        ),
    ] = {}
    unless: Annotated[
        dict[Key, Values],
        Field(
            description="Holds where no key named has one of its values. A field of the role that is absent has none. "
            "Of a key that reads the request, it does not hold if the request leaves the key out or sends a value of "
            "another kind (text, number, boolean) than all of these; of a list each value is looked at. "
            '`""` counts for no kind beside others.',
            json_schema_extra={"additionalProperties": False},
        ),
    ] = {}


class StudentStatement(Statement[Literal["sections", "schools", "self"], StudentKey]):
    """Over `sections`: those they are enrolled in; `schools`: their primary school and all others."""


class ContactStatement(Statement[Literal["students", "self"], ContactKey]):
    """Over `students`: those they are a contact of; a condition is read of each relationship by itself."""


class TeacherStatement(Statement[Literal["sections", "schools", "self"], TitleKey]):
    """Over `sections`: those they teach; `schools`: those they teach at, which says nothing of administering."""


class StaffStatement(Statement[Literal["schools", "self"], StaffKey]):
    """Over `schools`: those they administer."""


class DistrictAdminStatement(Statement[Literal["district", "self"], TitleKey]):
    """Over `district`: their own, whole."""


class Roles(_Written):
    """What each role allows."""

    district_admin: tuple[DistrictAdminStatement, ...] = ()
    staff: tuple[StaffStatement, ...] = ()
    teacher: tuple[TeacherStatement, ...] = ()
    student: tuple[StudentStatement, ...] = ()
    contact: tuple[ContactStatement, ...] = ()


class DistrictStates(_Written):
    """What is left of the permissions while a district is paused or not yet launched; it has no effect yet."""

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
            "holds what its juniors hold. `maximum`: every permission of any role on every place of a teacher, staff "
            "or a district admin; what is reached as a student or a contact holds what that very statement gives. "
            "`minimum`: only what every role gives. What a contact's statement gives on a condition counts for the "
            "students whose entries meet it and nowhere else, under every rule."
        ),
    ]
    superset: Annotated[
        dict[Ranked, tuple[Ranked, ...]],
        Field(description="For each senior role, its juniors; used by `rule: superset`."),
    ] = {}
    aliases: Annotated[
        dict[Alias, CleverType],
        Field(
            description="The application's own names for types of Clever's, such as `classroom: section`.",
            json_schema_extra={"additionalProperties": False},
        ),
    ] = {}
    roles: Roles
    district: DistrictStates = DistrictStates()
    schools: Schools = Schools()

    def statements(self, role: Role) -> tuple[Statement[str, str], ...]:
        """Return what the file says of ``role``, in its order."""
        said: tuple[Statement[str, str], ...] = getattr(self.roles, role.value)
        return said


OVER: Mapping[str, Scope] = {
    "district": Scope.DISTRICT,
    "schools": Scope.SCHOOL,
    "sections": Scope.SECTION,
    "students": Scope.STUDENT,
    "self": Scope.SELF,
}


def plain(name: str, file: PolicyFile) -> str:
    """Return a permission with Clever's own type in place of an alias."""
    kind, _, action = name.partition(":")
    return f"{file.aliases.get(kind, kind)}:{action}"


def names_of(file: PolicyFile) -> Iterator[tuple[Role, int, int, str]]:
    """Yield each permission as written, with its role, the position of its statement, and its own in that."""
    for role in Role:
        for position, statement in enumerate(file.statements(role)):
            for entry, name in enumerate(statement.allow):
                yield role, position, entry, name


def named_in_full(file: PolicyFile) -> frozenset[str]:
    """Return the permissions that the statements name without a wildcard, with Clever's types for aliases."""
    return frozenset(plain(name, file) for _, _, _, name in names_of(file) if "*" not in name)


def matches(name: str, named: frozenset[str]) -> frozenset[str]:
    """Return the permissions that a name stands for: itself, or for a wildcard whatever of ``named`` it matches."""
    return frozenset(match for match in named if fnmatchcase(match, name)) if "*" in name else frozenset({name})


def all_juniors(file: PolicyFile) -> dict[Role, frozenset[Role]]:
    """Follow ``superset`` to its end; a senior in a circle is its own junior."""
    found: dict[Role, frozenset[Role]] = {}
    for senior in file.superset:
        seen: set[Role] = set()
        left = list(file.superset[senior])
        while left:
            junior = left.pop()
            if junior not in seen:
                seen.add(junior)
                left.extend(file.superset.get(junior, ()))
        if seen:
            found[senior] = frozenset(seen)
    return found
