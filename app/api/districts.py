"""Whole districts: which there are, how recent what is known of them is, and their loads."""

from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.api.dependencies import CurrentDecisionPoint, no_other_parameters
from app.api.errors import described_as, documented, problem_of
from app.api.http_caching import RequestedFreshness, unkept_response
from app.api.openapi_schemas import extensible_enum
from app.domain.calendar import Calendar, stated
from app.domain.errors import LoadAlone
from app.domain.ids import DistrictId
from app.roster.district import Whom
from app.roster.following import Mode
from app.roster.loading import Loading, LoadStatus, Progress
from app.services import whole_districts
from app.services.whole_districts import DistrictView, Loads

router = APIRouter(prefix="/v1/districts", tags=["districts"], dependencies=[Depends(no_other_parameters)])
load_router = APIRouter(prefix="/v1/districts", tags=["districts"], dependencies=[Depends(no_other_parameters)])


async def _loading(request: Request) -> Loading:
    loading: Loading = request.state.loading
    return loading


CurrentLoading = Annotated[Loading, Depends(_loading)]
"""The loads of this process."""


async def _loads(request: Request) -> Loads:
    return Loads(request.state.loading, request.state.following)


CurrentLoads = Annotated[Loads, Depends(_loads)]
"""The loads of this process, and what follows the districts that are loaded."""


async def _known_district(
    pdp: CurrentDecisionPoint,
    freshness: RequestedFreshness,
    district_id: Annotated[
        str, Path(description="The Clever id of the district.", examples=["668262003b3817d87d000000"])
    ],
) -> DistrictId:
    return await whole_districts.known_district(pdp.roster, district_id, freshness)


KnownDistrict = Annotated[DistrictId, Depends(_known_district)]
"""The district of the path, which is connected, and which the caller may ask about; any other is 404."""


class DistrictBody(BaseModel):
    """What is known of a district."""

    model_config = ConfigDict(frozen=True)

    district: Annotated[str, Field(description="The Clever id of the district.")]
    mode: Annotated[
        str,
        Field(
            json_schema_extra=extensible_enum(
                "Where answers come from: `on_demand`, users are read one by one; `loading`, the same until the first "
                "load is over; `loaded`, all is in memory; `following`, and Clever's events keep it current.",
                [mode.value for mode in Mode],
            )
        ),
    ]
    as_of: Annotated[
        datetime | None, Field(description="When all that is loaded was true at Clever; null if it is not loaded.")
    ]
    lag_seconds: Annotated[float | None, Field(description="How long ago that is; null if it is not loaded.")]
    counts: Annotated[
        dict[str, int],
        Field(description="How many users, in all and of each role, sections, schools and terms are loaded, or none."),
    ]
    last_error: Annotated[
        str | None,
        Field(description="Why a page could not be read, or the load was given up, the last time: a code, or null."),
    ]
    state: Annotated[
        str | None,
        Field(
            description="The state of the district at Clever: `running`; `pending`, an error that the district can "
            "fix; `error`, one that Clever can fix; `paused`, its data is last year's; `other`, one that Clever does "
            "not describe; null if it is not known."
        ),
    ]
    pause_start: Annotated[date | None, Field(description="The first day of the pause, or null.")]
    pause_end: Annotated[date | None, Field(description="The first day after the pause, or null.")]
    launch_date: Annotated[
        date | None, Field(description="The first day on which users can log in through Clever, or null.")
    ]
    unreadable: Annotated[
        list[str],
        Field(
            description="Which of these dates cannot be read in what Clever says; `terms` if one of a term cannot, "
            "where terms are read. It counts as not given, and so does the other one of the pause."
        ),
    ]


class DistrictsBody(BaseModel):
    """The districts that the caller may ask about."""

    districts: list[DistrictBody]


class LoadBody(BaseModel):
    """How the load of a district fares in the process that answers."""

    model_config = ConfigDict(frozen=True)

    district: Annotated[str, Field(description="The Clever id of the district.")]
    status: Annotated[
        str,
        Field(
            json_schema_extra=extensible_enum(
                "How the latest load fares; one that `failed` was given up, see `last_error`.",
                [status.value for status in LoadStatus],
            )
        ),
    ]
    whom: Annotated[
        str, Field(json_schema_extra=extensible_enum("Whose facts are loaded.", [whom.value for whom in Whom]))
    ]
    started_at: Annotated[datetime | None, Field(description="When it began, or null.")]
    ended_at: Annotated[datetime | None, Field(description="When it ended, or null.")]
    estimated_end: Annotated[
        datetime | None,
        Field(description="When it may end; null until the sections are read, which tell how many users there may be."),
    ]
    pages: Annotated[int, Field(description="How many pages were read.")]
    records: Annotated[dict[str, int], Field(description="How many records were read, by list.")]
    expected_records: Annotated[int | None, Field(description="How many there may be in all; null as above.")]
    restarts: Annotated[
        int, Field(description="How often a list repeated or skipped records, or changed, and was begun again.")
    ]
    failures: Annotated[int, Field(description="How many pages could not be read and were tried again.")]
    last_error: Annotated[str | None, Field(description="Why, the last time: a code, or null.")]


@router.get(
    "", operation_id="getDistricts", summary="Districts", response_model=DistrictsBody, responses=documented(503)
)
async def get_districts(pdp: CurrentDecisionPoint, loads: CurrentLoads, freshness: RequestedFreshness) -> Response:
    """Return the connected districts that the caller may ask about, and how recent what is known of each is."""
    views = await whole_districts.districts_of(pdp.roster, loads, freshness.caller)
    return unkept_response(DistrictsBody(districts=list(map(_district, views))).model_dump_json().encode())


@router.get(
    "/{district_id}",
    operation_id="getDistrict",
    summary="A district",
    response_model=DistrictBody,
    responses=documented(404, 503),
)
async def get_district(
    pdp: CurrentDecisionPoint, loads: CurrentLoads, freshness: RequestedFreshness, district_id: KnownDistrict
) -> Response:
    """Return where answers about a district come from, and how recent they are."""
    view = await whole_districts.view_of(pdp.roster, loads, district_id, freshness)
    return unkept_response(_district(view).model_dump_json().encode())


@load_router.post(
    "/{district_id}/load",
    operation_id="loadDistrict",
    summary="Load a district",
    status_code=202,
    response_model=LoadBody,
    responses=documented(404, 503) | described_as(problem_of(LoadAlone())),
)
async def load_district(loading: CurrentLoading, district_id: KnownDistrict) -> Response:
    """Load a whole district in the background, in every process; while that is in progress, do nothing.

    What was known before answers until the load is over. `GET` at the same path tells how far it has come.
    """
    return _load_response(loading.start_everywhere(district_id), loading, 202)


@load_router.get(
    "/{district_id}/load",
    operation_id="getLoad",
    summary="Progress of a load",
    response_model=LoadBody,
    responses=documented(404, 503),
)
async def get_load(loading: CurrentLoading, district_id: KnownDistrict) -> Response:
    """Return how far the latest load of a district has come in the process that answers."""
    return _load_response(loading.progress(district_id), loading)


def _district(view: DistrictView) -> DistrictBody:
    calendar = view.calendar or Calendar()
    return DistrictBody(
        district=view.district,
        mode=view.mode,
        as_of=_time(view.as_of),
        lag_seconds=None if view.lag_seconds is None else round(view.lag_seconds, 3),
        counts=dict(view.counts),
        last_error=view.last_error,
        state=None if view.calendar is None else stated(view.calendar),
        pause_start=calendar.pause_start,
        pause_end=calendar.pause_end,
        launch_date=calendar.launch_date,
        unreadable=list(calendar.unreadable),
    )


def _load_response(progress: Progress, loading: Loading, status: int = 200) -> Response:
    body = LoadBody(
        district=progress.district,
        status=progress.status,
        whom=progress.whom,
        started_at=_time(progress.began),
        ended_at=_time(progress.ended),
        estimated_end=_time(progress.estimated_end(loading.store.wall())),
        pages=progress.pages,
        records=progress.records,
        expected_records=progress.expected,
        restarts=progress.restarts,
        failures=progress.failures,
        last_error=progress.last_error,
    )
    return unkept_response(body.model_dump_json().encode(), status)


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
