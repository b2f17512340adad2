"""Lookups against the sandbox, over a socket, in both versions."""

import pytest

from app.clever.versions import Version
from app.domain.errors import RecordUnknown
from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import DistrictId, SchoolId, SectionId, UserId
from app.domain.places import Section
from app.domain.read_context import ReadContext
from app.domain.scopes import Scope
from tests.clever.conftest import Connect
from tests.conftest import Sandbox

READ_CONTEXT = ReadContext()

DISTRICT = DistrictId("668262003b3817d87d000000")
NORTH, SOUTH, WEST = (
    SchoolId("66826200160e91311d000000"),
    SchoolId("66826201160e91311d000001"),
    SchoolId("66826202160e91311d000002"),
)
PUPIL_ONE, PUPIL_TWO = UserId("668262009155dac234000000"), UserId("668262019155dac234000001")
LEAD, AWAY = UserId("668262029155dac234000002"), UserId("6682621f9155dac23400001f")
NOT_SHARED = UserId("668262008b9e6e34db000000")
ALGEBRA, WITH_NOT_SHARED = SectionId("6682628ff00d2c317a00008f"), SectionId("66826290f00d2c317a000090")
NOBODY = "0" * 24


async def test_a_section_lies_at_its_own_school(sandbox: Sandbox, connected: Connect, version: Version) -> None:
    client = connected()
    section = await client.section(ALGEBRA, DISTRICT, READ_CONTEXT)
    teachers = tuple(sorted(sandbox.world.districts[0].sections[ALGEBRA].taught_by))
    assert section == Section(ALGEBRA, DISTRICT, NORTH, (PUPIL_ONE, PUPIL_TWO, AWAY), teachers)
    assert sandbox.requests == {f"/{version}/districts": 1, f"/{version}/sections/{ALGEBRA}": 1}


async def test_a_section_lists_students_who_are_not_shared_and_its_people_do_not(connected: Connect) -> None:
    client, teacher = connected(), UserId("668262209155dac234000020")
    section = await client.section(WITH_NOT_SHARED, DISTRICT, READ_CONTEXT)
    people = await client.people((Scope.SECTION, WITH_NOT_SHARED), DISTRICT, None, READ_CONTEXT)
    assert section.students == (NOT_SHARED, PUPIL_ONE, PUPIL_TWO)
    assert [facts.user for facts in people] == [PUPIL_ONE, PUPIL_TWO, teacher]


async def test_a_school_is_there(connected: Connect) -> None:
    assert await connected().school(WEST, DISTRICT, READ_CONTEXT) == WEST


@pytest.mark.parametrize(
    ("page_limit", "pages"),
    [(10_000, 1), (2, 2), (1, 3)],
)
async def test_the_schools_of_the_district_are_all_of_them(
    sandbox: Sandbox, connected: Connect, version: Version, page_limit: int, pages: int
) -> None:
    assert await connected(page_limit=page_limit).schools(DISTRICT, READ_CONTEXT) == (NORTH, SOUTH, WEST)
    assert sandbox.requests[f"/{version}/schools"] == pages


@pytest.mark.parametrize("page_limit", [10_000, 50])
async def test_the_sections_of_a_school_and_of_the_district_are_all_of_them(
    sandbox: Sandbox, connected: Connect, page_limit: int
) -> None:
    client, made = connected(page_limit=page_limit), sandbox.world.districts[0].all_sections
    everywhere = await client.sections((Scope.DISTRICT, DISTRICT), DISTRICT, READ_CONTEXT)
    assert [(one.id, one.school, one.students) for one in everywhere] == [
        (one.id, one.school, tuple(sorted(one.students))) for one in made
    ]
    south = await client.sections((Scope.SCHOOL, SOUTH), DISTRICT, READ_CONTEXT)
    assert south == tuple(one for one in everywhere if one.school == SOUTH)


async def test_the_people_of_a_section_hold_it(sandbox: Sandbox, connected: Connect, version: Version) -> None:
    client = connected()
    found = {facts.user: facts for facts in await client.people((Scope.SECTION, ALGEBRA), DISTRICT, None, READ_CONTEXT)}
    assert list(found) == [PUPIL_ONE, PUPIL_TWO, LEAD, AWAY]
    assert found[AWAY] == await client.facts(AWAY, DISTRICT, READ_CONTEXT, confirm_schools=True)
    assert found[LEAD].roles[0].standings == (
        Standing(
            ((Scope.SCHOOL, (NORTH,)), (Scope.SECTION, (ALGEBRA,))),
            (("title", ("classroom teacher",)),),
            section_schools=(NORTH,),
        ),
    )
    assert sandbox.requests[f"/{version}/sections/{ALGEBRA}"] == 1
    assert sandbox.requests[f"/{version}/sections/{ALGEBRA}/users"] == 1


@pytest.mark.parametrize(("role", "users"), [(Role.TEACHER, [LEAD]), (Role.STUDENT, [PUPIL_ONE, PUPIL_TWO, AWAY])])
async def test_the_people_of_a_section_are_asked_for_by_role(
    connected: Connect, role: Role, users: list[UserId]
) -> None:
    found = await connected().people((Scope.SECTION, ALGEBRA), DISTRICT, role, READ_CONTEXT)
    assert [facts.user for facts in found] == users


@pytest.mark.parametrize("page_limit", [10_000, 20])
@pytest.mark.parametrize("role", [None, Role.STAFF, Role.TEACHER, Role.STUDENT])
async def test_the_people_of_a_school_hold_it_in_a_role(
    sandbox: Sandbox, connected: Connect, page_limit: int, role: Role | None
) -> None:
    roles = [role] if role else [Role.STAFF, Role.TEACHER, Role.STUDENT]
    found = await connected(page_limit=page_limit).people((Scope.SCHOOL, SOUTH), DISTRICT, role, READ_CONTEXT)
    assert [facts.user for facts in found] == [
        user.id
        for user in sandbox.world.districts[0].all_users
        if any(SOUTH in (*user.ids_in(one, "school"), *user.ids_in(one, "schools")) for one in roles)
    ]


async def test_staff_of_a_school_administer_schools_that_nobody_confirmed(sandbox: Sandbox, connected: Connect) -> None:
    found = await connected().people((Scope.SCHOOL, NORTH), DISTRICT, Role.STAFF, READ_CONTEXT)
    principal = UserId(sandbox.user("principal"))
    fields = (("roles", ("PortalOnly",)), ("title", ("principal",)), ("department", ("administration",)))
    [legacy] = sandbox.world.districts[0].users[principal].ids_in("staff", "legacy_id")
    standing = Standing(((Scope.SCHOOL, (NORTH,)),), fields, unconfirmed=None)
    assert [facts for facts in found if facts.user == principal] == [
        Facts(principal, DISTRICT, (HeldRole(Role.STAFF, (standing,), legacy),))
    ]


async def test_the_contacts_of_a_student_are_as_they_are_when_read_alone(sandbox: Sandbox, connected: Connect) -> None:
    client, student = connected(page_limit=2), sandbox.user("student_one_school")
    cases = [UserId(sandbox.user(case)) for case in ("contact", "emergency_contact", "contact_of_two")]
    alone = [await client.facts(contact, DISTRICT, READ_CONTEXT, confirm_schools=True) for contact in cases]
    assert await client.people((Scope.STUDENT, student), DISTRICT, None, READ_CONTEXT) == tuple(alone)


@pytest.mark.parametrize("page_limit", [10_000, 100])
@pytest.mark.parametrize("role", [None, *Role])
async def test_the_people_of_the_district_are_everybody_in_the_role(
    sandbox: Sandbox, connected: Connect, page_limit: int, role: Role | None
) -> None:
    found = await connected(page_limit=page_limit).people((Scope.DISTRICT, DISTRICT), DISTRICT, role, READ_CONTEXT)
    district = sandbox.world.districts[0]
    assert [facts.user for facts in found] == [
        user.id for user in (district.users_in_role[role] if role else district.all_users)
    ]


async def test_what_the_sandbox_does_not_know_is_unknown(connected: Connect) -> None:
    client = connected()
    for lookup in (
        client.section(SectionId(NOBODY), DISTRICT, READ_CONTEXT),
        client.school(SchoolId(NOBODY), DISTRICT, READ_CONTEXT),
        client.sections((Scope.SCHOOL, NOBODY), DISTRICT, READ_CONTEXT),
        client.people((Scope.SECTION, NOBODY), DISTRICT, None, READ_CONTEXT),
        client.people((Scope.SCHOOL, NOBODY), DISTRICT, None, READ_CONTEXT),
        client.people((Scope.STUDENT, NOT_SHARED), DISTRICT, None, READ_CONTEXT),
    ):
        with pytest.raises(RecordUnknown):
            await lookup
