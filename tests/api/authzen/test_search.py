"""Searches over HTTP: their shape, their pages and what they refuse (AuthZEN section 8)."""

import hashlib
import json

import httpx
import pytest

from app.cli.server import in_background
from app.main import default_policy
from app.policy_files.yaml import read_policy
from app.sandbox.server import create_sandbox
from app.sandbox.world import generate
from tests.api.authzen.conftest import Json, action, ask, credential, question, resource, sections_of, subject
from tests.conftest import KEY, Sandbox, Serve

ABOUT = {"policy_revision": read_policy(default_policy()).revision, "stale": False}


def every_school(sandbox: Sandbox) -> Json:
    """A search that finds every school of the district."""
    return question(subject(sandbox.user("district_admin_only")), action("view"), {"type": "school"})


def schools(sandbox: Sandbox) -> list[Json]:
    return [{"type": "school", "id": named} for named in sorted(sandbox.world.districts[0].schools)]


def test_subjects_are_of_the_type_asked(service: httpx.Client, sandbox: Sandbox) -> None:
    """§8.3, §8.4."""
    teacher = sandbox.user("teacher_only")
    sections = sections_of(sandbox)
    asked = question({"type": "user"}, action("edit"), resource(sections[0]))
    answer = ask(service, "search/subject", asked)
    assert list(answer) == ["context", "results"]
    assert answer["context"] == ABOUT
    assert {"type": "user", "id": teacher} in answer["results"]
    assert {tuple(each) for each in answer["results"]} == {("type", "id")}


def test_resources_are_of_the_type_asked(service: httpx.Client, sandbox: Sandbox) -> None:
    """§8.3, §8.5."""
    teacher = sandbox.user("teacher_only")
    sections = sections_of(sandbox)
    asked = question(subject(teacher), action("edit"), {"type": "section"})
    expected = [{"type": "section", "id": named} for named in sorted(sections)]
    assert ask(service, "search/resource", asked)["results"] == expected


def test_a_search_goes_through_the_district(service: httpx.Client, sandbox: Sandbox) -> None:
    """§8.1."""
    schools_search = every_school(sandbox)
    assert ask(service, "search/resource", schools_search)["results"] == schools(sandbox)


def test_actions_are_names(service: httpx.Client, sandbox: Sandbox) -> None:
    """§8.3, §8.6."""
    teacher = sandbox.user("teacher_only")
    sections = sections_of(sandbox)
    answer = ask(service, "search/action", {"subject": subject(teacher), "resource": resource(sections[0])})
    assert [each for each in answer["results"] if ":" not in each["name"]] == [{"name": "edit"}, {"name": "view"}]
    for each in answer["results"]:
        asked = question(subject(teacher), each, resource(sections[0]))
        assert ask(service, "evaluation", asked)["decision"] is True


def test_without_reasons_there_are_only_results(serve: Serve, sandbox: Sandbox) -> None:
    """§11.5."""
    schools_search = every_school(sandbox)
    assert ask(serve(reasons="off"), "search/resource", schools_search) == {"results": schools(sandbox)}


def test_pages_come_first_and_hold_everything_once(service: httpx.Client, sandbox: Sandbox) -> None:
    """§8.2, §8.2.2, §8.3."""
    schools_search = every_school(sandbox)
    found, page = [], {"limit": 2}
    total = len(schools(sandbox))
    while True:
        text = service.post("/access/v1/search/resource", json={**schools_search, "page": page}).text
        answer = json.loads(text)
        assert text.startswith('{"page":{"next_token":')
        assert (answer["page"]["count"], answer["page"]["total"]) == (len(answer["results"]), total)
        found += answer["results"]
        page = {"token": answer["page"]["next_token"]}
        if not page["token"]:
            break
    assert found == schools(sandbox)


def test_a_limit_of_0_tells_the_total_alone(service: httpx.Client, sandbox: Sandbox) -> None:
    """§8.2.1."""
    schools_search = every_school(sandbox)
    answer = ask(service, "search/resource", {**schools_search, "page": {"limit": 0}})
    assert (answer["page"], answer["results"]) == ({"next_token": "", "count": 0, "total": len(schools(sandbox))}, [])


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"limit": None, "token": None},
        {"token": ""},
        {"limit": 10**30, "token": ""},
        {"limit": 1000, "color": 1},
        {"properties": {}},
    ],
)
def test_whoever_asks_for_pages_sees_which_is_the_last(page: Json, service: httpx.Client, sandbox: Sandbox) -> None:
    """§8.2, §10.1.1."""
    schools_search = every_school(sandbox)
    count = len(schools(sandbox))
    answer = ask(service, "search/resource", {**schools_search, "page": page})
    assert answer["page"] == {"next_token": "", "count": count, "total": count}


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (7, "page must be an object"),
        ({"limit": -1}, "page.limit must not be negative"),
        ({"limit": True}, "page.limit must be an integer"),
        ({"limit": "2"}, "page.limit must be an integer"),
        ({"limit": 1.5}, "page.limit must be an integer"),
        ({"token": 7}, "page.token must be a string"),
        ({"properties": []}, "page.properties must be an object"),
        ({"token": "never issued"}, "page.token is not one that this service gave for this question"),
        ({"token": " "}, "page.token is not one that this service gave for this question"),
        ({"limit": ""}, "page.limit must be an integer"),
        ({"limit": 2.0}, "page.limit must be an integer"),
        ({"limit": -(10**30)}, "page.limit must not be negative"),
    ],
)
def test_bad_paging_is_400(page: object, message: str, service: httpx.Client, sandbox: Sandbox) -> None:
    """§8.2.1."""
    schools_search = every_school(sandbox)
    answer = service.post("/access/v1/search/resource", json={**schools_search, "page": page})
    assert (answer.status_code, answer.text) == (400, message)


@pytest.mark.parametrize(
    "change",
    [
        {"action": action("view", soft=True)},
        {"resource": {"type": "section"}},
        {"resource": {"type": "school", "properties": {"status": None}}},
        {"context": {"role_context": "district_admin"}},
        {"page": {"limit": 2}},
    ],
)
def test_a_token_with_another_question_is_400(change: Json, service: httpx.Client, sandbox: Sandbox) -> None:
    """§8.2."""
    schools_search = every_school(sandbox)
    token = ask(service, "search/resource", {**schools_search, "page": {"limit": 1}})["page"]["next_token"]
    page = {"token": token, **change.get("page", {})}
    answer = service.post("/access/v1/search/resource", json={**schools_search, **change, "page": page})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")


def test_what_does_not_count_may_change_between_pages(service: httpx.Client, sandbox: Sandbox) -> None:
    schools_search = every_school(sandbox)
    token = ask(service, "search/resource", {**schools_search, "page": {"limit": 1}})["page"]["next_token"]
    turned = dict(reversed(schools_search.items())) | {"resource": resource("any", "school"), "trace": 1}
    assert ask(service, "search/resource", {**turned, "page": {"token": token}})["page"]["count"] == 1


OTHER = "another key that only the tests know"


def test_a_token_is_for_the_caller_who_got_it(serve: Serve, sandbox: Sandbox) -> None:
    schools_search = every_school(sandbox)
    service = serve(
        api_keys=[
            {"name": name, "sha256": hashlib.sha256(key.encode()).hexdigest()}
            for name, key in {"a": KEY, "b": OTHER}.items()
        ]
    )
    token = ask(service, "search/resource", {**schools_search, "page": {"limit": 1}})["page"]["next_token"]
    asked = {**schools_search, "page": {"token": token}}
    assert service.post("/access/v1/search/resource", json=asked).status_code == 200
    assert service.post("/access/v1/search/resource", json=asked, headers=credential(OTHER)).status_code == 400


def test_processes_with_one_secret_take_the_tokens_of_each_other(serve: Serve, sandbox: Sandbox) -> None:
    schools_search = every_school(sandbox)
    one, other, stranger = serve(secret="s" * 16), serve(secret="s" * 16), serve()
    token = ask(one, "search/resource", {**schools_search, "page": {"limit": 1}})["page"]["next_token"]
    asked = {**schools_search, "page": {"token": token}}
    assert other.post("/access/v1/search/resource", json=asked).status_code == 200
    assert stranger.post("/access/v1/search/resource", json=asked).status_code == 400


@pytest.mark.parametrize(
    ("kind", "asked", "message"),
    [
        ("subject", {"subject": {}}, "subject.type is required"),
        ("subject", {"subject": {"type": 7}}, "subject.type must be a string"),
        ("subject", {"action": {}}, "action.name is required"),
        ("subject", {"resource": {"type": "section"}}, "resource.id is required"),
        ("resource", {"subject": {"type": "user"}}, "subject.id is required"),
        ("resource", {"resource": {"id": "a"}}, "resource.type is required"),
        ("resource", {"action": None}, "action must be an object"),
        ("action", {"subject": {"type": "user"}}, "subject.id is required"),
        ("action", {"resource": {"type": "section"}}, "resource.id is required"),
        ("action", {"context": []}, "context must be an object"),
    ],
)
def test_what_a_search_needs(kind: str, asked: Json, message: str, service: httpx.Client) -> None:
    """§8.4.1, §8.5.1, §8.6.1, c-4-7: the same body may be right for one search and wrong for another."""
    whole = question(subject("a"), action("edit"), resource("b"))
    answer = service.post(f"/access/v1/search/{kind}", json=whole | asked)
    assert (answer.status_code, answer.text) == (400, message)


def test_more_results_than_a_page_holds_are_never_cut_short_in_silence(serve: Serve) -> None:
    """§8.2.2."""
    world = generate(students=1200)
    with in_background(create_sandbox(world, rate_limit=0)) as url:
        service = serve(clever_url=url)
        admin = subject(world.cases["district_admin_only"].user)
        asked = question(admin, action("view"), {"type": "student"})
        first = ask(service, "search/resource", asked)
        second = ask(service, "search/resource", {**asked, "page": {"token": first["page"]["next_token"]}})
    assert first["page"]["count"] == 1000
    assert second["page"]["next_token"] == ""
    assert first["page"]["total"] == len(first["results"]) + len(second["results"]) == 1200
