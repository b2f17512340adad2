"""Every path of Clever's published descriptions is served, and every answer is what they describe.

`description.json` holds what versions 3.0 and 3.1 describe of GET, without attendance and learning platforms;
`description-1.2.json` and `description-2.1.json` hold what these do, without the events themselves.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from starlette.applications import Starlette

from app.sandbox.records import COLLECTIONS, OLD_COLLECTIONS
from app.sandbox.world import World


def description(name: str) -> dict[str, dict[str, Any]]:
    content: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))
    return content


DESCRIPTION, V1, V2 = map(description, ("description.json", "description-1.2.json", "description-2.1.json"))
PATHS = DESCRIPTION["paths"]
VERSIONS = ["v3.0", "v3.1"]
OLDER = {"v1.1": V1, "v1.2": V1, "v2.0": V2, "v2.1": V2}


def as_json_schema(part: Any) -> Any:
    """What Swagger calls `x-nullable` may be null."""
    if isinstance(part, list):
        return [as_json_schema(one) for one in part]
    if not isinstance(part, dict):
        return part
    schema = {name: as_json_schema(value) for name, value in part.items() if name != "x-nullable"}
    return {"anyOf": [schema, {"type": "null"}]} if part.get("x-nullable") is True else schema


@cache
def validator(version: str, definition: str) -> Draft202012Validator:
    older = DESCRIPTION["definitions of v3.0"] if version == "v3.0" else {}
    described = strict(OLDER[version]["definitions"]) if version in OLDER else DESCRIPTION["definitions"] | older
    definitions = as_json_schema(described)
    return Draft202012Validator({"$ref": f"#/definitions/{definition}", "definitions": definitions})


def strict(definitions: dict[str, Any]) -> dict[str, Any]:
    """Records have no other fields; answers have links, which the older descriptions do not name."""
    return {
        name: schema if "Response" in name else {**schema, "additionalProperties": False}
        for name, schema in definitions.items()
    }


def check(version: str, path: str, answer: Any) -> None:
    validator(version, OLDER.get(version, DESCRIPTION)["paths"][path]["response"]).validate(answer)
    for item in answer["data"] if isinstance(answer["data"], list) else [answer]:
        if path.startswith("/events"):
            validator(version, item["data"]["type"]).validate(item["data"])


def addresses(path: str, ids: dict[str, list[str]], records: int = 12) -> Iterator[str]:
    """The path, for about as many records of its collection."""
    collection = path.split("/")[1]
    if "{id}" not in path:
        yield path
    else:
        every = ids[collection]
        yield from (path.format(id=one) for one in every[:: len(every) // records + 1])


def ids_of(sandbox: Starlette) -> dict[str, list[str]]:
    [district] = sandbox.state.world.districts.values()
    events = [event.id for event in sandbox.state.world.events[district.id].kept()]
    return {"districts": [district.id], "events": events} | {each: [*getattr(district, each)] for each in COLLECTIONS}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", PATHS)
async def test_every_described_path_answers_as_it_is_described(
    sandbox: Starlette, clever: httpx.AsyncClient, version: str, path: str
) -> None:
    sandbox.state.world.change_at_random(None, seed=1, changes=60, sync=10)
    statuses = set()
    for address in addresses(path, ids_of(sandbox)):
        answer = await clever.get(f"/{version}{address}")
        statuses.add(answer.status_code)
        assert answer.headers["content-type"] == "application/json"
        if answer.status_code == 200:
            check(version, path, answer.json())
        else:
            assert answer.json() == {"message": "Resource not found"}
    # A section may be without a course or a term, or name one that is gone.
    assert statuses <= ({200, 404} if path in {"/sections/{id}/course", "/sections/{id}/term"} else {200})
    assert 200 in statuses


def older_ids_of(sandbox: Starlette) -> dict[str, list[str]]:
    [district] = sandbox.state.world.districts.values()
    view = district.before_v3
    accounts = {
        collection: [user.id for user in view.users_in_role[role]] for role, collection in OLD_COLLECTIONS.items()
    }
    return {"districts": [view.id], "events": []} | {each: [*getattr(view, each)] for each in COLLECTIONS} | accounts


MAY_BE_MISSING = {
    "/sections/{id}/course",
    "/sections/{id}/teacher",
    "/sections/{id}/term",
    "/students/{id}/school",
    "/teachers/{id}/school",
}


@pytest.mark.parametrize("version", OLDER)
async def test_every_path_of_an_older_description_answers_as_it_is_described(
    sandbox: Starlette, clever: httpx.AsyncClient, version: str
) -> None:
    sandbox.state.world.change_at_random(None, seed=1, changes=60, sync=10)
    ids, statuses = older_ids_of(sandbox), defaultdict(set)
    for path in OLDER[version]["paths"]:
        for address in addresses(path, ids, 4):
            answer = await clever.get(f"/{version}{address}")
            assert answer.headers["content-type"] == "application/json"
            statuses[path].add(answer.status_code)
            if answer.status_code == 200:
                check(version, path, answer.json())
    assert {path for path, found in statuses.items() if found != {200}} <= MAY_BE_MISSING
    # There are no events.
    assert {path for path, found in statuses.items() if 200 in found} == OLDER[version]["paths"].keys() - {
        "/events/{id}"
    }


@pytest.mark.parametrize(
    ("version", "body"),
    [
        ("v1.1", {"code": 91, "error": "Resource not found", "data": {}}),
        ("v1.2", {"message": "Resource not found"}),
        ("v2.0", {"message": "Resource not found"}),
        ("v2.1", {"message": "Resource not found"}),
    ],
)
async def test_what_is_not_there_is_not_found_in_the_form_of_the_version(
    clever: httpx.AsyncClient, version: str, body: dict[str, Any]
) -> None:
    for path in ("/nowhere", *(path for path in OLDER[version]["paths"] if "{id}" in path)):
        answer = await clever.get(f"/{version}{path.format(id='0' * 24)}")
        assert (answer.status_code, answer.json()) == (404, body), path


@pytest.mark.parametrize("version", ["v1.2", "v2.1"])
async def test_every_parameter_of_an_older_description_is_taken(
    sandbox: Starlette, clever: httpx.AsyncClient, version: str
) -> None:
    ids = older_ids_of(sandbox) | {"events": ["0" * 24]}
    for path, described in OLDER[version]["paths"].items():
        address, cursor = next(addresses(path, ids)), ids["sections"][0]
        for parameter in described["parameters"]:
            name = parameter["name"]
            for value in parameter.get("enum", ["2" if name == "limit" else cursor]) if name != "id" else []:
                answer = await clever.get(f"/{version}{address}", params={name: value})
                assert answer.status_code == 200, (address, name, value)


async def test_every_described_parameter_is_taken(sandbox: Starlette, clever: httpx.AsyncClient) -> None:
    ids = ids_of(sandbox)
    known = {"limit": "2", "school": ids["schools"][0], "record_type": "users"}
    for path, described in PATHS.items():
        address, cursor = next(addresses(path, ids)), ids["events" if path == "/events" else "users"][0]
        for parameter in described["parameters"]:
            name, values = parameter["name"], parameter.get("enum")
            for value in values or [known.get(name, cursor)] if parameter["in"] == "query" else []:
                answer = await clever.get(f"/v3.1{address}", params={"limit": "2", name: value})
                assert answer.status_code == 200, (address, name, value)


async def test_what_is_not_there_is_not_found_in_clevers_form(clever: httpx.AsyncClient) -> None:
    for path in PATHS:
        if "{id}" in path:
            answer = await clever.get(f"/v3.0{path.format(id='0' * 24)}")
            assert (answer.status_code, answer.json()) == (404, {"message": "Resource not found"}), path


async def test_every_named_case_is_as_described(clever: httpx.AsyncClient, world: World) -> None:
    for case in world.cases.values():
        for path in ("/users/{id}", "/users/{id}/sections", "/users/{id}/schools"):
            check("v3.1", path, (await clever.get(f"/v3.1{path.format(id=case.user)}")).json())
