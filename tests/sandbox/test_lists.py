"""Which records a list holds: roles, schools, sections, and how each is narrowed down."""

from datetime import date

import httpx
import pytest

from app.sandbox.world import World, generate


async def ids(clever: httpx.AsyncClient, path: str) -> list[str]:
    answer = await clever.get(f"/v3.0/{path}")
    return [item["data"]["id"] for item in answer.raise_for_status().json()["data"]]


@pytest.mark.parametrize("role", ["contact", "district_admin", "staff", "student", "teacher"])
async def test_users_by_role_are_those_who_hold_it(clever: httpx.AsyncClient, world: World, role: str) -> None:
    users = world.districts[0].all_users
    expected = [user.id for user in users if user.roles.get(role) is not None]
    assert await ids(clever, f"users?limit=10000&role={role}") == expected


async def test_a_user_with_three_roles_comes_in_three_lists(clever: httpx.AsyncClient, world: World) -> None:
    everything = world.cases["all_three_roles"].user
    for role in ("teacher", "staff", "district_admin"):
        assert everything in await ids(clever, f"users?limit=10000&role={role}")


async def test_the_students_and_teachers_of_a_section_are_its_users(clever: httpx.AsyncClient, world: World) -> None:
    section = next(one for one in world.districts[0].all_sections if world.cases["co_teacher"].user in one.taught_by)
    path = f"sections/{section.id}/users"
    assert await ids(clever, f"{path}?role=teacher") == sorted(section.taught_by)
    assert await ids(clever, f"{path}?role=student") == sorted(section.students)
    assert await ids(clever, path) == sorted((*section.taught_by, *section.students))


async def test_the_users_of_a_school_are_those_with_it_in_a_role(clever: httpx.AsyncClient, world: World) -> None:
    south = world.districts[0].all_schools[1].id
    cases = {case.user: name for name, case in world.cases.items()}
    there = [cases.get(one) for one in await ids(clever, f"schools/{south}/users?limit=10000")]
    assert [name for name in there if name] == [
        "student_at_two_schools",
        "teacher_of_many_sections",
        "section_at_another_school",
        "staff_both_qualifiers",
        "staff_who_also_teach_elsewhere",
        "all_three_roles",
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("role=student", ["student_at_two_schools"]),
        ("role=staff", ["staff_both_qualifiers", "all_three_roles"]),
        ("primary=true", ["teacher_of_many_sections", "staff_who_also_teach_elsewhere"]),
        ("primary=true&role=student", []),
    ],
)
async def test_the_users_of_a_school_can_be_narrowed_down(
    clever: httpx.AsyncClient, world: World, query: str, expected: list[str]
) -> None:
    south = world.districts[0].all_schools[1].id
    cases = {case.user: name for name, case in world.cases.items()}
    there = [cases.get(one) for one in await ids(clever, f"schools/{south}/users?limit=10000&{query}")]
    assert [name for name in there if name] == expected


async def test_the_sections_of_a_school_lie_there(clever: httpx.AsyncClient, world: World) -> None:
    district = world.districts[0]
    for school in district.all_schools:
        expected = [section.id for section in district.all_sections if section.school == school.id]
        assert await ids(clever, f"schools/{school.id}/sections?limit=10000") == expected


async def test_primary_keeps_the_primary_school_of_a_user(clever: httpx.AsyncClient, world: World) -> None:
    north, south, _ = (school.id for school in world.districts[0].all_schools)
    path = f"users/{world.cases['student_at_two_schools'].user}/schools"
    assert await ids(clever, path) == [north, south]
    assert await ids(clever, f"{path}?primary=true") == [north]


async def test_the_students_of_a_contact_are_their_own(clever: httpx.AsyncClient, world: World) -> None:
    one, two = world.cases["student_one_school"].user, world.cases["student_at_two_schools"].user
    assert await ids(clever, f"users/{world.cases['contact_of_two'].user}/mystudents") == [one, two]


@pytest.mark.parametrize(
    ("case", "contacts"),
    [
        ("student_one_school", ["contact", "emergency_contact", "contact_of_two"]),
        ("student_at_two_schools", ["contact_of_two"]),
        ("student_of_another_school_in_section", []),
        ("teacher_only", []),
        ("contact", []),
    ],
)
@pytest.mark.parametrize("version", ["v3.0", "v3.1"])
async def test_the_contacts_of_a_student_are_those_who_name_them(
    clever: httpx.AsyncClient, world: World, version: str, case: str, contacts: list[str]
) -> None:
    answer = await clever.get(f"/{version}/users/{world.cases[case].user}/mycontacts")
    listed = [item["data"] for item in answer.raise_for_status().json()["data"]]
    users = [(await clever.get(f"/{version}/users/{world.cases[name].user}")).json()["data"] for name in contacts]
    assert listed == users


async def test_contacts_come_in_pages(clever: httpx.AsyncClient, world: World) -> None:
    path = f"/v3.0/users/{world.cases['student_one_school'].user}/mycontacts"
    first, second, _ = (world.cases[name].user for name in ("contact", "emergency_contact", "contact_of_two"))
    answer = await clever.get(path, params={"limit": "1"})
    assert [item["data"]["id"] for item in answer.json()["data"]] == [first]
    assert answer.json()["links"] == [
        {"rel": "self", "uri": f"{path}?limit=1"},
        {"rel": "next", "uri": f"{path}?limit=1&starting_after={first}"},
    ]
    assert await ids(clever, f"{path.removeprefix('/v3.0/')}?limit=1&starting_after={first}") == [second]


async def test_nobody_has_the_contacts_of_a_user_who_is_not_there(clever: httpx.AsyncClient) -> None:
    assert (await clever.get(f"/v3.0/users/{'0' * 24}/mycontacts")).status_code == 404


async def test_teachers_and_students_find_one_another(clever: httpx.AsyncClient, world: World) -> None:
    student, teacher = world.cases["student_one_school"].user, world.cases["teacher_only"].user
    assert student in await ids(clever, f"users/{teacher}/mystudents")
    assert await ids(clever, f"users/{student}/myteachers") == [teacher]


async def test_the_districts_are_the_one_of_the_token(clever: httpx.AsyncClient, world: World) -> None:
    assert await ids(clever, "districts") == [world.districts[0].id]


async def test_terms_lie_around_the_day_that_is_given() -> None:
    day = date(2026, 11, 30)
    past, current, future, undated = generate(today=day).districts[0].all_terms
    assert f"{past.end_date}" < "2026-11-30" < f"{future.start_date}"
    assert f"{current.start_date}" < "2026-11-30" < f"{current.end_date}"
    assert (undated.name, undated.start_date, undated.end_date) == (None, None, None)


async def test_sections_are_in_every_term_and_some_in_none(clever: httpx.AsyncClient, world: World) -> None:
    district, found = world.districts[0], []
    for term in district.terms:
        found += await ids(clever, f"terms/{term}/sections?limit=10000")
    without = [section.id for section in district.all_sections if section.term is None]
    assert without
    assert sorted(found + without) == list(district.sections)


async def test_a_resource_reaches_those_who_hold_its_role_in_a_section_of_its_course(
    clever: httpx.AsyncClient, world: World
) -> None:
    guide = world.districts[0].all_resources[-1]
    section = next(one for one in world.districts[0].all_sections if one.course)
    assert guide.id in await ids(clever, f"users/{section.taught_by[0]}/resources")
    assert guide.id not in await ids(clever, f"users/{section.students[0]}/resources")
    reached = await ids(clever, f"resources/{guide.id}/users?limit=10000")
    assert (section.taught_by[0] in reached, section.students[0] in reached) == (True, False)
    assert await ids(clever, f"resources/{guide.id}/users?role=student") == []


@pytest.mark.parametrize("kind", ["users", "schools", "sections", "terms", "courses", "districts"])
async def test_count_answers_a_number_and_ignores_the_rest(clever: httpx.AsyncClient, world: World, kind: str) -> None:
    everything = {**vars(world.districts[0]), "districts": (None,)}[kind]
    answer = await clever.get(f"/v3.0/{kind}", params={"count": "true", "limit": "1", "role": "teacher"})
    assert answer.json() == {"count": len(everything)}
