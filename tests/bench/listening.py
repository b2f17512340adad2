"""How the servers that we are measured beside are served: as ours is, by uvicorn with all that makes it fast."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from uvicorn.supervisors import Multiprocess

from app.cli.server import listening, url_of


def serve(factory: Callable[[], object], *, workers: int = 1, http: type[asyncio.Protocol] | None = None) -> None:
    """Serve what ``factory`` makes on a free port, print the address, and go on until terminated."""
    with listening("127.0.0.1", 0) as listener, suppress(KeyboardInterrupt):
        print(f"on {url_of(listener)}", flush=True)
        config = uvicorn.Config(
            factory,
            factory=True,
            http=http or "httptools",
            loop="uvloop",
            workers=workers,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
        if workers == 1:
            uvicorn.Server(config).run([listener])
        else:
            Multiprocess(config, [listener]).run()
