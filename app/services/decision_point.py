"""The policy decision point: what every use case takes as its first argument."""

import asyncio
from collections.abc import Hashable, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, Protocol

import msgspec
from cachetools import LRUCache

from app.domain.calendar import ALWAYS, Calendar, DistrictStatus, status_at
from app.domain.errors import RoleNotHeld
from app.domain.evaluation import Access, access_of
from app.domain.facts import Role
from app.domain.ids import DistrictId, UserId
from app.domain.policy import Policy
from app.domain.serialization import PackedFacts
from app.domain.snapshot import Snapshot
from app.roster.district import Alike
from app.roster.freshness import Freshness
from app.roster.roster import Roster
from app.telemetry.decision_log import Decided
from app.waiting import cancel

MOST_ACCESSES = 2_000
"""How many users' permissions are kept worked out for decisions: that form is large, and quickly made again."""


class DecisionLog(Protocol):
    """Where decisions are logged."""

    def log(self, decisions: Sequence[Decided], *, caller: str, alone: bool) -> None:
        """Log decisions of one request, the name of who asked, and whether it asked for one and nothing else."""


class _NoDecisionLog:
    def log(self, decisions: Sequence[Decided], *, caller: str, alone: bool) -> None:
        """Log nothing."""


NO_DECISION_LOG: DecisionLog = _NoDecisionLog()
"""A decision log that writes nothing."""


class Now(msgspec.Struct, frozen=True, gc=False):
    """What the calendar of a district means now.

    Attributes:
        status: for permissions, in this district.
        snapshots: the calendar from which it follows; none where the policy does not look at it.
        since: when it was worked out, in Unix seconds; it holds from then until ``status.until``.
    """

    status: DistrictStatus = ALWAYS
    snapshots: tuple[Snapshot[Any], ...] = ()
    since: float = -inf


_ANY_TIME = Now()


@dataclass(frozen=True, slots=True)
class DecisionPoint:
    """Decides by one policy: another policy in force is another decision point, over the same roster.

    Attributes:
        roster: what is known of Clever's people.
        policy: by which is decided.
        decision_log: where decisions are logged.
        reasons: whether decisions come with their reason.
        secret: from which keys are derived, one for each purpose; the same in every process that shares answers.
        accesses: permissions worked out from facts, by what they depend on beside the policy.
        accesses_of_alike: the same of people in lists of a loaded district, one for all who are alike.
        statuses: per district what its calendar meant last.
    """

    roster: Roster
    policy: Policy
    decision_log: DecisionLog = NO_DECISION_LOG
    reasons: bool = True
    secret: bytes = b""
    accesses: MutableMapping[Hashable, Access] = field(default_factory=lambda: LRUCache(MOST_ACCESSES))
    accesses_of_alike: MutableMapping[Hashable, Access] = field(default_factory=lambda: LRUCache(MOST_ACCESSES))
    statuses: dict[str, Now] = field(default_factory=dict)

    def cached_now(self, district: str, freshness: Freshness) -> Now | None:
        """Return what ``now`` would, if the calendar of the district is fresh in memory or not needed."""
        if not self.policy.needs_calendar:
            return _ANY_TIME
        calendar = self.roster.cached_calendar(district, freshness)
        return None if calendar is None else self._now(district, calendar)

    async def now(self, district: DistrictId, freshness: Freshness) -> Now:
        """Return what the calendar of a district means now, read only where the policy looks at it; see ``Roster``."""
        if not self.policy.needs_calendar:
            return _ANY_TIME
        return self._now(district, await self.roster.calendar(district, freshness))

    async def user_now(
        self, district: DistrictId, user: UserId, freshness: Freshness
    ) -> tuple[Snapshot[PackedFacts], Now]:
        """Return the facts of a user, and what the calendar of their district means; both are read at once."""
        now = self.cached_now(district, freshness)
        if now is not None:
            return await self.roster.user(district, user, freshness), now
        reading = asyncio.create_task(self.now(district, freshness))
        try:
            return await self.roster.user(district, user, freshness), await reading
        finally:
            await cancel((reading,))

    def _now(self, district: str, calendar: Snapshot[Calendar]) -> Now:
        wall = self.roster.store.wall()
        now = self.statuses.get(district, _ANY_TIME)
        # A clock that is set back may undo a change.
        if now.status.calendar is not calendar.facts or not now.since <= wall < now.status.until:
            now = self.statuses[district] = Now(status_at(calendar.facts, self.policy, wall), (calendar,), wall)
        elif now.snapshots[0] is not calendar:
            now = self.statuses[district] = Now(now.status, (calendar,), now.since)
        return now

    def lasts(self, now: Now) -> float:
        """Return for how many seconds the calendar still means what it means ``now``."""
        return now.status.until - self.roster.store.wall()

    def access(
        self, snapshot: Snapshot[PackedFacts], role: Role | None = None, status: DistrictStatus = ALWAYS
    ) -> Access:
        """Return what a user may do, or what they may do in one role; raises ``RoleNotHeld``."""
        key = (snapshot.facts, role, status)
        try:
            return self.accesses[key]
        except KeyError:
            found = self.accesses[key] = self.access_anew(snapshot, role, status)
            return found

    def access_of_alike(self, alike: Alike, role: Role | None, status: DistrictStatus) -> Access:
        """Return what users who are alike may do, or what they may do in one role; raises ``RoleNotHeld``."""
        if alike.key is None:
            return access_of(alike.facts, self.policy, role, status)
        key = (alike.key, role, status)
        try:
            return self.accesses_of_alike[key]
        except KeyError:
            found = self.accesses_of_alike[key] = access_of(alike.facts, self.policy, role, status)
            return found

    def access_anew(self, snapshot: Snapshot[PackedFacts], role: Role | None, status: DistrictStatus) -> Access:
        """Work out what ``access`` returns, and do not keep it: for what is answered once."""
        try:
            return access_of(self.roster.store.facts_in(snapshot.facts), self.policy, role, status)
        except RoleNotHeld as error:
            # A role that an older snapshot lacks may be held by now.
            raise RoleNotHeld(error.role, error.held, snapshot.staleness()) from error


def decision_point(
    roster: Roster,
    policy: Policy,
    *,
    decision_log: DecisionLog = NO_DECISION_LOG,
    reasons: bool = True,
    secret: bytes = b"",
) -> DecisionPoint:
    """Put a policy in force over a roster, which reads from then on what this policy needs to know."""
    needs = replace(roster, confirm_schools=policy.drops_unconfirmed_schools, with_terms=policy.needs_terms)
    return DecisionPoint(needs, policy, decision_log, reasons, secret)
