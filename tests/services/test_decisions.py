"""Decisions over the sandbox: where resources lie, what is read for them, and what the caller's word is worth."""

from collections.abc import Mapping

import pytest

from app.domain.decision import Decision, Reason
from app.domain.errors import CleverLimited, NotCached, RosterguardError
from app.domain.question import Action, Entity, Question
from app.roster.freshness import Freshness
from app.services.decision_point import DecisionPoint
from app.services.decisions import evaluate, evaluate_many, evaluate_until
from app.services.search import subjects
from tests.conftest import Sandbox

NORTH, SOUTH = "66826200160e91311d000000", "66826201160e91311d000001"
FIRST, ELSEWHERE = "66826200f00d2c317a000000", "66826288f00d2c317a000088"
PUPIL, PUPIL_OF_TWO = "668262039155dac234000003", "668262049155dac234000004"
WITHOUT_ROLES = "668262169155dac234000016"
UNKNOWN = "ffffffffffffffffffffffff"


def question(
    user: str, action: str, kind: str, resource: str = "", said: Mapping[str, object] | None = None, **context: object
) -> Question:
    return Question(Entity("user", user, {}), Action(action, {}), Entity(kind, resource, said or {}), context)


@pytest.mark.parametrize(
    ("case", "action", "kind", "resource", "reason"),
    [
        ("teacher_only", "edit", "section", FIRST, Reason.GRANTED),
        ("teacher_only", "edit", "section", ELSEWHERE, Reason.NOT_IN_REACH),
        ("teacher_only", "assignment:grade", "section", FIRST, Reason.GRANTED),
        ("teacher_only", "view", "school", NORTH, Reason.NOT_PERMITTED),
        ("teacher_only", "view", "student", PUPIL, Reason.GRANTED),
        ("teacher_only", "view", "section", UNKNOWN, Reason.UNKNOWN_RESOURCE),
        ("teacher_only", "view", "section", "§1", Reason.UNKNOWN_RESOURCE),
        ("teacher_only", "paint", "section", FIRST, Reason.UNKNOWN_ACTION),
        ("teacher_only", "school:view", "section", FIRST, Reason.NOT_APPLICABLE),
        ("staff_portal_only", "edit", "section", FIRST, Reason.GRANTED),
        ("staff_portal_only", "edit", "section", ELSEWHERE, Reason.NOT_IN_REACH),
        ("staff_portal_only", "view", "student", PUPIL, Reason.GRANTED),
        ("staff_who_also_teach_elsewhere", "view", "student", PUPIL_OF_TWO, Reason.GRANTED),
        ("district_admin_only", "view", "section", ELSEWHERE, Reason.GRANTED),
        ("district_admin_only", "view", "section", UNKNOWN, Reason.UNKNOWN_RESOURCE),
        ("district_admin_only", "view", "student", NORTH, Reason.UNKNOWN_RESOURCE),
        ("district_admin_only", "view", "district", "668262003b3817d87d000000", Reason.GRANTED),
        ("district_admin_only", "view", "district", UNKNOWN, Reason.UNKNOWN_RESOURCE),
        ("contact_of_two", "view", "student", PUPIL, Reason.GRANTED),
        ("contact_of_two", "view", "student", PUPIL_OF_TWO, Reason.NOT_IN_REACH),
        ("emergency_contact", "view", "student", PUPIL, Reason.NOT_PERMITTED),
        ("student_one_school", "view", "user", PUPIL, Reason.GRANTED),
        ("student_one_school", "view", "user", PUPIL_OF_TWO, Reason.NOT_IN_REACH),
        ("user_without_roles", "view", "section", FIRST, Reason.NOT_PERMITTED),
    ],
)
async def test_what_is_decided_of_resources_of_clever(
    case: str, action: str, kind: str, resource: str, reason: Reason, pdp: DecisionPoint, sandbox: Sandbox
) -> None:
    asked = question(sandbox.user(case), action, kind, resource)
    assert await evaluate(pdp, asked, Freshness()) == Decision(reason)
    assert await evaluate(pdp, asked, Freshness()) == Decision(reason)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"section": FIRST}, Reason.GRANTED),
        ({"section": FIRST, "school": NORTH}, Reason.GRANTED),
        ({"section": FIRST, "student": PUPIL}, Reason.GRANTED),
        ({"section": FIRST, "district": "668262003b3817d87d000000"}, Reason.GRANTED),
        ({"student": PUPIL}, Reason.GRANTED),
        ({"section": ELSEWHERE}, Reason.NOT_IN_REACH),
        ({"school": NORTH}, Reason.NOT_IN_REACH),
        ({"section": ELSEWHERE, "student": PUPIL_OF_TWO}, Reason.NOT_IN_REACH),
        ({}, Reason.NO_PLACE),
        ({"section": None, "colour": "red"}, Reason.NO_PLACE),
        ({"section": FIRST, "school": SOUTH}, Reason.PLACES_DISAGREE),
        ({"section": ELSEWHERE, "student": PUPIL}, Reason.PLACES_DISAGREE),
        ({"section": FIRST, "district": UNKNOWN}, Reason.PLACES_DISAGREE),
        ({"section": UNKNOWN}, Reason.PLACES_DISAGREE),
        ({"section": [FIRST]}, Reason.PLACES_DISAGREE),
        ({"student": NORTH}, Reason.PLACES_DISAGREE),
        ({"student": PUPIL, "user": PUPIL_OF_TWO}, Reason.NOT_IN_REACH),
        ({"student": PUPIL, "user": WITHOUT_ROLES}, Reason.PLACES_DISAGREE),
    ],
)
async def test_what_is_decided_of_the_applications_own_resources(
    said: Mapping[str, object], reason: Reason, pdp: DecisionPoint, sandbox: Sandbox
) -> None:
    asked = question(sandbox.user("teacher_only"), "grade", "assignment", "any-id-at-all", said)
    assert await evaluate(pdp, asked, Freshness()) == Decision(reason)


async def test_what_the_caller_says_of_the_subject_or_of_a_known_resource_gives_nothing(
    pdp: DecisionPoint, sandbox: Sandbox
) -> None:
    claims = {"roles": ["district_admin"], "role": "staff", "schools": [SOUTH], "section": FIRST, "school": NORTH}
    asked = Question(
        Entity("user", sandbox.user("teacher_only"), claims),
        Action("edit", {}),
        Entity("section", ELSEWHERE, claims),
        {},
    )
    assert await evaluate(pdp, asked, Freshness()) == Decision(Reason.NOT_IN_REACH)


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (Entity("user", UNKNOWN, {}), Reason.UNKNOWN_SUBJECT),
        (Entity("user", "alice@example.org", {}), Reason.UNKNOWN_SUBJECT),
        (Entity("robot", "668262059155dac234000005", {}), Reason.UNKNOWN_SUBJECT),
        (Entity("user", "668262059155dac234000005", {"district": UNKNOWN}), Reason.UNKNOWN_SUBJECT),
        (Entity("user", "668262059155dac234000005", {"district": "north"}), Reason.UNKNOWN_SUBJECT),
        (Entity("user", "668262059155dac234000005", {"district": 7}), Reason.UNKNOWN_SUBJECT),
        (Entity("user", "668262059155dac234000005", {"district": "668262003b3817d87d000000"}), Reason.GRANTED),
    ],
)
async def test_an_unknown_subject_is_a_denial(subject: Entity, reason: Reason, pdp: DecisionPoint) -> None:
    asked = Question(subject, Action("edit", {}), Entity("section", FIRST, {}), {})
    assert await evaluate(pdp, asked, Freshness()) == Decision(reason)


@pytest.mark.parametrize(
    ("role", "reason"),
    [
        (None, Reason.GRANTED),
        ("staff", Reason.GRANTED),
        ("teacher", Reason.NOT_PERMITTED),
        ("student", Reason.ROLE_NOT_HELD),
        ("principal", Reason.ROLE_NOT_HELD),
        (["staff"], Reason.ROLE_NOT_HELD),
    ],
)
async def test_a_question_may_be_asked_in_a_role_context(
    role: object, reason: Reason, pdp: DecisionPoint, sandbox: Sandbox
) -> None:
    user = sandbox.user("staff_who_also_teach_elsewhere")
    asked = question(user, "view", "school", NORTH, role_context=role)
    assert await evaluate(pdp, asked, Freshness()) == Decision(reason)


async def test_cold_subject_and_resource_are_read_at_once(pdp: DecisionPoint, sandbox: Sandbox) -> None:
    sandbox.app.state.delay_ms = 50
    asked = question(sandbox.user("teacher_only"), "edit", "section", ELSEWHERE)
    await evaluate(pdp, asked, Freshness())
    assert sandbox.requests.total() == 4
    assert sandbox.app.state.most_at_once == 4


async def test_what_the_facts_decide_costs_no_reading(pdp: DecisionPoint, sandbox: Sandbox) -> None:
    user = sandbox.user("teacher_only")
    await evaluate(pdp, question(user, "edit", "section", ELSEWHERE), Freshness())
    sandbox.requests.clear()
    cached = Freshness(only_if_cached=True)
    assert (await evaluate(pdp, question(user, "edit", "section", FIRST), cached)).held
    assert not (await evaluate(pdp, question(user, "view", "school", SOUTH), cached)).held
    assert not (await evaluate(pdp, question(user, "edit", "section", ELSEWHERE), cached)).held
    with pytest.raises(NotCached):
        await evaluate(pdp, question(user, "edit", "section", UNKNOWN), cached)
    assert sandbox.requests.total() == 0


async def test_many_questions_are_answered_in_their_order(pdp: DecisionPoint, sandbox: Sandbox) -> None:
    user = sandbox.user("teacher_only")
    asked = [question(user, "edit", "section", each) for each in (FIRST, ELSEWHERE, UNKNOWN, FIRST)]
    assert await evaluate_many(pdp, asked, Freshness()) == [
        Decision(Reason.GRANTED),
        Decision(Reason.NOT_IN_REACH),
        Decision(Reason.UNKNOWN_RESOURCE),
        Decision(Reason.GRANTED),
    ]
    assert sandbox.requests[f"/v3.1/users/{user}"] == 1


async def test_a_run_ends_with_the_first_that_ends_it(pdp: DecisionPoint, sandbox: Sandbox) -> None:
    def denied(outcome: Decision | RosterguardError) -> bool:
        return not (isinstance(outcome, Decision) and outcome.held)

    user = sandbox.user("teacher_only")
    asked = [question(user, "edit", "section", each) for each in (FIRST, ELSEWHERE, FIRST)]
    outcomes = await evaluate_until(pdp, asked, Freshness(), denied)
    assert outcomes == [Decision(Reason.GRANTED), Decision(Reason.NOT_IN_REACH)]


async def test_a_clever_that_cannot_be_read_is_an_error_and_no_denial(pdp: DecisionPoint, sandbox: Sandbox) -> None:
    known, cold = sandbox.user("teacher_only"), sandbox.user("co_teacher")
    await evaluate(pdp, question(known, "edit", "section", FIRST), Freshness())
    sandbox.app.state.rate_limit = 1
    try:
        questions = [question(user, "edit", "section", FIRST) for user in (cold, cold)]
        for asked in (questions, [question(known, "edit", "section", FIRST), questions[0]]):
            with pytest.raises(CleverLimited):
                await evaluate_many(pdp, asked, Freshness())
    finally:
        sandbox.app.state.rate_limit = 0


async def test_a_search_for_subjects_asks_the_district_that_is_named(pdp: DecisionPoint) -> None:
    def holders(district: object) -> Question:
        return Question(
            Entity("user", "", {"district": district}), Action("edit", {}), Entity("section", FIRST, {}), {}
        )

    found = (await subjects(pdp, holders("668262003b3817d87d000000"), Freshness())).results
    assert "668262059155dac234000005" in found
    assert (await subjects(pdp, holders(None), Freshness())).results == found
    assert (await subjects(pdp, holders(UNKNOWN), Freshness())).results == []
    assert (await subjects(pdp, holders(5), Freshness())).results == []
