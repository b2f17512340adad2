"""What routes share: the parameters, and what the application hands to each request."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from app.domain.errors import PolicyUnusable
from app.domain.facts import Role
from app.policy_files.reload import ActivePolicy
from app.roster.ports import Clever
from app.services.decision_point import DecisionPoint

# The ids are those of the sandbox, so that the examples of the reference work on it.
USER_EXAMPLE = "6682620f9155dac23400000f"
SECTION_EXAMPLE = "66826288f00d2c317a000088"

UserPath = Annotated[str, Path(description="The Clever id of the user.", examples=[USER_EXAMPLE])]
DistrictQuery = Annotated[
    str | None,
    Query(
        description="The Clever id of the district; needed if several are connected.",
        examples=["668262003b3817d87d000000"],
    ),
]
RoleQuery = Annotated[
    Role | None,
    Query(description="A role context: the permissions of the user in this role only.", examples=[Role.TEACHER]),
]


async def no_other_parameters(request: Request) -> None:
    """Refuse unknown and repeated query parameters: a misspelt ``rol=teacher`` must not widen an answer."""
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
    """Refuse all query parameters: a request of the AuthZEN standard is its body alone."""
    message = "there is no such parameter; to ask in one role only, say context.role_context in the body"
    mistakes = [{"loc": ("query", name), "msg": message} for name in request.query_params]
    if mistakes:
        raise RequestValidationError(mistakes)


async def _active_policy(request: Request) -> ActivePolicy:
    active_policy: ActivePolicy = request.state.active_policy
    return active_policy


CurrentActivePolicy = Annotated[ActivePolicy, Depends(_active_policy)]


async def _decision_point(active_policy: CurrentActivePolicy) -> DecisionPoint:
    if active_policy.decision_point is None:
        raise PolicyUnusable
    return active_policy.decision_point


CurrentDecisionPoint = Annotated[DecisionPoint, Depends(_decision_point)]
"""What decides by the policy in force, the same throughout a request; raises ``PolicyUnusable``."""


async def _clever(request: Request) -> Clever:
    clever: Clever = request.state.clever
    return clever


CurrentClever = Annotated[Clever, Depends(_clever)]
"""The connection to Clever, whether a policy is in force or not."""


async def _authentication(request: Request) -> Mapping[str, Callable[[], str]]:
    parts: Mapping[str, Callable[[], str]] = request.state.authentication
    return parts


AuthenticationParts = Annotated[Mapping[str, Callable[[], str]], Depends(_authentication)]
"""The parts of authentication that can fail, by name; each returns its status."""
