"""The file of a policy test as a model. Its JSON Schema lets an editor complete and check it.

A case holds one user's facts in place of Clever's, and the expected result: the whole permission set, or answers to
questions. Each role has a class of its own, so that the schema knows its fields.
"""

import re
from collections.abc import Mapping
from datetime import date
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

from app.domain.calendar import Calendar, Term
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


def _refuse_null(given: object) -> object:
    # In YAML a key without a value is null, and its meaning would be a guess.
    if given is None:
        raise ValueError("nothing stands here: {} or [] says that it is there and empty")
    return given


def _not_null(what: object) -> BeforeValidator:
    return BeforeValidator(_refuse_null, json_schema_input_type=what)


def _confirmed(given: object) -> object:
    return None if given == "unread" else _refuse_null(given)


def _listed(given: object) -> object:
    return [given] if isinstance(given, str) else _refuse_null(given)


def _with_name(given: object) -> object:
    return {"name": given} if isinstance(given, str) else given


def _of_request(given: str) -> str:
    if not is_of_request(given):
        raise ValueError("a grant's condition reads what a request says: resource.…, action.… or context.…")
    return given


def _policy(given: object) -> PolicyFile | str:
    # A union would report the mistakes of an inline policy twice, by other paths.
    return given if given and isinstance(given, str) else PolicyFile.model_validate(given)


def _day(given: object) -> object:
    # Pydantic takes numbers for days, too.
    if not isinstance(given, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", given):
        raise ValueError("a day is written like 2026-08-31")
    return given


Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
OneOrMany = Annotated[Texts, BeforeValidator(_listed, json_schema_input_type=Text | list[Text])]
RequestKey = Annotated[
    str, BeforeValidator(_of_request), WithJsonSchema({"type": "string", "pattern": r"^(resource|action|context)\."})
]
Asking = Annotated[dict[RequestKey, Values], Field(json_schema_extra={"additionalProperties": False})]


class _Strict(BaseModel):
    """A part of a case; an unknown key is a mistake, since it would not be tested."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StudentFacts(_Strict):
    """The facts of a student role."""

    sections: Annotated[Texts, Field(description="Those that they are enrolled in.")] = ()
    schools: Annotated[Texts, Field(description="Their primary school and all others.")] = ()


class TeacherFacts(_Strict):
    """The facts of a teacher role."""

    sections: Annotated[Texts, Field(description="Those that they teach.")] = ()
    schools: Annotated[Texts, Field(description="Those where they teach.")] = ()
    title: str = ""


class StaffFacts(_Strict):
    """The facts of a staff role."""

    schools: Annotated[Texts, Field(description="Those that they administer.")] = ()
    unconfirmed: Annotated[
        Texts | None,
        BeforeValidator(_confirmed, json_schema_input_type=Literal["unread"] | list[Text]),
        Field(description="Those of them that Clever's list of the user's schools lacks; `unread`: it was not read."),
    ] = ()
    roles: Annotated[Texts, Field(description="Such as `SchoolTechLead`.")] = ()
    title: str = ""
    department: str = ""


class DistrictAdminFacts(_Strict):
    """The facts of a district admin role."""

    title: str = ""


class Relationship(_Strict):
    """A student of a contact, and the contact's relationship to them."""

    student: Text
    type: str = ""
    relationship: str = ""


Relationships = tuple[Relationship, ...]


class RoleFacts(_Strict):
    """The roles that the user holds; a role that is left out is not held, and `{}` is a role without facts."""

    district_admin: Annotated[DistrictAdminFacts | None, _not_null(DistrictAdminFacts)] = None
    staff: Annotated[StaffFacts | None, _not_null(StaffFacts)] = None
    teacher: Annotated[TeacherFacts | None, _not_null(TeacherFacts)] = None
    student: Annotated[StudentFacts | None, _not_null(StudentFacts)] = None
    contact: Annotated[Relationships | None, _not_null(Relationships)] = None


class TermFacts(_Strict):
    """The facts of a term: its first and its last day."""

    start: Annotated[Day | None, _not_null(Day)] = None
    end: Annotated[Day | None, _not_null(Day)] = None


class CalendarFacts(_Strict):
    """The calendar of the district, and the day on which the questions are asked."""

    today: Annotated[Day, Field(description="The day of the questions, in UTC.")]
    state: Annotated[str, Field(description="Such as `running` or `paused`.")] = ""
    pause_start: Annotated[Day | None, _not_null(Day)] = None
    pause_end: Annotated[Day | None, _not_null(Day), Field(description="The first day after the pause.")] = None
    launch_date: Annotated[Day | None, _not_null(Day)] = None
    terms: Annotated[
        dict[Text, TermFacts], Field(description="The terms by id; `sections` says in which term a section is.")
    ] = {}

    def calendar(self) -> Calendar:
        """Return the calendar in the form that the engine reads."""
        terms = tuple(Term(named, term.start, term.end) for named, term in sorted(self.terms.items()))
        return Calendar(self.state.casefold(), self.pause_start, self.pause_end, self.launch_date, terms)


class CaseFacts(_Strict):
    """The facts of one user; any text may be an id."""

    user: Text = "user"
    district: Text = "district"
    calendar: Annotated[
        CalendarFacts | None,
        _not_null(CalendarFacts),
        Field(description="Of the district; without it, it is launched and runs, and sections always count."),
    ] = None
    roles: RoleFacts

    def facts(self) -> Facts:
        """Return the facts in the form that the engine reads."""
        return Facts(UserId(self.user), DistrictId(self.district), tuple(self._held()))

    def _held(self) -> list[HeldRole]:
        roles = {role: getattr(self.roles, role.value) for role in Role}
        return [HeldRole(role, self._standings(role, facts)) for role, facts in roles.items() if facts is not None]

    def _standings(self, role: Role, facts: _Strict | tuple[Relationship, ...]) -> tuple[Standing, ...]:
        if isinstance(facts, tuple):
            return tuple(_standing(each, {Scope.STUDENT: (each.student,)}) for each in facts) or (Standing(),)
        return (_standing(facts, {Scope.DISTRICT: (self.district,)} if role is Role.DISTRICT_ADMIN else {}),)


class SectionFacts(_Strict):
    """The facts of a section."""

    school: Annotated[Text | None, Field(description="Its school; without it, it lies in none.")] = None
    term: Annotated[Text | None, _not_null(Text), Field(description="Its term, one of those of `facts.calendar`.")] = (
        None
    )
    students: Annotated[Texts, Field(description="The students who are enrolled in it.")] = ()


class WantedGrant(_Strict):
    """An expected grant; with `when` or `unless` a conditional one."""

    scope: Scope
    ids: SomeTexts
    permissions: Annotated[SomeTexts, Field(description="Full names, with Clever's types.")]
    via: Annotated[tuple[Role, ...], Field(min_length=1)]
    when: Asking = {}
    unless: Asking = {}


class Action(_Strict):
    """The action of a question."""

    name: Annotated[Text, Field(description="`edit`, or a whole permission: `assignment:grade`.")]
    properties: Annotated[dict[str, object], Field(description="Conditions read them as `action.…`.")] = {}


class Places(_Strict):
    """Every place in which a resource lies, by type; one of each, or a list for the places of a student.

    Places named together have to fit, as in a request: a section lies in its school, a student is in both, and a user
    is related to each. They are checked by `facts`, `people` and `sections`.
    """

    district: Annotated[OneOrMany, Field(description="By default the user's own.")] = ()
    school: OneOrMany = ()
    section: OneOrMany = ()
    student: OneOrMany = ()
    user: OneOrMany = ()


class Resource(_Strict):
    """The resource of a question; the case has to name every place in which it lies."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["id"]}, {"required": ["in"]}]})

    type: Annotated[Text, Field(description="Clever's, an alias of it, or the application's own.")]
    id: Annotated[Text | None, _not_null(Text)] = None
    places: Annotated[Places, Field(alias="in")] = Places()
    properties: Annotated[dict[str, object], Field(description="Conditions read them as `resource.…`.")] = {}

    @property
    def says_where(self) -> bool:
        """Whether the case gives its places, even if there are none."""
        return "places" in self.model_fields_set

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if self.id is None and not self.says_where:
            raise ValueError("say which one (id), or where it lies (in)")
        return self


class Question(_Strict):
    """Whether the user may do something, and the expected answer."""

    action: Annotated[Action, BeforeValidator(_with_name, json_schema_input_type=Text | Action)]
    resource: Resource
    context: Annotated[dict[str, object], Field(description="Conditions read it as `context.…`.")] = {}
    role: Annotated[Role | None, _not_null(Role), Field(description="Instead of the case's.")] = None
    wanted: StrictBool
    reason: Annotated[
        Reason | None,
        _not_null(Reason),
        Field(
            description="The expected reason, if it matters. It is required if no policy could grant this user what is "
            "asked, such as a permission that the policy does not name."
        ),
    ] = None

    @property
    def request(self) -> Mapping[str, object]:
        """The values of the question, by the keys that conditions read."""
        parts = {"resource": self.resource.properties, "action": self.action.properties, "context": self.context}
        return {f"{part}.{key}": value for part, values in parts.items() for key, value in values.items()}


Grants = tuple[WantedGrant, ...]
Questions = Annotated[tuple[Question, ...], Field(min_length=1)]


class CaseFile(_Strict):
    """A user's facts, and the grants or answers that are expected under a policy."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["wanted"]}, {"required": ["questions"]}]})

    description: Annotated[Text, Field(description="What the case shows, in a sentence.")]
    policy: Annotated[
        PolicyFile | str | None,
        PlainValidator(_policy, json_schema_input_type=PolicyFile | Text),
        Field(description="A policy, or its path from this file; without it, the policy that the command is given."),
    ] = None
    facts: CaseFacts
    people: Annotated[
        dict[Text, RoleFacts],
        Field(description="The roles of other people whom questions name, by id."),
    ] = {}
    sections: Annotated[
        dict[Text, SectionFacts], Field(description="The facts of sections that questions name, by id.")
    ] = {}
    undocumented: Annotated[
        Texts,
        Field(
            description="Values that are used on purpose although neither Clever documents them nor a condition names "
            "them: staff roles, and types and relationships of contacts."
        ),
    ] = ()
    role: Annotated[
        Role | None,
        _not_null(Role),
        Field(description="The role context of the questions."),
    ] = None
    wanted: Annotated[
        Grants | None,
        _not_null(Grants),
        Field(description="All expected grants; `[]` for none."),
    ] = None
    questions: Annotated[
        Questions | None,
        _not_null(Questions),
        Field(description="Questions, each with the expected answer."),
    ] = None

    @model_validator(mode="after")
    def _wants_one_thing(self) -> Self:
        if (self.wanted is None) == (self.questions is None):
            raise ValueError("a case has either the grants that are wanted, or questions")
        return self


def _standing(facts: _Strict, places: Mapping[Scope, Texts]) -> Standing:
    """Return the standing of a role; the values of fields are kept in the same form as Clever's."""
    ids = {**places, Scope.SCHOOL: getattr(facts, "schools", ()), Scope.SECTION: getattr(facts, "sections", ())}
    kept = {name: free_text(getattr(facts, name, "")) for name in ("title", "department")}
    kept |= {name: label(getattr(facts, name, "")) for name in ("type", "relationship")}
    kept["roles"] = staff_roles(getattr(facts, "roles", ()))
    return Standing(
        tuple((scope, tuple(sorted(set(some)))) for scope, some in ids.items() if some),
        tuple((name, texts) for name, texts in kept.items() if texts),
        getattr(facts, "unconfirmed", ()),
    )
