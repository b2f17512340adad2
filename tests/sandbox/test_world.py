"""The world follows from the seed, and the cast is the same in a district of any size."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from app.sandbox.records import District
from app.sandbox.server import create_sandbox
from app.sandbox.world import World, generate


async def bytes_of(world: World) -> bytes:
    transport, headers = httpx.ASGITransport(create_sandbox(world)), {"Authorization": "Bearer sandbox-token"}
    async with httpx.AsyncClient(transport=transport, base_url="http://clever", headers=headers) as clever:
        paths = [f"/v3.1/{kind}?limit=10000" for kind in ("users", "sections", "schools", "districts")]
        return b"".join([(await clever.get(path)).content for path in paths])


def holders(district: District, role: str) -> int:
    return len(district.users_in_role[role])


async def test_the_same_seed_makes_the_same_bytes() -> None:
    assert await bytes_of(generate(seed=3)) == await bytes_of(generate(seed=3))


async def test_another_seed_makes_other_people() -> None:
    assert not generate(seed=3).districts[0].users.keys() & generate(seed=4).districts[0].users.keys()


def test_a_district_has_the_size_asked_for() -> None:
    district = generate(schools=5, teachers=60, students=1000).districts[0]
    sizes = (len(district.schools), holders(district, "teacher"), holders(district, "student"))
    assert sizes == (5, 60, 1000)


@pytest.mark.parametrize("contacts", [20, 3000])
def test_a_district_has_as_many_contacts_as_are_asked_for(contacts: int) -> None:
    usual, asked = (generate(students=1000, contacts=each).districts[0] for each in (None, contacts))
    assert holders(asked, "contact") == contacts
    assert holders(asked, "student") == holders(usual, "student")
    assert {one.id for one in usual.users.values() if "contact" not in one.roles} <= asked.users.keys()


def test_a_district_has_electives_where_lessons_are_fewer_than_the_sections_asked_for() -> None:
    lessons, more = (generate(sections=sections).districts[0] for sections in (0, 400))
    assert len(more.sections) == 400 > len(lessons.sections)
    assert {one.id for one in lessons.all_sections} < more.sections.keys()


def test_a_district_holds_the_cast_however_small_it_is() -> None:
    small = generate(schools=1, teachers=1, students=0)
    assert small.cases == generate().cases
    assert len(small.districts[0].schools) == 3


@pytest.mark.parametrize("size", [{"schools": 9}, {"teachers": 300}, {"students": 3000}, {"districts": 2}])
def test_the_cast_does_not_depend_on_the_size(world: World, size: dict[str, Any]) -> None:
    small, large = world.districts[0], generate(**size).districts[0]
    for case in world.cases.values():
        assert large.users[case.user] == small.users[case.user]
        assert large.sections_of_user.get(case.user) == small.sections_of_user.get(case.user)


def test_records_come_by_ascending_id_which_is_unique_everywhere() -> None:
    districts = generate(districts=2).districts
    kinds = [list(kind) for one in districts for kind in (one.users, one.schools, one.sections)]
    assert kinds == [sorted(kind) for kind in kinds]
    every = [one for kind in kinds for one in kind]
    assert len(every) == len(set(every))


def test_beside_the_cast_roles_agree_with_sections(world: World) -> None:
    district = world.districts[0]
    for section in district.all_sections:
        if section.name.startswith("Case section"):
            continue
        assert section.school in district.schools
        for teacher in section.taught_by:
            assert section.school in district.users[teacher].ids_in("teacher", "schools")
        for student in section.students:
            assert section.school in district.users[student].ids_in("student", "schools")


def test_the_population_has_its_share_of_mixed_people(world: World) -> None:
    cast = {case.user for case in world.cases.values()}
    others = [user for user in world.districts[0].all_users if user.id not in cast]
    assert any({"teacher", "staff"} <= user.roles.keys() for user in others)
    assert any(len(user.ids_in("student", "schools")) == 2 for user in others)
    assert any(len(section.taught_by) == 2 for section in world.districts[0].all_sections)


async def test_a_district_may_be_paused(world: World) -> None:
    paused = replace(world.districts[0], state="paused", pause_start="2025-06-01", pause_end="2025-08-15")
    body = await bytes_of(replace(world, districts=(paused,)))
    assert b'"state":"paused","launch_date":"2024-08-19","pause_start":"2025-06-01","pause_end":"2025-08-15"' in body
