"""Many evaluations in one request (AuthZEN section 7)."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.cli.server import in_background
from tests.api.authzen.conftest import Json, action, ask, question, resource, sections_of, subject
from tests.api.test_staleness import fail
from tests.conftest import KEY, MovedClock, Sandbox, Serve, api_key

NOWHERE = "e" * 24


def decisions(answer: Json) -> list[bool]:
    assert set(answer) == {"evaluations"}  # §7.2: no decision of its own beside them
    return [each["decision"] for each in answer["evaluations"]]


def error(status: int, message: str) -> Json:
    return {"decision": False, "context": {"error": {"status": status, "message": message}}}


def test_what_all_have_in_common_stands_beside_them(service: httpx.Client, sandbox: Sandbox) -> None:
    """§7.1, §7.1.1, §7.2."""
    teacher = sandbox.user("teacher_only")
    sections = sections_of(sandbox)
    asked = {
        "subject": subject(teacher),
        "action": action("edit"),
        "evaluations": [
            {"resource": resource(sections[0])},
            {"resource": resource(NOWHERE)},
            {"resource": resource(sections[1]), "action": action("view")},
            {"resource": resource(sections[1]), "action": action("delete")},
        ],
    }
    assert decisions(ask(service, "evaluations", asked)) == [True, False, True, False]


def test_an_item_without_members_takes_everything(service: httpx.Client, sandbox: Sandbox) -> None:
    """§7.1.1."""
    teacher = sandbox.user("teacher_only")
    sections = sections_of(sandbox)
    asked = question(subject(teacher), action("edit"), resource(sections[0]), evaluations=[{}, {"context": None}])
    assert decisions(ask(service, "evaluations", asked)) == [True, True]


def test_nothing_beside_them_is_needed_and_what_is_there_may_be_incomplete_where_it_is_not_used(
    service: httpx.Client, sandbox: Sandbox
) -> None:
    """§7.1."""
    teacher = sandbox.user("teacher_only")
    sections = sections_of(sandbox)
    whole = question(subject(teacher), action("edit"), resource(sections[0]))
    assert decisions(ask(service, "evaluations", {"evaluations": [whole, whole]})) == [True, True]
    beside = {"subject": {"type": "user"}, "resource": {}, "action": 7}
    assert decisions(ask(service, "evaluations", {**beside, "evaluations": [whole]})) == [True]


def test_an_entity_replaces_another_whole(service: httpx.Client, sandbox: Sandbox) -> None:
    """§7.1.1, c-3-2-7: the id beside them is not lent to a subject that has none."""
    teacher = sandbox.user("teacher_only")
    sections = sections_of(sandbox)
    asked = question(
        subject(teacher), action("edit"), resource(sections[0]), evaluations=[{"subject": {"type": "user"}}]
    )
    assert ask(service, "evaluations", asked)["evaluations"] == [error(400, "subject.id is required")]


def test_a_context_replaces_another_whole(service: httpx.Client, sandbox: Sandbox) -> None:
    """§7.1.1."""
    teacher = sandbox.user("teacher_only")
    sections = sections_of(sandbox)
    asked = question(
        subject(teacher),
        action("edit"),
        resource(sections[0]),
        context={"role_context": "staff"},
        evaluations=[{}, {"context": {"time": "now"}}],
    )
    assert decisions(ask(service, "evaluations", asked)) == [False, True]


@pytest.mark.parametrize("more", [{}, {"evaluations": []}, {"evaluations": None}, {"options": {"a": 1}}])
def test_without_items_it_is_a_single_evaluation(more: Json, service: httpx.Client, sandbox: Sandbox) -> None:
    """§7.1, c-3-4-2, c-3-4-3."""
    teacher = sandbox.user("teacher_only")
    sections = sections_of(sandbox)
    asked = question(subject(teacher), action("edit"), resource(sections[0]), **more)
    assert ask(service, "evaluations", asked) == ask(service, "evaluation", asked)
    del asked["resource"]
    answer = service.post("/access/v1/evaluations", json=asked)
    assert (answer.status_code, answer.text) == (400, "resource is required")


def test_an_incomplete_item_is_denied_in_its_place(service: httpx.Client, sandbox: Sandbox) -> None:
    """§7.2.1, c-3-4-1."""
    teacher = sandbox.user("teacher_only")
    sections = sections_of(sandbox)
    asked = {
        "subject": subject(teacher),
        "action": action("edit"),
        "evaluations": [
            {},
            {"resource": resource(sections[0])},
            {"resource": {"type": 7, "id": "x"}},
            7,
            {"action": []},
        ],
    }
    first, second, *others = ask(service, "evaluations", asked)["evaluations"]
    assert (first, second["decision"]) == (error(400, "resource is required"), True)
    assert others == [
        error(400, "resource.type must be a string"),
        error(400, "an evaluation must be an object"),
        error(400, "action must be an object"),
    ]


PERMIT: Json = {}
DENY: Json = {"action": {"name": "juggle"}}
WRONG: Json = {"action": {}}


@pytest.mark.parametrize(
    ("options", "items", "expected"),
    [
        (None, [DENY, PERMIT, WRONG, DENY], [False, True, False, False]),
        ({}, [DENY, PERMIT], [False, True]),
        ({"evaluations_semantic": None}, [DENY, PERMIT], [False, True]),
        ({"evaluations_semantic": "execute_all", "color": "red"}, [DENY, PERMIT], [False, True]),
        ({"evaluations_semantic": "deny_on_first_deny"}, [PERMIT, PERMIT, DENY, PERMIT], [True, True, False]),
        ({"evaluations_semantic": "deny_on_first_deny"}, [PERMIT, WRONG, DENY], [True, False]),
        ({"evaluations_semantic": "deny_on_first_deny"}, [WRONG, PERMIT], [False]),
        ({"evaluations_semantic": "deny_on_first_deny"}, [PERMIT, PERMIT], [True, True]),
        ({"evaluations_semantic": "permit_on_first_permit"}, [DENY, WRONG, PERMIT, DENY], [False, False, True]),
        ({"evaluations_semantic": "permit_on_first_permit"}, [PERMIT, WRONG], [True]),
        ({"evaluations_semantic": "permit_on_first_permit"}, [DENY, WRONG], [False, False]),
        ({"evaluations_semantic": "permit_on_first_permit"}, [WRONG, WRONG], [False, False]),
    ],
)
def test_the_semantic_says_where_the_run_ends(
    options: Json | None, items: list[Json], expected: list[bool], service: httpx.Client, sandbox: Sandbox
) -> None:
    """§7.1.2, §7.1.2.1."""
    teacher = sandbox.user("teacher_only")
    sections = sections_of(sandbox)
    asked = question(subject(teacher), action("edit"), resource(sections[0]), options=options, evaluations=items)
    assert decisions(ask(service, "evaluations", asked)) == expected


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"evaluations": {}}, 400, "evaluations must be an array"),
        ({"evaluations": "all"}, 400, "evaluations must be an array"),
        ({"options": []}, 400, "options must be an object"),
        (
            {"options": {"evaluations_semantic": "first_come"}},
            400,
            "options.evaluations_semantic should be 'execute_all', 'deny_on_first_deny' or 'permit_on_first_permit'",
        ),
        (
            {"options": {"evaluations_semantic": 1}},
            400,
            "options.evaluations_semantic must be a string",
        ),
        ({"evaluations": [{}] * 10_001}, 413, "evaluations has 10001 items, and 10000 is the most"),
    ],
)
def test_what_is_wrong_with_the_whole_is_an_error_of_http(
    change: Json, status: int, message: str, service: httpx.Client
) -> None:
    """§7.2.1."""
    asked = question(subject("a"), action("edit"), resource("b"), evaluations=[{}]) | change
    answer = service.post("/access/v1/evaluations", json=asked)
    assert (answer.status_code, answer.text) == (status, message)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_ten_thousand_items_are_answered_in_one_reading_of_each_user(service: httpx.Client, sandbox: Sandbox) -> None:
    teacher = sandbox.user("teacher_only")
    sections = sections_of(sandbox)
    items = [question(subject(teacher), action("edit"), resource(sections[number % 2])) for number in range(10_000)]
    assert decisions(ask(service, "evaluations", {"evaluations": items})) == [True] * 10_000
    assert sandbox.requests[f"/v3.1/users/{teacher}"] == 1


GOOD, BAD, DISTRICT = "a" * 24, "b" * 24, "d" * 24


def failing_for_one() -> Starlette:
    """A Clever that knows one user, who has no role, and fails for every other."""

    async def one(request: Request) -> Response:
        if request.path_params["user"] != GOOD:
            return Response(status_code=500)
        return JSONResponse({"data": {"id": GOOD, "district": DISTRICT, "roles": {}}})

    async def districts(_request: Request) -> Response:
        return JSONResponse({"data": [{"data": {"id": DISTRICT}}]})

    async def district(_request: Request) -> Response:
        return JSONResponse({"data": {"id": DISTRICT}})

    async def none(request: Request) -> Response:
        return JSONResponse({"data": []}) if request.path_params["user"] == GOOD else Response(status_code=500)

    return Starlette(
        routes=[
            Route("/v3.1/districts", districts),
            Route(f"/v3.1/districts/{DISTRICT}", district),
            Route("/v3.1/users/{user}", one),
            Route("/v3.1/users/{user}/{part}", none),
        ]
    )


@pytest.mark.parametrize("semantic", ["execute_all", "deny_on_first_deny", "permit_on_first_permit"])
def test_a_run_that_ends_with_an_outage_tells_it_there_for_the_next_item_might_have_been_answered(
    semantic: str, serve: Serve
) -> None:
    """§7.2.1."""
    asked = {
        "action": action("edit"),
        "resource": resource("c" * 24),
        "evaluations": [{"subject": subject(BAD)}, {"subject": subject(GOOD)}],
        "options": {"evaluations_semantic": semantic},
    }
    with in_background(failing_for_one()) as url:
        service = serve(clever_url=url)
        ask(service, "evaluation", {**asked, "subject": subject(GOOD)})  # lest the breaker is all that answers for them
        failed, *others = ask(service, "evaluations", asked)["evaluations"]
    assert failed["context"]["error"]["status"] == 503
    assert [each["context"]["reason"] for each in others] == ["not_permitted"] * (semantic != "deny_on_first_deny")


def test_an_outage_for_the_resource_of_one_item_is_reported_there_whoever_is_asked_about(
    service: httpx.Client, sandbox: Sandbox
) -> None:
    """§7.2.1: the subject that all share could be read."""
    teacher = sandbox.user("teacher_only")
    sections = sections_of(sandbox)
    ask(service, "evaluation", question(subject(teacher), action("edit"), resource(sections[0])))
    asked = {
        "subject": subject(teacher),
        "action": action("edit"),
        "evaluations": [{"resource": resource(NOWHERE)}, {"resource": resource(sections[0])}],
        "options": {"evaluations_semantic": "deny_on_first_deny"},
    }
    answer = service.post("/access/v1/evaluations", json=asked, headers={"Cache-Control": "only-if-cached"})
    assert [each["context"]["error"]["status"] for each in answer.json()["evaluations"]] == [504]


def test_an_outage_for_the_subject_of_all_is_one_for_all_though_an_item_is_decided_unread(serve: Serve) -> None:
    """§7.2.1."""
    asked = question(
        subject(BAD), action("edit"), resource("c" * 24), evaluations=[{}, {"action": action("no-such-action")}]
    )
    with in_background(failing_for_one()) as url:
        assert serve(clever_url=url).post("/access/v1/evaluations", json=asked).status_code == 503


def test_what_no_item_can_be_answered_for_is_an_error_as_of_one_question(serve: Serve, sandbox: Sandbox) -> None:
    """§7.2.1: nothing cached, and a caller of two districts who names none."""
    teacher = sandbox.user("teacher_only")
    one = question(subject(teacher), action("edit"), resource(NOWHERE))
    of_two_districts = serve(api_keys=(api_key("tests", KEY, districts={sandbox.district, DISTRICT}),))
    for service, cache_control, status in ((serve(), "only-if-cached", 504), (of_two_districts, "no-cache", 400)):
        for path, asked in (("evaluation", one), ("evaluations", {**one, "evaluations": [{}, {}]})):
            answer = service.post(f"/access/v1/{path}", json=asked, headers={"Cache-Control": cache_control})
            assert answer.status_code == status


def test_an_outage_for_one_item_is_reported_there_and_one_for_all_is_503(serve: Serve) -> None:
    """§7.2.1: never a false that could be taken for an answer."""
    here = {"action": action("edit"), "resource": resource("c" * 24)}
    with in_background(failing_for_one()) as url:
        service = serve(clever_url=url)
        one = {**here, "evaluations": [{"subject": subject(GOOD)}, {"subject": subject(BAD)}]}
        fine, failed = ask(service, "evaluations", one)["evaluations"]
        assert fine["context"]["reason"] == "not_permitted"
        assert failed["context"] == {"error": {"status": 503, "message": failed["context"]["error"]["message"]}}
        assert failed["decision"] is False
        for semantic in ("execute_all", "deny_on_first_deny", "permit_on_first_permit"):
            options = {"evaluations_semantic": semantic}
            shared = {**here, "subject": subject(BAD), "evaluations": [{}, {}], "options": options}
            answer = service.post("/access/v1/evaluations", json=shared)
            assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True)


@pytest.mark.parametrize("semantic", ["execute_all", "deny_on_first_deny", "permit_on_first_permit"])
def test_an_outage_for_one_item_is_reported_there_though_an_older_answer_speaks_for_the_subject(
    semantic: str, service: httpx.Client, sandbox: Sandbox, clock: MovedClock
) -> None:
    teacher = sandbox.user("teacher_only")
    own = sandbox.world.districts[0].sections_of_user[teacher][0].id
    foreign = sandbox.world.districts[0].sections_of_user[sandbox.user("staff_who_also_teach_elsewhere")][0].id
    service.get(f"/v1/users/{teacher}/permissions").raise_for_status()
    fail(sandbox)
    clock.move(301)
    items = [{"resource": resource(each)} for each in (own, foreign)]
    asked = {"subject": subject(teacher), "action": action("view"), "options": {"evaluations_semantic": semantic}}
    answers = ask(service, "evaluations", {**asked, "evaluations": items})["evaluations"]
    assert (answers[0]["decision"], answers[0]["context"]["stale"]) == (True, True)
    assert [each["context"]["error"]["status"] for each in answers[1:]] == [503] * (
        semantic != "permit_on_first_permit"
    )
