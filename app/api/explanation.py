"""Why a user holds a permission somewhere, or what they lack for it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.api.dependencies import (
    SECTION_EXAMPLE,
    USER_EXAMPLE,
    CurrentContext,
    DistrictQuery,
    RoleQuery,
    UserPath,
    no_other_parameters,
)
from app.api.errors import documented
from app.api.http_caching import RequestedFreshness, dated_response
from app.api.permissions import PolicyMark, Unless, When
from app.api.staleness import AsOf, Stale, StaleReason, members_of
from app.domain.decision import Reason
from app.domain.explanation import Ground, How, Lack
from app.domain.facts import Role
from app.domain.policy_schema import Rule
from app.domain.scopes import Scope
from app.domain.snapshot import Rendered
from app.services.explanations import Explained, explain
from app.services.permissions import Answer, Subject

router = APIRouter(prefix="/v1/users", tags=["permissions"], dependencies=[Depends(no_other_parameters)])

_WORD = r"[A-Za-z][A-Za-z0-9_.\-]*"

PermissionQuery = Annotated[
    str,
    Query(
        pattern=rf"^{_WORD}:{_WORD}$",
        max_length=200,
        description="`type:action`; the type is Clever's, an alias of the policy's, or your application's own.",
        examples=["section:edit"],
    ),
]
SectionQuery = Annotated[
    str | None, Query(description="A section in which it lies, by its Clever id.", examples=[SECTION_EXAMPLE])
]
SchoolQuery = Annotated[
    str | None, Query(description="A school in which it lies, by its Clever id.", examples=["66826200160e91311d000000"])
]
StudentQuery = Annotated[
    str | None,
    Query(description="A student whom it concerns, by Clever id.", examples=["668262049155dac234000004"]),
]
PlaceUserQuery = Annotated[
    str | None,
    Query(description="A user whose own it is, by their Clever id: the place for `self`.", examples=[USER_EXAMPLE]),
]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class GroundBody(_Body):
    """One way in which the permission is held."""

    role: Annotated[Role, Field(description="The role that gives it.")]
    scope: Annotated[Scope, Field(description="The kind of place that it is given on.")]
    id: Annotated[str, Field(description="That place: the very one that was asked about, or one in which it lies.")]
    statements: Annotated[
        tuple[str, ...], Field(description="The statements of the policy that name the permission, by their paths.")
    ]
    how: Annotated[
        How,
        Field(
            description="`statement`: the role's own, over this place. `level`: as a senior, by rule `superset`. "
            "`maximum`: by that rule."
        ),
    ]
    through: Annotated[Role, Field(description="The held role that reaches the place; seldom another than `role`.")]
    fact: Annotated[str, Field(description="What it rests on at Clever, in English.")]
    when: When = {}
    unless: Unless = {}


class MissingBody(_Body):
    """One thing for want of which the permission is not held."""

    lack: Annotated[
        Lack,
        Field(
            description="`reach`: the role reaches other places. `unconfirmed`: the policy drops the school. "
            "`condition`: a field of the role is otherwise. `request`: a check would have to say more. `rule`: rule "
            "`minimum` takes it away. `context`: another role than the one asked about. `role`: not shared with this "
            "application, which does not say that the person has none."
        ),
    ]
    role: Annotated[Role, Field(description="The role that lacks it, or that is itself missing.")]
    scope: Annotated[Scope | None, Field(description="The kind of place that the role would have to reach.")]
    statements: Annotated[
        tuple[str, ...], Field(description="The statements of the policy that would give it then, by their paths.")
    ]
    detail: Annotated[str, Field(description="What is missing, in English.")]


class ExplanationBody(_Body):
    """Whether a permission is held, and why."""

    user: Annotated[str, Field(description="The Clever id of the user.")]
    district: Annotated[str, Field(description="The Clever id of the user's district.")]
    role: Annotated[Role | None, Field(description="The role context that was asked for.")]
    permission: Annotated[str, Field(description="What was asked for, with Clever's type in place of an alias.")]
    held: Annotated[bool, Field(description="Whether it is held.")]
    reason: Annotated[Reason, Field(description="The same in a word that a check would give as well.")]
    rule: Annotated[Rule, Field(description="How the policy combines the roles of one user.")]
    roles: Annotated[tuple[Role, ...], Field(description="Every role held, in a role context too.")]
    summary: Annotated[str, Field(description="All that follows in one English sentence, for people who look into it.")]
    grounds: Annotated[tuple[GroundBody, ...], Field(description="Why it is held, from the nearest place outwards.")]
    missing: Annotated[
        tuple[MissingBody, ...],
        Field(description="What is missing; nothing where the question itself comes to nothing, as `reason` says."),
    ]
    policy: PolicyMark
    stale: Stale = False
    as_of: AsOf = None
    stale_reason: StaleReason = None


@router.get(
    "/{user_id}/explanation",
    operation_id="getExplanation",
    summary="Why a user holds a permission, or not",
    response_model=ExplanationBody,
    responses=documented(404, 409, 429, 502, 503, 504) | {304: {"description": "Not modified"}},
)
async def get_explanation(
    request: Request,
    context: CurrentContext,
    freshness: RequestedFreshness,
    user_id: UserPath,
    permission: PermissionQuery,
    section: SectionQuery = None,
    school: SchoolQuery = None,
    student: StudentQuery = None,
    user: PlaceUserQuery = None,
    role: RoleQuery = None,
    district: DistrictQuery = None,
) -> Response:
    """Tell whether a user holds a permission on something, and why, or what they lack for it.

    Say where the thing lies; places named together have to fit as Clever has them, and with none named it is the whole
    district that is asked about. A permission that the policy does not name and a place that is not there are denied
    with a reason, as in a check. The sentences are for people and may change; go by `reason`, `how` and `lack`.
    """
    named = {"section": section, "school": school, "student": student, "user": user}
    places = {kind: place for kind, place in named.items() if place is not None}
    subject = Subject(user_id, district, role)
    found = await explain(context, subject, permission, places, freshness)
    return dated_response(request, Answer(Rendered.of(_rendered(found, role)), found.age), context.fresh_seconds)


def _rendered(found: Explained, role: Role | None) -> bytes:
    explanation = found.explanation
    body = ExplanationBody(
        user=found.facts.user,
        district=found.facts.district,
        role=role,
        permission=found.permission,
        held=explanation.held,
        reason=explanation.reason,
        rule=found.policy.rule,
        roles=tuple(sorted(found.facts.held())),
        summary=explanation.summary,
        grounds=tuple(map(_ground, explanation.grounds)),
        missing=tuple(MissingBody.model_validate(each) for each in explanation.missing),
        policy=PolicyMark.model_validate(found.policy),
        **members_of(found.stale),
    )
    return body.model_dump_json().encode()


def _ground(ground: Ground) -> GroundBody:
    body = GroundBody.model_validate(ground)
    if ground.condition is None:
        return body
    return body.model_copy(update={"when": dict(ground.condition.when), "unless": dict(ground.condition.unless)})
