"""Which users' permissions may have changed in a district."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.api.dependencies import USER_EXAMPLE, CurrentDecisionPoint, no_other_parameters
from app.api.districts import CurrentLoads, KnownDistrict
from app.api.errors import described_as, documented, problem_of
from app.api.http_caching import RequestedFreshness, unkept_response
from app.domain.errors import DistrictNotFollowed
from app.services.changes import Asked, changes_since

router = APIRouter(prefix="/v1/districts", tags=["districts"], dependencies=[Depends(no_other_parameters)])

LONGEST_WAIT = 30
"""Seconds: less than proxies wait for an answer."""


class ChangesBody(BaseModel):
    """Whose permissions may have changed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"users": [USER_EXAMPLE], "cursor": "66826200e1c1f0c4a5000007.9c58aa1f20b3"}]}
    )

    users: Annotated[
        list[str], Field(description="The ids of the users whose permission sets may have changed, sorted.")
    ]
    cursor: Annotated[str, Field(description="What to send as `after` next time; it has no meaning of its own.")]


@router.get(
    "/{district_id}/changes",
    operation_id="getChanges",
    summary="Changes in a district",
    response_model=ChangesBody,
    responses=documented(404, 410, 503) | described_as(problem_of(DistrictNotFollowed())),
)
async def get_changes(
    pdp: CurrentDecisionPoint,
    loads: CurrentLoads,
    freshness: RequestedFreshness,
    district_id: KnownDistrict,
    after: Annotated[
        str | None,
        Query(
            description="The cursor of the answer before; without one, the answer is a cursor to begin with.",
            min_length=1,
            max_length=128,
        ),
    ] = None,
    wait: Annotated[
        float,
        Query(description="How many seconds to wait, at most, until something changes.", ge=0, le=LONGEST_WAIT),
    ] = 0,
) -> Response:
    """Return whose permission sets may have changed since an earlier answer, so that copies of them can be dropped.

    The district has to be loaded, and kept current by Clever's events. With 410, what has changed is not known: drop
    every copy of the district's answers, and go on from the `cursor` of the problem.
    """
    changes = await changes_since(pdp, loads.following, district_id, freshness, Asked(after, wait))
    body = ChangesBody(users=list(changes.users), cursor=changes.cursor)
    return unkept_response(body.model_dump_json().encode())
