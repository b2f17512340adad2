"""Versions before 3.0 against the sandbox, over a socket: the facts of API 3.1, under the ids of old accounts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from app.clever.client import CleverClient
from app.clever.versions import Version
from app.cli.server import in_background
from app.domain.calendar import Calendar
from app.domain.errors import CleverError, CleverMalformed, RecordUnknown, UserUnknown
from app.domain.facts import Facts, HeldRole, Role, SectionOf, Standing, standings_by_term
from app.domain.ids import DistrictId, UserId
from app.domain.places import Place
from app.domain.read_context import OWN
from app.domain.scopes import Scope
from app.roster.district import District
from app.sandbox.faults import Fault, Faults
from app.sandbox.server import create_sandbox
from app.sandbox.world import generate
from tests.clever.conftest import Connect
from tests.clever_client import client_of
from tests.conftest import MovedClock, Sandbox
from tests.loaded import loaded_by
from tests.rosters import roster_over

COLLECTIONS = ("teachers", "students", "school_admins", "district_admins", "contacts")

pytestmark = pytest.mark.parametrize("version", ["v1.1", "v1.2", "v2.0", "v2.1"])


async def loaded(client: CleverClient, sandbox: Sandbox, clock: MovedClock) -> District:
    return await loaded_by(roster_over(client, clock), DistrictId(sandbox.district))


def put(sandbox: Sandbox, kind: Any, **given: Any) -> None:
    sandbox.app.state.faults.put(Faults(seed=1, faults=(Fault(kind=kind, **given),)))


async def as_of_3_1(sandbox: Sandbox, clock: MovedClock) -> District:
    async with client_of(sandbox.url, "v3.1") as client:
        return await loaded(client, sandbox, clock)


@contextmanager
def small_sandbox() -> Iterator[Sandbox]:
    """A district in which everybody can be read alone."""
    world = generate(students=60, teachers=30)
    app = create_sandbox(world, rate_limit=0)
    with in_background(app) as url:
        yield Sandbox(url, app, world)


async def facts_of(client: CleverClient, sandbox: Sandbox, account: str) -> Facts:
    return await client.facts(UserId(account), DistrictId(sandbox.district), OWN, confirm_schools=True)


def account_of(sandbox: Sandbox, case: str, role: str) -> str:
    """The old id of a named case in a role; a student has no other than their own."""
    user = sandbox.user(case)
    return user if role == "student" else sandbox.world.districts[0].users[user].ids_in(role, "legacy_id")[0]


def accounts(district: District) -> Iterator[tuple[str, HeldRole]]:
    """The old id of each role of everybody who has one, and the role as API 3.1 has it."""
    for user in district.people((Scope.DISTRICT, district.id)):
        facts = district.facts(user)
        for held in facts.roles if facts else ():
            account = user if held.role is Role.STUDENT else held.legacy_id
            if account is not None:
                yield account, held


def reached(held: HeldRole) -> dict[Scope, tuple[str, ...]]:
    return {scope: held.ids(scope) for scope in (Scope.SCHOOL, Scope.SECTION, Scope.STUDENT)}


async def test_an_account_reaches_the_schools_sections_and_students_of_its_role_in_version_3(
    sandbox: Sandbox, connected: Connect, clock: MovedClock, version: Version
) -> None:
    newer, older = await as_of_3_1(sandbox, clock), await loaded(connected(), sandbox, clock)
    others = dict[str, tuple[set[str], set[str]]]()
    for account, held in accounts(newer):
        facts = older.facts(account)
        assert facts is not None
        (role,) = facts.roles
        assert (role.role, role.legacy_id) == (held.role, account)
        before, after = ({place for ids in reached(each).values() for place in ids} for each in (role, held))
        if before != after:
            others[account] = before - after, after - before
    district = sandbox.world.districts[0]
    old_id, [north, *_] = account_of(sandbox, "legacy_id_in_section", "teacher"), district.all_schools
    [section] = [one.id for one in district.all_sections if old_id in one.taught_by]
    # Before API 3.0 the id of an account was the right one in a section.
    expected = {old_id: ({section}, set[str]())}
    if version.startswith("v1"):
        _, second = district.users[sandbox.user("contact_of_two")].wards
        expected[account_of(sandbox, "contact_of_two", "contact")] = set(), {second}
    if version == "v1.1":
        # That they learn there is all that 1.1 tells of the schools of anybody.
        expected[sandbox.user("student_of_another_school_in_section")] = {north.id}, set()
    assert others == expected


async def test_a_loaded_district_is_what_is_read_of_each_account(version: Version, clock: MovedClock) -> None:
    with small_sandbox() as sandbox:
        old = [account for account, _ in accounts(await as_of_3_1(sandbox, clock))]
        async with client_of(sandbox.url, version) as client:
            whole = await loaded(client, sandbox, clock)
            assert whole.people((Scope.DISTRICT, whole.id)) == sorted(old)
            for account in old:
                assert whole.facts(account) == await facts_of(client, sandbox, account)


@pytest.mark.parametrize(
    ("case", "roles"),
    [
        ("staff_who_also_teach_same_school", {"teacher": ((0,), (0,)), "staff": ((0,), ())}),
        ("staff_who_also_teach_elsewhere", {"teacher": ((1,), (1,)), "staff": ((0,), ())}),
        ("all_three_roles", {"teacher": ((2,), (2,)), "staff": ((1,), ()), "district_admin": ((), ())}),
        ("co_teacher", {"teacher": ((0,), (0,))}),
    ],
)
async def test_each_account_of_a_person_with_several_roles_has_the_places_of_one_of_them(
    sandbox: Sandbox, connected: Connect, case: str, roles: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
) -> None:
    schools = [school.id for school in sandbox.world.districts[0].all_schools]
    client, user = connected(), sandbox.user(case)
    with pytest.raises(UserUnknown):
        await facts_of(client, sandbox, user)
    taught = tuple(sorted(one.id for one in sandbox.world.districts[0].all_sections if user in one.taught_by))
    for role, (stands_at, teaches_at) in roles.items():
        (held,) = (await facts_of(client, sandbox, account_of(sandbox, case, role))).roles
        assert held.role == role
        assert held.ids(Scope.SCHOOL) == tuple(schools[one] for one in stands_at)
        assert held.ids(Scope.SECTION) == (taught if teaches_at else ())
        assert held.standings[0].section_schools == tuple(schools[one] for one in teaches_at)
        assert held.ids(Scope.DISTRICT) == ((sandbox.district,) if role == "district_admin" else ())


async def test_of_staff_no_staff_roles_are_known_and_a_department_since_2_1(
    sandbox: Sandbox, connected: Connect, version: Version
) -> None:
    account = account_of(sandbox, "staff_tech_lead", "staff")
    [school, *_] = sandbox.world.districts[0].all_schools
    department = (("department", ("it",)),) if version == "v2.1" else ()
    fields = (("title", ("technology coordinator",)), *department)
    standing = Standing(((Scope.SCHOOL, (school.id,)),), fields)
    assert (await facts_of(connected(), sandbox, account)).roles == (HeldRole(Role.STAFF, (standing,), account),)


async def test_a_contact_is_the_same_to_all_students_and_has_one_alone_in_version_1(
    sandbox: Sandbox, connected: Connect, version: Version
) -> None:
    (held,) = (await facts_of(connected(), sandbox, account_of(sandbox, "contact_of_two", "contact"))).roles
    fields = (("relationship", ("parent",)), ("type", ("parent/guardian",)))
    one, two = sandbox.world.districts[0].users[sandbox.user("contact_of_two")].wards
    students = (one,) if version.startswith("v1") else (one, two)
    assert held.standings == tuple(Standing(((Scope.STUDENT, (each,)),), fields) for each in students)


async def test_sections_count_as_without_a_term_in_version_1_and_have_it_since(
    sandbox: Sandbox, connected: Connect, clock: MovedClock, version: Version
) -> None:
    account, user = account_of(sandbox, "teacher_of_every_term", "teacher"), sandbox.user("teacher_of_every_term")
    newer = await as_of_3_1(sandbox, clock)
    of_user = newer.facts(user)
    assert of_user is not None
    (known,), (held,) = of_user.roles, (await facts_of(connected(), sandbox, account)).roles
    assert len(known.standings) > 1
    if version.startswith("v2"):
        assert held.standings == known.standings
    else:
        sections = [section for one in known.ids(Scope.SECTION) if (section := newer.section(one)) is not None]
        own = replace(known.standings[0], places=((Scope.SCHOOL, known.ids(Scope.SCHOOL)),), section_schools=())
        assert held.standings == standings_by_term(own, [SectionOf(one.id, one.school) for one in sections])


async def test_a_district_is_loaded_in_pages_of_one_collection_after_the_other(
    sandbox: Sandbox, connected: Connect, clock: MovedClock
) -> None:
    at_once, in_pages = [await loaded(connected(bulk_limit=limit), sandbox, clock) for limit in (10_000, 60)]
    assert [*in_pages.contents()] == [*at_once.contents()]


async def test_district_admins_come_all_at_once_in_version_1_whatever_the_limit(
    sandbox: Sandbox, connected: Connect, version: Version
) -> None:
    client, district, taken = connected(page_limit=1, bulk_limit=1), DistrictId(sandbox.district), list[Facts]()
    admins = await client.people((Scope.DISTRICT, district), district, Role.DISTRICT_ADMIN, OWN)
    page = await client.people_page(district, Role.DISTRICT_ADMIN, OWN, taken.append)
    known = [one for user in sandbox.world.districts[0].all_users for one in user.ids_in("district_admin", "legacy_id")]
    assert [facts.user for facts in admins] == sorted(known)
    assert [facts.user for facts in taken] == sorted(known)[: len(known) if version.startswith("v1") else 1]
    assert (page.cursor is None) is version.startswith("v1")


async def test_the_people_of_a_place_are_those_of_the_loaded_district(
    sandbox: Sandbox, connected: Connect, clock: MovedClock, version: Version
) -> None:
    client = connected(page_limit=100)
    whole, away = await loaded(client, sandbox, clock), sandbox.user("student_of_another_school_in_section")
    places: list[tuple[Place, tuple[Role, ...]]] = [((Scope.DISTRICT, whole.id), tuple(Role))]
    places += [((Scope.SCHOOL, one), (Role.STAFF, Role.TEACHER, Role.STUDENT)) for one in whole.schools()]
    sections = whole.sections((Scope.DISTRICT, whole.id))[::60]
    places += [((Scope.SECTION, one), (Role.TEACHER, Role.STUDENT)) for one in sections]
    places += [((Scope.STUDENT, sandbox.user("student_one_school")), (Role.CONTACT,))]
    for place, roles in places:
        for role in (None, *roles):
            there = {facts.user: facts for facts in await client.people(place, whole.id, role, OWN)}
            expected = whole.people(place, role)
            if version == "v1.1" and place[0] is Scope.SCHOOL:
                # Clever lists them at their own school alone.
                expected = [one for one in expected if one != away or one in there]
            assert [*there] == expected
            for user, facts in there.items():
                known = whole.facts(user)
                assert known is not None
                assert [held.ids(Scope.SCHOOL) for held in facts.roles] == [
                    held.ids(Scope.SCHOOL) for held in known.roles
                ]


@pytest.mark.parametrize(
    ("case", "role", "requests"),
    [
        ("teacher_only", "teacher", ["teachers/{}", "teachers/{}/sections"]),
        ("student_one_school", "student", ["teachers/{}", "students/{}", "students/{}/sections"]),
        ("principal", "staff", ["teachers/{}", "students/{}", "school_admins/{}", "school_admins/{}/schools"]),
        (
            "district_admin_only",
            "district_admin",
            ["teachers/{}", "students/{}", "school_admins/{}", "district_admins/{}"],
        ),
        ("contact", "contact", [f"{collection}/{{}}" for collection in COLLECTIONS]),
    ],
)
async def test_an_account_is_looked_for_in_one_collection_after_the_other(
    sandbox: Sandbox, connected: Connect, version: Version, case: str, role: str, requests: list[str]
) -> None:
    client, account = connected(), account_of(sandbox, case, role)
    await facts_of(client, sandbox, account)
    assert sandbox.requests == {
        f"/{version}/{path}": 1 for path in ("districts", *(each.format(account) for each in requests))
    }
    assert len(requests) <= client.user_requests


async def test_an_id_that_no_collection_has_is_unknown(sandbox: Sandbox, connected: Connect) -> None:
    with pytest.raises(UserUnknown):
        await facts_of(connected(), sandbox, "0" * 24)
    with pytest.raises(UserUnknown):
        await facts_of(connected(), sandbox, "../districts")


@pytest.mark.parametrize("collection", COLLECTIONS)
async def test_a_collection_that_fails_is_an_error_and_nobody_is_unknown(
    sandbox: Sandbox, connected: Connect, collection: str
) -> None:
    for status in (403, 501):
        put(sandbox, "status", path=f"*/{collection}/*", status=status)
        with pytest.raises(CleverError):
            await facts_of(connected(), sandbox, "0" * 24)
    put(sandbox, "html", path=f"*/{collection}/*", status=404)
    with pytest.raises(CleverError):
        await facts_of(connected(), sandbox, "0" * 24)


@pytest.mark.parametrize(
    ("case", "role", "path"),
    [
        ("teacher_only", "teacher", "*/sections"),
        ("student_one_school", "student", "*/sections"),
        ("principal", "staff", "*/schools"),
    ],
)
async def test_a_role_is_never_read_without_its_sections_or_confirmed_without_its_schools(
    sandbox: Sandbox, connected: Connect, case: str, role: str, path: str
) -> None:
    account = account_of(sandbox, case, role)
    for fault in ({"kind": "gone"}, {"kind": "status", "status": 501}, {"kind": "loop"}):
        put(sandbox, path=path, **fault)
        with pytest.raises(CleverError):
            await facts_of(connected(page_limit=1), sandbox, account)


async def test_an_administered_school_that_clever_does_not_list_is_marked_where_that_matters(
    sandbox: Sandbox, connected: Connect
) -> None:
    account, district = account_of(sandbox, "staff_school_not_confirmed", "staff"), DistrictId(sandbox.district)
    user = sandbox.world.districts[0].users[sandbox.user("staff_school_not_confirmed")]
    _, unshared = user.ids_in("staff", "schools")
    (held,) = (await facts_of(connected(), sandbox, account)).roles
    assert held.standings[0].unconfirmed == (unshared,)
    unasked = await connected().facts(UserId(account), district, OWN, confirm_schools=False)
    assert unasked.roles[0].standings[0].unconfirmed is None


async def test_a_record_of_another_district_is_unknown_and_another_record_an_error(
    sandbox: Sandbox, connected: Connect
) -> None:
    account = account_of(sandbox, "teacher_only", "teacher")
    client = connected()
    await client.districts()
    put(sandbox, "other_district")
    with pytest.raises(UserUnknown):
        await facts_of(client, sandbox, account)
    people = await client.people((Scope.DISTRICT, sandbox.district), DistrictId(sandbox.district), None, OWN)
    assert people == ()
    put(sandbox, "other_record")
    with pytest.raises(CleverMalformed):
        await facts_of(client, sandbox, account)


async def test_nothing_in_the_sandbox_is_unknown_data(
    sandbox: Sandbox, connected: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "rosterguard")
    await connected().people((Scope.DISTRICT, sandbox.district), DistrictId(sandbox.district), None, OWN)
    assert "field_unknown" not in caplog.text


@pytest.mark.parametrize(
    ("place", "role"),
    [
        ((Scope.SELF, "0" * 24), None),
        ((Scope.SCHOOL, "0" * 24), Role.CONTACT),
        ((Scope.SECTION, "0" * 24), Role.STAFF),
        ((Scope.STUDENT, "0" * 24), Role.TEACHER),
    ],
)
async def test_clever_cannot_be_asked_for_everybody(
    connected: Connect, sandbox: Sandbox, place: Place, role: Role | None
) -> None:
    with pytest.raises(ValueError, match="cannot be asked"):
        await connected().people(place, DistrictId(sandbox.district), role, OWN)


@pytest.mark.parametrize("scope", [Scope.SCHOOL, Scope.SECTION, Scope.STUDENT])
async def test_a_place_that_clever_does_not_know_is_unknown(connected: Connect, sandbox: Sandbox, scope: Scope) -> None:
    for role in {Scope.SCHOOL: (None, Role.STAFF, Role.TEACHER)}.get(scope, (None,)):
        with pytest.raises(RecordUnknown):
            await connected().people((scope, "0" * 24), DistrictId(sandbox.district), role, OWN)


async def test_the_calendar_tells_of_pause_and_launch_since_1_2_and_of_terms_since_2_0(
    sandbox: Sandbox, connected: Connect, version: Version
) -> None:
    day = date(2025, 6, 1)
    sandbox.app.state.world.change_district(
        sandbox.district, state="paused", pause_start=f"{day}", launch_date="unreadable"
    )
    calendar = await connected().calendar(DistrictId(sandbox.district), OWN, with_terms=True)
    if version == "v1.1":
        assert calendar == Calendar("running", terms=())
        return
    district = sandbox.world.districts[0]
    terms = {term.id for term in district.all_terms} if version.startswith("v2") else set()
    assert {term.id for term in calendar.terms or ()} == terms
    assert replace(calendar, terms=()) == Calendar("paused", day, None, None, (), ("launch_date",))
    assert (await connected().calendar(DistrictId(sandbox.district), OWN, with_terms=False)).terms is None


async def test_a_district_of_which_nothing_is_told_is_an_error(
    sandbox: Sandbox, connected: Connect, version: Version
) -> None:
    status = "/status" if version.startswith("v1") else ""
    for fault in ({"kind": "gone"}, {"kind": "wrong_shape"}, {"kind": "other_district"}):
        client = connected()
        await client.districts()
        put(sandbox, path=f"*/districts/{sandbox.district}{status}", **fault)
        with pytest.raises(CleverError):
            await client.calendar(DistrictId(sandbox.district), OWN, with_terms=False)


async def test_events_are_not_followed(sandbox: Sandbox, connected: Connect, version: Version) -> None:
    assert await connected().newest_event(DistrictId(sandbox.district), OWN) is None
    assert sandbox.requests == {f"/{version}/districts": 1}


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        (Scope.DISTRICT, "/contacts"),
        (Scope.SCHOOL, "/teachers"),
        (Scope.SCHOOL, "/students"),
        (Scope.SCHOOL, "/school_admins"),
        (Scope.SECTION, "/students"),
        (Scope.STUDENT, "/contacts"),
    ],
)
async def test_a_list_that_is_missing_does_not_say_that_nobody_is_there(
    sandbox: Sandbox, connected: Connect, scope: Scope, path: str
) -> None:
    there, client = sandbox.world.districts[0], connected()
    named = {
        Scope.DISTRICT: there.id,
        Scope.SCHOOL: there.all_schools[0].id,
        Scope.SECTION: there.all_sections[0].id,
        Scope.STUDENT: sandbox.user("student_one_school"),
    }
    put(sandbox, "gone", path=f"*{path}")
    with pytest.raises(CleverError):
        await client.people((scope, named[scope]), DistrictId(there.id), None, OWN)


async def test_a_list_of_sections_that_leads_in_a_circle_is_an_error_where_schools_follow_from_it(
    sandbox: Sandbox, connected: Connect, version: Version
) -> None:
    client, district = connected(bulk_limit=50), DistrictId(sandbox.district)
    for kind in ("loop", "repeated", "gone"):
        put(sandbox, kind, path="*/sections")
        if version != "v1.1":
            assert await client.people((Scope.DISTRICT, district), district, Role.TEACHER, OWN)
        else:
            with pytest.raises(CleverError):
                await client.people((Scope.DISTRICT, district), district, Role.TEACHER, OWN)
