"""What an answer says of itself where it is older than the fresh time."""

import operator
from datetime import UTC, datetime
from typing import Annotated, TypedDict

from pydantic import Field

from app.domain.staleness import Staleness

Stale = Annotated[
    bool,
    Field(
        description="Whether a reading answers that is older than the fresh time, since there was no newer one in time."
    ),
]
AsOf = Annotated[
    datetime | None,
    Field(description="Of a stale answer: when Clever said what it rests on.", exclude_if=operator.not_),
]
StaleReason = Annotated[
    str | None,
    Field(
        description="Of a stale answer: why Clever was not asked, in one word, such as `unreachable`, `slow` or "
        "`rate_limited`; `accepted` where the request's `max-stale` allowed it. The list only grows.",
        exclude_if=operator.not_,
    ),
]


class StalenessMembers(TypedDict, total=False):
    """What an answer says of itself where it is stale."""

    stale: bool
    as_of: datetime
    stale_reason: str


def members_of(staleness: Staleness | None) -> StalenessMembers:
    """Return what an answer says of itself; nothing while it is fresh."""
    if staleness is None:
        return {}
    # Whole seconds, rounded down: it never claims to be more recent than it is.
    as_of = datetime.fromtimestamp(int(staleness.as_of), UTC)
    return {"stale": True, "as_of": as_of, "stale_reason": staleness.reason}
