"""The roles of a user, for an application with a role switcher."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.api.dependencies import CurrentDecisionPoint, DistrictQuery, UserPath, no_other_parameters
from app.api.errors import documented
from app.api.http_caching import RequestedFreshness, dated_response
from app.api.staleness import AsOf, Stale, StaleReason, members_of
from app.domain.facts import Facts, HeldRole, Role
from app.domain.scopes import Scope
from app.domain.snapshot import Staleness
from app.services.permissions import Subject, roles_of

router = APIRouter(prefix="/v1/users", tags=["permissions"], dependencies=[Depends(no_other_parameters)])


class RoleContext(BaseModel):
    """A role that the user can act in."""

    model_config = ConfigDict(frozen=True)

    role: Role
    qualifiers: Annotated[
        tuple[str, ...],
        Field(
            description="Staff roles: `PortalOnly`, `SchoolTechLead`, and the district's own in lower case. They do "
            "not rank people."
        ),
    ]
    title: Annotated[str | None, Field(description="Free text of the district, in lower case.")]
    department: Annotated[str | None, Field(description="Free text of the district, in lower case.")]
    schools: Annotated[
        tuple[str, ...], Field(description="Administered by staff, taught at by teachers, attended by students.")
    ]
    legacy_id: Annotated[str | None, Field(description="The id of this role from before Clever API 3.0.")]


class RolesBody(BaseModel):
    """The roles of a user, the most senior first, for a role switcher."""

    model_config = ConfigDict(frozen=True)

    user: Annotated[str, Field(description="The Clever id of the user.")]
    district: Annotated[str, Field(description="The Clever id of the user's district.")]
    default: Annotated[Role | None, Field(description="The role to open with: the most senior one.")]
    roles: tuple[RoleContext, ...]
    stale: Stale = False
    as_of: AsOf = None
    stale_reason: StaleReason = None


@router.get(
    "/{user_id}/roles",
    operation_id="getRoles",
    summary="Roles of a user",
    response_model=RolesBody,
    responses=documented(404, 429, 502, 503, 504) | {304: {"description": "Not modified"}},
)
async def get_roles(
    request: Request,
    pdp: CurrentDecisionPoint,
    freshness: RequestedFreshness,
    user_id: UserPath,
    district: DistrictQuery = None,
) -> Response:
    """Return the roles that a user can act in, the most senior first, and the one to open with.

    Each can be the `role` of a permission set. Roles that the district does not share with this application are absent.
    """
    answer = await roles_of(pdp, Subject(user_id, district), freshness, _rendered)
    return dated_response(request, answer, pdp.roster.fresh_seconds)


def _rendered(facts: Facts, staleness: Staleness | None) -> bytes:
    body = RolesBody(
        user=facts.user,
        district=facts.district,
        default=next(iter(facts.held()), None),
        roles=tuple(map(_context, facts.roles)),
        **members_of(staleness),
    )
    return body.model_dump_json().encode()


def _context(held: HeldRole) -> RoleContext:
    standing = held.standings[0]
    return RoleContext(
        role=held.role,
        qualifiers=standing.readable("roles"),
        title=next(iter(standing.readable("title")), None),
        department=next(iter(standing.readable("department")), None),
        schools=held.ids(Scope.SCHOOL),
        legacy_id=held.legacy_id,
    )
