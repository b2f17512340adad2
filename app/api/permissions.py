"""What users may do, and where: one user, or up to a hundred in one call."""

import operator
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.api.dependencies import CurrentDecisionPoint, DistrictQuery, RoleQuery, UserPath, no_other_parameters
from app.api.errors import Problem, Refused, documented, problem_of
from app.api.http_caching import BatchFreshness, RequestedFreshness, dated_response, unkept_response
from app.api.openapi import CACHE_CONTROL
from app.api.openapi_schemas import left_out
from app.api.staleness import AsOf, Stale, StaleReason, members_of
from app.api.strict_json import is_json, object_in
from app.domain.errors import RosterguardError
from app.domain.facts import Role
from app.domain.grants import ConditionalGrant, PermissionSet
from app.domain.policy_schema import Rule, Value
from app.domain.scopes import Scope
from app.domain.snapshot import Staleness
from app.services.permissions import Answer, Subject, permissions_of, permissions_of_many

router = APIRouter(prefix="/v1/users", tags=["permissions"], dependencies=[Depends(no_other_parameters)])


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class GrantBody(_Body):
    """Permissions that hold on some places of one kind."""

    scope: Scope
    ids: Annotated[tuple[str, ...], Field(description="The places: under `self` the user, under `district` theirs.")]
    permissions: Annotated[tuple[str, ...], Field(description="What is allowed there, and in all that lies within.")]
    via: Annotated[tuple[Role, ...], Field(description="Every held role that gives one of these permissions there.")]


Conditions = dict[str, tuple[Value, ...]]

When = Annotated[
    Conditions,
    Field(
        description="For each key, the request must say one of these values, in a list at least once. Text compares "
        "after NFKC and case folding, with runs of blanks as one and none at the ends; booleans and numbers as such, "
        '`1` never as `true`. `""` also means a key that is missing.',
        exclude_if=operator.not_,
        json_schema_extra=left_out,
    ),
]
Unless = Annotated[
    Conditions,
    Field(
        description="For each key, the request must say a value that is none of these, compared likewise. A key that "
        "is missing, `null`, an object, an empty list, or a value of another kind (text, number, boolean) than all of "
        'these, in a list even once, does not meet the condition. `""` counts for no kind beside other values.',
        exclude_if=operator.not_,
        json_schema_extra=left_out,
    ),
]


class ConditionalGrantBody(GrantBody):
    """Permissions that hold where a request meets the condition; who ignores these grants too little, not too much."""

    when: When = {}
    unless: Unless = {}


class PolicyMark(_Body):
    """The policy behind an answer."""

    rule: Rule
    revision: Annotated[str, Field(description="Changes with the policy, though not with its layout or comments.")]


class PermissionSetBody(_Body):
    """Everything that a user may do, and where, under one policy."""

    user: Annotated[str, Field(description="The Clever id of the user.")]
    district: Annotated[str, Field(description="The Clever id of the user's district.")]
    role: Annotated[Role | None, Field(description="The role context that was asked for.")]
    roles: Annotated[tuple[Role, ...], Field(description="Every role held, in a role context too.")]
    permissions: Annotated[
        tuple[str, ...], Field(description="What is allowed anywhere: for switching features on and off.")
    ]
    grants: Annotated[tuple[GrantBody, ...], Field(description="What is allowed where; each place stands in one.")]
    conditional: Annotated[
        tuple[ConditionalGrantBody, ...],
        Field(description="What is allowed on a condition that a request has to meet."),
    ] = ()
    policy: PolicyMark
    stale: Stale = False
    as_of: AsOf = None
    stale_reason: StaleReason = None


class BatchItem(BaseModel):
    """One user of a batch."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(description="The Clever id of the user.")]
    district: Annotated[str | None, Field(description="The Clever id of the district.")] = None
    role: Annotated[Role | None, Field(description="A role context.")] = None


class Batch(BaseModel):
    """Up to a hundred users."""

    model_config = ConfigDict(extra="forbid")

    users: Annotated[list[BatchItem], Field(min_length=1, max_length=100)]


async def _unambiguous(request: Request) -> None:
    """Refuse a body with two members of one name: the last would win, and a second role could widen the answer."""
    if not is_json(request):
        raise RequestValidationError([{"loc": ("header", "Content-Type"), "msg": "this must be application/json"}])
    try:
        object_in(await request.body())
    except Refused as error:
        raise RequestValidationError([{"loc": ("body",), "msg": str(error)}]) from error


UnambiguouslySaid = Annotated[None, Depends(_unambiguous)]


class BatchResult(_Body):
    """The answer for one user: what `GET …/permissions` would have answered."""

    status: Annotated[int, Field(description="200, or the status of the problem.", examples=[200])]
    body: Annotated[
        PermissionSetBody | Problem,
        Field(description="With status 200 the permission set, else the problem: as for this user alone."),
    ]


class BatchResults(_Body):
    """The answers, in the order asked."""

    results: tuple[BatchResult, ...]


@router.get(
    "/{user_id}/permissions",
    operation_id="getPermissions",
    summary="Permissions of a user",
    response_model=PermissionSetBody,
    responses=documented(404, 409, 429, 502, 503, 504) | {304: {"description": "Not modified"}},
)
async def get_permissions(
    request: Request,
    pdp: CurrentDecisionPoint,
    freshness: RequestedFreshness,
    user_id: UserPath,
    role: RoleQuery = None,
    district: DistrictQuery = None,
) -> Response:
    """Tell everything that a user may do, and where.

    The grants follow from the user's roles, sections and schools at Clever and from the policy. With `role` the same
    user is seen in that role only. Send the `ETag` back in `If-None-Match` to get 304 while nothing has changed.
    """
    answer = await permissions_of(pdp, Subject(user_id, district, role), freshness, rendered)
    return dated_response(request, answer, pdp.roster.fresh_seconds)


@router.post(
    "/permissions",
    operation_id="getPermissionsOfMany",
    summary="Permissions of up to a hundred users",
    response_model=BatchResults,
    responses=documented(400, 429, 503),
    openapi_extra={"parameters": [CACHE_CONTROL]},
)
async def get_permissions_of_many(
    pdp: CurrentDecisionPoint, freshness: BatchFreshness, batch: Batch, _said: UnambiguouslySaid
) -> Response:
    """Tell what up to a hundred users may do, each with a status of its own, in the order asked."""
    subjects = [Subject(item.id, item.district, item.role) for item in batch.users]
    answers = await permissions_of_many(pdp, subjects, freshness, rendered)
    return unkept_response(b'{"results":[%b]}' % b",".join(map(_result, answers)))


def rendered(whole: PermissionSet, staleness: Staleness | None) -> bytes:
    """Return a permission set as the body of an answer, with how stale it is."""
    body = PermissionSetBody(
        user=whole.user,
        district=whole.district,
        role=whole.role,
        roles=whole.roles,
        permissions=whole.permissions,
        grants=tuple(GrantBody.model_validate(grant) for grant in whole.grants),
        conditional=tuple(map(_conditional, whole.conditional)),
        policy=PolicyMark.model_validate(whole),
        **members_of(staleness),
    )
    return body.model_dump_json().encode()


def _conditional(grant: ConditionalGrant) -> ConditionalGrantBody:
    members = GrantBody.model_validate(grant).model_dump()
    return ConditionalGrantBody(**members, when=dict(grant.condition.when), unless=dict(grant.condition.unless))


def _result(answer: Answer | RosterguardError) -> bytes:
    if isinstance(answer, Answer):
        return b'{"status":200,"body":%b}' % answer.rendered.body
    problem = problem_of(answer)
    return b'{"status":%d,"body":%b}' % (problem.status, problem.model_dump_json().encode())
