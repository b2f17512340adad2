"""Events: what every change leaves behind, in which order, how it is asked for, and how long it is kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from app.sandbox.oauth import TOKEN
from app.sandbox.server import create_sandbox
from app.sandbox.world import World, generate
from tests.conftest import MovedClock

DAY = 86_400


@asynccontextmanager
async def clever_of(sandbox: Starlette, token: str = TOKEN) -> AsyncIterator[httpx.AsyncClient]:
    transport, headers = httpx.ASGITransport(sandbox), {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://clever", headers=headers) as client:
        yield client


async def events(clever: httpx.AsyncClient, query: str = "", version: str = "v3.1") -> list[Any]:
    answer = await clever.get(f"/{version}/events?limit=10000&{query}")
    return [item["data"] for item in answer.raise_for_status().json()["data"]]


async def newest(clever: httpx.AsyncClient) -> Any:
    [event] = (await clever.get("/v3.1/events?ending_before=last&limit=1")).json()["data"]
    return event["data"]


def previous(event: Any) -> Any:
    return event["data"]["previous_attributes"]


async def test_the_first_event_is_that_the_district_was_created(clever: httpx.AsyncClient, world: World) -> None:
    [event] = await events(clever)
    assert (event["type"], event["data"]["object"]["id"]) == ("districts.created", world.districts[0].id)


@pytest.mark.parametrize(
    ("kind", "body", "change"),
    [
        ("users", {"roles": {"teacher": {"schools": []}}}, {"roles": {"staff": {"schools": ["a", "b"]}}}),
        ("sections", {"school": "a", "teachers": ["b"], "students": ["c"]}, {"teachers": ["d"]}),
        ("schools", {"name": "Old"}, {"name": "New"}),
        ("terms", {"name": "Old"}, {"name": "New"}),
        ("courses", {"name": "Old"}, {"name": "New"}),
    ],
)
async def test_what_is_created_updated_and_deleted_has_an_event_each_with_the_whole_record(
    clever: httpx.AsyncClient, kind: str, body: dict[str, object], change: dict[str, object]
) -> None:
    begin = await newest(clever)
    one = (await clever.post(f"/_sandbox/{kind}", json=body)).json()["id"]
    first = (await clever.get(f"/v3.1/{kind}/{one}")).json()["data"]
    await clever.patch(f"/_sandbox/{kind}/{one}", json=change)
    second = (await clever.get(f"/v3.1/{kind}/{one}")).json()["data"]
    await clever.delete(f"/_sandbox/{kind}/{one}")
    made = await events(clever, f"starting_after={begin['id']}")
    assert [event["type"] for event in made] == [f"{kind}.created", f"{kind}.updated", f"{kind}.deleted"]
    assert [event["data"]["object"] for event in made] == [first, second, second]
    assert ["previous_attributes" in event["data"] for event in made] == [False, True, False]


async def test_previous_attributes_hold_the_old_values_of_what_changed_where_it_stands(
    clever: httpx.AsyncClient, world: World
) -> None:
    teacher = world.cases["staff_who_also_teach_elsewhere"].user
    [section] = [one["data"] for one in (await clever.get(f"/v3.1/users/{teacher}/sections")).json()["data"]]
    await clever.patch(f"/_sandbox/sections/{section['id']}", json={"students": [], "school": section["school"]})
    assert previous(await newest(clever)) == {"students": section["students"]}
    roles = (await clever.get(f"/v3.1/users/{teacher}")).json()["data"]["roles"]
    await clever.patch(f"/_sandbox/users/{teacher}", json={"roles": {"staff": {**roles["staff"], "schools": []}}})
    assert previous(await newest(clever)) == {"roles": {"staff": {"schools": roles["staff"]["schools"]}}}
    await clever.patch(f"/_sandbox/users/{teacher}", json={"roles": {"teacher": None, "district_admin": {}}})
    assert previous(await newest(clever)) == {"roles": {"teacher": roles["teacher"], "district_admin": None}}


async def test_previous_attributes_can_stand_where_the_description_has_them(
    clever: httpx.AsyncClient, world: World
) -> None:
    district = world.districts[0].id
    await clever.put("/_sandbox/events", json={"previous_attributes": "beside_data"})
    await clever.patch(f"/_sandbox/districts/{district}", json={"state": "paused"})
    event = await newest(clever)
    assert (event["previous_attributes"], list(event["data"])) == ({"state": "running"}, ["object"])


async def test_a_change_that_changes_nothing_has_no_event(clever: httpx.AsyncClient, world: World) -> None:
    await clever.patch(f"/_sandbox/districts/{world.districts[0].id}", json={"state": "running"})
    assert len(await events(clever)) == 1


async def test_a_version_tells_its_own_fields_of_the_same_events(clever: httpx.AsyncClient, world: World) -> None:
    await clever.delete(f"/_sandbox/users/{world.cases['student_one_school'].user}")
    older, newer = [await events(clever, version=version) for version in ("v3.0", "v3.1")]
    assert [event["id"] for event in older] == [event["id"] for event in newer]
    assert "lms_status" in newer[-1]["data"]["object"]
    assert "lms_status" not in older[-1]["data"]["object"]


async def test_pages_lead_forward_to_an_empty_one_and_back(clever: httpx.AsyncClient) -> None:
    await clever.post("/_sandbox/changes", json={"changes": 40})
    every = [event["id"] for event in await events(clever)]
    uri, found = "/v3.1/events?limit=7&record_type=users&record_type=sections&record_type=districts", []
    while uri:
        page = (await clever.get(uri)).json()
        found += [(item["data"]["id"], item["data"]["type"].split(".")[0]) for item in page["data"]]
        uri = next((link["uri"] for link in page["links"] if link["rel"] == "next"), "")
    assert {kind for _, kind in found} == {"users", "sections", "districts"}
    assert [one for one, _ in found] == [one for one in every if one in dict(found)]
    assert await events(clever, f"starting_after={every[-1]}") == []
    back = await clever.get(f"/v3.1/events?limit=2&ending_before={every[3]}")
    assert [item["data"]["id"] for item in back.json()["data"]] == every[1:3]
    last = await clever.get("/v3.1/events?limit=2&ending_before=last")
    assert [item["data"]["id"] for item in last.json()["data"]] == every[-2:]
    assert last.json()["links"][1] == {"rel": "next", "uri": f"/v3.1/events?limit=2&starting_after={every[-1]}"}


async def test_one_event_can_be_asked_for(clever: httpx.AsyncClient) -> None:
    event = await newest(clever)
    uri = f"/v3.1/events/{event['id']}"
    assert (await clever.get(uri)).json() == {"data": event, "links": [{"rel": "self", "uri": uri}]}


async def test_events_of_a_school_are_those_of_its_people_and_sections(clever: httpx.AsyncClient, world: World) -> None:
    north, _, west = (school.id for school in world.districts[0].all_schools)
    for case in ("teacher_only", "student_of_another_school_in_section"):
        await clever.delete(f"/_sandbox/users/{world.cases[case].user}")
    await clever.post("/_sandbox/sections", json={"school": west, "teachers": [], "students": []})
    types = [[event["type"] for event in await events(clever, f"school={school}")] for school in (north, west)]
    assert types == [["users.deleted"], ["users.deleted", "sections.created"]]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (f"starting_after={'0' * 24}", 404),
        (f"ending_before={'0' * 24}", 404),
        ("starting_after=nonsense", 404),
        ("record_type=widgets", 400),
        ("limit=10001", 413),
    ],
)
async def test_a_cursor_that_is_no_event_and_other_bad_questions_are_refused(
    clever: httpx.AsyncClient, query: str, status: int
) -> None:
    assert (await clever.get(f"/v3.1/events?{query}")).status_code == status


async def test_an_event_is_kept_for_thirty_days() -> None:
    clock = MovedClock(40 * DAY)
    async with clever_of(create_sandbox(generate(), clock=clock)) as clever:
        first = await newest(clever)
        clock.move(DAY)
        await clever.post("/_sandbox/courses", json={"name": "New"})
        second = await newest(clever)
        clock.move(29 * DAY)
        assert [event["id"] for event in await events(clever)] == [second["id"]]
        assert (await clever.get(f"/v3.1/events?starting_after={first['id']}")).status_code == 404
        assert (await clever.get(f"/v3.1/events/{first['id']}")).status_code == 404
        assert second["created"] == "1970-02-11T00:00:00.000Z"
        clock.move(DAY)
        assert await events(clever) == []


async def test_changes_make_no_events_while_these_are_off_and_what_was_made_stays() -> None:
    async with clever_of(create_sandbox(generate(), events=False)) as clever:
        await clever.post("/_sandbox/changes", json={"changes": 10})
        assert await events(clever) == []
        await clever.put("/_sandbox/events", json={"enabled": True})
        await clever.post("/_sandbox/schools", json={"name": "New"})
        await clever.put("/_sandbox/events", json={"enabled": False})
        await clever.post("/_sandbox/schools", json={"name": "Newer"})
        assert [event["type"] for event in await events(clever)] == ["schools.created"]


async def test_after_a_reset_nobody_can_go_on_from_an_event_of_before(clever: httpx.AsyncClient) -> None:
    before = await newest(clever)
    await clever.post("/_sandbox/reset")
    assert (await clever.get(f"/v3.1/events?starting_after={before['id']}")).status_code == 404
    assert [event["type"] for event in await events(clever)] == ["districts.created"]


async def test_each_district_has_events_of_its_own() -> None:
    world = generate(districts=2)
    sandbox = create_sandbox(world)
    async with clever_of(sandbox) as first, clever_of(sandbox, "sandbox-token-2") as second:
        await first.post("/_sandbox/changes", json={"changes": 5, "district": world.districts[1].id})
        assert len(await events(first)) == 1
        assert {event["data"]["object"].get("district", world.districts[1].id) for event in await events(second)} == {
            world.districts[1].id
        }
        assert len(await events(second)) > 1
