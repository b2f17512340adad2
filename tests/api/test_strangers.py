"""Whoever asks about a district that is not theirs hears of it what they hear of a user who does not exist."""

import httpx
import pytest
from starlette.applications import Starlette

from app.cli.server import in_background
from tests.conftest import KEY, Sandbox, Serve, api_key

FOREIGN = "f" * 24


def stranger_of(serve: Serve) -> httpx.Client:
    """A service whose only caller may ask about a district that is not connected."""
    return serve(api_keys=(api_key("tests", KEY, districts={FOREIGN}),))


@pytest.mark.parametrize("ask", ["permissions", "roles", "explanation?permission=section:view&user=" + "e" * 24])
def test_they_get_the_404_of_a_user_who_does_not_exist(
    ask: str, service: httpx.Client, sandbox: Sandbox, serve: Serve
) -> None:
    stranger = stranger_of(serve)
    path, _, query = ask.partition("?")
    unknown = service.get(f"/v1/users/{'e' * 24}/{path}?{query}")
    teacher = sandbox.user("teacher_only")
    answer = stranger.get(f"/v1/users/{teacher}/{path}?district={sandbox.district}&{query}")
    assert (answer.status_code, answer.content) == (404, unknown.content)
    assert not [asked for asked in sandbox.requests if teacher in asked]


def test_what_is_cached_for_others_is_not_looked_at(serve: Serve, sandbox: Sandbox) -> None:
    keys = (api_key("tests", KEY), api_key("stranger", "another", districts={FOREIGN}))
    service = serve(api_keys=keys)
    path = f"/v1/users/{sandbox.user('teacher_only')}/permissions?district={sandbox.district}"
    assert service.get(path).status_code == 200
    told = service.get(path, headers={"Authorization": "Bearer another"})
    unknown = service.get(f"/v1/users/{'e' * 24}/permissions")
    assert (told.status_code, told.content) == (404, unknown.content)
    assert "age" not in told.headers


@pytest.mark.parametrize(
    ("districts", "named", "status"),
    [({FOREIGN}, "d" * 24, 404), (set(), "d" * 24, 404), (set(), None, 404), ({FOREIGN, "e" * 24}, None, 422)],
)
def test_nothing_is_asked_of_a_clever_that_cannot_be_reached(
    serve: Serve, districts: set[str], named: str | None, status: int
) -> None:
    with in_background(Starlette()) as gone:
        pass
    service = serve(clever_url=gone, api_keys=(api_key("tests", KEY, districts=districts),))
    asked = {} if named is None else {"district": named}
    assert service.get(f"/v1/users/{'e' * 24}/permissions", params=asked).status_code == status


def test_in_the_standard_api_they_are_denied_and_find_nothing(
    service: httpx.Client, sandbox: Sandbox, serve: Serve
) -> None:
    stranger = stranger_of(serve)
    of_theirs = {"properties": {"district": sandbox.district}}
    subject = {"type": "user", "id": sandbox.user("teacher_only")}
    nobody = {"type": "user", "id": "e" * 24}
    resource = {"type": "section", "id": "e" * 24}
    view = {"action": {"name": "view"}}
    asked = {
        "evaluation": ({"subject": subject | of_theirs, "resource": resource} | view, {"subject": nobody}),
        "search/resource": (
            {"subject": subject | of_theirs, "resource": {"type": "section"}} | view,
            {"subject": nobody},
        ),
        "search/action": ({"subject": subject | of_theirs, "resource": resource}, {"subject": nobody}),
        "search/subject": (
            {"subject": {"type": "user"}, "resource": {"type": "section", "id": "b" * 24} | of_theirs} | view,
            {"resource": {"type": "section", "id": "d" * 24}},
        ),
    }
    for path, (question, unknown) in asked.items():
        wanted = service.post(f"/access/v1/{path}", json=question | unknown)
        answer = stranger.post(f"/access/v1/{path}", json=question)
        assert (answer.status_code, answer.content) == (200, wanted.content), path
        assert not [each for each in sandbox.requests if subject["id"] in each or "b" * 24 in each], path


def test_a_caller_of_one_district_need_not_name_it(serve: Serve, sandbox: Sandbox) -> None:
    service = serve(api_keys=(api_key("tests", KEY, districts={sandbox.district}),))
    assert service.get(f"/v1/users/{sandbox.user('teacher_only')}/permissions").json()["district"] == sandbox.district


def test_a_caller_of_several_districts_names_one(serve: Serve, sandbox: Sandbox) -> None:
    service = serve(api_keys=(api_key("tests", KEY, districts={sandbox.district, FOREIGN}),))
    path = f"/v1/users/{sandbox.user('teacher_only')}/permissions"
    statuses = [service.get(path + named).status_code for named in ("", f"?district={sandbox.district}")]
    assert statuses == [422, 200]
