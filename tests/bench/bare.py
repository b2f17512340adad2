"""The limit: a server that reads a request whole and answers the same bytes every time.

`python -m tests.bench.bare FILE [WORKERS]` answers what stands in a file.
"""

import sys
from functools import partial
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from tests.bench.listening import serve


def bare(body: bytes) -> ASGIApp:
    """Return an application that answers ``body``."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError("this is no lifespan that it needs")
        while scope["method"] == "POST" and (await receive()).get("more_body", False):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def main(file: str, workers: str = "1") -> None:
    """Serve until terminated."""
    serve(partial(bare, Path(file).read_bytes()), workers=int(workers))


if __name__ == "__main__":
    main(*sys.argv[1:])
