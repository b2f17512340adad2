"""What the reference says of the standard's operations: errors are messages, and bodies are read by the routes."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from app.api.document import CACHE_CONTROL, REQUEST_ID
from app.api.messages import MEDIA_TYPE

_EXAMPLES: Mapping[int, str] = {
    400: "resource.id is required",
    401: "send one header Authorization: Bearer <API key>, with a key of this service",
    404: "nothing is served at this path; /docs tells what is",
    413: "evaluations has 10001 items, and 10000 is the most",
    502: "Clever refuses the token",
    503: "Clever did not answer within the time limit",
    504: "nothing recent enough is cached, and only-if-cached forbids reading it",
}


def messages(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the errors of an operation for its OpenAPI ``responses``."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": _EXAMPLES[status]}},
        }
        for status in statuses
    }


ERRORS = messages(400, 401, 413, 502, 503, 504)
"""What may go wrong with a question."""


def asks(model: type[BaseModel]) -> dict[str, Any]:
    """Describe the body of an operation that reads it by itself, for its ``openapi_extra``."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "parameters": [CACHE_CONTROL, REQUEST_ID],
    }
