"""The parameters that routes share, and the refusal of any that they do not have.

A misspelt restriction, such as ``rol=teacher``, must not widen an answer.
"""

from collections import Counter
from typing import Annotated

from fastapi import Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from app.api import examples
from app.domain.facts import Role

UserPath = Annotated[str, Path(description="The Clever id of the user.", examples=[examples.USER])]
DistrictQuery = Annotated[
    str | None,
    Query(
        description="The Clever id of the district; needed where several are connected.", examples=[examples.DISTRICT]
    ),
]
RoleQuery = Annotated[
    Role | None,
    Query(description="A role context: the same user seen in this role only.", examples=[Role.TEACHER]),
]


async def no_other_parameters(request: Request) -> None:
    """Refuse query parameters that the route does not have, and those that come twice."""
    route = request.scope["route"]
    known = {field.alias for field in route.dependant.query_params} if isinstance(route, APIRoute) else set()
    times = Counter(name for name, _ in request.query_params.multi_items())
    mistakes = [
        {
            "loc": ("query", name),
            "msg": "there is no such parameter" if name not in known else "this parameter comes twice",
        }
        for name, count in times.items()
        if name not in known or count > 1
    ]
    if mistakes:
        raise RequestValidationError(mistakes)


async def no_parameters(request: Request) -> None:
    """Refuse query parameters where all that is asked stands in the body, as the standard has it."""
    message = "there is no such parameter; to ask in one role only, say context.role_context in the body"
    mistakes = [{"loc": ("query", name), "msg": message} for name in request.query_params]
    if mistakes:
        raise RequestValidationError(mistakes)
