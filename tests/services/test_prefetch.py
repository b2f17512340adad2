"""What many questions cost at Clever, and that they are answered as each would be alone."""

import dataclasses
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from app.cache.memory import MemoryCache
from app.cli.server import in_background
from app.domain.callers import ANYONE
from app.domain.decision import Decision, Reason
from app.domain.errors import (
    CallerOverspent,
    CleverError,
    CleverFailed,
    CleverLimited,
    CleverNotJson,
    CleverRefusedToken,
    NotCached,
    RosterguardError,
)
from app.domain.ids import DistrictId
from app.domain.question import Action, Entity, Question
from app.domain.scopes import Scope
from app.main import default_policy
from app.roster.concurrency import outcome_of
from app.roster.freshness import Freshness
from app.roster.single_flight import Fetches
from app.sandbox.faults import Fault, Faults
from app.sandbox.request_counts import RateLimit
from app.sandbox.server import create_sandbox
from app.sandbox.world import generate
from app.services.decision_point import DecisionPoint
from app.services.decisions import evaluate, evaluate_many, evaluate_until
from app.services.permissions import Answer, Subject, permissions_of, permissions_of_many
from app.services.resource_lookup import ResourceLookup
from app.services.search import ListReader
from tests.conftest import MovedClock, Sandbox
from tests.services.conftest import DecisionPoints, know_calendars

BATCH = Freshness(one_of_many=True)
UNKNOWN = "f" * 24
WHO = ("staff", "stranger", "admin", "teacher")


@dataclass
class Town:
    """A district, and a service that knows nobody of it yet."""

    sandbox: Sandbox
    pdp: DecisionPoint

    def __post_init__(self) -> None:
        self.here = self.sandbox.world.districts[0]
        sections = self.here.sections.values()
        self.school = max(self.here.schools, key=lambda one: sum(each.school == one for each in sections))

    def who(self, called: str) -> str:
        """A staff member of the school, one of another, an admin of the district, or a teacher of the school."""
        role = {"staff": "staff", "stranger": "staff", "admin": "district_admin"}.get(called, "teacher")
        for user in self.here.users.values():
            held = user.roles.get(role)
            if set(user.roles) != {role} or held is None:
                continue
            schools = {*user.ids_in(role, "school"), *user.ids_in(role, "schools")}
            if called == "admin" or (len(schools) == 1 and (self.school in schools) is (called != "stranger")):
                return user.id
        raise AssertionError

    def sections(self, school: str | None = None) -> list[str]:
        return [each.id for each in self.here.sections.values() if school in {None, each.school}]

    def students(self, school: str | None = None) -> list[str]:
        held = {user.id: user.roles.get("student") for user in self.here.users.values()}
        return [user for user, role in held.items() if role and school in {None, role.get("school")}]

    async def costs(self, questions: Sequence[Question], freshness: Freshness = BATCH) -> int:
        self.sandbox.requests.clear()
        outcomes = await evaluate_many(self.pdp, questions, freshness)
        assert all(isinstance(outcome, Decision) for outcome in outcomes)
        return self.sandbox.requests.total()


def asking(who: str, kind: str, ids: Sequence[str], action: str = "view") -> list[Question]:
    subject = Entity("user", who, {})
    return [Question(subject, Action(action, {}), Entity(kind, each, {}), {}) for each in ids]


Towns = Callable[..., AbstractAsyncContextManager[DecisionPoint]]


@pytest.fixture(scope="module")
def running_city() -> Iterator[Sandbox]:
    world = generate(schools=30, teachers=400, students=10_000)
    app = create_sandbox(world, rate_limit=0)
    with in_background(app) as url:
        yield Sandbox(url, app, world)


@pytest.fixture
async def city(running_city: Sandbox, pdp_over: DecisionPoints) -> AsyncIterator[Town]:
    async with pdp_over(running_city.url, default_policy()) as pdp:
        await know_calendars(pdp)
        yield Town(running_city, pdp)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("kind", ["section", "student"])
async def test_a_hundred_of_one_school_cost_at_most_eight_requests(
    who: str, kind: str, sandbox: Sandbox, pdp: DecisionPoint
) -> None:
    town = Town(sandbox, pdp)
    ids = town.sections(town.school) if kind == "section" else town.students(town.school)
    assert len(ids) >= 100
    assert await town.costs(asking(town.who(who), kind, ids[:100])) <= 8


@pytest.mark.parametrize(
    ("who", "kind"), [(who, kind) for who in WHO for kind in ("section", "student") if who + kind != "strangerstudent"]
)
async def test_so_they_do_in_a_large_district(who: str, kind: str, city: Town) -> None:
    ids = city.sections(city.school)[:100] if kind == "section" else city.students(city.school)[:100]
    assert await city.costs(asking(city.who(who), kind, ids)) <= 8


@pytest.mark.parametrize("who", ["teacher", "admin"])
@pytest.mark.parametrize("named", ["section", "student", "user"])
async def test_so_do_things_of_the_application_that_lie_there(named: str, who: str, city: Town) -> None:
    ids = city.sections(city.school)[:100] if named == "section" else city.students(city.school)[:100]
    whose = Entity("user", city.who(who), {})
    questions = [Question(whose, Action("grade", {}), Entity("assignment", "a", {named: each}), {}) for each in ids]
    assert await city.costs(questions) <= 8


async def test_so_do_a_hundred_users_of_one_school(city: Town) -> None:
    city.sandbox.requests.clear()
    people = [Subject(student) for student in city.students(city.school)[:100]]
    answers = await permissions_of_many(city.pdp, people, BATCH, lambda *_: b"")
    assert all(isinstance(answer, Answer) for answer in answers)
    assert city.sandbox.requests.total() <= 8


async def test_ten_thousand_of_a_district_cost_at_most_twenty_requests(city: Town) -> None:
    ids = city.students()
    assert len(ids) >= 10_000
    assert await city.costs(asking(city.who("admin"), "student", ids[:10_000])) <= 20


async def test_six_hundred_students_and_what_is_not_there_cost_no_more(sandbox: Sandbox, pdp: DecisionPoint) -> None:
    town = Town(sandbox, pdp)
    admin = town.who("admin")
    assert await town.costs(asking(admin, "student", town.students())) <= 8
    nobody = [f"{number:024x}" for number in range(100)]
    for kind in ("student", "section", "school", "user"):
        assert await town.costs(asking(admin, kind, nobody)) <= 2
        assert await town.costs(asking(admin, kind, nobody)) == 0


async def test_many_subjects_are_read_by_lists_too(sandbox: Sandbox, pdp: DecisionPoint) -> None:
    town = Town(sandbox, pdp)
    users = [user.id for user in town.here.all_users[:300]]
    questions = [question for user in users for question in asking(user, "section", [town.sections()[0]])]
    assert await town.costs(questions) <= 3


async def test_a_run_reads_ahead_once_it_did_not_end_with_the_first_few(sandbox: Sandbox, pdp: DecisionPoint) -> None:
    town = Town(sandbox, pdp)
    ids = [*town.sections(town.school)][:100]
    questions = asking(town.who("admin"), "section", ids)
    town.sandbox.requests.clear()
    assert len(await evaluate_until(town.pdp, questions, BATCH, lambda _: True)) == 1
    assert town.sandbox.requests.total() == 3 + 1
    assert len(await evaluate_until(town.pdp, questions, BATCH, lambda _: False)) == 100
    assert town.sandbox.requests.total() <= 3 + 1 + 3 + 1


def some_questions(town: Town, chance: random.Random) -> list[Question]:
    """Questions of every kind about everything, some of which is not there."""
    users = [user.id for user in town.here.all_users]
    ids = {
        "section": town.sections(),
        "school": [*town.here.schools],
        "student": [*town.students(), *chance.sample(users, 20)],
        "user": users,
        "district": [town.here.id],
    }

    def any_of(kind: str) -> str:
        return chance.choice([chance.choice(ids[kind])] * 9 + [chance.choice([UNKNOWN, "§", chance.choice(users)])])

    def question() -> Question:
        kind = chance.choice([*ids, "assignment", "assignment"])
        named: Mapping[str, object] = {}
        if kind == "assignment":
            named = {each: any_of(each) for each in ids if chance.random() < 0.35 and each != "district"}
        resource = Entity(kind, any_of(kind) if kind in ids else "anything", named)
        action = chance.choice(["view", "edit", "grade", "assignment:grade", "student:view"])
        return Question(Entity("user", chance.choice(few), {}), Action(action, {}), resource, {})

    few = [*chance.sample(users, 30), *(town.who(each) for each in WHO for _ in range(10)), UNKNOWN]
    return [question() for _ in range(300)]


@pytest.mark.parametrize(("page_limit", "seed"), [(2000, 1), (2000, 2), (50, 3), (20, 4)])
async def test_many_are_decided_as_each_is_alone(
    page_limit: int, seed: int, sandbox: Sandbox, pdp_over: DecisionPoints
) -> None:
    chance = random.Random(seed)  # noqa: S311 -- nothing secret
    async with pdp_over(sandbox.url, default_policy(), page_limit=page_limit) as pdp:
        town = Town(sandbox, pdp)
        # A student may learn where none of their own schools is, and a section may move.
        for section in chance.sample(town.sections(), 30):
            students = chance.sample(town.students(), 5)
            school = chance.choice([*town.here.schools])
            sandbox.app.state.world.change("sections", section, students=students, school=school)
        questions = some_questions(town, chance)
        many = await evaluate_many(pdp, questions, BATCH)
    async with pdp_over(sandbox.url, default_policy()) as pdp:
        alone = [await evaluate(pdp, question, Freshness()) for question in questions]
    assert many == alone
    assert len(set(alone)) >= 6


@pytest.mark.parametrize("policy", ["", "\nschools: {unconfirmed: drop}\n"])
async def test_many_users_are_answered_as_each_is_alone(
    policy: str, sandbox: Sandbox, pdp_over: DecisionPoints
) -> None:
    users = [Subject(user.id) for user in sandbox.world.districts[0].all_users[:150]]
    users += [Subject(UNKNOWN), Subject("§")]

    def rendered(held: object, stale: object) -> bytes:
        return repr((held, stale)).encode()

    async with pdp_over(sandbox.url, default_policy() + policy) as pdp:
        await know_calendars(pdp)
        sandbox.requests.clear()
        many = await permissions_of_many(pdp, users, BATCH, rendered)
        cost = sandbox.requests.total()
    async with pdp_over(sandbox.url, default_policy() + policy) as pdp:
        for user, answer in zip(users, many, strict=True):
            alone = await outcome_of(permissions_of(pdp, user, Freshness(), rendered))
            assert told(answer) == told(alone)
    assert policy or cost <= 3


def told(outcome: Answer | RosterguardError) -> object:
    return outcome.rendered.body if isinstance(outcome, Answer) else type(outcome)


@pytest.mark.parametrize("page_limit", [2000, 20])
async def test_a_search_in_many_places_finds_by_lists_of_the_district_what_lists_of_each_tell(
    page_limit: int, sandbox: Sandbox, pdp_over: DecisionPoints
) -> None:
    async with pdp_over(sandbox.url, default_policy(), page_limit=page_limit) as pdp:
        town = Town(sandbox, pdp)
        places = {(Scope.SCHOOL, school) for school in town.here.schools}
        places |= {(Scope.SECTION, section) for section in town.sections()[::40]}
        assert len(places) > 6
        list_reader = ListReader(ResourceLookup(pdp, DistrictId(town.here.id), BATCH))
        for scope in (Scope.SECTION, Scope.STUDENT):
            sandbox.requests.clear()
            found = await list_reader.lying_in(places, scope)
            cost = sandbox.requests.total()
            one_by_one = [await list_reader.lying_in([place], scope) for place in places]
            assert found == set().union(*one_by_one)
            assert page_limit == 20 or cost <= 4


async def test_what_a_list_says_is_as_old_as_the_list(clock: MovedClock, sandbox: Sandbox, pdp: DecisionPoint) -> None:
    town = Town(sandbox, pdp)
    district, sections = DistrictId(town.here.id), town.sections(town.school)[:20]
    questions = asking(town.who("staff"), "section", sections)
    await town.costs(questions)
    began = clock()
    clock.move(100)
    assert await town.costs(questions) == 0
    held = town.pdp.roster.store.find("section", district, sections[0])
    assert held is not None
    assert held.began == began
    # Others of the same list need no reading while it is fresh.
    assert await town.costs(asking(town.who("staff"), "section", town.sections(town.school)[20:40])) == 0
    clock.move(201)
    assert 0 < await town.costs(questions) <= 8


@pytest.mark.parametrize("freshness", [replace(BATCH, no_cache=True), replace(BATCH, max_age=50)])
async def test_what_is_asked_anew_is_read_anew_by_lists(
    freshness: Freshness, clock: MovedClock, sandbox: Sandbox, pdp: DecisionPoint
) -> None:
    town = Town(sandbox, pdp)
    questions = asking(town.who("staff"), "section", town.sections(town.school)[:50])
    await town.costs(questions)
    clock.move(100)
    moved = town.sections(town.school)[0]
    elsewhere = next(school for school in town.here.schools if school != town.school)
    town.sandbox.app.state.world.change("sections", moved, school=elsewhere)
    assert (await evaluate_many(town.pdp, questions, BATCH))[0] == Decision(Reason.GRANTED)
    assert 0 < await town.costs(questions, replace(freshness, asked_at=clock())) <= 8
    assert (await evaluate_many(town.pdp, questions, BATCH))[0] == Decision(Reason.NOT_IN_REACH)


async def test_a_student_who_was_on_a_list_needs_no_fetch_while_that_is_fresh(
    clock: MovedClock, sandbox: Sandbox, pdp: DecisionPoint
) -> None:
    town = Town(sandbox, pdp)
    questions = asking(town.who("staff"), "student", town.students(town.school)[:20])
    await town.costs(questions)
    clock.move(299)
    assert await town.costs(questions) == 0
    town.sandbox.requests.clear()
    assert (await evaluate(town.pdp, questions[0], Freshness())).held
    assert town.sandbox.requests.total() == 0
    gone = questions[0].resource.id
    town.sandbox.app.state.world.remove("users", gone)
    whoever = asking(gone, "section", town.sections()[:1])[0]
    assert (await evaluate(town.pdp, whoever, Freshness())).reason == "unknown_subject"
    assert (await evaluate(town.pdp, questions[0], Freshness())).reason == "unknown_resource"
    clock.move(2)
    assert await town.costs(questions) > 0


async def test_only_the_cache_may_answer_what_no_list_is_read_for(sandbox: Sandbox, pdp: DecisionPoint) -> None:
    town = Town(sandbox, pdp)
    questions = asking(town.who("staff"), "section", town.sections(town.school)[:50])
    with pytest.raises(NotCached):
        await evaluate_many(town.pdp, questions, replace(BATCH, only_if_cached=True))


async def test_what_was_not_there_is_looked_for_again_after_ten_seconds(
    clock: MovedClock, sandbox: Sandbox, pdp: DecisionPoint
) -> None:
    town = Town(sandbox, pdp)
    new, *old = town.sections()[:60]
    town.sandbox.app.state.world.remove("sections", new)
    admin = town.who("admin")
    assert (await evaluate_many(town.pdp, asking(admin, "section", [new, *old]), BATCH))[0].reason == "unknown_resource"  # type: ignore[union-attr]
    town.sandbox.app.state.world.reset()
    clock.move(11)
    questions = asking(admin, "section", [new, *town.sections()[60:120], *(f"{each:024x}" for each in range(9))])
    assert [one == Decision(Reason.GRANTED) for one in await evaluate_many(town.pdp, questions, BATCH)] == (
        [True] * 61 + [False] * 9
    )


async def test_what_a_list_lacks_that_another_reading_has_found_gone_since_is_gone(
    clock: MovedClock, sandbox: Sandbox, pdp: DecisionPoint
) -> None:
    town = Town(sandbox, pdp)
    sections, admin = town.sections()[:20], town.who("admin")
    await town.costs(asking(admin, "section", town.sections()[20:40]))
    clock.move(1)
    town.sandbox.app.state.world.remove("sections", sections[0])
    assert (await evaluate(town.pdp, asking(admin, "section", sections)[0], Freshness())).reason == "unknown_resource"
    assert (await evaluate_many(town.pdp, asking(admin, "section", sections), BATCH))[0] == Decision(
        Reason.UNKNOWN_RESOURCE
    )


async def test_where_lists_cannot_be_read_each_is_read_alone(sandbox: Sandbox, pdp: DecisionPoint) -> None:
    town = Town(sandbox, pdp)
    lists = [Fault(path=path, kind="html") for path in ("/v3.1/sections", "/v3.1/schools/*/sections")]
    town.sandbox.app.state.faults.put(Faults(faults=tuple(lists)))
    questions = asking(town.who("admin"), "section", town.sections()[:20])
    assert set(await evaluate_many(town.pdp, questions, BATCH)) == {Decision(Reason.GRANTED)}


async def test_a_district_whose_token_is_refused_is_not_read_on(sandbox: Sandbox, pdp: DecisionPoint) -> None:
    town = Town(sandbox, pdp)
    admin = town.who("admin")
    await town.costs(asking(admin, "district", [town.here.id]))
    town.sandbox.app.state.faults.put(Faults(faults=(Fault(path="/v3.1/*", kind="status", status=401),)))
    town.sandbox.requests.clear()
    with pytest.raises(CleverRefusedToken):
        await evaluate_many(town.pdp, asking(admin, "student", town.students()[:100]), BATCH)
    people = [Subject(admin), *map(Subject, town.students()[:99])]
    cached, *answers = await permissions_of_many(town.pdp, people, BATCH, lambda *_: b"")
    assert isinstance(cached, Answer)
    assert all(isinstance(answer, CleverRefusedToken) for answer in answers)
    assert town.sandbox.requests.total() <= 8


async def test_what_cannot_be_afforded_is_one_error_for_all(sandbox: Sandbox, pdp: DecisionPoint) -> None:
    town = Town(sandbox, pdp)
    town.sandbox.app.state.rate_limit = 4
    questions = asking(town.who("admin"), "section", town.sections()[:100])
    try:
        with pytest.raises(CleverLimited):
            await evaluate_many(town.pdp, [*questions, *asking(town.who("staff"), "student", town.students())], BATCH)
        with pytest.raises(CleverLimited):
            await evaluate_until(town.pdp, asking(UNKNOWN, "section", town.sections()[:5]), BATCH, lambda _: False)
        with pytest.raises(CleverLimited):
            await permissions_of_many(
                town.pdp, [Subject(user.id) for user in town.here.all_users[:50]], BATCH, lambda *_: b""
            )
    finally:
        town.sandbox.app.state.rate_limit = 0


async def test_requests_that_would_not_suffice_are_not_begun_to_be_spent(sandbox: Sandbox, pdp: DecisionPoint) -> None:
    town = Town(sandbox, pdp)
    lists = [Fault(path=path, kind="html") for path in ("/v3.1/sections", "/v3.1/schools/*", "/v3.1/users")]
    town.sandbox.app.state.faults.put(Faults(faults=tuple(lists)))
    town.sandbox.app.state.rate_limit, town.sandbox.app.state.limit = 100, RateLimit(lambda: 1_000_000_020.0)
    admin, sections = town.who("admin"), town.sections()
    caller = Freshness(one_of_many=True, caller=dataclasses.replace(ANYONE, digest=b"ann"))
    try:
        assert len(await evaluate_many(town.pdp, asking(admin, "section", sections[:30]), caller)) == 30
        for asked in (asking(admin, "section", sections[30:70]), asking(admin, "student", town.students()[:15])):
            town.sandbox.requests.clear()
            with pytest.raises(CallerOverspent):
                await evaluate_many(town.pdp, asked, caller)
            assert town.sandbox.requests.total() <= 8
        assert (await evaluate(town.pdp, asking(admin, "section", sections[80:])[0], caller)).held
    finally:
        town.sandbox.app.state.rate_limit, town.sandbox.app.state.limit = 0, RateLimit(time.time)


async def test_records_that_cannot_be_read_are_errors_where_they_are_asked_about_however_many(
    sandbox: Sandbox, pdp: DecisionPoint
) -> None:
    town = Town(sandbox, pdp)
    odd = [Fault(path=path, kind="html") for path in ("/v3.1/sections*", "/v3.1/schools/*/sections")]
    town.sandbox.app.state.faults.put(Faults(faults=tuple(odd)))
    admin, sections = town.who("admin"), town.sections()[:20]
    questions = [*asking(admin, "section", sections), *asking(admin, "student", town.students()[:20])]
    outcomes = await evaluate_many(town.pdp, questions, BATCH)
    assert [isinstance(outcome, CleverNotJson) for outcome in outcomes] == [True] * 20 + [False] * 20


async def test_an_outage_in_the_middle_is_one_error_and_no_hundred_denials(
    sandbox: Sandbox, pdp: DecisionPoint
) -> None:
    town = Town(sandbox, pdp)
    known, cold = town.sections()[:20], town.sections()[20:60]
    admin = town.who("admin")
    await town.costs(asking(admin, "section", known))
    roster = town.pdp.roster
    store = dataclasses.replace(roster.store, places=MemoryCache(most=10, keep_seconds=300, clock=roster.clock))
    roster = dataclasses.replace(roster, store=store, fetches=Fetches(roster.clever, store))
    town.pdp = dataclasses.replace(town.pdp, roster=roster)
    town.sandbox.app.state.faults.put(Faults(faults=(Fault(path="*", kind="status", status=500),)))
    with pytest.raises(CleverError) as outage:
        await evaluate_many(town.pdp, [*asking(admin, "fly", known), *asking(admin, "section", cold)], BATCH)
    assert isinstance(outage.value, CleverFailed) or outage.value.outcome == "barred"
    assert not isinstance(outage.value, CallerOverspent)
