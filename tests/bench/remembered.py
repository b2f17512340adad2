"""A Clever that has every page of a whole district at hand: what it takes to make one counts for nobody who reads it.

`python -m tests.bench.remembered URL` passes requests on to the sandbox at an address, and answers long pages that it
has passed on before from memory.
"""

import sys
from collections.abc import Mapping
from functools import partial

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.clever.bulk import BULK_LIMIT
from tests.bench.listening import serve

_PASSED_ON = ("authorization", "accept")


def is_long_page(path: str, query: Mapping[str, str]) -> bool:
    """Tell whether a request is for a page of one of the lists of a whole district, which does not change here."""
    return query.get("limit") == str(BULK_LIMIT) and not path.endswith("/events")


def remembered(url: str) -> ASGIApp:
    """Return an application over the sandbox at ``url``."""
    pages: dict[str, bytes] = {}
    client = httpx.AsyncClient(base_url=url, timeout=60)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError("this is no lifespan that it needs")
        request = Request(scope, receive)
        asked = f"{request.url.path}?{request.url.query}"
        if (page := pages.get(asked)) is not None:
            await Response(page, media_type="application/json")(scope, receive, send)
            return
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        answer = await client.get(asked, headers=headers)
        if answer.is_success and is_long_page(request.url.path, request.query_params):
            pages[asked] = answer.content
        await Response(answer.content, answer.status_code, media_type="application/json")(scope, receive, send)

    return app


if __name__ == "__main__":
    serve(partial(remembered, sys.argv[1]))
