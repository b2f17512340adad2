"""Every path of Clever's published descriptions is served, and every answer is what they describe.

`description.json` holds what versions 3.0 and 3.1 describe of GET, without attendance and learning platforms.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from starlette.applications import Starlette

from app.sandbox.records import COLLECTIONS
from app.sandbox.world import World

DESCRIPTION = json.loads(Path(__file__).with_name("description.json").read_text(encoding="utf-8"))
PATHS: dict[str, dict[str, Any]] = DESCRIPTION["paths"]
VERSIONS = ["v3.0", "v3.1"]


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
    definitions = as_json_schema(DESCRIPTION["definitions"] | older)
    return Draft202012Validator({"$ref": f"#/definitions/{definition}", "definitions": definitions})


def check(version: str, path: str, answer: Any) -> None:
    validator(version, PATHS[path]["response"]).validate(answer)
    for item in answer["data"] if isinstance(answer["data"], list) else [answer]:
        if path.startswith("/events"):
            validator(version, item["data"]["type"]).validate(item["data"])


def addresses(path: str, ids: dict[str, list[str]]) -> Iterator[str]:
    """The path, for a dozen records of its collection."""
    collection = path.split("/")[1]
    if "{id}" not in path:
        yield path
    else:
        every = ids[collection]
        yield from (path.format(id=one) for one in every[:: len(every) // 12 + 1])


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
