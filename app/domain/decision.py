"""A decision: whether an access covers one of the places where a resource lies."""

from enum import StrEnum

from app.domain.conditions import Asked
from app.domain.evaluation import Access
from app.domain.places import Location
from app.domain.policy import Policy
from app.domain.scopes import CLEVER_TYPES, Scope, applies_in


class Reason(StrEnum):
    """Why a permission is held or not; the list is published and only grows."""

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


SCOPE_OF = {
    "district": Scope.DISTRICT,
    "school": Scope.SCHOOL,
    "section": Scope.SECTION,
    "student": Scope.STUDENT,
    "user": Scope.SELF,
}
"""The kind of place that a resource of one of Clever's types is."""


def may_be_asked(permission: str, resource_type: str) -> bool:
    """Tell whether a permission makes sense on a resource of a type: its own type can lie inside the resource's."""
    if resource_type in CLEVER_TYPES:
        return applies_in(permission, SCOPE_OF[resource_type])
    return permission.partition(":")[0] not in CLEVER_TYPES


def unanswerable(policy: Policy, permission: str, resource_type: str) -> Reason | None:
    """Return why a permission on a type of resource, as the caller wrote it, is denied to everybody, if it is."""
    if permission not in policy.named:
        return Reason.UNKNOWN_ACTION
    if not may_be_asked(permission, policy.type_of(resource_type)):
        return Reason.NOT_APPLICABLE
    return None


def by_facts_alone(access: Access, permission: str, kind: str, named: str) -> Reason | None:
    """Decide where the user holds the permission nowhere, or on the very thing that is asked about."""
    if permission not in access.anywhere:
        return Reason.NOT_PERMITTED
    here = (SCOPE_OF[kind], named) if kind in CLEVER_TYPES else None
    return Reason.GRANTED if here and permission in access.at.get(here, ()) else None


def decided(access: Access, permission: str, location: Location, asked: Asked) -> Reason:
    """Decide whether a permission is held on something.

    Args:
        access: what the user may do.
        permission: ``type:action``, with Clever's type for an alias.
        location: every place in which the thing lies.
        asked: what the request says, for conditions that read it.
    """
    for place in location:
        if permission in access.at.get(place, ()):
            return Reason.GRANTED
    there = [
        asks
        for given in access.conditional
        if (asks := given.clause.asks)
        and permission in given.clause.permissions
        and not location.isdisjoint(given.places)
    ]
    if any(asks.holds(asked) for asks in there):
        return Reason.GRANTED
    if any(asks.not_comparable(asked) for asks in there):
        return Reason.CONDITION_NOT_COMPARABLE
    if there:
        return Reason.CONDITION_NOT_MET
    return Reason.NOT_IN_REACH if permission in access.anywhere else Reason.NOT_PERMITTED
