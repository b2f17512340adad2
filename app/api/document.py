"""The OpenAPI document, made for generators: what FastAPI derives from the routes, with every part named and true."""

from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from app.api import messages, problems, refusals
from app.api.authzen import examples as authzen_examples
from app.api.authzen.questions import REQUESTS
from app.api.document_schemas import (
    Json,
    name_every_part,
    with_alternatives_told_apart,
    with_open_answers,
    without_null_defaults,
)
from app.api.examples import EXAMPLES

TAGS = [
    {"name": "permissions", "description": "What users may do, and where; and the roles that they can act in."},
    {"name": "authzen", "description": "May they do this: the OpenID AuthZEN Authorization API 1.0."},
    {"name": "policy", "description": "The policy that answers are computed by."},
    {"name": "health", "description": "For whoever runs the service: is it alive, and fit to take traffic."},
]

LICENSE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
CONTACT = {"name": "Whoever runs this service"}
SERVERS = [{"url": "/", "description": "The service that this document was read from."}]

JSON = "application/json"
CACHE_CONTROL = {"$ref": "#/components/parameters/CacheControl"}
"""The parameter of operations whose caller may demand how recent the answer is."""
REQUEST_ID = {"$ref": "#/components/parameters/RequestId"}

_IF_NONE_MATCH = {"$ref": "#/components/parameters/IfNoneMatch"}
_PARAMETERS = {
    "CacheControl": {
        "name": "Cache-Control",
        "in": "header",
        "description": "How recent the answer has to be: `max-age=N` seconds, `no-cache`, `only-if-cached`; or for how "
        "many seconds past that an older one will do without waiting: `max-stale=N`.",
        "schema": {"type": "string"},
        "example": "max-age=60",
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The `ETag` of the answer that the caller has: 304 while it is the same.",
        "schema": {"type": "string"},
        "example": '"b816b1c234b29ad887f0bee3"',
    },
    "RequestId": {
        "name": "X-Request-ID",
        "in": "header",
        "description": "What the caller calls this request by; it comes back with the answer.",
        "schema": {"type": "string"},
        "example": "bfe9eb29-ab87-4ca3-be83-a1d5d8305716",
    },
}
_HEADERS = {
    "Age": {"description": "How many seconds ago the reading behind the answer began.", "schema": {"type": "integer"}},
    "ETag": {"description": "The mark of this answer, for `If-None-Match`.", "schema": {"type": "string"}},
    "Retry-After": {"description": "After how many seconds to ask again.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "How to authenticate (RFC 6750).", "schema": {"type": "string"}},
}

_TOLD_WITH = {
    "401": "WWW-Authenticate",
    "403": "WWW-Authenticate",
    "429": "Retry-After",
    "503": "Retry-After",
}
"""The header that an error of a status has."""

_ERRORS = {problems.MEDIA_TYPE, messages.MEDIA_TYPE}


def document_of(app: FastAPI) -> Json:
    """Return the OpenAPI document of ``app``."""
    document: Json = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=TAGS,
        servers=SERVERS,
        license_info=LICENSE,
        contact=CONTACT,
    )
    for operation in _operations(document):
        operation.setdefault("security", [])
        for response in operation["responses"].values():
            _tell_problems_as_such(response)
        _tell_headers(operation)
        for parameter in operation.get("parameters", []):
            _leave_out_null(parameter)
    document["components"] |= {"parameters": _PARAMETERS, "headers": _HEADERS}
    schemas = document["components"]["schemas"]
    schemas |= _read_by_routes()
    name_every_part(schemas)
    _tell_types_of_problems(schemas)
    for name, example in {**EXAMPLES, **authzen_examples.EXAMPLES}.items():
        schemas[name]["examples"] = [example]
    return with_open_answers(with_alternatives_told_apart(without_null_defaults(document)))


def _read_by_routes() -> Json:
    """Return the schemas of bodies that the framework does not know, since routes read them by themselves."""
    _, schemas = models_json_schema(
        [(model, "validation") for model in REQUESTS], ref_template="#/components/schemas/{model}"
    )
    named: Json = schemas["$defs"]
    return named


def _tell_types_of_problems(schemas: Json) -> None:
    for name, types in problems.types().items():
        refused = [each.type for each in refusals.ALL] if name == problems.Problem.__name__ else []
        schemas[name]["properties"]["type"]["x-extensible-enum"] = sorted([*types, *refused])


def _operations(document: Json) -> Iterator[Json]:
    return (operation for methods in document["paths"].values() for operation in methods.values())


def _tell_problems_as_such(response: Json) -> None:
    """Move a problem to its own media type: FastAPI knows one for all the responses of a route."""
    content = response.get("content", {})
    name = content.get(JSON, {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
    if name in problems.SCHEMAS:
        content[problems.MEDIA_TYPE] = content.pop(JSON) | content.get(problems.MEDIA_TYPE, {})


def _tell_headers(operation: Json) -> None:
    responses = operation["responses"]
    for status, header in _TOLD_WITH.items():
        if not _ERRORS.isdisjoint(responses.get(status, {}).get("content", {})):
            _add_header(responses[status], header)
    if "304" in responses:
        operation.setdefault("parameters", []).append(_IF_NONE_MATCH)
        _add_header(responses["200"], "ETag")
        _add_header(responses["304"], "ETag")
    if "304" in responses and "504" in responses:
        operation["parameters"].append(CACHE_CONTROL)
        _add_header(responses["200"], "Age")
        _add_header(responses["304"], "Age")


def _add_header(response: Json, name: str) -> None:
    response.setdefault("headers", {})[name] = {"$ref": f"#/components/headers/{name}"}


def _leave_out_null(parameter: Json) -> None:
    """Say of a parameter that may be left out just that: a query has no way to write null."""
    schema = parameter.get("schema", {})
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del schema["anyOf"]
        schema |= kinds[0]
