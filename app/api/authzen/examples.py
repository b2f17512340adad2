"""What the reference shows of the standard's bodies: questions about a user of the sandbox, and what is answered."""

from collections.abc import Mapping

from pydantic.config import JsonDict

from app.api.examples import UNKNOWN_USER, USER

SECTION = "66826288f00d2c317a000088"
"""A section that the user teaches."""

_REVISION = "2ee871aa"
_SUBJECT: JsonDict = {"type": "user", "id": USER}
_EDIT: JsonDict = {"name": "edit"}
_RESOURCE: JsonDict = {"type": "section", "id": SECTION}

_GRANTED: JsonDict = {
    "decision": True,
    "context": {
        "reason": "granted",
        "reason_admin": {"en": "a grant covers a place where the resource lies"},
        "reason_user": {"en": "You have access to this."},
        "policy_revision": _REVISION,
        "stale": False,
    },
}
_DENIED: JsonDict = {
    "decision": False,
    "context": {
        "reason": "unknown_subject",
        "reason_admin": {"en": "Clever has no such user, or does not share them"},
        "reason_user": {"en": "You don't have access to this."},
        "policy_revision": _REVISION,
        "stale": False,
    },
}
_TWO: JsonDict = {"limit": 2}
_TOKEN = "b3BhcXVlLCBhbmQgZ29vZCBmb3IgdGhpcyBxdWVzdGlvbg=="  # noqa: S105  (it opens nothing)
_OF_RESULTS: JsonDict = {"policy_revision": _REVISION, "stale": False}

EXAMPLES: Mapping[str, JsonDict] = {
    "EvaluationRequest": {"subject": _SUBJECT, "action": _EDIT, "resource": _RESOURCE},
    "EvaluationsRequest": {
        "action": _EDIT,
        "resource": _RESOURCE,
        "evaluations": [{"subject": _SUBJECT}, {"subject": {"type": "user", "id": UNKNOWN_USER}}],
    },
    "SubjectSearchRequest": {"subject": {"type": "user"}, "action": _EDIT, "resource": _RESOURCE, "page": _TWO},
    "ResourceSearchRequest": {"subject": _SUBJECT, "action": _EDIT, "resource": {"type": "section"}, "page": _TWO},
    "ActionSearchRequest": {"subject": _SUBJECT, "resource": _RESOURCE},
    "DecisionBody": _GRANTED,
    "EvaluationsAnswer": {"evaluations": [_GRANTED, _DENIED]},
    "SubjectResults": {
        "page": {"next_token": _TOKEN, "count": 2, "total": 9},
        "context": _OF_RESULTS,
        "results": [{"type": "user", "id": "6682620c9155dac23400000c"}, _SUBJECT],
    },
    "ResourceResults": {
        "page": {"next_token": _TOKEN, "count": 2, "total": 53},
        "context": _OF_RESULTS,
        "results": [
            {"type": "section", "id": "66826200f00d2c317a000000"},
            {"type": "section", "id": "66826201f00d2c317a000001"},
        ],
    },
    "ActionResults": {
        "context": _OF_RESULTS,
        "results": [{"name": "assignment:grade"}, {"name": "edit"}, {"name": "student:view"}, {"name": "view"}],
    },
    "AuthzenConfiguration": {
        "policy_decision_point": "https://pdp.example.org",
        "access_evaluation_endpoint": "https://pdp.example.org/access/v1/evaluation",
        "access_evaluations_endpoint": "https://pdp.example.org/access/v1/evaluations",
        "search_subject_endpoint": "https://pdp.example.org/access/v1/search/subject",
        "search_resource_endpoint": "https://pdp.example.org/access/v1/search/resource",
        "search_action_endpoint": "https://pdp.example.org/access/v1/search/action",
    },
}
"""An example of each body, by the name of its schema."""
