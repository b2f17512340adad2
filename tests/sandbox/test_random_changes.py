"""Changes at random: the same from the same seed, consistent, and every one of them is told by events."""

from collections import defaultdict
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.sandbox.changes import LiveWorld
from app.sandbox.events import Event, event_of
from app.sandbox.records import COLLECTIONS, RESERVED_NUMBERS, District, User
from app.sandbox.serialization import fields_3_1
from app.sandbox.world import World, generate

SMALL = generate(schools=5, teachers=12, students=60)


def changed(world: World, seed: int, changes: int, sync: int) -> tuple[LiveWorld, District]:
    live = LiveWorld(world, lambda: 0.0)
    live.change_at_random(None, seed=seed, changes=changes, sync=sync)
    return live, live.districts[world.districts[0].id]


def sent(district: District) -> dict[str, dict[str, Any]]:
    """What every list of the district holds, by id."""
    held = {name: getattr(district, name).values() for name in COLLECTIONS}
    return {name: {one.id: fields_3_1(one) for one in records} for name, records in held.items()} | {
        "districts": {district.id: fields_3_1(district)}
    }


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), changes=st.integers(1, 300), sync=st.integers(1, 60))
def test_whoever_follows_the_events_has_what_the_lists_hold(seed: int, changes: int, sync: int) -> None:
    live, district = changed(SMALL, seed, changes, sync)
    followed = sent(SMALL.districts[0])
    for event in live.events[district.id].kept():
        kind, verb = event.type.split(".")
        data: Any = event_of(event, fields_3_1, "beside_object")["data"]
        told = data["object"]
        if verb == "deleted":
            assert followed[kind].pop(told["id"]) is not None
        else:
            assert (told["id"] in followed[kind]) == (verb == "updated" or kind == "districts")
            followed[kind][told["id"]] = told
    assert followed == sent(district)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), sync=st.integers(1, 60))
def test_what_is_left_is_consistent(seed: int, sync: int) -> None:
    _, district = changed(SMALL, seed, 300, sync)
    places: dict[tuple[str, str], set[str]] = defaultdict(set)
    for section in district.all_sections:
        if section.number >= RESERVED_NUMBERS:
            assert section.school in district.schools
            assert {*section.taught_by, *section.students} <= district.users.keys()
            for one in section.taught_by:
                places[one, "teacher"].add(section.school)
            for one in section.students:
                places[one, "student"].add(section.school)
    for user in district.all_users:
        if user.number >= RESERVED_NUMBERS:
            assert user.schools <= district.schools.keys()
            assert set(user.wards) <= district.users.keys()
            for role in ("teacher", "student"):
                usual = user.ids_in(role, "school") if role == "student" else ()
                assert set(user.ids_in(role, "schools")) == (places[user.id, role] or set(usual))


def test_the_same_seed_makes_the_same_changes_and_another_makes_others() -> None:
    one, same, other = (changed(SMALL, seed, 200, 20) for seed in (1, 1, 2))
    assert sent(one[1]) == sent(same[1]) != sent(other[1])
    kept = [live.events[district.id].kept() for live, district in (one, same)]
    assert kept[0] == kept[1]


def test_the_named_cases_stay_as_they_are() -> None:
    _, district = changed(SMALL, 1, 1000, 50)
    start = SMALL.districts[0]
    for case in SMALL.cases.values():
        assert district.users[case.user] == start.users[case.user]
        assert district.sections_of_user.get(case.user) == start.sections_of_user.get(case.user)


def test_in_a_sync_a_record_changes_once_and_what_is_created_comes_before_what_is_deleted() -> None:
    live = LiveWorld(SMALL, lambda: 0.0)
    made = live.change_at_random(None, seed=1, changes=500, sync=500)
    [log] = live.events.values()
    events = log.kept()[1:]
    assert len({event.change.record.id for event in events}) == len(events) == made.total()
    verbs = [event.type.split(".")[1] for event in events]
    assert verbs == sorted(verbs, key=["created", "updated", "deleted"].index)
    created = ["district_admin", "schools", "terms", "student", "contact", "teacher", "sections", "staff"]
    deleted = ["staff", "sections", "teacher", "contact", "student", "terms"]
    for verb, order in (("created", created), ("deleted", deleted)):
        kinds = dict.fromkeys(kind_of(event) for event in events if event.type.endswith(verb))
        assert [kind for kind in kinds if kind in order] == order


def kind_of(event: Event) -> str:
    record = event.change.record
    roles = ("student", "contact", "teacher", "staff", "district_admin")
    return (
        next(role for role in roles if role in record.roles) if isinstance(record, User) else event.type.split(".")[0]
    )


def test_a_thousand_changes_are_of_every_kind() -> None:
    made = LiveWorld(SMALL).change_at_random(None, seed=3, changes=1000, sync=25)
    kinds = ("users", "sections", "schools", "terms", "courses")
    assert {f"{kind}.{verb}" for kind in kinds for verb in ("created", "deleted")} <= made.keys()
    assert {"users.updated", "sections.updated", "schools.updated", "terms.updated", "districts.updated"} <= made.keys()


async def test_they_are_asked_for_over_http(clever: httpx.AsyncClient) -> None:
    answer = await clever.post("/_sandbox/changes", json={"seed": 5, "changes": 50})
    told = answer.json()
    listed = (await clever.get("/v3.1/events?limit=10000")).json()["data"][1:]
    assert (answer.status_code, told["changes"], told["events"]) == (200, 50, len(listed))
    assert sum(told["types"].values()) == len(listed)


@pytest.mark.parametrize(
    ("body", "status"), [({"changes": 0}, 400), ({"sync": 0}, 400), ({"kind": "all"}, 400), ({"district": "x"}, 404)]
)
async def test_a_bad_request_for_them_is_refused(
    clever: httpx.AsyncClient, body: dict[str, object], status: int
) -> None:
    assert (await clever.post("/_sandbox/changes", json=body)).status_code == status
