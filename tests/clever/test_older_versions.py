"""Versions before 3.0 against the sandbox, over a socket: the facts of API 3.1, under the ids of old accounts."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

import pytest

from app.clever.client import CleverClient, connect
from app.clever.versions import Version
from app.cli.server import in_background
from app.domain.errors import UserUnknown
from app.domain.facts import Facts, HeldRole, Role, SectionOf, Standing, standings_by_term
from app.domain.ids import DistrictId, IdShape, UserId
from app.domain.places import Place
from app.domain.read_context import OWN
from app.domain.scopes import Scope
from app.roster.district import District
from app.sandbox.server import create_sandbox
from app.sandbox.world import generate
from tests.clever.conftest import Connect
from tests.conftest import TOKEN, MovedClock, Sandbox
from tests.loaded import loaded_by
from tests.rosters import roster_over

pytestmark = pytest.mark.parametrize("version", ["v1.1", "v1.2", "v2.0", "v2.1"])


async def loaded(client: CleverClient, sandbox: Sandbox, clock: MovedClock) -> District:
    return await loaded_by(roster_over(client, clock), DistrictId(sandbox.district))


@asynccontextmanager
async def reading(sandbox: Sandbox, version: Version) -> AsyncIterator[CleverClient]:
    client = connect(
        url=sandbox.url,
        version=version,
        auth_url=sandbox.url,
        token=TOKEN,
        client_id=None,
        client_secret=None,
        id_shape=IdShape(),
    )
    try:
        yield client
    finally:
        await client.aclose()


async def as_of_3_1(sandbox: Sandbox, clock: MovedClock) -> District:
    async with reading(sandbox, "v3.1") as client:
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
    version: Version, clock: MovedClock
) -> None:
    others = dict[str, tuple[set[str], set[str]]]()
    with small_sandbox() as sandbox:
        newer = await as_of_3_1(sandbox, clock)
        async with reading(sandbox, version) as client:
            for account, held in accounts(newer):
                (role,) = (await facts_of(client, sandbox, account)).roles
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
        async with reading(sandbox, version) as client:
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


async def test_the_people_of_a_place_are_those_of_the_loaded_district(
    sandbox: Sandbox, connected: Connect, clock: MovedClock, version: Version
) -> None:
    client = connected(page_limit=20)
    whole, away = await loaded(client, sandbox, clock), sandbox.user("student_of_another_school_in_section")
    places: list[tuple[Place, tuple[Role, ...]]] = [((Scope.DISTRICT, whole.id), tuple(Role))]
    places += [((Scope.SCHOOL, one), (Role.STAFF, Role.TEACHER, Role.STUDENT)) for one in whole.schools()]
    sections = whole.sections((Scope.DISTRICT, whole.id))[::9]
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
