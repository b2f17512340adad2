"""What the routes hand on to services."""

from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import Depends, Request

from app.domain.errors import PolicyUnusable
from app.policy_files.reload import ActivePolicy
from app.roster.context import Clever, Context


async def _active_policy(request: Request) -> ActivePolicy:
    active_policy: ActivePolicy = request.state.active_policy
    return active_policy


CurrentActivePolicy = Annotated[ActivePolicy, Depends(_active_policy)]
"""By what questions are answered, for those who ask after that itself."""


async def _context(active_policy: CurrentActivePolicy) -> Context:
    if active_policy.context is None:
        raise PolicyUnusable
    return active_policy.context


CurrentContext = Annotated[Context, Depends(_context)]
"""The context with the policy in force, the same for all of one request; raises ``PolicyUnusable``."""


async def _clever(request: Request) -> Clever:
    clever: Clever = request.state.clever
    return clever


CurrentClever = Annotated[Clever, Depends(_clever)]
"""The Clever that is asked, for those who ask how it fares whether there is a policy or not."""


async def _authentication(request: Request) -> Mapping[str, Callable[[], str]]:
    parts: Mapping[str, Callable[[], str]] = request.state.authentication
    return parts


AuthenticationParts = Annotated[Mapping[str, Callable[[], str]], Depends(_authentication)]
"""How that fares by which callers are known, where it may fail: a word for each part."""
