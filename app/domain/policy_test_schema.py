"""A policy test as it is written: a case, whose JSON Schema lets an editor complete and check it.

A case says what Clever says of one user, so that it needs no Clever, and what a policy shall make of it: the whole
permission set, or the answers to questions. Which fields a role has is said by a class for each, so that the schema
says it too.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StrictBool,
    WithJsonSchema,
    model_validator,
)

from app.domain.conditions import is_of_request
from app.domain.decision import Reason
from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.fields import free_text, label, staff_roles
from app.domain.ids import DistrictId, UserId
from app.domain.policy_schema import PolicyFile, Values
from app.domain.scopes import Scope

Text = Annotated[str, Field(min_length=1)]
Texts = tuple[Text, ...]
SomeTexts = Annotated[Texts, Field(min_length=1)]


def _said(given: object) -> object:
    # In YAML a key with nothing behind it is null, and what was meant by it is anybody's guess.
    if given is None:
        raise ValueError("nothing stands here: {} or [] says that it is there and empty")
    return given


def _there(what: object) -> BeforeValidator:
    return BeforeValidator(_said, json_schema_input_type=what)


def _confirmed(given: object) -> object:
    return None if given == "unread" else _said(given)


def _listed(given: object) -> object:
    return [given] if isinstance(given, str) else _said(given)


def _named(given: object) -> object:
    return {"name": given} if isinstance(given, str) else given


def _asking(given: str) -> str:
    if not is_of_request(given):
        raise ValueError("a grant's condition reads what a request says: resource.…, action.… or context.…")
    return given


def _policy(given: object) -> PolicyFile | str:
    # Not left to a union, which would tell the mistakes of an inline policy twice, and by other paths.
    return given if given and isinstance(given, str) else PolicyFile.model_validate(given)


OneOrMany = Annotated[Texts, BeforeValidator(_listed, json_schema_input_type=Text | list[Text])]
RequestKey = Annotated[
    str, BeforeValidator(_asking), WithJsonSchema({"type": "string", "pattern": r"^(resource|action|context)\."})
]
Asking = Annotated[dict[RequestKey, Values], Field(json_schema_extra={"additionalProperties": False})]


class _Written(BaseModel):
    """A part of a case: an unknown key is a mistake, for what it was meant to say would not be tested."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StudentFacts(_Written):
    """How a student stands."""

    sections: Annotated[Texts, Field(description="Those they are enrolled in.")] = ()
    schools: Annotated[Texts, Field(description="Their primary school and all others.")] = ()


class TeacherFacts(_Written):
    """How a teacher stands."""

    sections: Annotated[Texts, Field(description="Those they teach.")] = ()
    schools: Annotated[Texts, Field(description="Those they teach at.")] = ()
    title: str = ""


class StaffFacts(_Written):
    """How a member of staff stands."""

    schools: Annotated[Texts, Field(description="Those they administer.")] = ()
    unconfirmed: Annotated[
        Texts | None,
        BeforeValidator(_confirmed, json_schema_input_type=Literal["unread"] | list[Text]),
        Field(
            description="Those of them that Clever's own list of the user's schools lacks; `unread`: it was not read."
        ),
    ] = ()
    roles: Annotated[Texts, Field(description="Such as `SchoolTechLead`.")] = ()
    title: str = ""
    department: str = ""


class DistrictAdminFacts(_Written):
    """How a district admin stands: over their own district."""

    title: str = ""


class Relationship(_Written):
    """One student of a contact, and what the contact is to them."""

    student: Text
    type: str = ""
    relationship: str = ""


Relationships = tuple[Relationship, ...]


class RoleFacts(_Written):
    """The roles held: one that is left out is not held, one that is `{}` is."""

    district_admin: Annotated[DistrictAdminFacts | None, _there(DistrictAdminFacts)] = None
    staff: Annotated[StaffFacts | None, _there(StaffFacts)] = None
    teacher: Annotated[TeacherFacts | None, _there(TeacherFacts)] = None
    student: Annotated[StudentFacts | None, _there(StudentFacts)] = None
    contact: Annotated[Relationships | None, _there(Relationships)] = None


class CaseFacts(_Written):
    """What Clever says of one user; any text is good for an id."""

    user: Text = "user"
    district: Text = "district"
    roles: RoleFacts

    def facts(self) -> Facts:
        """Return them as the engine reads them."""
        return Facts(UserId(self.user), DistrictId(self.district), tuple(self._held()))

    def _held(self) -> list[HeldRole]:
        said = {role: getattr(self.roles, role.value) for role in Role}
        return [HeldRole(role, self._standings(role, some)) for role, some in said.items() if some is not None]

    def _standings(self, role: Role, said: _Written | tuple[Relationship, ...]) -> tuple[Standing, ...]:
        if isinstance(said, tuple):
            return tuple(_standing(each, {Scope.STUDENT: (each.student,)}) for each in said) or (Standing(),)
        return (_standing(said, {Scope.DISTRICT: (self.district,)} if role is Role.DISTRICT_ADMIN else {}),)


class SectionFacts(_Written):
    """What Clever says of a section."""

    school: Annotated[Text | None, Field(description="Where it lies; without it in no school.")] = None
    students: Annotated[Texts, Field(description="Those who are enrolled in it.")] = ()


class WantedGrant(_Written):
    """A grant as an answer lists it; with `when` or `unless` one that stands there as conditional."""

    scope: Scope
    ids: SomeTexts
    permissions: Annotated[SomeTexts, Field(description="Full names, with Clever's types.")]
    via: Annotated[tuple[Role, ...], Field(min_length=1)]
    when: Asking = {}
    unless: Asking = {}


class Action(_Written):
    """What is asked to be done."""

    name: Annotated[Text, Field(description="`edit`, or a whole permission: `assignment:grade`.")]
    properties: Annotated[dict[str, object], Field(description="Conditions read them as `action.…`.")] = {}


class Places(_Written):
    """Every place in which a resource lies, by its type; of each one or, for those of a student, a list.

    Named together they have to fit, as they have to in a request: a section lies in its school, a student stands in
    both, and a user has to do with each. What that rests on is said in `facts`, in `people` and in `sections`.
    """

    district: Annotated[OneOrMany, Field(description="The user's own, unless it is said here.")] = ()
    school: OneOrMany = ()
    section: OneOrMany = ()
    student: OneOrMany = ()
    user: OneOrMany = ()


class Resource(_Written):
    """What is asked about; without Clever, a case has to name every place that holds it."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["id"]}, {"required": ["in"]}]})

    type: Annotated[Text, Field(description="Clever's, an alias of it, or the application's own.")]
    id: Annotated[Text | None, _there(Text)] = None
    places: Annotated[Places, Field(alias="in")] = Places()
    properties: Annotated[dict[str, object], Field(description="Conditions read them as `resource.…`.")] = {}

    @property
    def says_where(self) -> bool:
        """Whether the case says where it lies, be it nowhere."""
        return "places" in self.model_fields_set

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if self.id is None and not self.says_where:
            raise ValueError("say which one (id), or where it lies (in)")
        return self


class Question(_Written):
    """May the user do this, and is the answer the wanted one?"""

    action: Annotated[Action, BeforeValidator(_named, json_schema_input_type=Text | Action)]
    resource: Resource
    context: Annotated[dict[str, object], Field(description="Conditions read it as `context.…`.")] = {}
    role: Annotated[Role | None, _there(Role), Field(description="Instead of the case's.")] = None
    wanted: StrictBool
    reason: Annotated[
        Reason | None,
        _there(Reason),
        Field(
            description="Compared where it is said. Where `false` is wanted of what no policy could grant this user, "
            "such as a permission that is not named, the case passes only where it says so."
        ),
    ] = None

    @property
    def asked(self) -> Mapping[str, object]:
        """What the question says, by the keys that conditions read."""
        parts = {"resource": self.resource.properties, "action": self.action.properties, "context": self.context}
        return {f"{part}.{key}": value for part, said in parts.items() for key, value in said.items()}


Grants = tuple[WantedGrant, ...]
Questions = Annotated[tuple[Question, ...], Field(min_length=1)]


class CaseFile(_Written):
    """Under this policy this user holds just these grants, or these questions are answered so."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["wanted"]}, {"required": ["questions"]}]})

    description: Annotated[Text, Field(description="What the case shows, in a sentence.")]
    policy: Annotated[
        PolicyFile | str | None,
        PlainValidator(_policy, json_schema_input_type=PolicyFile | Text),
        Field(description="A policy, or the path of one from this file; without it the one that all cases are run on."),
    ] = None
    facts: CaseFacts
    people: Annotated[
        dict[Text, RoleFacts],
        Field(description="What Clever says of the other people whom questions name, by their ids."),
    ] = {}
    sections: Annotated[
        dict[Text, SectionFacts], Field(description="What Clever says of sections that questions name, by their ids.")
    ] = {}
    undocumented: Annotated[
        Texts,
        Field(
            description="Staff roles, and types and relationships of contacts, that neither Clever documents nor a "
            "condition of the policy names, and that stand here on purpose."
        ),
    ] = ()
    role: Annotated[
        Role | None,
        _there(Role),
        Field(description="The role context in which it is asked."),
    ] = None
    wanted: Annotated[
        Grants | None,
        _there(Grants),
        Field(description="Every grant; `[]`: none at all."),
    ] = None
    questions: Annotated[
        Questions | None,
        _there(Questions),
        Field(description="Each with the answer that is wanted."),
    ] = None

    @model_validator(mode="after")
    def _wants_one_thing(self) -> Self:
        if (self.wanted is None) == (self.questions is None):
            raise ValueError("a case has either the grants that are wanted, or questions")
        return self


def _standing(said: _Written, places: Mapping[Scope, Texts]) -> Standing:
    """Put together how a role is held; of each field is kept what is kept of Clever's."""
    ids = {**places, Scope.SCHOOL: getattr(said, "schools", ()), Scope.SECTION: getattr(said, "sections", ())}
    kept = {name: free_text(getattr(said, name, "")) for name in ("title", "department")}
    kept |= {name: label(getattr(said, name, "")) for name in ("type", "relationship")}
    kept["roles"] = staff_roles(getattr(said, "roles", ()))
    return Standing(
        tuple((scope, tuple(sorted(set(some)))) for scope, some in ids.items() if some),
        tuple((name, texts) for name, texts in kept.items() if texts),
        getattr(said, "unconfirmed", ()),
    )
