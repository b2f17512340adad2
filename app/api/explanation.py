"""Explanations: why a user holds a permission, or what they lack for it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.api.dependencies import (
    SECTION_EXAMPLE,
    USER_EXAMPLE,
    CurrentDecisionPoint,
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
        description="`type:action`; the type is Clever's, an alias in the policy, or your application's own.",
        examples=["section:edit"],
    ),
]
SectionQuery = Annotated[
    str | None, Query(description="A section in which the resource lies, by Clever id.", examples=[SECTION_EXAMPLE])
]
SchoolQuery = Annotated[
    str | None,
    Query(description="A school in which it lies, by Clever id.", examples=["66826200160e91311d000000"]),
]
StudentQuery = Annotated[
    str | None,
    Query(description="A student whom the resource concerns, by Clever id.", examples=["668262049155dac234000004"]),
]
PlaceUserQuery = Annotated[
    str | None,
    Query(
        description="The user to whom it belongs, by Clever id: the place for `self`.",
        examples=[USER_EXAMPLE],
    ),
]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class GroundBody(_Body):
    """One way in which the permission is held."""

    role: Annotated[Role, Field(description="The role that gives it.")]
    scope: Annotated[Scope, Field(description="The kind of place where it is given.")]
    id: Annotated[str, Field(description="That place: the resource itself, or a place in which it lies.")]
    statements: Annotated[tuple[str, ...], Field(description="The policy's statements that give it, by path.")]
    how: Annotated[
        How,
        Field(
            description="`statement`: by the role's own statement over this place. `level`: as a senior role, by rule "
            "`superset`. `maximum`: by rule `maximum`."
        ),
    ]
    through: Annotated[Role, Field(description="The held role that reaches the place, usually the same as `role`.")]
    fact: Annotated[str, Field(description="The fact at Clever behind it, in English.")]
    when: When = {}
    unless: Unless = {}


class MissingBody(_Body):
    """One reason why the permission is not held."""

    lack: Annotated[
        Lack,
        Field(
            description="`reach`: the role reaches other places. `unconfirmed`: the policy drops the school. "
            "`condition`: a field of the role does not match. `request`: it depends on properties of the request. "
            "`rule`: rule `minimum` removes it. `context`: another role than the role context would give it. `role`: "
            "the role is not shared with this application; the person may still hold it. `district`: the district is "
            "paused or not launched. `term`: the term of the section has ended or not begun."
        ),
    ]
    role: Annotated[Role, Field(description="The role that lacks it, or that is itself missing.")]
    scope: Annotated[Scope | None, Field(description="The kind of place that the role would have to reach.")]
    statements: Annotated[
        tuple[str, ...], Field(description="The policy's statements that would otherwise give it, by path.")
    ]
    detail: Annotated[str, Field(description="What is missing, in English.")]


class ExplanationBody(_Body):
    """Whether a permission is held, and why."""

    user: Annotated[str, Field(description="The Clever id of the user.")]
    district: Annotated[str, Field(description="The Clever id of the user's district.")]
    role: Annotated[Role | None, Field(description="The role context of the request.")]
    permission: Annotated[str, Field(description="The permission, with Clever's type in place of an alias.")]
    held: Annotated[bool, Field(description="Whether the user holds it.")]
    reason: Annotated[Reason, Field(description="The reason, the same as for an evaluation.")]
    rule: Annotated[Rule, Field(description="How the policy combines the roles of one user.")]
    roles: Annotated[tuple[Role, ...], Field(description="Every role held; the same in a role context.")]
    summary: Annotated[str, Field(description="The explanation in one English sentence, for people.")]
    grounds: Annotated[tuple[GroundBody, ...], Field(description="Why it is held, from the nearest place outwards.")]
    missing: Annotated[
        tuple[MissingBody, ...],
        Field(description="What is missing; empty if every user is denied, as `reason` says."),
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
    pdp: CurrentDecisionPoint,
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
    """Explain why a user holds a permission on a resource, or what they lack for it.

    Name the places in which the resource lies; together they have to fit Clever's data. Without any, the question is
    about the whole district. An unknown permission or place is denied with a reason, as in an evaluation. The sentences
    are for people and may change; programs should use `reason`, `how` and `lack`.
    """
    named = {"section": section, "school": school, "student": student, "user": user}
    places = {kind: place for kind, place in named.items() if place is not None}
    subject = Subject(user_id, district, role)
    found = await explain(pdp, subject, permission, places, freshness)
    answer = Answer(Rendered.of(_rendered(found, role)), found.age, found.lasts)
    return dated_response(request, answer, pdp.roster.fresh_seconds)


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
