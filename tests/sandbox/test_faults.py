"""Each kind of fault, over a real socket, as a client meets it."""

import json
import zlib
from collections.abc import Iterator
from typing import Any, get_args

import httpx
import pytest
from starlette.applications import Starlette

from app.cli.server import in_background
from app.sandbox.fault_kinds import BOMB_BYTES, DANGLING, KINDS, WRONG_SHAPES
from app.sandbox.faults import Fault, Faults, KindName
from app.sandbox.server import create_sandbox
from app.sandbox.world import World
from tests.conftest import Sandbox

AUTHORIZED = {"Authorization": "Bearer sandbox-token"}


@pytest.fixture(scope="module")
def running(world: World) -> Iterator[Sandbox]:
    app = create_sandbox(world, clock=lambda: 1_000_000_020.0)
    app.state.world.change_at_random(None, seed=1, changes=30, sync=10)
    with in_background(app) as url:
        yield Sandbox(url, app, world)


@pytest.fixture
def clever(running: Sandbox) -> Iterator[httpx.Client]:
    """A client of the sandbox on its socket, with no fault yet."""
    running.app.state.faults.clear()
    with httpx.Client(base_url=running.url, headers=AUTHORIZED, timeout=10) as client:
        yield client


def user_path(world: World) -> str:
    return f"/v3.1/users/{world.cases['teacher_of_many_sections'].user}"


def put(sandbox: Starlette, kind: KindName, **given: Any) -> None:
    sandbox.state.faults.put(Faults(seed=1, faults=(Fault(kind=kind, **given),)))


def next_of(answer: httpx.Response) -> str:
    [uri] = [link["uri"] for link in answer.json()["links"] if link["rel"] == "next"]
    return str(uri)


def ids(answer: httpx.Response) -> list[str]:
    return [item["data"]["id"] for item in answer.json()["data"]]


def test_there_is_something_to_do_for_every_kind() -> None:
    assert tuple(KINDS) == get_args(KindName)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("drop", "Server disconnected without sending a response."),
        ("truncate", "peer closed connection without sending complete message body"),
        ("headers", "Receive buffer too long"),
    ],
)
def test_a_connection_that_breaks_is_no_answer(
    running: Sandbox, clever: httpx.Client, kind: KindName, told: str, world: World
) -> None:
    user = user_path(world)
    put(running.app, kind)
    with pytest.raises(httpx.RemoteProtocolError, match=told):
        clever.get(user)


@pytest.mark.parametrize(("kind", "seconds"), [("hang", 0), ("delay", 60), ("drip", 60)])
def test_what_does_not_come_is_waited_for_in_vain(
    running: Sandbox, clever: httpx.Client, kind: KindName, seconds: float, world: World
) -> None:
    user = user_path(world)
    put(running.app, kind, seconds=seconds)
    with pytest.raises(httpx.ReadTimeout):
        clever.get(user, timeout=0.2)


@pytest.mark.parametrize(("kind", "seconds"), [("delay", 0.01), ("drip", 0.00001)])
def test_what_comes_late_is_true(
    running: Sandbox, clever: httpx.Client, kind: KindName, seconds: float, world: World
) -> None:
    user = user_path(world)
    path = f"{user}/schools"
    true = clever.get(path).content
    put(running.app, kind, seconds=seconds)
    assert clever.get(path).content == true


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (500, "application/json", '{"message":"Internal Server Error"}'),
        (503, "text/html; charset=utf-8", "<!DOCTYPE html><title>503</title><h1>503 Service Unavailable</h1>"),
        (401, "application/json", '{"message":"Unauthorized"}'),
        (599, "application/json", '{"message":"Unknown"}'),
        (204, None, ""),
    ],
)
def test_any_status_can_be_answered(
    running: Sandbox, clever: httpx.Client, status: int, content_type: str | None, body: str, world: World
) -> None:
    user = user_path(world)
    put(running.app, "status", status=status)
    answer = clever.get(user)
    assert (answer.status_code, answer.headers.get("content-type"), answer.text) == (status, content_type, body)


def test_a_redirect_leads_elsewhere(running: Sandbox, clever: httpx.Client, world: World) -> None:
    user = user_path(world)
    put(running.app, "status", status=302)
    assert clever.get(user).headers["location"] == "https://evil.example/"


def test_a_429_tells_the_true_end_of_the_window(running: Sandbox, clever: httpx.Client, world: World) -> None:
    user = user_path(world)
    put(running.app, "status", status=429, seconds=7)
    answer = clever.get(user)
    limits = {name: answer.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset")}
    assert limits == {"limit": "1200", "remaining": "0", "reset": "1000000080"}
    assert (answer.status_code, answer.content, answer.headers["retry-after"]) == (429, b"", "7")


def test_a_record_can_be_gone(running: Sandbox, clever: httpx.Client, world: World) -> None:
    user = user_path(world)
    put(running.app, "gone")
    answer = clever.get(user)
    assert (answer.status_code, answer.json()) == (404, {"message": "Resource not found"})


def test_a_page_can_come_in_place_of_json(running: Sandbox, clever: httpx.Client, world: World) -> None:
    user = user_path(world)
    put(running.app, "html")
    answer = clever.get(user)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_half_of_the_json_comes_at_its_honest_length(running: Sandbox, clever: httpx.Client, world: World) -> None:
    user = user_path(world)
    true = clever.get(user).content
    put(running.app, "half_json")
    answer = clever.get(user)
    assert (answer.status_code, answer.content) == (200, true[: len(true) // 2])


def test_garbled_json_is_none(running: Sandbox, clever: httpx.Client, world: World) -> None:
    user = user_path(world)
    put(running.app, "garble")
    answer = clever.get(user)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    with pytest.raises(UnicodeDecodeError):
        answer.content.decode()


def test_json_can_be_of_another_shape(running: Sandbox, clever: httpx.Client, world: World) -> None:
    user = user_path(world)
    put(running.app, "wrong_shape")
    told = [clever.get(user).json() for _ in range(50)]
    assert all(shape in told for shape in WRONG_SHAPES)


def test_a_bomb_is_small_until_it_is_unpacked(running: Sandbox, clever: httpx.Client, world: World) -> None:
    user = user_path(world)
    put(running.app, "bomb")
    with clever.stream("GET", user) as answer:
        packed = b"".join(answer.iter_raw())
    unpacker, size, rest = zlib.decompressobj(16 + zlib.MAX_WBITS), 0, packed
    while piece := unpacker.decompress(rest, 1024 * 1024):
        size, rest = size + len(piece), unpacker.unconsumed_tail
    assert (len(packed) < 400_000, size, unpacker.eof) == (True, BOMB_BYTES + len('{"data":{"id":""}}'), True)


def test_a_huge_answer_is_true(running: Sandbox, clever: httpx.Client, world: World) -> None:
    user = user_path(world)
    true = clever.get(user).json()
    put(running.app, "huge")
    answer = clever.get(user)
    told = json.loads(answer.content)
    assert (told.pop("padding").strip("a"), told) == ("", true)
    assert len(answer.content) > 60 * 1024 * 1024


def test_a_page_can_lead_to_itself(running: Sandbox, clever: httpx.Client, world: World) -> None:
    user = user_path(world)
    put(running.app, "loop")
    path = f"{user}/sections?limit=2"
    assert next_of(clever.get(path)) == path


def test_a_page_can_lead_to_another_origin(running: Sandbox, clever: httpx.Client, world: World) -> None:
    user = user_path(world)
    put(running.app, "astray")
    assert next_of(clever.get(f"{user}/sections")).startswith(f"https://evil.example{user}/sections?starting_after=")


def test_a_page_can_lead_nowhere(running: Sandbox, clever: httpx.Client, world: World) -> None:
    user = user_path(world)
    put(running.app, "dangling")
    assert {next_of(clever.get(f"{user}/sections")) for _ in range(50)} == set(DANGLING)


def test_a_record_of_the_page_before_comes_again(running: Sandbox, clever: httpx.Client, world: World) -> None:
    user = user_path(world)
    put(running.app, "shifted")
    first = clever.get(f"{user}/sections?limit=50")
    second = clever.get(next_of(first))
    third = clever.get(next_of(second))
    everything = ids(clever.get(f"{user}/sections?limit=200"))
    assert ids(first) == everything[:50]
    assert ids(second) == everything[49:99]
    assert ids(third) == everything[98:]


@pytest.mark.parametrize("collection", ["users", "schools", "sections"])
def test_another_record_than_the_one_asked_for_can_come(
    running: Sandbox, clever: httpx.Client, collection: str
) -> None:
    first, second, *_, last = ids(clever.get(f"/v3.1/{collection}?limit=10000"))
    true = clever.get(f"/v3.1/{collection}/{second}").json()
    put(running.app, "other_record")
    assert clever.get(f"/v3.1/{collection}/{first}").json() == true
    assert clever.get(f"/v3.1/{collection}/{last}").json()["data"]["id"] == first
    assert ids(clever.get(f"/v3.1/{collection}?limit=1")) == [first]


@pytest.mark.parametrize("kind", ["other_district", "other_record"])
def test_a_district_can_be_another_one(running: Sandbox, clever: httpx.Client, world: World, kind: KindName) -> None:
    put(running.app, kind)
    district = world.districts[0].id
    assert clever.get(f"/v3.1/districts/{district}").json()["data"]["id"] != district


def test_records_can_be_of_another_district(running: Sandbox, clever: httpx.Client, world: World) -> None:
    user = user_path(world)
    put(running.app, "other_district")
    one, many = clever.get(user).json(), clever.get(f"{user}/schools").json()
    districts = {one["data"]["district"], *(item["data"]["district"] for item in many["data"])}
    assert len(districts) == 1
    assert world.districts[0].id not in districts


@pytest.mark.parametrize("kind", ["loop", "astray", "dangling", "other_district", "other_record"])
def test_a_lie_about_what_is_not_there_changes_nothing(running: Sandbox, clever: httpx.Client, kind: KindName) -> None:
    nobody = f"/v3.1/users/{'0' * 24}"
    paths = (nobody, f"{nobody}/sections", "/v3.1/users?count=true", "/oauth/tokeninfo")
    true = [clever.get(path).content for path in paths]
    put(running.app, kind)
    assert [clever.get(path).content for path in paths] == true


@pytest.mark.parametrize("kind", ["drop", "truncate", "headers"])
async def test_without_its_socket_the_sandbox_pretends_nothing(world: World, kind: KindName) -> None:
    sandbox = create_sandbox(world)
    put(sandbox, kind)
    transport = httpx.ASGITransport(sandbox)
    async with httpx.AsyncClient(transport=transport, base_url="http://clever") as client:
        answer = await client.get("/v3.1/users")
    told = "This fault needs the sandbox's own protocol, which this server does not use"
    assert (answer.status_code, answer.json()) == (500, {"message": told})


def events_of(clever: httpx.Client, query: str = "") -> list[Any]:
    return [item["data"] for item in clever.get(f"/v3.1/events?{query}").raise_for_status().json()["data"]]


@pytest.mark.parametrize("path", ["/v3.1/users", "/v3.1/events"])
def test_a_page_can_come_again_where_the_next_one_was_asked_for(
    running: Sandbox, clever: httpx.Client, path: str
) -> None:
    first = clever.get(f"{path}?limit=3")
    second = clever.get(next_of(first))
    put(running.app, "repeated", times=1)
    again = clever.get(next_of(first))
    assert (ids(again), again.json()["links"]) == (ids(first), second.json()["links"])
    assert ids(clever.get(next_of(first))) == ids(second)


@pytest.mark.parametrize("path", ["/v3.1/users", "/v3.1/events"])
def test_a_page_can_begin_with_the_last_item_of_the_one_before(
    running: Sandbox, clever: httpx.Client, path: str
) -> None:
    first, second = ids(clever.get(f"{path}?limit=3")), ids(clever.get(f"{path}?limit=6"))[3:]
    put(running.app, "shifted")
    assert ids(clever.get(f"{path}?limit=3&starting_after={first[-1]}")) == [first[-1], *second[:2]]


@pytest.mark.parametrize("path", ["/v3.1/users", "/v3.1/events"])
def test_an_item_can_be_left_out_of_a_page_come_twice_or_stand_elsewhere(
    running: Sandbox, clever: httpx.Client, path: str
) -> None:
    true = ids(clever.get(f"{path}?limit=9"))
    put(running.app, "skipped")
    skipped = ids(clever.get(f"{path}?limit=9"))
    assert (len(skipped), [one for one in true if one in skipped]) == (8, skipped)
    put(running.app, "doubled")
    doubled = ids(clever.get(f"{path}?limit=9"))
    assert (len(doubled), list(dict.fromkeys(doubled))) == (10, true)
    put(running.app, "disordered")
    assert sorted(ids(clever.get(f"{path}?limit=9"))) == true != ids(clever.get(f"{path}?limit=9"))


def test_a_list_can_change_between_its_pages_and_events_tell_how(running: Sandbox, clever: httpx.Client) -> None:
    first = clever.get("/v3.1/users?limit=3")
    before = events_of(clever, "limit=10000")
    put(running.app, "changing", path="/v3.1/users")
    later = ids(clever.get(f"{next_of(first)}&limit=10000"))
    made = events_of(clever, f"limit=10000&starting_after={before[-1]['id']}")
    created = {event["data"]["object"]["id"] for event in made if event["type"] == "users.created"}
    assert created
    assert created <= set(later)


def test_a_later_page_can_fail_once_and_then_be_read(running: Sandbox, clever: httpx.Client) -> None:
    uri, script, statuses = "/v3.1/users?limit=300", (False, True), []
    put(running.app, "status", status=500, page="later", script=script)
    while uri:
        answer = clever.get(uri)
        statuses.append(answer.status_code)
        links = answer.json().get("links", [{"rel": "next", "uri": uri}])
        uri = next((link["uri"] for link in links if link["rel"] == "next"), "")
    assert statuses == [200, 200, 500, 200]


def test_events_can_be_of_a_type_that_nobody_knows(running: Sandbox, clever: httpx.Client) -> None:
    put(running.app, "unknown_type")
    assert {event["type"] for event in events_of(clever)} == {"enrollments.updated"}


def test_events_can_have_holes(running: Sandbox, clever: httpx.Client) -> None:
    true = events_of(clever)
    put(running.app, "holes")
    for event, whole in zip(events_of(clever), true, strict=True):
        assert event != whole


def test_events_can_be_of_another_district(running: Sandbox, clever: httpx.Client, world: World) -> None:
    put(running.app, "other_district")
    records = [event["data"]["object"] for event in events_of(clever)]
    assert world.districts[0].id not in {record.get("district", record["id"]) for record in records}
    assert len({record.get("district", record["id"]) for record in records}) == 1


def test_what_is_wrong_with_events_strikes_no_records(running: Sandbox, clever: httpx.Client) -> None:
    put(running.app, "unknown_type")
    assert clever.get("/v3.1/users").json()["data"]
    assert [fault["struck"] for fault in clever.get("/_sandbox/faults").json()["faults"]] == [0]


def test_the_neighbour_of_a_section_answers_for_it(running: Sandbox, clever: httpx.Client, world: World) -> None:
    section, neighbour = world.districts[0].all_sections[:2]
    put(running.app, "other_record", path=f"*/sections/{section.id}/school")
    assert clever.get(f"/v3.1/sections/{section.id}/school").json()["data"]["id"] == neighbour.school
