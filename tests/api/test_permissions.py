"""`GET /v1/users/{id}/permissions`: the whole answer, role contexts, and how recent an answer is."""

import httpx
import pytest

from tests.conftest import MovedClock, Sandbox, Serve

UNKNOWN = "ffffffffffffffffffffffff"


def path(user: str) -> str:
    return f"/v1/users/{user}/permissions"


def test_a_permission_set_whole(service: httpx.Client, sandbox: Sandbox) -> None:
    user = sandbox.user("staff_who_also_teach_elsewhere")
    answer = service.get(path(user))
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "user": user,
        "district": "668262003b3817d87d000000",
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
        "policy": {"rule": "superset", "revision": service.get("/v1/policy").json()["revision"]},
        "stale": False,
    }


def test_a_role_context_is_the_user_in_that_role_alone(service: httpx.Client, sandbox: Sandbox) -> None:
    answer = service.get(path(sandbox.user("staff_who_also_teach_elsewhere")), params={"role": "teacher"}).json()
    assert (answer["role"], answer["roles"]) == ("teacher", ["staff", "teacher"])
    assert answer["grants"] == [
        {
            "scope": "section",
            "ids": ["66826288f00d2c317a000088"],
            "permissions": ["assignment:grade", "section:edit", "section:view", "student:view"],
            "via": ["teacher"],
        }
    ]


def test_a_role_that_is_not_held_is_a_conflict_that_tells_the_held_ones(
    service: httpx.Client, sandbox: Sandbox
) -> None:
    answer = service.get(path(sandbox.user("staff_who_also_teach_elsewhere")), params={"role": "student"})
    assert answer.status_code == 409
    assert answer.json() == {
        "type": "urn:problem-type:rosterguard:role-not-held",
        "title": "Role not held",
        "status": 409,
        "detail": "the user does not hold the role student",
        "held": ["staff", "teacher"],
        "stale": False,
    }


def test_naming_the_only_district_changes_nothing(service: httpx.Client, sandbox: Sandbox) -> None:
    user = sandbox.user("teacher_only")
    named = service.get(path(user), params={"district": sandbox.district})
    assert named.content == service.get(path(user)).content


@pytest.mark.parametrize("question", [path(UNKNOWN), f"{path(UNKNOWN)}?district={UNKNOWN}"])
def test_an_unknown_user_and_a_district_that_is_not_connected_read_alike(question: str, service: httpx.Client) -> None:
    answer = service.get(question)
    assert answer.status_code == 404
    assert answer.json() == {
        "type": "urn:problem-type:rosterguard:user-unknown",
        "title": "Unknown user",
        "status": 404,
        "detail": "no such user is shared with this application",
    }


@pytest.mark.parametrize("malformed", ["ann", "FFFFFFFFFFFFFFFFFFFFFFFF", "ffffffffffffffffffffffff0", "..%2f..%2fme"])
def test_a_malformed_id_is_refused_before_anything_is_asked_of_clever(
    malformed: str, service: httpx.Client, sandbox: Sandbox
) -> None:
    answer = service.get(path(malformed))
    assert (answer.status_code, answer.headers["content-type"]) in {
        (422, "application/problem+json"),
        (404, "application/problem+json"),
    }
    assert not [asked for asked in sandbox.requests if "/users/" in asked]


def test_a_malformed_district_is_refused(service: httpx.Client, sandbox: Sandbox) -> None:
    answer = service.get(path(sandbox.user("teacher_only")), params={"district": "north"})
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:problem-type:rosterguard:malformed-id"


@pytest.mark.parametrize(
    ("query", "at", "detail"),
    [
        ("rol=teacher", "rol", "there is no such parameter"),
        ("role=teacher&role=staff", "role", "this parameter comes twice"),
        ("role=principal", "role", "Input should be 'district_admin', 'staff', 'teacher', 'student' or 'contact'"),
    ],
)
def test_a_wrong_parameter_is_refused(query: str, at: str, detail: str, service: httpx.Client) -> None:
    answer = service.get(f"{path(UNKNOWN)}?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"where": "query", "at": at, "detail": detail}]


def test_a_cached_answer_tells_its_age_and_asks_clever_nothing(
    service: httpx.Client, sandbox: Sandbox, clock: MovedClock
) -> None:
    user = sandbox.user("teacher_only")
    first = service.get(path(user))
    asked = sandbox.requests.total()
    clock.move(42)
    second = service.get(path(user))
    assert (first.headers["age"], second.headers["age"]) == ("0", "42")
    assert second.headers["cache-control"] == "private, max-age=300, must-revalidate"
    assert second.headers["vary"] == "Authorization"
    assert second.content == first.content
    assert sandbox.requests.total() == asked


def test_the_tag_gets_304_with_the_age_while_nothing_has_changed(
    service: httpx.Client, sandbox: Sandbox, clock: MovedClock
) -> None:
    question = path(sandbox.user("teacher_only"))
    tag = service.get(question).headers["etag"]
    clock.move(7)
    answer = service.get(question, headers={"If-None-Match": f'"another", W/{tag}'})
    assert (answer.status_code, answer.content) == (304, b"")
    assert (answer.headers["age"], answer.headers["etag"]) == ("7", tag)
    assert service.get(question, headers={"If-None-Match": '"another"'}).status_code == 200


@pytest.mark.parametrize(
    "directive", ["no-cache", "max-age=5", "max-age=0", "Max-Age=5, max-age=900", 'a="b, c", no-cache']
)
def test_a_caller_may_demand_a_younger_answer(
    directive: str, service: httpx.Client, sandbox: Sandbox, clock: MovedClock
) -> None:
    question = path(sandbox.user("teacher_only"))
    service.get(question)
    clock.move(6)
    answer = service.get(question, headers={"Cache-Control": directive})
    assert answer.headers["age"] == "0"


@pytest.mark.parametrize(
    "directive",
    [
        *("max-age=6", "no-transform", "max-age=99999999999999999999", "", "a=b, , max-age=6"),
        *('a="b, no-cache, max-age=0"', r'a="\", no-cache"', 'a="b, no-cache'),
    ],
)
def test_what_the_cached_answer_satisfies_is_answered_from_the_cache(
    directive: str, service: httpx.Client, sandbox: Sandbox, clock: MovedClock
) -> None:
    question = path(sandbox.user("teacher_only"))
    service.get(question)
    clock.move(6)
    assert service.get(question, headers={"Cache-Control": directive}).headers["age"] == "6"


def test_only_if_cached_is_504_where_nothing_is_cached(service: httpx.Client, sandbox: Sandbox) -> None:
    question, directive = path(sandbox.user("teacher_only")), {"Cache-Control": "only-if-cached"}
    answer = service.get(question, headers=directive)
    assert (answer.status_code, answer.json()["type"]) == (504, "urn:problem-type:rosterguard:not-cached")
    service.get(question)
    assert service.get(question, headers=directive).status_code == 200


@pytest.mark.parametrize("directive", ["max-age", "max-age=soon", "max-age=-1", "max-age=1.5"])
def test_a_max_age_that_is_no_number_of_seconds_is_refused(directive: str, service: httpx.Client) -> None:
    answer = service.get(path(UNKNOWN), headers={"Cache-Control": directive})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"where": "header", "at": "Cache-Control", "detail": "max-age takes a number of seconds, such as max-age=60"}
    ]


def test_another_policy_means_other_bytes_and_another_tag(
    serve: Serve, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("policy") / "policy.yaml"
    file.write_text("version: 1\nrule: scoped\nroles: {teacher: [{allow: [section:view], over: sections}]}\n")
    question = path(sandbox.user("teacher_only"))
    usual, other = serve().get(question), serve(policy=file).get(question)
    assert usual.headers["etag"] != other.headers["etag"]
    assert other.json()["permissions"] == ["section:view"]
