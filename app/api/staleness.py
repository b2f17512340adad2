"""The members of an answer that say whether it is stale."""

import operator
from datetime import UTC, datetime
from typing import Annotated, TypedDict

from pydantic import Field

from app.api.openapi_schemas import extensible_enum
from app.domain.errors import CleverError, CleverForbade, CleverRefusedToken
from app.domain.snapshot import Staleness

_FAILURES = {kind for kind in CleverError.__subclasses__() if kind not in {CleverForbade, CleverRefusedToken}}
"""A refused token is a definite answer: no stale data is used instead."""
_REASONS = sorted({"accepted", "slow", *(kind.outcome for kind in _FAILURES)})

Stale = Annotated[
    bool,
    Field(description="Whether the answer uses data older than the fresh time, because newer data was unavailable."),
]
AsOf = Annotated[
    datetime | None,
    Field(description="For a stale answer, when its data was read from Clever.", exclude_if=operator.not_),
]
StaleReason = Annotated[
    str | None,
    Field(
        exclude_if=operator.not_,
        json_schema_extra=extensible_enum(
            "For a stale answer, why newer data was unavailable; `accepted` if the request's `max-stale` allowed it.",
            _REASONS,
        ),
    ),
]


class StalenessMembers(TypedDict, total=False):
    """The members of a stale answer."""

    stale: bool
    as_of: datetime
    stale_reason: str


def members_of(staleness: Staleness | None) -> StalenessMembers:
    """Return the members of an answer that say how stale it is; none if it is fresh."""
    if staleness is None:
        return {}
    # Whole seconds, rounded down: it never claims to be more recent than it is.
    as_of = datetime.fromtimestamp(int(staleness.as_of), UTC)
    return {"stale": True, "as_of": as_of, "stale_reason": staleness.reason}
