"""Why a decision is as it is, in words for those who run an application and for those who use it."""

from collections.abc import Mapping
from typing import NamedTuple

from app.domain.decision import Reason


class Texts(NamedTuple):
    """A reason in words; neither names a person or a place."""

    admin: str
    user: str


_NO_ACCESS = "You don't have access to this."

TEXTS: Mapping[Reason, Texts] = {
    Reason.GRANTED: Texts("a grant covers a place where the resource lies", "You have access to this."),
    Reason.UNKNOWN_SUBJECT: Texts("Clever has no such user, or does not share them", _NO_ACCESS),
    Reason.UNKNOWN_RESOURCE: Texts("Clever has no such resource, or does not share it", _NO_ACCESS),
    Reason.UNKNOWN_ACTION: Texts("the policy names no such permission", "This cannot be done."),
    Reason.ROLE_NOT_HELD: Texts(
        "the user does not hold the role that context.role_context names", "You don't have this role."
    ),
    Reason.NOT_APPLICABLE: Texts(
        "a permission of this type says nothing on a resource of that", "This cannot be done."
    ),
    Reason.NO_PLACE: Texts("resource.properties does not say where the resource lies", _NO_ACCESS),
    Reason.PLACES_DISAGREE: Texts("the places that resource.properties names do not fit together", _NO_ACCESS),
    Reason.NOT_PERMITTED: Texts(
        "no role of the user gives this permission anywhere", "You are not allowed to do this."
    ),
    Reason.NOT_IN_REACH: Texts("the user holds this permission, but where the resource lies they do not", _NO_ACCESS),
    Reason.CONDITION_NOT_MET: Texts(
        "the policy gives this permission here on a condition that the request does not meet",
        "This cannot be done at the moment.",
    ),
    Reason.CONDITION_NOT_COMPARABLE: Texts(
        "the policy gives this permission here unless the request says otherwise, and what that says is missing or of "
        "another kind",
        "This cannot be done at the moment.",
    ),
}
"""The words of each reason."""
