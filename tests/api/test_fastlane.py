"""The fast lane answers as the route does, to the byte, and leaves to it what is unusual."""

import httpx
import pytest

from tests.conftest import KEY, MovedClock, Sandbox, Serve, api_key

UNUSUAL = {"Cache-Control": "no-transform"}
"""Means nothing to us, and so asks the route for the same."""

BY_LANE = {"Origin": "https://elsewhere.example.org"}
"""Means nothing to the lane, and is no longer asked of what is at hand."""

OTHER_EACH_TIME = {"x-request-id", "date"}


def told(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    headers = [header for header in sorted(answer.headers.items()) if header[0] not in OTHER_EACH_TIME]
    return answer.status_code, answer.content, headers


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?role=teacher",
        "?role=staff&district={district}",
        "?district={district}&role=teacher",
        "?role=student",
        "?role=principal",
        "?role=",
        "?role=teacher&role=staff",
        "?rol=teacher",
        "?role=teacher&",
        "?district=north",
        "?district=ffffffffffffffffffffffff",
        "?district=%36",
    ],
)
def test_lane_and_route_answer_alike(query: str, service: httpx.Client, sandbox: Sandbox) -> None:
    user = sandbox.user("staff_who_also_teach_elsewhere")
    question = f"/v1/users/{user}/permissions{query.format(district=sandbox.district)}"
    service.get(question)
    by_route = told(service.get(question, headers=UNUSUAL))
    assert told(service.get(question, headers=BY_LANE)) == told(service.get(question)) == by_route


@pytest.mark.parametrize("user", ["ann", "f" * 24, "F" * 24, "ÿ", "a" * 65, "a%2Fb"])
def test_lane_and_route_know_nobody_alike(user: str, service: httpx.Client) -> None:
    question = f"/v1/users/{user}/permissions"
    assert told(service.get(question)) == told(service.get(question, headers=UNUSUAL))


def test_lane_and_route_tell_age_and_tag_alike(service: httpx.Client, sandbox: Sandbox, clock: MovedClock) -> None:
    question = f"/v1/users/{sandbox.user('teacher_only')}/permissions"
    tag = service.get(question).headers["etag"]
    clock.move(17)
    for held in (tag, f"W/{tag}", "*", f'"other", {tag}', '"other"'):
        at_hand = service.get(question, headers={"If-None-Match": held})
        by_lane = service.get(question, headers={"If-None-Match": held, **BY_LANE})
        by_route = service.get(question, headers={"If-None-Match": held, **UNUSUAL})
        assert told(at_hand) == told(by_lane) == told(by_route)
        assert by_lane.status_code == (200 if held == '"other"' else 304)


def test_lane_and_route_ask_for_the_same_scope(serve: Serve, sandbox: Sandbox) -> None:
    service = serve(api_keys=(api_key("tests", KEY, scopes=["access:evaluate"]),))
    question = f"/v1/users/{sandbox.user('teacher_only')}/permissions"
    assert service.get(question).status_code == 403
    assert told(service.get(question)) == told(service.get(question, headers=UNUSUAL))


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS", "DELETE"])
def test_only_get_and_its_head_are_answered(method: str, service: httpx.Client, sandbox: Sandbox) -> None:
    question = f"/v1/users/{sandbox.user('teacher_only')}/permissions"
    assert service.request(method, question).status_code == (200 if method == "HEAD" else 405)
