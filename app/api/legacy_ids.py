"""Users by their ids from before API 3.0, for applications that move their accounts."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.api.dependencies import CurrentDecisionPoint, DistrictQuery, no_other_parameters
from app.api.errors import described_as, documented, problem_of
from app.api.http_caching import RequestedFreshness, unkept_response
from app.domain.errors import DistrictNotLoaded
from app.domain.facts import Role
from app.services.legacy_ids import holders_of

router = APIRouter(prefix="/v1/users", tags=["permissions"], dependencies=[Depends(no_other_parameters)])

LegacyIdQuery = Annotated[
    str, Query(description="The id of a role from before Clever API 3.0.", examples=["59d2a4b1c3e4f50001a2b3c4"])
]


class HolderBody(BaseModel):
    """A user, and the role that the legacy id belongs to."""

    model_config = ConfigDict(frozen=True)

    user: Annotated[str, Field(description="The Clever id of the user.")]
    role: Annotated[Role, Field(description="The role of which it is the legacy id.")]


class HoldersBody(BaseModel):
    """Who holds a legacy id."""

    model_config = ConfigDict(frozen=True)

    district: Annotated[str, Field(description="The Clever id of the district.")]
    users: Annotated[tuple[HolderBody, ...], Field(description="One user; more only if Clever gives an id twice.")]
    as_of: Annotated[datetime, Field(description="When this was true at Clever.")]


@router.get(
    "",
    operation_id="getUsersByLegacyId",
    summary="Users by a legacy id",
    response_model=HoldersBody,
    responses=documented(404, 503) | described_as(problem_of(DistrictNotLoaded())),
)
async def get_users_by_legacy_id(
    pdp: CurrentDecisionPoint, freshness: RequestedFreshness, legacy_id: LegacyIdQuery, district: DistrictQuery = None
) -> Response:
    """Find the user to whom an id from before Clever API 3.0 belongs, whichever of their roles it is of.

    Clever cannot search for it, so the district has to be loaded: `POST /v1/districts/{district_id}/load`. Where only
    staff is loaded, only their ids are found. An id is looked for in one district, never in others.
    """
    found = await holders_of(pdp.roster, legacy_id, district, freshness)
    body = HoldersBody(
        district=found.district,
        users=tuple(HolderBody(user=each.user, role=each.role) for each in found.users),
        as_of=datetime.fromtimestamp(int(found.as_of), UTC),
    )
    return unkept_response(body.model_dump_json().encode())
