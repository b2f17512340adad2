"""The OpenAPI document, as generators need it: every part is named, described, shown and true."""

import re

import httpx
import pytest
from openapi_spec_validator import validate

from app.api.examples import EXAMPLES
from tests.clients.document import DOCUMENT, Json, Operation, mistakes, operations, parts
from tests.clients.schemas import resolved
from tests.conftest import Sandbox

JSON = "application/json"
PROBLEM = "application/problem+json"
every_operation = pytest.mark.parametrize(
    "operation", operations(), ids=lambda operation: operation.said["operationId"]
)


def named(part: Json) -> Json:
    return resolved(part, DOCUMENT)


def test_it_is_valid_openapi() -> None:
    validate(DOCUMENT)


def test_it_is_what_the_service_serves(service: httpx.Client) -> None:
    assert httpx.get(f"{service.base_url}/openapi.json").json() == DOCUMENT


def test_it_says_of_itself_what_it_is() -> None:
    info = DOCUMENT["info"]
    assert (info["title"], info["license"]["identifier"]) == ("Rosterguard", "Apache-2.0")
    assert DOCUMENT["servers"]
    assert [(scheme["type"], scheme["scheme"]) for scheme in DOCUMENT["components"]["securitySchemes"].values()] == [
        ("http", "bearer")
    ]


def test_every_operation_has_an_id_of_its_own() -> None:
    ids = [operation.said["operationId"] for operation in operations()]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+([A-Z][a-z]*)+", each) for each in ids)


@every_operation
def test_an_operation_is_described_in_words_and_has_a_described_tag(operation: Operation) -> None:
    assert operation.said["summary"]
    assert operation.said["description"]
    assert set(operation.said["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}
    assert len(operation.said["tags"]) == 1


@every_operation
def test_an_operation_names_its_bodies_and_shows_an_example_of_each(operation: Operation) -> None:
    bodies = {**operation.said["responses"], "request": operation.said.get("requestBody", {})}
    for which, body in bodies.items():
        for media_type, content in body.get("content", {}).items():
            if media_type.endswith("json"):
                schema = content["schema"]
                schema = schema["items"] if schema.get("type") == "array" else schema
                assert "$ref" in schema, which
                assert content.get("examples") or named(schema).get("examples"), which


@every_operation
def test_an_operation_shows_what_to_put_into_its_path(operation: Operation) -> None:
    for parameter in map(named, operation.said.get("parameters", [])):
        if parameter.get("required"):
            assert parameter.get("example") or parameter["schema"].get("examples"), parameter["name"]


@every_operation
def test_an_operation_of_ours_tells_its_errors_as_problems(operation: Operation) -> None:
    if not operation.path.startswith("/v1/"):
        return
    errors = {status: said for status, said in operation.said["responses"].items() if status >= "400"}
    assert {"401", "422"} <= errors.keys()
    for said in errors.values():
        assert set(said["content"]) == {PROBLEM}
        assert named(said["content"][PROBLEM]["schema"])["title"]
    assert operation.said["security"] == [{"apiKey": []}]


@every_operation
def test_an_operation_that_needs_a_key_tells_how_it_is_refused(operation: Operation) -> None:
    if operation.said["security"]:
        told = {status: set(said.get("headers", {})) for status, said in operation.said["responses"].items()}
        assert told.keys() >= {"401", "403", "413"}
        assert told["401"] == told["403"] == {"WWW-Authenticate"}
        assert all(told[status] == {"Retry-After"} for status in {"429", "503"} & told.keys())


def test_every_example_fits_its_schema() -> None:
    wrong = []
    for where, part in parts(DOCUMENT):
        shown = part.get("examples", {"": {"value": part["example"]}} if "example" in part else {})
        values = [each["value"] for each in shown.values()] if isinstance(shown, dict) else shown
        schema = part.get("schema", part)
        wrong += [f"{where}: {mistake}" for value in values for mistake in mistakes(schema, value)]
    assert wrong == []


def test_no_object_and_no_enumeration_is_without_a_name() -> None:
    anonymous = [
        where
        for where, part in parts(DOCUMENT)
        if (part.get("type") == "object" or "enum" in part or "properties" in part)
        and not re.fullmatch(r"#/components/schemas/\w+(/properties)?", where)
    ]
    assert anonymous == []


def test_what_is_shown_is_what_the_sandbox_answers(service: httpx.Client, sandbox: Sandbox) -> None:
    user = sandbox.user("staff_who_also_teach_elsewhere")
    assert service.get(f"/v1/users/{user}/permissions").json() == EXAMPLES["PermissionSetBody"]
    assert service.get(f"/v1/users/{user}/roles").json() == EXAMPLES["RolesBody"]
    assert service.post("/v1/users/permissions", json=EXAMPLES["Batch"]).json() == EXAMPLES["BatchResults"]
