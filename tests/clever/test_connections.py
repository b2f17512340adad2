"""Which connection is asked, and when it is asked again, of a server that writes what a test says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx
import pytest

from app.clever import connections
from app.clever.connections import MOST_UNDER_WAY, ProxyTransport
from app.clever.http import request_for
from app.roster.concurrency import SlotLimits
from tests.waiting import eventually

HEAD = b"HTTP/1.1 200 OK\r\n"


@dataclass
class Server:
    """Answers each question with what `says` of it."""

    says: Callable[[str], bytes]
    url: str = ""
    connections: int = 0
    open: int = 0
    asked: list[str] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
                self.asked.append(path)
                self.heard.set()
                writer.write(self.says(path))
                await writer.drain()
        self.open -= 1
        writer.close()


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[ProxyTransport]:
    async with await asyncio.start_server(server, "127.0.0.1") as listening, ProxyTransport() as way:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield way


def named(path: str) -> bytes:
    """An answer that names what was asked for."""
    return HEAD + f"Content-Length: {len(path)}\r\n\r\n{path}".encode()


async def begun(way: httpx.AsyncBaseTransport, url: str) -> httpx.Response:
    return await way.handle_async_request(request_for(url, "Bearer hush"))


async def read(way: httpx.AsyncBaseTransport, url: str) -> bytes:
    response = await begun(way, url)
    try:
        return await response.aread()
    finally:
        await response.aclose()


async def test_one_question_after_another_takes_one_connection() -> None:
    server = Server(named)
    async with serving(server) as way:
        assert [await read(way, server.url + path) for path in ("/a", "/b", "/c")] == [b"/a", b"/b", b"/c"]
    assert server.connections == 1


async def test_each_of_several_questions_at_once_takes_a_connection_and_the_next_take_the_same() -> None:
    server = Server(named)
    async with serving(server) as way:
        for _ in range(2):
            answers = await asyncio.gather(*(read(way, f"{server.url}/{number}") for number in range(9)))
            assert answers == [f"/{number}".encode() for number in range(9)]
    assert server.connections == 9


async def test_a_connection_whose_answer_is_still_read_is_not_taken_by_another_question() -> None:
    server = Server(named)
    async with serving(server) as way:
        response = await begun(way, f"{server.url}/a")
        assert await read(way, f"{server.url}/b") == b"/b"
        assert await response.aread() == b"/a"
        await response.aclose()
    assert server.connections == 2


async def test_connections_that_idle_for_long_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(named)
    async with serving(server) as way:
        await asyncio.gather(*(read(way, f"{server.url}/{number}") for number in range(3)))
        assert server.open == 3
        monkeypatch.setattr(connections, "IDLE_SECONDS", -1)
        assert await read(way, f"{server.url}/a") == b"/a"
        await eventually(lambda: server.open == 0)


async def test_a_connection_whose_answer_nobody_read_is_not_used_again() -> None:
    server = Server(lambda path: named(path) if path == "/a" else HEAD + b"Content-Length: 9\r\n\r\n")
    async with serving(server) as way:
        await (await begun(way, f"{server.url}/b")).aclose()
        assert await read(way, f"{server.url}/a") == b"/a"
    assert server.connections == 2


@pytest.mark.parametrize("said", [b"", HEAD, HEAD + b"Content-Length: 9\r\n\r\n/b"])
async def test_a_connection_whose_question_is_broken_off_is_closed(said: bytes) -> None:
    server = Server(lambda path: named(path) if path == "/a" else said)
    async with serving(server) as way:
        hanging = asyncio.create_task(read(way, f"{server.url}/b"))
        await server.heard.wait()
        hanging.cancel()
        await asyncio.wait([hanging])
        assert await read(way, f"{server.url}/a") == b"/a"
        await eventually(lambda: server.open == 1)
    assert server.connections == 2


async def test_what_is_under_way_ends_when_the_connections_are_closed() -> None:
    server = Server(lambda _: b"")
    async with serving(server) as way:
        hanging = asyncio.create_task(read(way, server.url))
        await server.heard.wait()
        await way.aclose()
        with pytest.raises(httpx.TransportError):
            await hanging


@pytest.mark.parametrize("token", ["hush\r\nX-More: 1", "hush\n", "hush\r"])
async def test_a_header_of_several_lines_is_never_sent(token: str) -> None:
    server = Server(named)
    async with serving(server) as way:
        with pytest.raises(httpx.LocalProtocolError):
            await way.handle_async_request(request_for(server.url, token))
    assert server.asked == []


def test_there_is_room_for_more_exchanges_than_all_readings_make() -> None:
    assert 3 * SlotLimits().at_once < MOST_UNDER_WAY
