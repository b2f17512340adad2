"""What the reference says of the standard's operations: errors are messages, and bodies are read by the routes."""

from collections.abc import Mapping
from typing import Any

import msgspec

from app.api.errors import MESSAGE_TYPE
from app.api.openapi import CACHE_CONTROL, REQUEST_ID

# In words of our own: those of the standard library change from one Python to the next.
_ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("Malformed question", "resource.id is required"),
    401: (
        "Credential missing or not valid",
        "send one header Authorization: Bearer <credential>, with a key of this service or a token of its provider",
    ),
    403: ("Scope missing", "this credential lacks the scope access:evaluate"),
    404: ("No such path", "nothing is served at this path; /docs lists all paths"),
    413: ("Too much asked at once", "evaluations has 10001 items, and 10000 is the most"),
    429: ("Share of requests used up", "this caller has used up its share of the requests to Clever"),
    502: ("Clever does not answer as documented", "Clever refuses the token"),
    503: ("Clever cannot be read", "Clever did not answer within the time limit"),
    504: ("Not cached", "nothing recent enough is cached, and only-if-cached forbids reading it"),
}


def messages(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the errors of an operation for its OpenAPI ``responses``."""
    return {
        status: {
            "description": description,
            "content": {MESSAGE_TYPE: {"schema": {"type": "string"}, "example": example}},
        }
        for status, (description, example) in ((status, _ERRORS[status]) for status in statuses)
    }


ERRORS = messages(400, 401, 403, 413, 429, 502, 503, 504)
"""What may go wrong with a question."""


def asks(model: type[msgspec.Struct]) -> dict[str, Any]:
    """Describe the body of an operation that reads it by itself, for its ``openapi_extra``."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "parameters": [CACHE_CONTROL, REQUEST_ID],
    }
