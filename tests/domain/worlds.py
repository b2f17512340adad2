"""Worlds for the laws: people, policies as they are written, and requests, drawn by Hypothesis.

They are small on purpose: three ids serve as schools, sections and students alike, so that roles meet in one place.
"""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from app.domain.evaluation import permission_set
from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.grants import PermissionSet
from app.domain.ids import DistrictId, UserId
from app.domain.policy import Policy, policy_of
from app.domain.policy_schema import PolicyFile
from app.domain.scopes import Scope

Written = dict[str, Any]
Place = tuple[str, str]

law = settings(derandomize=True, max_examples=60, deadline=None)

RULES = ("scoped", "superset", "maximum", "minimum")
OVER = {"district": "district", "schools": "school", "sections": "section", "students": "student", "self": "self"}
MAY_STAND_OVER = {
    "student": ("sections", "schools", "self"),
    "contact": ("students", "self"),
    "teacher": ("sections", "schools", "self"),
    "staff": ("schools", "self"),
    "district_admin": ("district", "self"),
}
FIELDS = {
    "student": (),
    "contact": ("type", "relationship"),
    "teacher": ("title",),
    "staff": ("title", "department", "roles"),
    "district_admin": ("title",),
}
LIES_IN = {
    "district": ("district",),
    "school": ("district", "school"),
    "section": ("district", "school", "section"),
    "student": ("district", "school", "section", "student"),
    "user": ("district", "self"),
    "report": tuple(OVER.values()),
    "grade": tuple(OVER.values()),
}
NAMES = (
    *("district:view", "school:view", "section:view", "section:edit", "student:view", "user:view"),
    *("report:export", "grade:view", "grade:edit"),
)
STAFF_ABOVE_TEACHERS: Sequence[Written] = (
    {"staff": ["teacher"]},
    {"staff": ["teacher"], "district_admin": ["staff", "teacher"]},
    {"district_admin": ["staff"], "staff": ["teacher"]},
    {"staff": ["district_admin"], "district_admin": ["teacher"]},
)
SENIORITIES: Sequence[Written] = (
    *STAFF_ABOVE_TEACHERS,
    {"teacher": ["staff", "district_admin"]},
    {"teacher": [], "district_admin": ["staff"]},
)
REQUEST_KEYS = ("resource.status", "action.soft", "context.purpose")
ALIASES = {"classroom": "section", "record": "section", "campus": "school", "pupil": "student", "profile": "user"}
WILDCARDS = ("*:view", "*:edit", "section:*", "grade:*", "*:*")


def applies(name: str, scope: str) -> bool:
    return scope in LIES_IN[name.partition(":")[0]]


ids = st.lists(st.sampled_from("abc"), unique=True).map(lambda some: tuple(sorted(some)))
HIDDEN = "\0unreadable"
"""What facts have of a text that they do not keep."""

KNOWN = {
    "title": (),
    "department": (),
    "roles": ("PortalOnly", "SchoolTechLead"),
    "type": ("Emergency", "Other", "Family", "Parent", "Parent/Guardian"),
    "relationship": ("Emergency", "Other", "Family", "Parent", "Parent/Guardian"),
}
"""Values that Clever documents, as far as they occur here."""

texts = st.sampled_from([(), (), ("dean",), ("aide",), ("1",), ("délégué du lycée",), (HIDDEN,)])
texts_of = {
    "roles": st.lists(st.sampled_from(["PortalOnly", "SchoolTechLead", "medicaladmin", HIDDEN]), unique=True).map(
        tuple
    ),
    **dict.fromkeys(
        ("type", "relationship"), st.sampled_from([(), ("emergency",), ("other",), ("doctor",), (HIDDEN, "other")])
    ),
}
_words = ["Dean", " aide\t", "1", "", "\u00a0 ", "De\u0301le\u0301gue\u0301 du\u00a0 LYCE\u0301E"]
_words += ["MedicalAdmin", "portalonly", "Doctor", "EMERGENCY", "other", "Family", "ﬁrst\u200b"]
values = st.one_of(
    st.sampled_from([*_words, True, 1]), st.lists(st.sampled_from([*_words, "DEAN", "Aide", 1]), min_size=1, max_size=4)
)
request_values = st.one_of(
    st.sampled_from(["Active", "archived ", "", "1", "true", True, False, 1, 1.0, 0]),
    st.lists(st.sampled_from(["ACTIVE", "archived", True, 1]), min_size=1, max_size=3),
)
requests: st.SearchStrategy[dict[str, object]] = st.dictionaries(
    st.sampled_from(REQUEST_KEYS),
    st.sampled_from(
        [
            "active\u00a0",
            "Archived",
            "",
            " ",
            2.0**53,
            True,
            False,
            1,
            1.0,
            0,
            None,
            {},
            [],
            ["ACTIVE", 1],
            ["draft", "late"],
            [True],
            [None],
            [["active"]],
        ],
    ),
)
locations = st.frozensets(st.tuples(st.sampled_from(Scope), st.sampled_from("abcd")), max_size=4)


@st.composite
def standings(draw: st.DrawFn, role: str) -> Standing:
    drawn = {name: draw(texts_of.get(name, texts)) for name in FIELDS[role]}
    kept = tuple((name, some) for name, some in drawn.items() if some)
    if role == "district_admin":
        return Standing(((Scope.DISTRICT, ("a",)),), kept)
    if role == "contact":
        return Standing(((Scope.STUDENT, (draw(st.sampled_from("abc")),)),), kept)
    if role == "staff":
        return Standing(((Scope.SCHOOL, draw(ids)),), kept, draw(st.none() | ids))
    return Standing(((Scope.SCHOOL, draw(ids)), (Scope.SECTION, draw(ids))), kept)


@st.composite
def people(draw: st.DrawFn) -> Facts:
    held = draw(st.lists(st.sampled_from(Role), unique=True, min_size=1))
    roles = [
        HeldRole(
            role,
            tuple(draw(st.lists(standings(role.value), min_size=1, max_size=3 if role is Role.CONTACT else 1))),
        )
        for role in Role
        if role in held
    ]
    return Facts(UserId("b"), DistrictId("a"), tuple(roles))


allowed = {
    over: st.lists(
        st.sampled_from([name for name in NAMES if applies(name, scope)] * 2 + list(WILDCARDS)), min_size=1, max_size=3
    )
    for over, scope in OVER.items()
}
on_fields = {
    role: st.dictionaries(st.sampled_from(fields), values, min_size=1, max_size=2) if fields else st.just({})
    for role, fields in FIELDS.items()
}
on_requests = st.dictionaries(st.sampled_from(REQUEST_KEYS), request_values, min_size=1, max_size=2)
conditioned = st.sampled_from(
    [
        *[()] * 9,
        *[("when fields",), ("unless fields",), ("when request",), ("unless request",)],
        *[("when fields", "when request"), ("when fields", "unless request"), ("unless fields", "when request")],
        ("when request", "unless request"),
    ]
)


@st.composite
def statements(draw: st.DrawFn, role: str) -> Written:
    over = draw(st.sampled_from(MAY_STAND_OVER[role]))
    statement: Written = {"allow": draw(allowed[over]), "over": over}
    for word, _, what in (condition.partition(" ") for condition in draw(conditioned)):
        some = draw(on_requests if what == "request" else on_fields[role])
        statement[word] = {**statement.get(word, {}), **some}
    return statement


said_of = {role: st.lists(statements(role), min_size=0, max_size=3) for role in MAY_STAND_OVER}
confirming = st.sampled_from(["keep", "drop"])


@st.composite
def policies(draw: st.DrawFn, seniorities: Sequence[Written] = SENIORITIES) -> Written:
    """Draw a policy that can be used under every rule: no circles, and no wildcard that stands for nothing."""
    written = {
        "version": 1,
        "superset": draw(st.sampled_from(seniorities)),
        "roles": {role: draw(some) for role, some in said_of.items()},
        "schools": {"unconfirmed": draw(confirming)},
    }
    return repaired(written)


def repaired(written: Written) -> Written:
    """Leave out the wildcards that match nothing, and the statements that had nothing else."""
    named = full_names(written)
    roles = {
        role: [
            {**one, "allow": allow} for one in said if (allow := [name for name in one["allow"] if expand(name, named)])
        ]
        for role, said in written["roles"].items()
    }
    return {**written, "roles": roles}


def without_wildcards(written: Written) -> Written:
    roles = {
        role: [{**one, "allow": full} for one in said if (full := [name for name in one["allow"] if "*" not in name])]
        for role, said in written["roles"].items()
    }
    return {**written, "roles": roles}


def request_keys(statement: Written) -> set[str]:
    return {key for word in ("when", "unless") for key in statement.get(word, {}) if key in REQUEST_KEYS}


def under(rule: str, written: Written) -> Policy:
    return policy_of(PolicyFile.model_validate({**written, "rule": rule}))


def held(facts: Facts, policy: Policy, role: Role | None = None) -> set[tuple[Scope, str, str]]:
    """Return what the user holds, as place and permission."""
    grants = permission_set(facts, policy, role).grants
    return {(grant.scope, place, name) for grant in grants for place in grant.ids for name in grant.permissions}


def held_on_conditions(answer: PermissionSet) -> set[tuple[str, ...]]:
    """Return what may be held, as place, permission, role and the condition on the request."""
    return {
        (grant.scope, place, name, role, as_json(grant.condition.when), as_json(grant.condition.unless))
        for grant in answer.conditional
        for place in grant.ids
        for name in grant.permissions
        for role in grant.via
    }


def as_json(conditions: Sequence[tuple[str, Sequence[object]]]) -> str:
    return json.dumps([[key, list(wanted)] for key, wanted in conditions])


def full_names(written: Written) -> set[str]:
    return {name for said in written["roles"].values() for one in said for name in one["allow"] if "*" not in name}


def expand(name: str, named: set[str]) -> set[str]:
    kind, action = name.split(":")
    return {full for full in named | {name} if "*" not in full and fits(kind, full, 0) and fits(action, full, 1)}


def fits(part: str, full: str, position: int) -> bool:
    return part in ("*", full.split(":")[position])
