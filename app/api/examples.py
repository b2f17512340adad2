"""What the reference shows: questions and answers of the sandbox's named cases, which whoever tries it gets, too."""

from collections.abc import Mapping

from pydantic.config import JsonDict

USER = "6682620f9155dac23400000f"
"""Staff of one school who teach a section at another: the case `staff_who_also_teach_elsewhere`."""
UNKNOWN_USER = "668262009155dac2340000ff"
DISTRICT = "668262003b3817d87d000000"
SCHOOL = "66826200160e91311d000000"
"""The school where they are staff."""
SECTION = "66826288f00d2c317a000088"
"""The section that they teach."""
STUDENT = "668262049155dac234000004"
"""A student in it: the case `student_at_two_schools`."""
_REVISION = "2ee871aa"

_PERMISSION_SET: JsonDict = {
    "user": USER,
    "district": DISTRICT,
    "role": None,
    "roles": ["staff", "teacher"],
    "permissions": ["assignment:grade", "school:view", "section:edit", "section:view", "student:view"],
    "grants": [
        {
            "scope": "school",
            "ids": ["66826200160e91311d000000"],
            "permissions": ["assignment:grade", "school:view", "section:edit", "section:view", "student:view"],
            "via": ["staff"],
        },
        {
            "scope": "section",
            "ids": ["66826288f00d2c317a000088"],
            "permissions": ["assignment:grade", "section:edit", "section:view", "student:view"],
            "via": ["staff", "teacher"],
        },
    ],
    "conditional": [],
    "policy": {"rule": "superset", "revision": _REVISION},
    "stale": False,
}

_ROLES: JsonDict = {
    "user": USER,
    "district": DISTRICT,
    "default": "staff",
    "roles": [
        {
            "role": "staff",
            "qualifiers": ["PortalOnly"],
            "title": "counselor",
            "department": None,
            "schools": ["66826200160e91311d000000"],
            "legacy_id": "6682620fd361952de900000f",
        },
        {
            "role": "teacher",
            "qualifiers": [],
            "title": "classroom teacher",
            "department": None,
            "schools": ["66826201160e91311d000001"],
            "legacy_id": "6682620ffb6908f64400000f",
        },
    ],
    "stale": False,
}

_EXPLANATION: JsonDict = {
    "user": USER,
    "district": DISTRICT,
    "role": None,
    "permission": "section:edit",
    "held": False,
    "reason": "not_in_reach",
    "rule": "superset",
    "roles": ["staff", "teacher"],
    "summary": "section:edit is not held: teaches 1 section, not this one; staff at 1 school, this section's school is "
    "another; no district admin role is shared with this application, which grants nothing and does not say that the "
    "person has none.",
    "grounds": [],
    "missing": [
        {
            "lack": "reach",
            "role": "teacher",
            "scope": "section",
            "statements": ["roles.teacher[0]"],
            "detail": "teaches 1 section, not this one",
        },
        {
            "lack": "reach",
            "role": "staff",
            "scope": "school",
            "statements": ["roles.teacher[0]"],
            "detail": "staff at 1 school, this section's school is another",
        },
        {
            "lack": "role",
            "role": "district_admin",
            "scope": None,
            "statements": ["roles.teacher[0]"],
            "detail": "no district admin role is shared with this application: that grants nothing, and does not say "
            "that the person is not a district admin",
        },
    ],
    "policy": {"rule": "superset", "revision": _REVISION},
    "stale": False,
}

_BATCH: JsonDict = {"users": [{"id": USER}, {"id": UNKNOWN_USER}]}

_BATCH_RESULTS: JsonDict = {
    "results": [
        {"status": 200, "body": _PERMISSION_SET},
        {
            "status": 404,
            "body": {
                "type": "urn:problem-type:rosterguard:user-unknown",
                "title": "Unknown user",
                "status": 404,
                "detail": "no such user is shared with this application",
            },
        },
    ]
}

_POLICY: JsonDict = {
    "revision": _REVISION,
    "policy": {
        "version": 1,
        "rule": "superset",
        "superset": {"staff": ["teacher"]},
        "roles": {
            "teacher": [{"allow": ["section:view", "section:edit", "student:view"], "over": "sections"}],
            "staff": [
                {"allow": ["school:view", "section:view", "student:view"], "over": "schools"},
                {"allow": ["report:export"], "over": "schools", "when": {"title": ["Principal"]}},
            ],
        },
    },
    "warnings": [],
}

EXAMPLES: Mapping[str, JsonDict] = {
    "PermissionSetBody": _PERMISSION_SET,
    "RolesBody": _ROLES,
    "ExplanationBody": _EXPLANATION,
    "Batch": _BATCH,
    "BatchResults": _BATCH_RESULTS,
    "PolicyInForce": _POLICY,
    "Liveness": {"status": "alive"},
    "Readiness": {"status": "ready", "parts": {"policy": "ok", "clever": "ok"}},
}
"""An example of each body, by the name of its schema.

They are put into the finished document, since FastAPI strips every null on the way, and with it what a schema requires.
"""
