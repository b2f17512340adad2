"""What the routes hand on to services."""

from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import Depends, Request

from app.domain.errors import PolicyUnusable
from app.services.policy_watch import InForce
from app.services.ports import Clever, Context


async def _in_force(request: Request) -> InForce:
    in_force: InForce = request.state.in_force
    return in_force


CurrentlyInForce = Annotated[InForce, Depends(_in_force)]
"""By what questions are answered, for those who ask after that itself."""


async def _context(in_force: CurrentlyInForce) -> Context:
    if in_force.context is None:
        raise PolicyUnusable
    return in_force.context


CurrentContext = Annotated[Context, Depends(_context)]
"""The context with the policy in force, the same for all of one request; raises ``PolicyUnusable``."""


async def _clever(request: Request) -> Clever:
    clever: Clever = request.state.clever
    return clever


TheClever = Annotated[Clever, Depends(_clever)]
"""The Clever that is asked, for those who ask how it fares whether there is a policy or not."""


async def _entrance(request: Request) -> Mapping[str, Callable[[], str]]:
    parts: Mapping[str, Callable[[], str]] = request.state.entrance
    return parts


EntranceParts = Annotated[Mapping[str, Callable[[], str]], Depends(_entrance)]
"""How that fares by which callers are known, where it may fail: a word for each part."""
