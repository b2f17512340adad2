"""What is answered from a district that is loaded as a whole, and when Clever is asked nevertheless."""

import asyncio
from dataclasses import replace

import httpx
import pytest

from app.api.permissions import rendered
from app.domain.calendar import Calendar
from app.domain.errors import CleverRefusedToken, CleverUnreachable, UserUnknown
from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import DistrictId, SectionId, UserId
from app.domain.places import Section
from app.domain.question import Action, Entity, Question
from app.domain.serialization import PackedFacts, packed, unpacked
from app.domain.snapshot import Rendered, Snapshot
from app.roster.district import AsOf, District, Whom
from app.roster.freshness import Freshness
from app.services.decision_point import DecisionPoint
from app.services.decisions import evaluate_many
from app.services.permissions import Subject, permissions_of
from app.services.search import resources, subjects
from tests.conftest import MovedClock, Sandbox
from tests.loaded import from_loaded, loaded_by
from tests.services.counting import ANN, NORTH, Asked
from tests.services.test_shared import both_by
from tests.waiting import settled

TEACHER = Facts(ANN, NORTH, (HeldRole(Role.TEACHER, (Standing(fields=(("title", ("dean",)),)),)),))
DEAN = Facts(ANN, NORTH, (HeldRole(Role.STAFF),))
STUDENT = Facts(ANN, NORTH, (HeldRole(Role.STUDENT),))
ANEW = Freshness(no_cache=True)


def now(asked: Asked) -> AsOf:
    return AsOf(asked.clock(), asked.roster.store.wall())


def loaded(asked: Asked, *people: Facts, whom: Whom = Whom.EVERYONE) -> District:
    district = District(NORTH, whom, now(asked))
    for person in people:
        district.put_person(person)
    asked.roster.store.put_district(district)
    return district


def facts_in(snapshot: Snapshot[PackedFacts]) -> Facts:
    return unpacked(snapshot.facts)


async def test_everybody_of_a_loaded_district_is_answered_alike_without_a_request(
    pdp: DecisionPoint, sandbox: Sandbox
) -> None:
    district = DistrictId(sandbox.district)
    from_memory = from_loaded(pdp, await loaded_by(pdp.roster, district))
    for case in sandbox.world.cases.values():
        subject = Subject(case.user)
        try:
            alone = await permissions_of(pdp, subject, Freshness(), rendered)
        except UserUnknown:
            with pytest.raises(UserUnknown):
                await permissions_of(from_memory, subject, Freshness(), rendered)
        else:
            at_once = await permissions_of(from_memory, subject, Freshness(), rendered)
            assert at_once.rendered.body == alone.rendered.body


async def test_a_batch_is_decided_alike_without_a_request(pdp: DecisionPoint, sandbox: Sandbox) -> None:
    from_memory = from_loaded(pdp, await loaded_by(pdp.roster, DistrictId(sandbox.district)))
    there, users = sandbox.world.districts[0], sorted({case.user for case in sandbox.world.cases.values()})
    resources = [("section", section.id) for section in there.all_sections[:6]]
    resources += [("school", school.id) for school in there.all_schools] + [("student", user) for user in users]
    questions = [
        Question(Entity("user", user, {}), Action("view", {}), Entity(kind, named, {}), context={})
        for user in users[::2]
        for kind, named in resources
    ]
    assert await evaluate_many(from_memory, questions, Freshness()) == await evaluate_many(pdp, questions, Freshness())


async def test_whoever_is_missing_where_everybody_is_loaded_is_unknown_without_a_request(asked: Asked) -> None:
    loaded(asked)
    with pytest.raises(UserUnknown):
        await asked.snapshot()
    assert asked.clever.snapshots == 0


async def test_whoever_is_missing_where_staff_is_loaded_is_read_alone(asked: Asked) -> None:
    loaded(asked, STUDENT, whom=Whom.STAFF)
    asked.clever.facts_given = STUDENT
    assert facts_in(await asked.snapshot()) == STUDENT
    assert asked.clever.snapshots == 1


async def test_what_was_read_alone_later_is_not_undone_by_the_next_look_for_events(
    asked: Asked, clock: MovedClock
) -> None:
    district = loaded(asked, TEACHER)
    asked.clever.facts_given = STUDENT
    assert facts_in(await asked.snapshot()) == TEACHER
    clock.move(10)
    assert facts_in(await asked.snapshot(ANEW)) == STUDENT
    assert facts_in(await asked.snapshot()) == STUDENT
    clock.move(10)
    district.as_of = now(asked)
    assert facts_in(await asked.snapshot()) == STUDENT
    assert asked.clever.snapshots == 1
    clock.move(asked.roster.fresh_seconds)
    district.as_of = now(asked)
    assert facts_in(await asked.snapshot()) == STUDENT
    assert asked.clever.snapshots == 2


async def test_whoever_was_found_gone_later_is_not_brought_back_by_the_next_look_for_events(
    asked: Asked, clock: MovedClock
) -> None:
    district = loaded(asked, TEACHER)
    clock.move(5)
    asked.clever.error = UserUnknown()
    with pytest.raises(UserUnknown):
        await asked.snapshot(ANEW)
    for seconds in (1, 3600):
        clock.move(seconds)
        district.as_of = now(asked)
        with pytest.raises(UserUnknown):
            await asked.snapshot()


async def test_what_was_read_alone_gives_way_to_an_event_to_another_load_and_to_a_reading_that_says_the_same(
    asked: Asked, clock: MovedClock
) -> None:
    district = loaded(asked, TEACHER)
    asked.clever.facts_given = STUDENT
    await asked.snapshot(ANEW)
    district.put_person(DEAN)
    assert facts_in(await asked.snapshot()) == DEAN
    clock.move(1)
    assert facts_in(await asked.snapshot(ANEW)) == STUDENT
    clock.move(1)
    district = loaded(asked, TEACHER)
    assert facts_in(await asked.snapshot()) == TEACHER
    clock.move(1)
    for facts in (STUDENT, TEACHER):
        asked.clever.facts_given = facts
        await asked.snapshot(ANEW)
    assert not district.read_since


async def test_an_event_that_comes_while_a_user_is_read_alone_is_the_newer(asked: Asked, clock: MovedClock) -> None:
    district = loaded(asked, TEACHER)
    asked.clever.let.clear()
    asked.clever.facts_given = STUDENT
    clock.move(1)
    reading = asyncio.create_task(asked.snapshot(ANEW))
    await settled(lambda: asked.clever.snapshots == 1)
    district.put_person(DEAN)
    asked.clever.let.set()
    await reading
    clock.move(1)
    district.as_of = now(asked)
    assert facts_in(await asked.snapshot()) == DEAN


async def test_a_district_that_is_too_old_is_no_answer_while_clever_can_be_read(
    asked: Asked, clock: MovedClock
) -> None:
    loaded(asked, TEACHER)
    asked.clever.facts_given = STUDENT
    clock.move(asked.roster.fresh_seconds - 1)
    assert facts_in(await asked.snapshot()) == TEACHER
    assert facts_in(await asked.snapshot(Freshness(max_age=10))) == STUDENT
    clock.move(asked.roster.fresh_seconds + 1)
    assert facts_in(await asked.snapshot()) == STUDENT


async def test_an_answer_is_as_recent_as_the_district_and_kept_until_something_changes_it(
    asked: Asked, clock: MovedClock
) -> None:
    district = loaded(asked, TEACHER)
    kept = (await asked.snapshot()).keep(Rendered.of(b"{}", "what may Ann do?"))
    clock.move(100)
    assert asked.roster.age_of(await asked.snapshot()) == 100
    district.as_of = now(asked)
    snapshot = await asked.snapshot()
    assert asked.roster.age_of(snapshot) == 0
    assert snapshot.answer("what may Ann do?") is kept
    district.put_section(Section(SectionId("algebra"), NORTH, None, (), (ANN,)))
    snapshot = await asked.snapshot()
    assert snapshot.answer("what may Ann do?") is None
    assert snapshot.facts != packed(TEACHER)
    district.drop_person(ANN)
    with pytest.raises(UserUnknown):
        await asked.snapshot()


async def test_the_calendar_is_that_of_the_district_until_an_event_changes_it(asked: Asked) -> None:
    district = loaded(asked, TEACHER)
    district.put_calendar(Calendar("running", terms=()))
    assert (await asked.roster.calendar(NORTH, Freshness())).facts.state == "running"
    district.put_calendar(Calendar("paused", terms=()))
    assert (await asked.roster.calendar(NORTH, Freshness())).facts.state == "paused"
    district.drop_calendar()
    asked.clever.calendar_given = Calendar("pending", terms=())
    assert (await asked.roster.calendar(NORTH, Freshness())).facts.state == "pending"


async def test_a_new_load_that_finds_the_same_keeps_the_answers(asked: Asked, clock: MovedClock) -> None:
    loaded(asked, TEACHER)
    kept = (await asked.snapshot()).keep(Rendered.of(b"{}", "what may Ann do?"))
    clock.move(10)
    loaded(asked, TEACHER)
    assert (await asked.snapshot()).answer("what may Ann do?") is kept
    clock.move(10)
    loaded(asked, STUDENT)
    assert facts_in(await asked.snapshot()) == STUDENT


async def test_a_change_of_a_user_who_is_not_loaded_drops_what_was_read_of_them_alone(asked: Asked) -> None:
    district = loaded(asked, whom=Whom.STAFF)
    asked.clever.facts_given = STUDENT
    await asked.snapshot()
    district.put_section(Section(SectionId("algebra"), NORTH, None, (ANN,)))
    await asked.snapshot()
    assert asked.clever.snapshots == 2


async def test_a_change_of_a_user_who_is_not_loaded_outdates_what_others_have_read_and_what_is_being_read(
    clock: MovedClock,
) -> None:
    both = both_by(clock)
    district = loaded(both.here, whom=Whom.STAFF)
    await both.read_there(STUDENT)
    both.here.clever.facts_given, both.here.clever.let = STUDENT, asyncio.Event()
    reading = both.here.reading_under_way(ANEW)
    await settled(lambda: both.here.clever.snapshots)
    clock.move(1)
    district.put_section(Section(SectionId("algebra"), NORTH, None, (ANN,)))
    both.here.clever.let.set()
    await reading
    both.here.clever.facts_given = now_known = Facts(ANN, NORTH, (HeldRole(Role.CONTACT, (Standing(),)),))
    assert facts_in(await both.here.snapshot()) == now_known


async def test_whoever_was_unknown_and_is_not_loaded_is_known_at_once_with_an_event(asked: Asked) -> None:
    district = loaded(asked, whom=Whom.STAFF)
    asked.clever.error = UserUnknown()
    with pytest.raises(UserUnknown):
        await asked.snapshot()
    asked.clever.error, asked.clever.facts_given = None, STUDENT
    district.put_person(STUDENT)
    assert facts_in(await asked.snapshot()) == STUDENT


async def test_a_token_that_is_accepted_for_events_lets_older_facts_answer_again_while_clever_fails(
    asked: Asked, clock: MovedClock
) -> None:
    district = loaded(asked, TEACHER)
    asked.clever.error = CleverRefusedToken("revoked")
    with pytest.raises(CleverRefusedToken):
        await asked.snapshot(ANEW)
    clock.move(1)
    district.as_of = now(asked)
    asked.clever.error = CleverUnreachable("down")
    clock.move(asked.roster.fresh_seconds + 1)
    assert (await asked.snapshot()).stale == "unreachable"


async def test_a_search_finds_staff_as_events_left_them_where_students_are_listed_by_clever(
    pdp: DecisionPoint, sandbox: Sandbox
) -> None:
    district = await loaded_by(pdp.roster, DistrictId(sandbox.district), Whom.STAFF)
    pdp.roster.store.put_district(district)
    teacher, section = next((each.taught_by[0], each) for each in sandbox.world.districts[0].all_sections)
    viewers = Question(Entity("user", "", {}), Action("view", {}), Entity("section", section.id, {}), context={})
    found = (await subjects(pdp, viewers, Freshness())).results
    assert {teacher, section.students[0]} <= set(found)
    district.drop_person(UserId(teacher))
    assert (await subjects(pdp, viewers, Freshness())).results == [user for user in found if user != teacher]


async def test_a_list_of_people_who_are_not_loaded_is_read_again_once_an_event_told_of_one_of_them(
    pdp: DecisionPoint, sandbox: Sandbox, clock: MovedClock
) -> None:
    district = await loaded_by(pdp.roster, DistrictId(sandbox.district), Whom.STAFF)
    pdp.roster.store.put_district(district)
    section = next(each for each in sandbox.world.districts[0].all_sections if each.students)
    student = UserId(section.students[0])
    viewers = Question(Entity("user", "", {}), Action("view", {}), Entity("section", section.id, {}), context={})
    found = (await subjects(pdp, viewers, Freshness())).results
    assert student in found
    fewer = {"students": list(section.students[1:])}
    await asyncio.to_thread(httpx.patch, f"{sandbox.url}/_sandbox/sections/{section.id}", json=fewer)
    clock.move(1)
    assert (await subjects(pdp, viewers, Freshness())).results == found
    known = district.section(section.id)
    assert known is not None
    district.put_section(replace(known, students=known.students[1:]))
    assert (await subjects(pdp, viewers, Freshness())).results == [user for user in found if user != student]


@pytest.mark.parametrize("whom", Whom)
async def test_what_lies_in_many_places_is_found_where_it_is_loaded_and_where_it_has_to_be_read(
    pdp: DecisionPoint, sandbox: Sandbox, whom: Whom
) -> None:
    teacher = sandbox.user("teacher_of_many_sections")
    taught = sandbox.world.districts[0].sections_of_user[teacher]
    pdp.roster.store.put_district(await loaded_by(pdp.roster, DistrictId(sandbox.district), whom))
    lying = {
        "section": {section.id for section in taught},
        "student": {student for section in taught for student in section.students},
    }
    for kind, wanted in lying.items():
        visible = Question(Entity("user", teacher, {}), Action("view", {}), Entity(kind, "", {}), context={})
        for freshness in (ANEW, Freshness()):
            assert {*(await resources(pdp, visible, freshness)).results} == wanted


async def test_a_district_that_is_no_longer_loaded_is_read_one_by_one(asked: Asked, clock: MovedClock) -> None:
    loaded(asked, TEACHER)
    await asked.snapshot()
    asked.roster.store.drop_district(NORTH)
    clock.move(asked.roster.fresh_seconds + 1)
    asked.clever.facts_given = STUDENT
    assert facts_in(await asked.snapshot()) == STUDENT
