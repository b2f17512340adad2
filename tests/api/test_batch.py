"""`POST /v1/users/permissions`: many users, each with a result of its own."""

import httpx
import pytest

from tests.conftest import Sandbox

UNKNOWN = "ffffffffffffffffffffffff"


def test_each_user_has_the_answer_they_would_have_alone(service: httpx.Client, sandbox: Sandbox) -> None:
    staff, teacher = sandbox.user("staff_who_also_teach_elsewhere"), sandbox.user("teacher_only")
    items = [
        {"id": staff, "role": "teacher"},
        {"id": UNKNOWN},
        {"id": teacher, "district": sandbox.district},
        {"id": "ann"},
        {"id": teacher, "role": "staff"},
    ]
    answer = service.post("/v1/users/permissions", json={"users": items})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [200, 404, 200, 422, 409]
    assert results[0]["body"] == service.get(f"/v1/users/{staff}/permissions?role=teacher").json()
    assert results[1]["body"] == service.get(f"/v1/users/{UNKNOWN}/permissions").json()
    assert results[2]["body"] == service.get(f"/v1/users/{teacher}/permissions").json()
    assert results[3]["body"]["type"] == "urn:problem-type:rosterguard:malformed-id"
    assert results[4]["body"]["held"] == ["teacher"]


def test_a_hundred_users_are_read_by_lists(service: httpx.Client, sandbox: Sandbox) -> None:
    users = [user.id for user in sandbox.world.districts[0].all_users[:99]]
    answer = service.post("/v1/users/permissions", json={"users": [{"id": user} for user in [*users, UNKNOWN]]})
    assert [result["status"] for result in answer.json()["results"]] == [200] * 99 + [404]
    assert sandbox.requests.total() <= 3


def test_the_same_user_many_times_is_read_once(service: httpx.Client, sandbox: Sandbox) -> None:
    user = sandbox.user("teacher_only")
    service.post("/v1/users/permissions", json={"users": [{"id": user}] * 100})
    assert sandbox.requests[f"/v3.1/users/{user}"] == 1


@pytest.mark.parametrize(
    ("body", "at", "detail"),
    [
        ({}, "/users", "Field required"),
        ({"users": []}, "/users", "List should have at least 1 item after validation, not 0"),
        ({"users": [{"id": UNKNOWN}] * 101}, "/users", "List should have at most 100 items after validation, not 101"),
        ({"users": [{"id": 7}]}, "/users/0/id", "Input should be a valid string"),
        ({"users": [{"id": UNKNOWN, "rol": "staff"}]}, "/users/0/rol", "Extra inputs are not permitted"),
        (
            {"users": [{"id": UNKNOWN, "role": "principal"}]},
            "/users/0/role",
            "Input should be 'district_admin', 'staff', 'teacher', 'student' or 'contact'",
        ),
    ],
)
def test_a_body_of_the_wrong_shape_is_refused_with_the_place(
    body: object, at: str, detail: str, service: httpx.Client
) -> None:
    answer = service.post("/v1/users/permissions", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"where": "body", "at": at, "detail": detail}]


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 20_000, b'{"users": "\xff"}', b"null"])
def test_a_body_that_is_not_json_is_refused(body: bytes, service: httpx.Client) -> None:
    answer = service.post("/v1/users/permissions", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


def test_broken_json_is_no_place_in_the_body(service: httpx.Client) -> None:
    body, headers = b'{"users": [}', {"Content-Type": "application/json"}
    answer = service.post("/v1/users/permissions", content=body, headers=headers)
    assert answer.json()["errors"] == [
        {"where": "body", "at": "", "detail": "the body is not JSON from character 11 on"}
    ]


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/x-www-form-urlencoded"}])
def test_a_body_that_does_not_say_that_it_is_json_is_refused_with_that_reason(
    headers: dict[str, str], service: httpx.Client
) -> None:
    answer = service.post("/v1/users/permissions", content=b'{"users": []}', headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"where": "header", "at": "Content-Type", "detail": "this must be application/json"}
    ]


def test_a_body_that_is_too_large_is_refused_whether_or_not_it_says_so(service: httpx.Client) -> None:
    large = b'{"users": [' + b" " * 70_000 + b"]}"
    announced = service.post("/v1/users/permissions", content=large, headers={"Content-Type": "application/json"})
    chunked = service.post("/v1/users/permissions", content=iter([large]), headers={"Content-Type": "application/json"})
    for answer in (announced, chunked):
        assert answer.status_code == 413
        assert answer.json() == {
            "type": "urn:problem-type:rosterguard:body-too-large",
            "title": "Body too large",
            "status": 413,
            "detail": "the body is larger than this service reads",
        }
