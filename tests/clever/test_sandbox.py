"""The client against the sandbox, over a socket, in both versions."""

import pytest

from app.clever.client import CleverClient
from app.clever.resilience import CleverState
from app.clever.versions import Version
from app.domain.errors import CleverNotJson, CleverPagingBroken, CleverRefusedToken, UserUnknown
from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import DistrictId, UserId
from app.domain.read_context import ReadContext
from app.domain.scopes import Scope
from app.sandbox.faults import Fault, Faults
from tests.clever.conftest import Connect
from tests.conftest import Sandbox

READ_CONTEXT = ReadContext()


async def roles_of(client: CleverClient, sandbox: Sandbox, case: str) -> tuple[HeldRole, ...]:
    known = sandbox.world.cases[case]
    user, district = UserId(known.user), DistrictId(known.district)
    facts = await client.facts(user, district, READ_CONTEXT, confirm_schools=True)
    assert facts == Facts(user, district, facts.roles)
    return facts.roles


def taught(sandbox: Sandbox, case: str) -> tuple[str, ...]:
    user = sandbox.world.cases[case].user
    return tuple(sorted(one.id for one in sandbox.world.districts[0].all_sections if user in one.taught_by))


def field(sandbox: Sandbox, case: str, role: str, name: str) -> tuple[str, ...]:
    return sandbox.world.districts[0].users[sandbox.world.cases[case].user].ids_in(role, name)


async def test_staff_who_teach_elsewhere_administer_one_school_and_teach_at_the_other(
    sandbox: Sandbox, connected: Connect
) -> None:
    case = "staff_who_also_teach_elsewhere"
    north, south = field(sandbox, case, "staff", "schools"), field(sandbox, case, "teacher", "schools")
    (section,) = taught(sandbox, case)
    assert north != south
    assert await roles_of(connected(), sandbox, case) == (
        HeldRole(
            Role.STAFF,
            (Standing(((Scope.SCHOOL, north),), (("roles", ("PortalOnly",)), ("title", ("counselor",)))),),
            field(sandbox, case, "staff", "legacy_id")[0],
        ),
        HeldRole(
            Role.TEACHER,
            (
                Standing(
                    ((Scope.SCHOOL, south), (Scope.SECTION, (section,))),
                    (("title", ("classroom teacher",)),),
                    section_schools=south,
                ),
            ),
            field(sandbox, case, "teacher", "legacy_id")[0],
        ),
    )


@pytest.mark.parametrize(("page_limit", "pages"), [(10_000, 1), (100, 2), (2, 65)])
async def test_all_sections_are_read_however_many_pages_they_come_in(
    sandbox: Sandbox, connected: Connect, version: Version, page_limit: int, pages: int
) -> None:
    case = "teacher_of_many_sections"
    (teacher,) = await roles_of(connected(page_limit=page_limit), sandbox, case)
    assert teacher.ids(Scope.SECTION) == taught(sandbox, case)
    assert len(teacher.ids(Scope.SECTION)) == 130
    assert sandbox.requests[f"/{version}/users/{sandbox.world.cases[case].user}/sections"] == pages


@pytest.mark.parametrize("case", ["co_teacher", "primary_teacher_only_in_teacher_field", "section_at_another_school"])
async def test_a_section_is_taught_by_whoever_stands_in_it_as_a_teacher(
    sandbox: Sandbox, connected: Connect, case: str
) -> None:
    (teacher,) = await roles_of(connected(), sandbox, case)
    assert teacher.ids(Scope.SECTION) == taught(sandbox, case) != ()


async def test_a_section_lies_at_its_own_school_and_not_at_its_students(sandbox: Sandbox, connected: Connect) -> None:
    north, _, west = (school.id for school in sandbox.world.districts[0].all_schools)
    (student,) = await roles_of(connected(), sandbox, "student_of_another_school_in_section")
    assert student.ids(Scope.SCHOOL) == (west,)
    assert student.standings[0].section_schools == (north,)


async def test_an_emergency_contact_stands_by_what_the_entry_says(sandbox: Sandbox, connected: Connect) -> None:
    pupil = sandbox.world.cases["student_one_school"].user
    (contact,) = await roles_of(connected(), sandbox, "emergency_contact")
    assert contact.standings == (
        Standing(((Scope.STUDENT, (pupil,)),), (("relationship", ("other",)), ("type", ("emergency",)))),
    )


@pytest.mark.parametrize(
    ("case", "roles"),
    [
        ("user_without_roles", ()),
        ("user_with_null_role", (Role.TEACHER,)),
        ("teacher_with_empty_role_object", (Role.TEACHER,)),
        ("roles_with_empty_lists", (Role.STAFF, Role.TEACHER)),
        ("unknown_role_name", (Role.TEACHER,)),
        ("unknown_staff_role", (Role.STAFF,)),
        ("all_three_roles", (Role.DISTRICT_ADMIN, Role.STAFF, Role.TEACHER)),
        ("student_at_two_schools", (Role.STUDENT,)),
        ("contact_of_two", (Role.CONTACT,)),
    ],
)
async def test_a_role_is_held_where_its_key_is_there_and_not_null(
    sandbox: Sandbox, connected: Connect, case: str, roles: tuple[Role, ...]
) -> None:
    assert tuple(held.role for held in await roles_of(connected(), sandbox, case)) == roles


async def test_a_staff_school_that_clever_does_not_list_is_kept_and_marked(
    sandbox: Sandbox, connected: Connect
) -> None:
    case = "staff_school_not_confirmed"
    north, unshared = field(sandbox, case, "staff", "schools")
    (staff,) = await roles_of(connected(), sandbox, case)
    assert staff.ids(Scope.SCHOOL) == tuple(sorted((north, unshared)))
    assert staff.standings[0].unconfirmed == (unshared,)


async def test_what_is_odd_grants_nothing(
    sandbox: Sandbox, connected: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "rosterguard")
    client = connected()
    (teacher,) = await roles_of(client, sandbox, "legacy_id_in_section")
    (staff,) = await roles_of(client, sandbox, "former_school_id_malformed")
    assert teacher.ids(Scope.SECTION) == ()
    assert staff.ids(Scope.SCHOOL) == field(sandbox, "former_school_id_malformed", "staff", "schools")[1:]
    assert [record.getMessage() for record in caplog.records if record.name == "rosterguard"] == [
        "odd data from Clever: legacy_id_in_section=1",
        "odd data from Clever: id_malformed=1",
    ]


async def test_nobody_in_the_sandbox_has_a_field_that_is_not_known(
    sandbox: Sandbox, connected: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "rosterguard")
    client = connected()
    for case in sandbox.world.cases:
        await roles_of(client, sandbox, case)
    assert "field_unknown" not in caplog.text


async def test_a_user_whom_clever_does_not_know_is_unknown(sandbox: Sandbox, connected: Connect) -> None:
    client, district = connected(), DistrictId(sandbox.world.districts[0].id)
    with pytest.raises(UserUnknown):
        await client.facts(UserId("0" * 24), district, READ_CONTEXT, confirm_schools=True)
    assert client.state() == CleverState(accepted_once=True, outcome="ok")


async def test_lists_of_one_user_end_before_they_use_up_clevers_limit(sandbox: Sandbox, connected: Connect) -> None:
    with pytest.raises(CleverPagingBroken):
        await roles_of(connected(page_limit=1), sandbox, "teacher_of_many_sections")


async def test_a_page_with_status_404_is_no_unknown_user(sandbox: Sandbox, connected: Connect) -> None:
    sandbox.app.state.faults.put(Faults(faults=(Fault(kind="html", status=404),)))
    with pytest.raises(CleverNotJson):
        await connected().districts()


async def test_a_pre_3_0_id_is_unknown(sandbox: Sandbox, connected: Connect) -> None:
    client, district = connected(), DistrictId(sandbox.world.districts[0].id)
    (legacy,) = field(sandbox, "teacher_only", "teacher", "legacy_id")
    with pytest.raises(UserUnknown):
        await client.facts(UserId(legacy), district, READ_CONTEXT, confirm_schools=True)


async def test_districts_are_discovered_by_client_id_and_secret(sandbox: Sandbox, connected: Connect) -> None:
    client = connected(token=None, secret="sandbox-secret")
    assert client.state() == CleverState(accepted_once=False, outcome="not_asked")
    assert await client.districts() == {district.id for district in sandbox.world.districts}
    assert client.state() == CleverState(accepted_once=False, outcome="not_asked")
    (teacher,) = await roles_of(client, sandbox, "teacher_only")
    assert client.state() == CleverState(accepted_once=True, outcome="ok")
    assert teacher.ids(Scope.SECTION) == taught(sandbox, "teacher_only")


@pytest.mark.parametrize(("token", "secret"), [("another-token", None), (None, "another-secret")])
async def test_refused_credentials_are_reported(connected: Connect, token: str | None, secret: str | None) -> None:
    client = connected(token=token, secret=secret)
    with pytest.raises(CleverRefusedToken):
        await client.districts()
    assert client.state() == CleverState(accepted_once=False, outcome="token_refused")
