"""The check for breaking changes: it catches what would break a generated client, and lets the rest pass."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.compatibility import breaking_changes, main, may_break

Json = dict[str, Any]
Change = Callable[[Json, Json], object]

BASE: Json = {
    "openapi": "3.1.0",
    "info": {"title": "Places", "version": "0.1.0"},
    "paths": {
        "/places": {
            "post": {
                "operationId": "findPlaces",
                "tags": ["places"],
                "security": [{"apiKey": []}],
                "parameters": [
                    {"name": "kind", "in": "query", "schema": {"$ref": "#/components/schemas/Kind"}},
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
                ],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Search"}}}},
                "responses": {
                    "200": {
                        "headers": {"ETag": {"schema": {"type": "string"}}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Place"}}},
                    },
                    "404": {
                        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
                    },
                },
            }
        },
        "/livez": {"get": {"operationId": "getLiveness", "tags": ["health"], "responses": {"200": {}}}},
    },
    "components": {
        "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}},
        "schemas": {
            "Kind": {"type": "string", "enum": ["school", "section"]},
            "Search": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "maxLength": 20},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "within": {"$ref": "#/components/schemas/Search"},
                },
                "required": ["name"],
            },
            "Place": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "since": {"type": "string", "format": "date"},
                    "state": {"$ref": "#/components/schemas/State"},
                    "owner": {"anyOf": [{"$ref": "#/components/schemas/Place"}, {"type": "string"}]},
                    "tags": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["id", "state"],
            },
            "State": {"type": "string", "enum": ["open", "closed"]},
            "Problem": {"type": "object", "properties": {"type": {"type": "string"}}},
        },
    },
}


def operation(document: Json) -> Json:
    found: Json = document["paths"]["/places"]["post"]
    return found


def search(schemas: Json) -> Json:
    found: Json = schemas["Search"]
    return found


def opened(schema: Json, *known: str) -> Json:
    del schema["enum"]
    schema["x-extensible-enum"] = list(known)
    return schema


def place(schemas: Json) -> Json:
    found: Json = schemas["Place"]["properties"]
    return found


BREAKING: dict[str, Change] = {
    "GET /livez: the operation is gone": lambda d, _: d["paths"].pop("/livez"),
    "POST /places: operationId findPlaces became listPlaces": lambda d, _: operation(d).update(
        operationId="listPlaces"
    ),
    "POST /places: the tag places became search": lambda d, _: operation(d).update(tags=["search"]),
    "POST /places: security [{'apiKey': []}] became [{'token': []}]": lambda d, _: operation(d).update(
        security=[{"token": []}]
    ),
    "apiKey: the security scheme is another": lambda d, _: d["components"]["securitySchemes"]["apiKey"].update(
        scheme="basic"
    ),
    "POST /places query limit: the parameter is gone": lambda d, _: operation(d)["parameters"].pop(1),
    "POST /places query limit: the parameter is now required": lambda d, _: operation(d)["parameters"][1].update(
        required=True
    ),
    "POST /places query page: the parameter is now required": lambda d, _: operation(d)["parameters"].append(
        {"name": "page", "in": "query", "required": True, "schema": {"type": "integer"}}
    ),
    "POST /places query limit: maximum 100 became 50": lambda d, _: operation(d)["parameters"][1]["schema"].update(
        maximum=50
    ),
    "POST /places query limit: minimum 1 became 2": lambda d, _: operation(d)["parameters"][1]["schema"].update(
        minimum=2
    ),
    "POST /places query limit: integer became string": lambda d, _: operation(d)["parameters"][1]["schema"].update(
        type="string"
    ),
    "POST /places query kind: no longer takes section": lambda _, s: s["Kind"]["enum"].remove("section"),
    "POST /places query limit: no longer takes every value": lambda d, _: operation(d)["parameters"][1][
        "schema"
    ].update(enum=[1, 2]),
    "POST /places: a body is now required": lambda d, _: operation(d)["requestBody"].update(required=True),
    "POST /places body: application/json is gone": lambda d, _: operation(d)["requestBody"]["content"].clear(),
    "POST /places body.note: is now required": lambda _, s: search(s)["required"].append("note"),
    "POST /places body.size: is now required": lambda _, s: search(s).update(
        properties=search(s)["properties"] | {"size": {"type": "integer"}}, required=["name", "size"]
    ),
    "POST /places body.note: the property is gone": lambda _, s: search(s)["properties"].pop("note"),
    "POST /places body.note: null or string became string": lambda _, s: search(s)["properties"].update(
        note={"type": "string"}
    ),
    "POST /places body.name: maxLength 20 became 10": lambda _, s: search(s)["properties"]["name"].update(maxLength=10),
    "POST /places body.name: minLength None became 1": lambda _, s: search(s)["properties"]["name"].update(minLength=1),
    "POST /places body.name: pattern None became ^a": lambda _, s: search(s)["properties"]["name"].update(pattern="^a"),
    "POST /places body: no longer takes further properties": lambda _, s: search(s).update(additionalProperties=False),
    "POST /places 404: the response is gone": lambda d, _: operation(d)["responses"].pop("404"),
    "POST /places 404: application/problem+json is gone": lambda d, _: operation(d)["responses"]["404"].pop("content"),
    "POST /places 200 ETag: the header is gone": lambda d, _: operation(d)["responses"]["200"]["headers"].clear(),
    "POST /places 200.since: the property is gone": lambda _, s: place(s).pop("since"),
    "POST /places 200.id: is no longer always there": lambda _, s: s["Place"]["required"].remove("id"),
    "POST /places 200.id: string became integer": lambda _, s: place(s)["id"].update(type="integer"),
    "POST /places 200.id: string became null or string": lambda _, s: place(s)["id"].update(type=["string", "null"]),
    "POST /places 200.since: format date became date-time": lambda _, s: place(s)["since"].update(format="date-time"),
    "POST /places 200.state: may now be paused": lambda _, s: s["State"]["enum"].append("paused"),
    "POST /places 200.state: may now be any value": lambda _, s: s["State"].pop("enum"),
    "POST /places 200.state: string became integer": lambda _, s: opened(s["State"], "open").update(type="integer"),
    "POST /places query kind: the schema Kind is now AnyKind": lambda d, s: (
        s.update(AnyKind=opened(dict(s["Kind"]), "school", "section")),
        operation(d)["parameters"][0].update(schema={"$ref": "#/components/schemas/AnyKind"}),
    ),
    "POST /places 200.tags[]: string became integer": lambda _, s: place(s)["tags"]["items"].update(type="integer"),
    "POST /places 200.owner: Place or string became Place or null or string": lambda _, s: place(s)["owner"][
        "anyOf"
    ].append({"type": "null"}),
    "Problem: the schema is gone": lambda d, s: (
        s.update(Failure=s.pop("Problem")),
        operation(d)["responses"]["404"]["content"]["application/problem+json"].update(
            schema={"$ref": "#/components/schemas/Failure"}
        ),
    ),
}

HARMLESS: dict[str, Change] = {
    "a closed list that opens, of what is received": lambda _, s: opened(s["State"], "open", "closed"),
    "and then has a word more": lambda _, s: opened(s["State"], "open", "closed", "paused"),
    "an open list by another name": lambda _, s: (
        s.update(AnyState=opened(dict(s["State"]), "open", "closed")),
        place(s).update(state={"$ref": "#/components/schemas/AnyState"}),
    ),
    "alternatives that are told apart": lambda _, s: place(s).update(owner={"oneOf": place(s)["owner"]["anyOf"]}),
    "nothing": lambda _d, _s: None,
    "a new operation": lambda d, _: d["paths"].update({"/schools": copy.deepcopy(d["paths"]["/places"])}),
    "a new optional parameter": lambda d, _: operation(d)["parameters"].append(
        {"name": "page", "in": "query", "schema": {"type": "integer"}}
    ),
    "a value more that may be sent": lambda _, s: s["Kind"]["enum"].append("district"),
    "a longer text that may be sent": lambda _, s: search(s)["properties"]["name"].update(maxLength=200),
    "a new optional property that may be sent": lambda _, s: search(s)["properties"].update(size={"type": "integer"}),
    "a property that need not be sent any more": lambda _, s: search(s)["required"].clear(),
    "a new property that is received": lambda _, s: place(s).update(size={"type": "integer"}),
    "a property that is now always received": lambda _, s: s["Place"]["required"].append("since"),
    "a value less that is received": lambda _, s: s["State"]["enum"].remove("closed"),
    "a shorter text that is received": lambda _, s: place(s)["id"].update(maxLength=24),
    "a new error": lambda d, _: operation(d)["responses"].update({"503": operation(d)["responses"]["404"]}),
    "other words": lambda d, s: (operation(d).update(summary="Find places"), s["Kind"].update(description="Which.")),
}


def changed(change: Change) -> Json:
    document = copy.deepcopy(BASE)
    change(document, document["components"]["schemas"])
    return document


@pytest.mark.parametrize("told", BREAKING)
def test_what_breaks_a_client_is_reported(told: str) -> None:
    assert told in breaking_changes(BASE, changed(BREAKING[told]))


@pytest.mark.parametrize("change", HARMLESS)
def test_what_breaks_no_client_passes(change: str) -> None:
    assert breaking_changes(BASE, changed(HARMLESS[change])) == []


@pytest.mark.parametrize(
    ("version", "later", "announced"),
    [
        ("0.1.0", "0.1.1", False),
        ("0.1.0", "0.2.0", True),
        ("0.9.0", "1.0.0", True),
        ("1.2.0", "1.3.0", False),
        ("1.2.0", "2.0.0", True),
    ],
)
def test_a_version_announces_that_it_breaks(version: str, later: str, announced: bool) -> None:
    assert may_break({"info": {"version": version}}, {"info": {"version": later}}) is announced


def test_the_command_fails_on_what_no_version_announces(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    after = changed(BREAKING["GET /livez: the operation is gone"])
    files = [tmp_path / "before.json", tmp_path / "after.json"]
    for file, document in zip(files, (BASE, after), strict=True):
        file.write_text(json.dumps(document), encoding="utf-8")
    assert main(*map(str, files)) == 1
    assert capsys.readouterr().out == "GET /livez: the operation is gone\nbreaking changes since 0.1.0: 1\n"
    files[1].write_text(json.dumps(after | {"info": {"version": "0.2.0"}}), encoding="utf-8")
    assert main(*map(str, files)) == 0
