"""Bodies into records, where that can be had for an ordinary price."""

from contextlib import suppress
from typing import TypeVar

from pydantic import ValidationError

from app.clever.records import Slim
from app.domain.errors import CleverMalformed

S = TypeVar("S", bound=Slim)

MOST_NESTED = 100_000
"""Objects and lists of one body; a page of 2000 users has some 25 000."""

MOST_LISTED = 500_000
"""Commas in one body; a page of 2000 sections of thirty students has some 100 000."""


def parsed(body: bytearray, shape: type[S]) -> S:
    """Return what a body says; raises ``CleverMalformed`` where it is not of that shape, or absurdly dense."""
    # Whatever becomes of it, the parser first builds all of it: up to a kilobyte for each small object.
    if body.count(b"{") + body.count(b"[") > MOST_NESTED or body.count(b",") > MOST_LISTED:
        raise CleverMalformed("Clever sent a body with more in it than any answer should have")
    with suppress(ValidationError):
        return shape.model_validate_json(body)
    # Outside of any handler: as the context of what is raised, the error and all that was sent would live on.
    raise CleverMalformed("Clever sent JSON that is cut short or has another shape than documented")
