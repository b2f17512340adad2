"""The certification scenario of AuthZEN 1.0: every rule, at every level.

The roster answers as the scenario's fixture asks: roles and schools are Clever's, and no caller is believed about them.
"""

import httpx
import pytest

from tests.api.authzen.conftest import PUBLIC_URL, Json, action, ask, question, record, subject

ALICE, BOB, BOB_ADMIN = subject("alice"), subject("bob"), subject("bob", role="admin")
READ, WRITE = action("read"), action("write")
RECORD_1, RECORD_2 = record("record-1"), record("record-2")
ARCHIVED_1, ARCHIVED_2 = record("record-1", status="archived"), record("record-2", status="archived")

RULES: list[tuple[str, Json, bool]] = [
    ("1", question(ALICE, READ, RECORD_1), True),
    ("2", question(ALICE, WRITE, RECORD_1), True),
    ("3", question(BOB, READ, RECORD_1), True),
    ("4", question(BOB, WRITE, RECORD_1), False),
    ("5 on record-1", question(ALICE, WRITE, ARCHIVED_1), False),
    ("5 on record-2", question(ALICE, WRITE, ARCHIVED_2), False),
    ("6 on record-1", question(BOB_ADMIN, WRITE, ARCHIVED_1), True),
    ("6 on record-2", question(BOB_ADMIN, WRITE, ARCHIVED_2), True),
    ("7", question(ALICE, action("delete", soft=True), RECORD_1), True),
    ("8", question(ALICE, action("delete", soft=False), RECORD_1), False),
]
every_rule = pytest.mark.parametrize(
    ("asked", "decision"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES]
)

CONTEXT: Json = {"time": "2026-11-21T20:00:00Z", "network": {"address": None, "hops": [1, 2.5, "x"]}}


def found(answer: Json) -> set[str]:
    return {each.get("id", each.get("name")) for each in answer["results"]}


@every_rule
def test_basic_each_rule_decides(asked: Json, decision: bool, certified: httpx.Client) -> None:
    assert ask(certified, "evaluation", asked)["decision"] is decision


@every_rule
def test_basic_a_context_and_further_members_change_nothing(
    asked: Json, decision: bool, certified: httpx.Client
) -> None:
    """c-2-2-8, c-2-2-9."""
    more = {key: {**part, "vendor": [1], "properties": {**part.get("properties", {}), "x": {"y": None}}}
            for key, part in asked.items()}  # fmt: skip
    assert ask(certified, "evaluation", {**more, "context": CONTEXT, "trace": "t"})["decision"] is decision


@every_rule
def test_basic_the_order_of_members_means_nothing(asked: Json, decision: bool, certified: httpx.Client) -> None:
    turned = {key: dict(reversed(part.items())) for key, part in reversed(asked.items())}
    assert ask(certified, "evaluation", turned)["decision"] is decision


def test_basic_four_identical_requests_get_the_same_answer(certified: httpx.Client) -> None:
    """c-2-6."""
    assert len({certified.post("/access/v1/evaluation", json=RULES[0][1]).content for _ in range(4)}) == 1


def test_batch_all_rules_at_once_in_the_order_asked(certified: httpx.Client) -> None:
    """c-3-3-1."""
    answer = ask(certified, "evaluations", {"evaluations": [asked for _, asked, _ in RULES]})
    assert [each["decision"] for each in answer["evaluations"]] == [decision for _, _, decision in RULES]


@pytest.mark.parametrize(
    ("semantic", "decisions"),
    [
        ("execute_all", [True, False, True]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
def test_batch_each_semantic(semantic: str, decisions: list[bool], certified: httpx.Client) -> None:
    asked = {
        "resource": RECORD_1,
        "options": {"evaluations_semantic": semantic},
        "evaluations": [
            {"subject": ALICE, "action": WRITE},
            {"subject": BOB, "action": WRITE},
            {"subject": BOB, "action": READ},
        ],
    }
    assert [each["decision"] for each in ask(certified, "evaluations", asked)["evaluations"]] == decisions


SUBJECT_SEARCH = question({"type": "user"}, READ, RECORD_1)
RESOURCE_SEARCH = question(ALICE, READ, {"type": "record"})
ACTION_SEARCH: Json = {"subject": ALICE, "resource": RECORD_1}


@pytest.mark.parametrize(
    ("kind", "asked", "expected"),
    [
        ("subject", SUBJECT_SEARCH, {"alice", "bob"}),
        ("resource", RESOURCE_SEARCH, {"record-1"}),
        ("action", ACTION_SEARCH, {"read", "write"}),
        ("subject", question({"type": "user"}, WRITE, ARCHIVED_2), {"bob"}),
        ("resource", question(BOB_ADMIN, WRITE, {"type": "record"}), {"record-2"}),
        ("action", {"subject": BOB, "resource": ARCHIVED_2}, {"write"}),
    ],
    ids=["S1", "S2", "S3", "S4", "S5", "S6"],
)
def test_search_each_rule_finds(kind: str, asked: Json, expected: set[str], certified: httpx.Client) -> None:
    assert found(ask(certified, f"search/{kind}", asked)) >= expected


def test_search_every_result_is_one_that_an_evaluation_permits(certified: httpx.Client) -> None:
    """§8.1."""
    for named in found(ask(certified, "search/subject", SUBJECT_SEARCH)):
        assert ask(certified, "evaluation", {**SUBJECT_SEARCH, "subject": subject(named)})["decision"]
    for named in found(ask(certified, "search/resource", RESOURCE_SEARCH)):
        assert ask(certified, "evaluation", {**RESOURCE_SEARCH, "resource": record(named)})["decision"]
    for named in found(ask(certified, "search/action", ACTION_SEARCH)):
        assert ask(certified, "evaluation", {**ACTION_SEARCH, "action": action(named)})["decision"]


def test_search_ids_of_what_is_searched_and_stray_actions_are_ignored(certified: httpx.Client) -> None:
    """c-4-2-3, c-4-3-3, §8.6.1."""
    assert found(ask(certified, "search/subject", {**SUBJECT_SEARCH, "subject": subject("nobody")})) >= {"alice", "bob"}
    assert found(ask(certified, "search/resource", {**RESOURCE_SEARCH, "resource": record("none")})) >= {"record-1"}
    assert found(ask(certified, "search/action", {**ACTION_SEARCH, "action": 7})) >= {"read", "write"}


def test_search_pages_follow_their_token_without_the_limit(certified: httpx.Client) -> None:
    """c-4-5-2."""
    first = ask(certified, "search/subject", {**SUBJECT_SEARCH, "page": {"limit": 1}})
    token = first["page"].pop("next_token")
    last = ask(certified, "search/subject", {**SUBJECT_SEARCH, "page": {"token": token}})
    assert token
    assert (first["page"], last["page"]) == ({"count": 1, "total": 2}, {"next_token": "", "count": 1, "total": 2})
    assert found(first) | found(last) == {"alice", "bob"}


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("subject", question({"type": "user"}, READ, record("record-9"))),
        ("subject", question({"type": "user"}, READ, {"type": "spaceship", "id": "x"})),
        ("subject", question({"type": "user"}, action("juggle"), RECORD_1)),
        ("subject", question({"type": "robot"}, READ, RECORD_1)),
        ("resource", question(subject("nobody"), READ, {"type": "record"})),
        ("resource", question(ALICE, READ, {"type": "spaceship"})),
        ("resource", question(ALICE, action("juggle"), {"type": "record"})),
        ("action", {"subject": subject("nobody"), "resource": RECORD_1}),
        ("action", {"subject": {"type": "robot", "id": "r2"}, "resource": RECORD_1}),
        ("action", {"subject": ALICE, "resource": record("record-9")}),
        ("action", {"subject": ALICE, "resource": {"type": "spaceship", "id": "x"}}),
    ],
)
def test_search_for_what_nobody_knows_is_empty_and_no_error(kind: str, asked: Json, certified: httpx.Client) -> None:
    """c-4-6."""
    assert ask(certified, f"search/{kind}", asked)["results"] == []


def test_discovery_tells_the_identifier_and_every_endpoint(certified: httpx.Client) -> None:
    """c-6."""
    assert certified.get("/.well-known/authzen-configuration").json() == {
        "policy_decision_point": PUBLIC_URL,
        "access_evaluation_endpoint": f"{PUBLIC_URL}/access/v1/evaluation",
        "access_evaluations_endpoint": f"{PUBLIC_URL}/access/v1/evaluations",
        "search_subject_endpoint": f"{PUBLIC_URL}/access/v1/search/subject",
        "search_resource_endpoint": f"{PUBLIC_URL}/access/v1/search/resource",
        "search_action_endpoint": f"{PUBLIC_URL}/access/v1/search/action",
    }
