"""What the routes hand on to services."""

from typing import Annotated

from fastapi import Depends, Request

from app.services.ports import Context


def _context(request: Request) -> Context:
    context: Context = request.state.context
    return context


CurrentContext = Annotated[Context, Depends(_context)]
"""The context that the process was started with."""
