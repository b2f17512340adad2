"""Ours without what lets callers in and tells of them: no credentials, no ids, no lines, no decision log, no headers.

What these cost is what the service itself answers, beside this. It reads the same settings; keys among them are left
aside.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app.api.at_hand import AnswerAtHand, Reply, answer_to, written
from app.api.express import Express
from app.api.heads import Head
from app.domain.callers import ANYONE
from app.main import State, create_app
from app.services.policy_watch import InForce
from app.settings import read_settings
from tests.bench.listening import serve


def stripped() -> FastAPI:
    """Put the application together without those layers."""
    settings = read_settings().model_copy(update={"api_keys": (), "decision_log": "off"})
    app = create_app(settings, no_auth=True)
    whole = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(of: FastAPI) -> AsyncIterator[State]:
        async with whole(of) as state:
            yield State(**{**state, "at_hand": _untold(state["in_force"])})  # type: ignore[typeddict-item]

    app.router.lifespan_context = lifespan
    return app


def _untold(in_force: InForce) -> AnswerAtHand:
    """Answer what is at hand to anyone, and tell nobody."""

    def answer(method: bytes, target: bytes, head: Head, body: bytes) -> Reply | None:
        context = in_force.context
        found = None if context is None else answer_to(context, ANYONE, method, target, head, body)
        return None if found is None else written(found, b"")

    return answer


if __name__ == "__main__":
    serve(stripped, http=Express)
