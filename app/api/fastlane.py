"""The fast lane: the one call that makes up most of the traffic, past the framework, whose share of it is the largest.

It takes `GET /v1/users/{user_id}/permissions` as it is nearly always asked. Whatever is unusual about a request goes on
to the route, which knows it all and says what is wrong with it; both ask the same service and answer the same bytes.
"""

import re
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import error_response
from app.api.http_caching import default_freshness, stamped
from app.api.permissions import rendered, router
from app.api.security_headers import raw
from app.domain.callers import Caller, CallerScope
from app.domain.errors import PolicyUnusable, RosterguardError
from app.domain.facts import Role
from app.policy_files.reload import ActivePolicy
from app.services.permissions import Subject, permissions_of

PATH = re.compile(rf"{router.prefix}/([A-Za-z0-9_-]{{1,64}})/permissions")
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ROLES = {role.value: role for role in Role}


@dataclass(frozen=True, slots=True)
class _Route:
    """What the log calls these requests by: the route that they would have taken."""

    path: str


ROUTE = f"{router.prefix}/{{user_id}}/permissions"
_ROUTE = _Route(ROUTE)


class FastLane:
    """Answers the usual requests for permissions; lets the rest through."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before ``app``, inside of whatever tells who asks."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        asked = _asked(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if asked is None:
            await self._app(scope, receive, send)
            return
        subject, held = asked
        scope["route"] = _ROUTE
        state = scope["state"]
        active_policy: ActivePolicy = state["active_policy"]
        caller: Caller = state["caller"]
        try:
            caller.require(CallerScope.PERMISSIONS_READ)
            context = active_policy.context
            if context is None:
                raise PolicyUnusable
            answer = await permissions_of(context, subject, default_freshness(context, caller), rendered)
            status, head, body = stamped(held, answer, context.fresh_seconds)
        except RosterguardError as error:
            await error_response(scope, error)(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": status, "headers": raw(head)})
            await send({"type": "http.response.body", "body": body})


def _asked(scope: Scope) -> tuple[Subject, str | None] | None:
    """Return what is asked and which tags the caller holds, or None for anything unusual."""
    path = PATH.fullmatch(scope["path"])
    if path is None:
        return None
    query: bytes = scope["query_string"]
    said = asks(query.decode("latin-1"))
    if said is None:
        return None
    role, district = said
    held: list[str] = []
    for name, value in scope["headers"]:
        if name == b"cache-control":
            return None
        if name == b"if-none-match":
            held.append(value.decode("latin-1"))
    return Subject(path[1], district, role), ",".join(held) or None


def asks(query: str) -> tuple[Role | None, str | None] | None:
    """Return role and district of a query that has nothing else and each once, or None for any other."""
    if not query:
        return None, None
    said: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name not in {"role", "district"} or name in said or not _PLAIN.fullmatch(value):
            return None
        said[name] = value
    role = said.get("role")
    if role is not None and role not in _ROLES:
        return None
    return None if role is None else _ROLES[role], said.get("district")
