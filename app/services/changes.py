"""Which users' permissions may have changed, for applications that keep copies of answers.

A cursor names the newest event that is covered, and what else all answers depend on: the policy, and what the
district's calendar means at the time. If that is not the same any more, everybody's permissions may have changed.
"""

import asyncio
import hashlib
from typing import NamedTuple

from msgspec.structs import replace

from app.domain.errors import ChangesUnknown, DistrictNotFollowed, RecordUnknown, TooManyWaiting
from app.domain.ids import DistrictId
from app.roster.changes import ChangeLog, TooOld
from app.roster.following import Following
from app.roster.freshness import Freshness
from app.services.decision_point import DecisionPoint, Now

_BETWEEN = "."
_BASIS_BYTES = 6


class Asked(NamedTuple):
    """What is wanted.

    Attributes:
        after: the cursor of an earlier answer; None for one to begin with.
        wait: how many seconds to wait at most if nothing has changed.
    """

    after: str | None
    wait: float


class Changes(NamedTuple):
    """The users whose permissions may have changed, sorted, and the cursor from which to go on."""

    users: tuple[str, ...]
    cursor: str


async def changes_since(
    pdp: DecisionPoint,
    following: Following,
    district: DistrictId,
    freshness: Freshness,
    asked: Asked,
) -> Changes:
    """Return what has changed in a district.

    Args:
        pdp: by which policy permissions are.
        following: what follows the district.
        district: one that the caller may ask about.
        freshness: how recent the district's calendar has to be, where the policy looks at it.
        asked: from where on changes are wanted.

    Raises:
        RecordUnknown: the district is not connected any more.
        DistrictNotFollowed: the district is not kept current by events.
        ChangesUnknown: the cursor is not known, or not any more.
        TooManyWaiting: nothing has changed, and so many wait for changes that this caller may not.
        CleverError: the calendar has to be read, and cannot be.
    """
    time = asyncio.get_running_loop().time
    until, (event, _, given) = time() + asked.wait, (asked.after or "").rpartition(_BETWEEN)
    while True:
        now = await pdp.now(district, replace(freshness, until=time() + pdp.roster.deadlines.alone))
        basis, log, left = _basis(pdp, now), _log(pdp, following, district), until - time()
        current = f"{log.upto}{_BETWEEN}{basis}"
        if asked.after is None:
            return Changes((), current)
        if given != basis:
            raise ChangesUnknown(current)
        is_over = left <= 0 or following.is_stopping
        try:
            users, upto = log.since(event)
        except TooOld as error:
            # Another replica may be a moment ahead of this one.
            if is_over or not log.may_come(event):
                raise ChangesUnknown(current) from error
        else:
            if users or is_over:
                return Changes(users, f"{upto}{_BETWEEN}{basis}")
        if following.waiting.is_full_for(freshness.caller.digest):
            raise TooManyWaiting
        with following.waiting.used_by(freshness.caller.digest):
            await log.wait(min(left, pdp.lasts(now)))


def _log(pdp: DecisionPoint, following: Following, district: DistrictId) -> ChangeLog:
    # It may be gone since the wait began.
    if district not in (pdp.roster.clever.known_districts() or ()):
        raise RecordUnknown
    followed = following.followed(district)
    if followed is None or followed.changes.upto is None:
        raise DistrictNotFollowed
    return followed.changes


def _basis(pdp: DecisionPoint, now: Now) -> str:
    status = now.status
    parts = pdp.policy.revision, status.effect, status.cause, sorted(status.ended), sorted(status.not_begun)
    return hashlib.blake2b(repr(parts).encode(), digest_size=_BASIS_BYTES).hexdigest()
