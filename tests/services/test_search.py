"""Searches and decisions agree: each finds exactly what the other grants, over a whole sandbox district."""

from collections.abc import AsyncIterator, Sequence

import pytest

from app.cli.server import in_background
from app.domain.ids import DistrictId
from app.domain.question import Action, Entity, Question
from app.main import default_policy
from app.roster.freshness import Freshness
from app.sandbox.server import create_sandbox
from app.sandbox.world import World, generate
from app.services import search
from app.services.decision_point import DecisionPoint
from app.services.decisions import evaluate
from tests.loaded import from_loaded, loaded_by
from tests.services.conftest import DecisionPoints

WIDE = """
version: 1
rule: {rule}
superset: {{staff: [teacher], district_admin: [staff]}}
aliases: {{classroom: section}}
roles:
  teacher:
    - {{allow: [classroom:view, classroom:edit, student:view], over: sections}}
    - {{allow: [school:view], over: schools, when: {{title: [Classroom Teacher]}}}}
    - {{allow: [user:view], over: self}}
  staff:
    - {{allow: [school:view, section:view, student:view], over: schools}}
    - {{allow: [section:archive], over: schools, when: {{roles: [SchoolTechLead], resource.status: [active]}}}}
  district_admin:
    - {{allow: [district:view, user:view, student:view], over: district}}
  student:
    - {{allow: [section:view], over: sections}}
    - {{allow: [school:view], over: schools}}
    - {{allow: [user:view], over: self}}
  contact:
    - {{allow: [student:view], over: students, unless: {{type: [Emergency]}}}}
"""
POLICIES = {
    "default": default_policy(),
    **{rule: WIDE.format(rule=rule) for rule in ("scoped", "superset", "maximum", "minimum")},
    "dropping": WIDE.format(rule="superset") + "schools: {unconfirmed: drop}\n",
}
ASKED = [
    ("section", "view"),
    ("classroom", "edit"),
    ("section", "archive"),
    ("section", "student:view"),
    ("school", "view"),
    ("student", "view"),
    ("user", "view"),
    ("district", "view"),
    ("district", "section:view"),
]


SMALL = generate(schools=1, teachers=6, students=12)


@pytest.fixture(scope="module", params=POLICIES)
async def pdps(request: pytest.FixtureRequest, pdp_over: DecisionPoints) -> AsyncIterator[Sequence[DecisionPoint]]:
    """One that reads what it needs, and one whose district is loaded: a request to Clever fails its test."""
    with in_background(create_sandbox(SMALL, rate_limit=0)) as url:
        async with pdp_over(url, POLICIES[request.param]) as made:
            yield made, from_loaded(made, await loaded_by(made.roster, DistrictId(SMALL.districts[0].id)))


def question(user: str, action: str, kind: str, resource: str) -> Question:
    return Question(
        Entity("user", user, {}), Action(action, {}), Entity(kind, resource, {"status": "active"}), context={}
    )


def everything(world: World) -> dict[str, list[str]]:
    district = world.districts[0]
    # Whoever is not of the named cases is like somebody who is: a few of them do.
    cases = {case.user for case in world.cases.values()}
    others = [user.id for user in district.all_users if user.id not in cases]
    users = [*sorted(cases), *others[::6]]
    # Of the many sections of one teacher, some are as good as all.
    sections = [section.id for section in (*district.all_sections[:8], *district.all_sections[130:])]
    return {
        "section": sections,
        "classroom": sections,
        "school": [school.id for school in district.all_schools],
        "student": users,
        "user": users,
        "district": [district.id],
    }


@pytest.mark.parametrize(("kind", "action"), ASKED)
async def test_a_search_finds_exactly_what_a_decision_grants_read_one_by_one_or_loaded(
    kind: str, action: str, pdps: Sequence[DecisionPoint]
) -> None:
    pdp, there = pdps[0], everything(SMALL)
    granted = {
        (user, resource)
        for user in there["user"]
        for resource in there[kind]
        if (await evaluate(pdp, question(user, action, kind, resource), Freshness())).held
    }
    for each in pdps:
        found = {
            (user, resource)
            for user in there["user"]
            for resource in (await search.resources(each, question(user, action, kind, ""), Freshness())).results
            if resource in there[kind]
        }
        holders = {
            (user, resource)
            for resource in there[kind]
            for user in (await search.subjects(each, question("", action, kind, resource), Freshness())).results
            if user in there["user"]
        }
        assert found == granted
        assert holders == granted


async def test_an_action_search_finds_exactly_the_actions_that_a_decision_grants(
    pdps: Sequence[DecisionPoint],
) -> None:
    pdp, there = pdps[0], everything(SMALL)
    users = [case.user for case in SMALL.cases.values()]
    resources = [("section", each) for each in there["section"][::9]] + [("school", each) for each in there["school"]]
    for kind, resource in [*resources, ("district", there["district"][0]), ("user", users[2]), ("student", users[0])]:
        names = {name.removeprefix(f"{kind}:") for name in pdp.policy.permissions}
        for user in users:
            granted = {
                name for name in names if (await evaluate(pdp, question(user, name, kind, resource), Freshness())).held
            }
            for each in pdps:
                found = await search.actions(each, question(user, "", kind, resource), Freshness())
                assert set(found.results) == granted
