"""What an answer says of itself where it is older than the fresh time."""

import operator
from datetime import UTC, datetime
from typing import Annotated, TypedDict

from pydantic import Field

from app.api.openapi_schemas import open_words
from app.domain.errors import CleverError, CleverForbade, CleverRefusedToken
from app.domain.snapshot import Staleness

_FAILURES = {kind for kind in CleverError.__subclasses__() if kind not in {CleverForbade, CleverRefusedToken}}
"""A token that Clever refuses is an answer: nothing stale takes its place."""
_REASONS = sorted({"accepted", "slow", *(kind.word for kind in _FAILURES)})

Stale = Annotated[
    bool,
    Field(description="Whether the answer rests on facts older than the fresh time: there were no newer ones in time."),
]
AsOf = Annotated[
    datetime | None,
    Field(description="Of a stale answer: when Clever said what it rests on.", exclude_if=operator.not_),
]
StaleReason = Annotated[
    str | None,
    Field(
        exclude_if=operator.not_,
        json_schema_extra=open_words(
            "Of a stale answer: why Clever was not asked, in one word; `accepted` where the request's `max-stale` "
            "allowed it.",
            _REASONS,
        ),
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
