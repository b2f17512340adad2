"""What can be answered at once: nothing is read, nothing is waited for, and the answer is the one that a reading gives.

Whatever is unusual has no answer at hand. It is asked of ``permissions`` and ``decisions``, which know it all; whoever
changes what these answer changes it here, and the tests hold both to the same.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from app.domain.callers import Caller
from app.domain.decision import SCOPE_OF, Reason, by_facts_alone, decided, unanswerable
from app.domain.evaluation import Access
from app.domain.facts import Role
from app.domain.ids import DistrictId
from app.domain.places import (
    Location,
    location_of_district,
    location_of_school,
    location_of_section,
    location_of_student,
    location_of_user,
)
from app.domain.serialization import PackedFacts, unpacked
from app.domain.snapshot import Snapshot
from app.roster.context import NO_DECISION_LOG, Context
from app.roster.freshness import at_hand, fresh_user, key_of
from app.services.decisions import permission_asked
from app.services.permissions import Answer, RenderSet, Subject, access, asked_of, decided_set
from app.services.resource_lookup import place_key
from app.telemetry import metrics
from app.telemetry.decision_log import Decided


class Holder(NamedTuple):
    """A user of whom it is known at once what they may do."""

    user: str
    district: DistrictId
    snapshot: Snapshot[PackedFacts]
    access: Access


class Sought(NamedTuple):
    """A permission on something of Clever's: the permission, and Clever's type where the question may have an alias."""

    permission: str
    kind: str


class Verdict(NamedTuple):
    """Why something is permitted or denied, and what that rests on.

    Attributes:
        began: when the oldest reading behind it began, by the clock.
        looked_in: the cache in which the resource was looked up, empty where it was in none.
    """

    reason: Reason
    sought: Sought
    began: float
    looked_in: str = ""


def permissions_at_hand(context: Context, subject: Subject, caller: Caller, render: RenderSet) -> Answer | None:
    """Return what ``permissions_of`` would, where that was answered before and is fresh."""
    district = _district(context, subject.district, caller)
    snapshot = None if district is None else fresh_user(context, key_of(district, subject.user))
    if district is None or snapshot is None:
        return None
    rendered = snapshot.answer(asked_of(render, subject.role, context.policy.revision, None))
    if rendered is None:
        return None
    metrics.looked_up("users", "hit")
    answer = Answer(rendered, int(context.clock() - snapshot.began))
    if context.decision_log is not NO_DECISION_LOG:
        told = decided_set(context, "permissions", subject, district, answer)
        context.decision_log.decided(told, caller=caller.name, alone=True)
    return answer


def holder_at_hand(context: Context, user: str, district: str | None, caller: Caller) -> Holder | None:
    """Return whom a question is about, as the caller wrote it."""
    of = _district(context, district, caller)
    snapshot = None if of is None else fresh_user(context, key_of(of, user))
    return None if of is None or snapshot is None else Holder(user, of, snapshot, access(context, snapshot))


def sought_at_hand(context: Context, action: str, of_type: str) -> Sought | None:
    """Return what an action on a type of resource asks for, as the caller wrote both."""
    permission, kind = permission_asked(context.policy, action, of_type), context.policy.type_of(of_type)
    if kind not in SCOPE_OF or unanswerable(context.policy, permission, of_type) is not None:
        return None
    return Sought(permission, kind)


def verdict_at_hand(context: Context, holder: Holder, sought: Sought, named: str) -> Verdict | None:
    """Return what ``evaluate`` would decide where a question says no more of the resource than its id."""
    permission, kind = sought
    reason = by_facts_alone(holder.access, permission, kind, named)
    if reason is not None:
        return Verdict(reason, sought, holder.snapshot.began)
    found = _location(context, kind, named, holder)
    if found is None:
        return None
    location, began, looked_in = found
    return Verdict(decided(holder.access, permission, location, _NOTHING_MORE), sought, began, looked_in)


def counted(verdicts: Sequence[Verdict]) -> None:
    """Count decisions that are answered, by reason, and what the cache had for them."""
    for reason, times in _times([verdict.reason for verdict in verdicts]).items():
        metrics.decided(reason, times)
    metrics.looked_up("users", "hit", len(verdicts))
    for cached, times in _times([verdict.looked_in for verdict in verdicts if verdict.looked_in]).items():
        metrics.looked_up(cached, "hit", times)


def _times(said: Sequence[str]) -> Mapping[str, int]:
    # For the one or few that there are the library's counter would cost more than all else that is counted.
    times: dict[str, int] = {}
    for each in said:
        times[each] = times.get(each, 0) + 1
    return times


def told_of(context: Context, holder: Holder, verdict: Verdict, named: str) -> Decided:
    """Return what the journal is told of a verdict on the resource ``named``."""
    reason, (permission, kind), began, _ = verdict
    resource = kind, named if context.id_shape.fits(named) else None
    held, age = reason is Reason.GRANTED, int(context.clock() - began)
    revision = context.policy.revision
    return Decided(
        "evaluation", revision, held, holder.district, holder.user, None, permission, resource, reason, age, None
    )


_NOTHING_MORE: Mapping[str, object] = {}
"""What such a question says for conditions."""


def _district(context: Context, named: str | None, caller: Caller) -> DistrictId | None:
    """Return what ``district_of`` would at once; None where it would raise, or has to wait."""
    connected = context.clever.known_districts()
    if connected is None:
        return None
    theirs = connected if caller.districts is None else caller.districts
    if named is None:
        if len(theirs) != 1:
            return None
        (district,) = theirs
    else:
        district = DistrictId(named)
    return district if district in theirs and district in connected else None


def _location(context: Context, kind: str, named: str, holder: Holder) -> tuple[Location, float, str] | None:
    """Return where something of Clever's lies, when the oldest reading began behind it, and which cache had that."""
    district, began = holder.district, holder.snapshot.began
    if kind == "district":
        return (location_of_district(district), began, "") if named == district else None
    if kind in _OF_PLACE:
        place = at_hand(context, context.places, place_key(kind, district, named))
        if place is None:
            return None
        return _OF_PLACE[kind](place.facts, district), min(began, place.began), "places"
    person = fresh_user(context, key_of(district, named))
    if person is None:
        return None
    facts, began = unpacked(person.facts), min(began, person.began)
    if kind == "user":
        return location_of_user(facts), began, "users"
    return (location_of_student(facts), began, "users") if Role.STUDENT in facts.held() else None


_OF_PLACE: Mapping[str, Callable[[Any, DistrictId], Location]] = {
    "section": lambda section, _district: location_of_section(section),
    "school": location_of_school,
}
