"""Single evaluations: entities, decisions and their context (AuthZEN sections 5, 6 and 10.1)."""

from typing import get_type_hints

import httpx
import pytest

from app.api.authzen.responses import TEXTS
from app.domain.decision import Reason
from app.main import default_policy
from app.policy_files.yaml import read_policy
from tests.api.authzen.conftest import Json, action, ask, question, resource, sections_of, subject
from tests.conftest import Sandbox, Serve, by_client_id

REVISION = read_policy(default_policy()).revision
NOBODY, NOWHERE = "f" * 24, "e" * 24


def told(reason: Reason) -> Json:
    return {
        "reason": reason.value,
        "reason_admin": {"en": TEXTS[reason].admin},
        "reason_user": {"en": TEXTS[reason].user},
        "policy_revision": REVISION,
        "stale": False,
    }


def test_a_permit_is_a_boolean_and_says_why(service: httpx.Client, sandbox: Sandbox) -> None:
    """§5.5, §10.1."""
    teacher = sandbox.user("teacher_only")
    sections = sections_of(sandbox)
    asked = question(subject(teacher), action("edit"), resource(sections[0]))
    assert ask(service, "evaluation", asked) == {"decision": True, "context": told(Reason.GRANTED)}


def test_a_denial_is_200(service: httpx.Client, sandbox: Sandbox) -> None:
    """§10.1.2."""
    sections = sections_of(sandbox)
    asked = question(subject(sandbox.user("co_teacher")), action("edit"), resource(sections[0]))
    assert ask(service, "evaluation", asked) == {"decision": False, "context": told(Reason.NOT_IN_REACH)}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"subject": subject(NOBODY)}, Reason.UNKNOWN_SUBJECT),
        ({"subject": subject("alice@example.org")}, Reason.UNKNOWN_SUBJECT),
        ({"subject": subject("")}, Reason.UNKNOWN_SUBJECT),
        ({"subject": {"type": "robot", "id": "r2"}}, Reason.UNKNOWN_SUBJECT),
        ({"resource": resource(NOWHERE)}, Reason.UNKNOWN_RESOURCE),
        ({"resource": resource("/a/path")}, Reason.UNKNOWN_RESOURCE),
        ({"action": action("juggle")}, Reason.UNKNOWN_ACTION),
        ({"action": action("")}, Reason.UNKNOWN_ACTION),
        ({"action": action("school:view")}, Reason.NOT_APPLICABLE),
        ({"action": action("report:export")}, Reason.NOT_PERMITTED),
        ({"action": action("grade"), "resource": resource("a1", "assignment")}, Reason.NO_PLACE),
        (
            {"action": action("grade"), "resource": resource("a1", "assignment", section=NOWHERE)},
            Reason.PLACES_DISAGREE,
        ),
        ({"context": {"role_context": "staff"}}, Reason.ROLE_NOT_HELD),
    ],
)
def test_a_well_formed_question_about_what_nobody_knows_is_denied_with_a_reason(
    change: Json, reason: Reason, service: httpx.Client, sandbox: Sandbox
) -> None:
    """§5.1, §5.2."""
    teacher = sandbox.user("teacher_only")
    sections = sections_of(sandbox)
    asked = question(subject(teacher), action("edit"), resource(sections[0])) | change
    assert ask(service, "evaluation", asked) == {"decision": False, "context": told(reason)}


def test_what_the_caller_says_of_the_subject_gives_nothing(service: httpx.Client, sandbox: Sandbox) -> None:
    """§11.4."""
    sections = sections_of(sandbox)
    claims = {"role": "district_admin", "roles": ["district_admin"], "schools": ["all"]}
    asked = question(subject(sandbox.user("co_teacher"), **claims), action("edit"), resource(sections[0]))
    assert ask(service, "evaluation", asked)["decision"] is False


def test_a_role_context_is_asked_in_the_context(service: httpx.Client, sandbox: Sandbox) -> None:
    teacher = sandbox.user("teacher_only")
    sections = sections_of(sandbox)
    asked = question(subject(teacher), action("edit"), resource(sections[0]), context={"role_context": "teacher"})
    assert ask(service, "evaluation", asked)["decision"] is True


@pytest.mark.parametrize("optional", [{}, {"context": None}, {"context": {}}, {"context": {"a": [None]}}])
def test_the_context_is_optional(optional: Json, service: httpx.Client, sandbox: Sandbox) -> None:
    """§6.1, c-2-2-1."""
    teacher = sandbox.user("teacher_only")
    sections = sections_of(sandbox)
    who, what, where = subject(teacher), action("edit"), resource(sections[0])
    nulls = {"properties": None} if "context" in optional else {}
    asked = question(who | nulls, what | nulls, where | nulls, **optional)
    assert ask(service, "evaluation", asked)["decision"] is True


def test_members_that_the_standard_does_not_name_are_ignored(service: httpx.Client, sandbox: Sandbox) -> None:
    """§10.1.1."""
    teacher = sandbox.user("teacher_only")
    sections = sections_of(sandbox)
    asked = question(
        subject(teacher) | {"email": 1}, action("edit") | {"id": []}, resource(sections[0]) | {"owner": None}, trace={}
    )
    assert ask(service, "evaluation", asked)["decision"] is True


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"subject": None}, "subject must be an object"),
        ({"subject": "alice"}, "subject must be an object"),
        ({"subject": {}}, "subject.type is required"),
        ({"subject": {"type": "user"}}, "subject.id is required"),
        ({"subject": {"type": "user", "id": None}}, "subject.id must be a string"),
        ({"subject": {"type": "user", "id": 7}}, "subject.id must be a string"),
        ({"subject": {"type": ["user"], "id": "a"}}, "subject.type must be a string"),
        ({"subject": {"type": "user", "id": "a", "properties": []}}, "subject.properties must be an object"),
        ({"action": {}}, "action.name is required"),
        ({"action": {"name": True}}, "action.name must be a string"),
        ({"action": {"name": "edit", "properties": "x"}}, "action.properties must be an object"),
        ({"resource": []}, "resource must be an object"),
        ({"resource": {"id": "a"}}, "resource.type is required"),
        ({"resource": {"type": "section", "id": 1.5}}, "resource.id must be a string"),
        ({"context": "now"}, "context must be an object"),
    ],
)
def test_what_is_malformed_is_400_and_says_what_is_wrong(change: Json, message: str, service: httpx.Client) -> None:
    """§5.1, §5.2, §5.3, §10.1.1, c-2-4-6."""
    asked = question(subject("a"), action("edit"), resource("b")) | change
    answer = service.post("/access/v1/evaluation", json=asked)
    assert (answer.status_code, answer.text) == (400, message)


@pytest.mark.parametrize("missing", ["subject", "action", "resource"])
def test_three_entities_are_required(missing: str, service: httpx.Client) -> None:
    """§6.1."""
    asked = question(subject("a"), action("edit"), resource("b"))
    del asked[missing]
    answer = service.post("/access/v1/evaluation", json=asked)
    assert (answer.status_code, answer.text) == (400, f"{missing} is required")


def test_reasons_can_be_turned_off_and_then_nothing_is_null(serve: Serve, sandbox: Sandbox) -> None:
    """§11.5."""
    teacher = sandbox.user("teacher_only")
    sections = sections_of(sandbox)
    service = serve(reasons="off")
    asked = question(subject(teacher), action("edit"), resource(sections[0]))
    assert service.post("/access/v1/evaluation", json=asked).content == b'{"decision":true}'
    wrong = ask(service, "evaluations", {**asked, "evaluations": [{}, {"subject": {"type": "user"}}]})
    error = {"status": 400, "message": "subject.id is required"}
    assert wrong == {"evaluations": [{"decision": True}, {"decision": False, "context": {"error": error}}]}


def test_every_reason_has_words_that_name_nobody() -> None:
    assert set(TEXTS) == set(Reason)
    assert set(get_type_hints(type(TEXTS[Reason.GRANTED]))) == {"admin", "user"}


def test_the_district_is_named_by_the_subject_where_there_are_several(two_worlds: Sandbox, serve: Serve) -> None:
    service = serve(**by_client_id(two_worlds.url, two_worlds.world))
    case = two_worlds.world.cases["teacher_only_in_district_2"]
    section = two_worlds.world.districts[1].sections_of_user[case.user][0].id
    open_question = question(subject(case.user), action("edit"), resource(section))
    named = question(subject(case.user, district=case.district), action("edit"), resource(section))
    refusal = service.post("/access/v1/evaluation", json=open_question)
    assert (refusal.status_code, refusal.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert "several districts" in refusal.text
    assert ask(service, "evaluation", named)["decision"] is True


def test_in_a_subject_search_the_resource_names_the_district(two_worlds: Sandbox, serve: Serve) -> None:
    service = serve(**by_client_id(two_worlds.url, two_worlds.world))
    case = two_worlds.world.cases["teacher_only_in_district_2"]
    section = two_worlds.world.districts[1].sections_of_user[case.user][0].id
    asked = question({"type": "user"}, action("edit"), resource(section, district=case.district))
    assert case.user in {each["id"] for each in ask(service, "search/subject", asked)["results"]}
    open_question = question({"type": "user"}, action("edit"), resource(section))
    assert service.post("/access/v1/search/subject", json=open_question).status_code == 400
