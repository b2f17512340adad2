"""The OpenAPI document: FastAPI's, completed for code generators."""

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterator
from functools import cache, partial
from importlib.resources import files

import msgspec
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from app.api import errors
from app.api.authzen.requests import REQUESTS, AuthzenObject
from app.api.openapi_schemas import (
    REFERENCE,
    Json,
    name_every_part,
    with_alternatives_told_apart,
    with_open_answers,
    without_null_defaults,
)
from app.api.security_headers import RawHeaders, protecting

TAGS = [
    {"name": "permissions", "description": "What users may do, and where; and their roles."},
    {"name": "authzen", "description": "Decisions and searches: the OpenID AuthZEN Authorization API 1.0."},
    {"name": "districts", "description": "Whole districts: what is loaded, and how recent it is."},
    {"name": "policy", "description": "The policy in force."},
    {"name": "health", "description": "Whether the service is alive, and ready for traffic."},
]

LICENSE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}

CONTACT = {"name": "The operator of this service"}

SERVERS = [{"url": "/", "description": "The service that this document was read from."}]

JSON = "application/json"

CACHE_CONTROL = {"$ref": "#/components/parameters/CacheControl"}
"""The parameter of operations whose caller may limit the age of the answer."""

REQUEST_ID = {"$ref": "#/components/parameters/RequestId"}

_IF_NONE_MATCH = {"$ref": "#/components/parameters/IfNoneMatch"}

_PARAMETERS = {
    "CacheControl": {
        "name": "Cache-Control",
        "in": "header",
        "description": "The greatest age of the answer: `max-age=N` seconds, `no-cache` for a new read, "
        "`only-if-cached` for no read; `max-stale=N` accepts an answer up to N seconds older without waiting.",
        "schema": {"type": "string"},
        "example": "max-age=60",
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The `ETag` of an earlier answer; the answer is 304 if it has not changed.",
        "schema": {"type": "string"},
        "example": '"b816b1c234b29ad887f0bee3"',
    },
    "RequestId": {
        "name": "X-Request-ID",
        "in": "header",
        "description": "The caller's id of the request; the answer has the same.",
        "schema": {"type": "string"},
        "example": "bfe9eb29-ab87-4ca3-be83-a1d5d8305716",
    },
}

_HEADERS = {
    "Age": {
        "description": "How many seconds ago the data of the answer was read from Clever.",
        "schema": {"type": "integer"},
    },
    "ETag": {"description": "The tag of this answer, for `If-None-Match`.", "schema": {"type": "string"}},
    "Retry-After": {"description": "After how many seconds to try again.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "How to authenticate (RFC 6750).", "schema": {"type": "string"}},
}

_ERROR_HEADERS = {
    "401": "WWW-Authenticate",
    "403": "WWW-Authenticate",
    "429": "Retry-After",
    "503": "Retry-After",
}
"""The header of errors with each status."""

EXAMPLES: Json = json.loads(files("app.api").joinpath("examples.json").read_text(encoding="utf-8"))
"""An example of each body, by the name of its schema: the sandbox's named cases give these answers.

They are added to the finished document: FastAPI drops every null, and with it members that a schema requires.
"""

_ERRORS = {errors.MEDIA_TYPE, errors.MESSAGE_TYPE}


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
    for name, example in EXAMPLES.items():
        schemas[name]["examples"] = [example]
    return with_open_answers(with_alternatives_told_apart(without_null_defaults(document)))


def _read_by_routes() -> Json:
    """Return the schemas of bodies that routes parse themselves, so that FastAPI does not know them."""
    _, schemas = msgspec.json.schema_components(REQUESTS, ref_template=f"{REFERENCE}{{name}}")
    # msgspec repeats the schema of anything but a model, and generators would make a class of each copy.
    free = msgspec.json.schema(AuthzenObject)
    written = json.dumps(schemas).replace(json.dumps(free), json.dumps({"$ref": REFERENCE + free["title"]}))
    named: Json = json.loads(written)
    for schema in named.values():
        if "enum" in schema:
            schema["type"] = "string"
    return named | {free["title"]: free | {"additionalProperties": True}}


def _tell_types_of_problems(schemas: Json) -> None:
    for name, types in errors.types().items():
        refused = [each.type for each in errors.ALL] if name == errors.Problem.__name__ else []
        schemas[name]["properties"]["type"]["x-extensible-enum"] = sorted([*types, *refused])


def _operations(document: Json) -> Iterator[Json]:
    return (operation for methods in document["paths"].values() for operation in methods.values())


def _tell_problems_as_such(response: Json) -> None:
    """Move a problem to its own media type: FastAPI has one for all responses of a route."""
    content = response.get("content", {})
    name = content.get(JSON, {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
    if name in errors.SCHEMAS:
        content[errors.MEDIA_TYPE] = content.pop(JSON) | content.get(errors.MEDIA_TYPE, {})


def _tell_headers(operation: Json) -> None:
    responses = operation["responses"]
    for status, header in _ERROR_HEADERS.items():
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
    """Remove null from an optional parameter: a query cannot express it."""
    schema = parameter.get("schema", {})
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del schema["anyOf"]
        schema |= kinds[0]


PATH = "/docs"

ASSETS = "/docs/assets"


def install(app: FastAPI) -> None:
    """Serve the document, and its page with scripts and styles from this host."""
    app.mount(ASSETS, StaticFiles(packages=[("fastapi_swagger", "resources")]), name="reference-assets")
    # The way that FastAPI documents for changing the document.
    app.openapi = cache(partial(document_of, app))  # type: ignore[method-assign]

    @app.get(PATH, include_in_schema=False)
    async def reference() -> HTMLResponse:
        return _page()


def protection() -> RawHeaders:
    """Return the security headers of the page: it may run its own scripts only, and connect to this host only.

    Swagger UI uses inline styles, and images in its style sheet.
    """
    [script] = re.findall(r"<script>(.*?)</script>", bytes(_page().body).decode(), re.DOTALL)
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return protecting(
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _page() -> HTMLResponse:
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Rosterguard",
        swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{ASSETS}/favicon-32x32.png",
        # By default it loads a badge from a site, which would learn the URL of this document.
        swagger_ui_parameters={"validatorUrl": None},
    )
