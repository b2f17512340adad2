"""Explanations: why a user holds a permission somewhere, or what they lack for it."""

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from app.domain.calendar import DistrictStatus
from app.domain.decision import SCOPE_OF, Reason, decide_without_location
from app.domain.errors import RoleNotHeld, UserUnknown
from app.domain.evaluation import Access
from app.domain.explanation import Explanation, explanation_of, explanation_of_denial
from app.domain.facts import Facts
from app.domain.ids import IdShape
from app.domain.places import Location, location_of_district
from app.domain.policy import Policy
from app.domain.question import Entity, permission_asked
from app.domain.scopes import applies_in
from app.domain.snapshot import Staleness
from app.roster.districts import district_of
from app.roster.freshness import Freshness
from app.services.decision_log import Answered, Asked, log_decision, log_refusal
from app.services.decision_point import DecisionPoint
from app.services.permissions import Subject
from app.services.resource_lookup import NotLocated, ResourceLookup


@dataclass(frozen=True, slots=True)
class Explained:
    """An explanation, and what it is of.

    Attributes:
        facts: of the user.
        permission: what was asked for, with Clever's type for an alias.
        policy: the policy in force.
        age: in seconds, counted from the fetch of the oldest snapshot behind it.
        stale: how stale it is; None where it is fresh.
        lasts: for how many seconds, until the calendar of the district changes what it says.
    """

    facts: Facts
    permission: str
    policy: Policy
    explanation: Explanation
    age: int
    stale: Staleness | None
    lasts: float


async def explain(
    pdp: DecisionPoint, subject: Subject, permission: str, places: Mapping[str, str], freshness: Freshness
) -> Explained:
    """Explain why a user holds a permission, or not, on something that lies in all the places named.

    Without a place it is asked for the whole district. Unknown permissions and places are explained, too.

    Args:
        pdp: decides.
        subject: whom it is about, and in which role.
        permission: ``type:action``, the type Clever's, an alias of it, or the application's own.
        places: ids by type: ``section``, ``school``, ``student``, ``user``.
        freshness: how recent all that is read has to be.

    Raises:
        QuestionError: a malformed id, a district left open, an unknown user, or a role that is not held.
        NotCached, CleverError: something that the answer rests on could not be read.
    """
    user = pdp.roster.id_shape.user(subject.user)
    _check_shapes(pdp.roster.id_shape, places)
    policy = pdp.policy
    permission = permission_asked(policy, permission, "")
    asked = Asked("explanation", subject.user, subject.district, subject.role, permission)
    try:
        district = await district_of(pdp.roster, subject.district, freshness)
        snapshot, now = await pdp.user_now(district, user, freshness)
        access = pdp.access(snapshot, subject.role, now.status)
    except (RoleNotHeld, UserUnknown) as error:
        log_refusal(pdp, freshness, asked, error)
        raise
    lookup = ResourceLookup(pdp, district, freshness, [snapshot, *now.snapshots])
    explanation = await _explanation(lookup, now.status, access, permission, places)
    answered = Answered(explanation.held, explanation.reason, lookup.snapshots)
    log_decision(pdp, freshness, replace(asked, district=district), answered)
    age = pdp.roster.age_of(*lookup.snapshots)
    return Explained(access.facts, permission, policy, explanation, age, lookup.staleness(), pdp.lasts(now))


def _check_shapes(shape: IdShape, places: Mapping[str, str]) -> None:
    for kind, place in places.items():
        {"section": shape.section, "school": shape.school}.get(kind, shape.user)(place)


async def _explanation(
    lookup: ResourceLookup, status: DistrictStatus, known: Access, permission: str, places: Mapping[str, str]
) -> Explanation:
    policy = lookup.pdp.policy
    if permission not in policy.permissions:
        return explanation_of_denial(permission, Reason.UNKNOWN_ACTION)
    if places and not any(applies_in(permission, SCOPE_OF[kind]) for kind in places):
        return explanation_of_denial(permission, Reason.NOT_APPLICABLE)
    try:
        location = await _location(lookup, places)
    except NotLocated as error:
        if not _is_decided_by_facts(known, permission, places):
            return explanation_of_denial(permission, error.reason)
        # A check looks no place up where the facts decide, and so does not notice that it is not there.
        location = frozenset((SCOPE_OF[kind], place) for kind, place in places.items())
        location |= location_of_district(lookup.district)
    return explanation_of(known, policy, permission, location, status=status)


def _is_decided_by_facts(known: Access, permission: str, places: Mapping[str, str]) -> bool:
    kind, place = next(iter(places.items())) if len(places) == 1 else ("", "")
    return decide_without_location(known, permission, kind, place) is not None


async def _location(lookup: ResourceLookup, places: Mapping[str, str]) -> Location:
    if not places:
        return location_of_district(lookup.district)
    if len(places) > 1:
        return await lookup.of_named(places)
    [(kind, place)] = places.items()
    return await lookup.location(Entity(kind, place, {}))
