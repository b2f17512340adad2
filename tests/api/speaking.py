"""A connection without a socket: what is said to it comes in exactly the parts that a test wants."""

import asyncio
from asyncio import Transport
from collections.abc import Mapping, Sequence

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from app.api.http_limits import Connection
from tests.waiting import turn

SOME_TURNS = 20
"""Turns of the loop in which an application that does not wait answers."""

TOO_MANY_TURNS = 100_000


class Wire(Transport):
    """The caller's end: what was written to it, and whether more is wanted."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_paused = self.is_ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def write_eof(self) -> None:
        pass

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def get_write_buffer_size(self) -> int:
        return 0

    def is_reading(self) -> bool:
        return not self.is_paused

    def is_closing(self) -> bool:
        return self.is_ended

    def close(self) -> None:
        self.is_ended = True

    abort = close


class Spoken:
    """A connection that receives one piece after the other."""

    def __init__(self, kind: type[Connection], app: ASGIApp, state: Mapping[str, object]) -> None:
        config = uvicorn.Config(app, http=kind, lifespan="off", access_log=False, log_config=None)
        self.server = ServerState()
        self.wire = Wire()
        self.connection = kind(config, self.server, dict(state), asyncio.get_running_loop())
        self.connection.connection_made(self.wire)

    async def say(self, *parts: bytes, then_end: bool = False) -> bytes:
        """Tell it ``parts``, and return all that it has answered so far."""
        for part in parts:
            await self._until_it_listens()
            if not self.wire.is_ended:
                self.connection.data_received(part)
        await self._until_it_listens()
        if then_end and not self.wire.is_ended and not self.connection.eof_received():
            self.wire.close()
        await self._until_it_listens()
        return self.wire.written

    async def end(self) -> None:
        """Lose the connection, and see that nothing of it stays."""
        self.connection.connection_lost(None)
        for task in list(self.server.tasks):
            await task
        assert not self.server.connections

    async def _until_it_listens(self) -> None:
        turns = 0
        while turns < SOME_TURNS or (self.wire.is_paused and not self.wire.is_ended):
            await turn()
            turns += 1
            assert turns < TOO_MANY_TURNS


def spoken(
    kind: type[Connection],
    app: ASGIApp,
    parts: Sequence[bytes],
    state: Mapping[str, object],
    *,
    then_end: bool = False,
) -> bytes:
    """Return what a new connection answers to ``parts``."""

    async def run() -> bytes:
        told = Spoken(kind, app, state)
        answered = await told.say(*parts, then_end=then_end)
        await told.end()
        return answered

    return asyncio.run(run())
