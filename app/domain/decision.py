"""A decision: whether an access covers one of the places where a resource lies."""

from enum import StrEnum

import msgspec

from app.domain.calendar import Cause, TermState
from app.domain.conditions import RequestValues
from app.domain.evaluation import Access, Limits
from app.domain.places import Location
from app.domain.policy import Policy
from app.domain.question import Question, is_user
from app.domain.scopes import CLEVER_TYPES, Scope, applies_in
from app.domain.snapshot import Staleness


class Reason(StrEnum):
    """Why a permission is held or not. Published: values may be added, never removed."""

    GRANTED = "granted"
    UNKNOWN_SUBJECT = "unknown_subject"
    UNKNOWN_RESOURCE = "unknown_resource"
    UNKNOWN_ACTION = "unknown_action"
    ROLE_NOT_HELD = "role_not_held"
    NOT_APPLICABLE = "not_applicable"
    NO_PLACE = "no_place"
    PLACES_DISAGREE = "places_disagree"
    NOT_PERMITTED = "not_permitted"
    NOT_IN_REACH = "not_in_reach"
    CONDITION_NOT_MET = "condition_not_met"
    CONDITION_NOT_COMPARABLE = "condition_not_comparable"
    DISTRICT_PAUSED = "district_paused"
    DISTRICT_NOT_LAUNCHED = "district_not_launched"
    TERM_ENDED = "term_ended"
    TERM_NOT_BEGUN = "term_not_begun"


# By name, for on Python 3.11 to look a member up costs as much as all else that a usual decision does.
_GRANTED, _NOT_IN_REACH = Reason.GRANTED, Reason.NOT_IN_REACH


class Decision(msgspec.Struct, frozen=True, gc=False):
    """The answer to a question, why, and how stale it is; None where it is fresh."""

    reason: Reason
    stale: Staleness | None = None

    @property
    def held(self) -> bool:
        """Whether it is allowed."""
        return self.reason is _GRANTED


SCOPE_OF = {
    "district": Scope.DISTRICT,
    "school": Scope.SCHOOL,
    "section": Scope.SECTION,
    "student": Scope.STUDENT,
    "user": Scope.SELF,
}
"""The scope of a resource of each of Clever's types."""


def is_applicable(permission: str, resource_type: str) -> bool:
    """Whether a permission makes sense on a resource type: its own type can lie inside that type."""
    if resource_type in CLEVER_TYPES:
        return applies_in(permission, SCOPE_OF[resource_type])
    return permission.partition(":")[0] not in CLEVER_TYPES


def denied_to_everyone(policy: Policy, permission: str, resource_type: str) -> Reason | None:
    """Return why every user is denied a permission on a resource type (as the caller wrote it), or None."""
    if permission not in policy.permissions:
        return Reason.UNKNOWN_ACTION
    if not is_applicable(permission, policy.type_of(resource_type)):
        return Reason.NOT_APPLICABLE
    return None


def denied_unread(policy: Policy, permission: str, question: Question) -> Reason | None:
    """Return why every user is denied what a question asks, or its subject is no user; else None."""
    if not is_user(policy, question.subject):
        return Reason.UNKNOWN_SUBJECT
    return denied_to_everyone(policy, permission, question.resource.type)


def decide_without_location(access: Access, permission: str, kind: str, named: str) -> Reason | None:
    """Decide if that needs no location: the user holds the permission nowhere, or on the resource itself."""
    if permission not in access.anywhere:
        if access.limits is None or permission not in access.limits.without.anywhere:
            return Reason.NOT_PERMITTED
        return _of_district(access.limits, permission)
    here = (SCOPE_OF[kind], named) if kind in CLEVER_TYPES else None
    return _GRANTED if here and permission in access.at.get(here, ()) else None


def decide(access: Access, permission: str, location: Location, request: RequestValues) -> Reason:
    """Decide whether a permission is held on a resource.

    Args:
        access: what the user may do.
        permission: ``type:action``, with Clever's type in place of an alias.
        location: every place in which the resource lies.
        request: the request's values, for conditions that read them.
    """
    for place in location:
        if permission in access.at.get(place, ()):
            return _GRANTED
    reason = _decide_on_condition(access, permission, location, request) if access.conditional else None
    if access.limits is not None and reason is not _GRANTED:
        return _of_limits(access.limits, permission, location, request)
    if reason is not None:
        return reason
    return _NOT_IN_REACH if permission in access.anywhere else Reason.NOT_PERMITTED


def _decide_on_condition(access: Access, permission: str, location: Location, request: RequestValues) -> Reason | None:
    there = [
        condition
        for given in access.conditional
        if (condition := given.clause.condition)
        and permission in given.clause.permissions
        and not location.isdisjoint(given.places)
    ]
    if any(condition.holds(request) for condition in there):
        return _GRANTED
    if any(condition.not_comparable(request) for condition in there):
        return Reason.CONDITION_NOT_COMPARABLE
    return Reason.CONDITION_NOT_MET if there else None


def _of_limits(limits: Limits, permission: str, location: Location, request: RequestValues) -> Reason:
    """Return why a permission is denied to a user from whom a calendar takes something."""
    without = limits.without
    if permission in without.anywhere and (reason := _of_district(limits, permission)):
        return reason
    reason = decide(without, permission, location, request)
    if reason is not _GRANTED:
        return reason
    out_of_term = location & limits.sections.keys()
    giving = (each for each in out_of_term if decide(without, permission, frozenset({each}), request) is _GRANTED)
    states = {limits.sections[place] for place in giving}
    return Reason.TERM_ENDED if TermState.ENDED in states else Reason.TERM_NOT_BEGUN


def _of_district(limits: Limits, permission: str) -> Reason | None:
    """Return why the permission is allowed nowhere in the district, if so."""
    if limits.allowed is None or permission in limits.allowed:
        return None
    is_before_launch = limits.status.cause is Cause.BEFORE_LAUNCH
    return Reason.DISTRICT_NOT_LAUNCHED if is_before_launch else Reason.DISTRICT_PAUSED
