"""The OpenAPI document, as generators need it: every part is named, described, shown and true."""

import re

import httpx
import pytest
from openapi_spec_validator import validate

from app.api import errors
from app.api.errors import Problem
from app.api.openapi import EXAMPLES
from app.domain.decision import Reason
from app.domain.errors import CleverError
from app.domain.explanation import Lack
from app.domain.facts import Role
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
    assert info["contact"]["name"]
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
def test_an_operation_tells_how_a_caller_may_be_wrong(operation: Operation) -> None:
    assert any(status.startswith("4") for status in operation.said["responses"])


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


def reached(*where: str) -> list[tuple[str, Json]]:
    """Return every part that operations say of what is received, or sent, and of the schemas that it refers to."""
    found, waiting = [], [operation.said[key] for operation in operations() for key in where if key in operation.said]
    seen: set[str] = set()
    while waiting:
        for at, part in parts(waiting.pop()):
            found.append((at, part))
            if "$ref" in part and part["$ref"] not in seen:
                seen.add(part["$ref"])
                waiting.append(named(part))
    return found


def test_nothing_that_may_be_left_out_has_null_for_a_default() -> None:
    """With a default, generators take it for always there, and whoever asks has to say it."""
    assert [where for where, part in parts(DOCUMENT) if "default" in part and part["default"] is None] == []


def test_answers_close_no_list_that_may_grow() -> None:
    closed = [
        (where, part)
        for where, part in reached("responses")
        if part.keys() & {"enum", "const", "propertyNames"} or part.get("additionalProperties") is False
    ]
    assert closed == []


def test_an_open_list_tells_in_words_what_is_known() -> None:
    open_lists = [part for _, part in reached("responses") if "x-extensible-enum" in part]
    assert {part.get("title") for part in open_lists} >= {"AnyRole", "Scope", "Reason", "Lack", "How", "Stale Reason"}
    for part in open_lists:
        assert part["description"]
        if part.get("title") != "Type":  # the types of problems are too many for a sentence
            assert all(f"`{word}`" in part["description"] for word in part["x-extensible-enum"])


def test_requests_stay_as_closed_as_they_are_read() -> None:
    sent = [part for _, part in reached("parameters", "requestBody")]
    assert [part["title"] for part in sent if "enum" in part] == ["Role", "EvaluationsSemantic"]
    assert not any("x-extensible-enum" in part for part in sent)
    assert {part["title"] for part in sent if part.get("additionalProperties") is False} == {"Batch", "BatchItem"}


def test_known_are_all_reasons_and_all_problems() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["Reason"]["x-extensible-enum"] == list(Reason)
    assert schemas["Lack"]["x-extensible-enum"] == list(Lack)
    assert schemas["AnyRole"]["x-extensible-enum"] == schemas["Role"]["enum"] == list(Role)
    refused = {each.type for each in vars(errors).values() if isinstance(each, Problem)}
    shown = {
        example["value"]["type"]
        for operation in operations()
        for response in operation.said["responses"].values()
        for example in response.get("content", {}).get(PROBLEM, {}).get("examples", {}).values()
    }
    assert refused | shown <= set(schemas["Problem"]["properties"]["type"]["x-extensible-enum"])
    words = {kind.outcome for kind in CleverError.__subclasses__()} - {"token_refused", "forbidden"}
    assert set(schemas["RolesBody"]["properties"]["stale_reason"]["x-extensible-enum"]) == words | {"slow", "accepted"}


BATCH_RESULTS = DOCUMENT["components"]["schemas"]["BatchResults"]["examples"][0]["results"]


@pytest.mark.parametrize(
    ("schema", "property_", "values"),
    [
        (
            "BatchResult",
            "body",
            [each["body"] for each in BATCH_RESULTS],
        ),
        ("EvaluationsAnswer", None, [{"decision": True}, {"evaluations": [{"decision": False}]}]),
    ],
)
def test_of_alternatives_a_value_is_just_one(schema: str, property_: str | None, values: list[Json]) -> None:
    """Python clients refuse a value that two of ``oneOf`` fit; of ``anyOf`` TypeScript clients ask all members."""
    said = DOCUMENT["components"]["schemas"][schema]
    alternatives = (said["properties"][property_] if property_ else said)["oneOf"]
    for value in values:
        assert [mistakes(kind, value) == [] for kind in alternatives].count(True) == 1


def test_what_an_answer_leaves_out_has_no_default() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for name in ("ConditionalGrantBody", "GroundBody"):
        for key in ("when", "unless"):
            assert "default" not in schemas[name]["properties"][key]
            assert key not in schemas[name]["required"]


def test_what_is_shown_is_what_the_sandbox_answers(service: httpx.Client, sandbox: Sandbox) -> None:
    user = sandbox.user("staff_who_also_teach_elsewhere")
    assert service.get(f"/v1/users/{user}/permissions").json() == EXAMPLES["PermissionSetBody"]
    assert service.get(f"/v1/users/{user}/roles").json() == EXAMPLES["RolesBody"]
    assert service.post("/v1/users/permissions", json=EXAMPLES["Batch"]).json() == EXAMPLES["BatchResults"]
