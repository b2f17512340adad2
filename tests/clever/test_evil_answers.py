"""Answers that no server should send: each is a clear error, within the time, and takes no more memory than it may."""

import asyncio
import gzip
import math
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from app.clever.bodies import MIB, Bodies, Ration
from app.clever.connection import http_client
from app.clever.records import IdRecord, Page
from app.clever.state import CleverState
from app.clever.transport import Transport
from app.clever.warrant import Warrant
from app.domain.errand import Errand, Urgency
from app.domain.errors import (
    CleverBusy,
    CleverError,
    CleverMalformed,
    CleverNotJson,
    CleverTimedOut,
    CleverUnreachable,
)

Send = Callable[[asyncio.StreamWriter], Awaitable[None]]

ONCE = Warrant("Bearer hush", Errand(urgency=Urgency.RENEWAL), math.inf)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
SHAPE = Page[IdRecord]


@asynccontextmanager
async def clever_sending(send: Send) -> AsyncIterator[str]:
    """Listen on a socket, and send this to whoever asks."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            await send(writer)
            await writer.drain()
        writer.transport.abort() if writer.transport.is_closing() else writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v3.0/districts"


async def failure(send: Send, *, ration: Ration | None = None, seconds: float = 30) -> CleverError:
    async with clever_sending(send) as url, http_client() as client:
        with pytest.raises(CleverError) as caught:
            await Transport(client, seconds=seconds).read(url, ONCE, SHAPE, ration)
    return caught.value


def sending(*parts: bytes) -> Send:
    async def send(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return send


def bomb(size: int, times: int = 1) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    packed = b"".join(packer.compress(b" " * MIB) for _ in range(size // MIB)) + packer.flush()
    for _ in range(times - 1):
        packed = gzip.compress(packed)
    return packed


async def test_headers_without_end_are_cut_off() -> None:
    sent = 0

    async def send(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(HEAD)
        while sent < 100 * MIB:
            writer.write(b"X-More: " + b"x" * 1000 + b"\r\n")
            await writer.drain()
            sent += 1010

    assert type(await failure(send)) is CleverUnreachable
    assert sent < 10 * MIB


async def test_a_byte_at_a_time_ends_with_the_time_limit() -> None:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n")
        while True:
            writer.write(b" ")
            await asyncio.sleep(0.002)

    assert type(await failure(send, seconds=0.05)) is CleverTimedOut


async def test_a_body_of_fifty_megabytes_is_cut_off() -> None:
    send = sending(HEAD + b"Content-Length: 52428800\r\n\r\n", *[b" " * MIB] * 50)
    error = await failure(send)
    assert (type(error), str(error)) == (CleverMalformed, "Clever sent a body that is larger than any answer should be")


@pytest.mark.parametrize(("size", "times", "encoding"), [(64 * MIB, 1, "gzip"), (64 * MIB, 3, "gzip, gzip, gzip")])
async def test_a_bomb_is_never_unpacked(size: int, times: int, encoding: str) -> None:
    packed = bomb(size, times)
    tracemalloc.start()
    try:
        assert type(await failure(sending(HEAD + f"Content-Encoding: {encoding}\r\n\r\n".encode(), packed))) is (
            CleverMalformed
        )
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "body",
    [b"", gzip.compress(b'{"data": []}')[:-9], b"no gzip at all", bomb(2 * MIB)[:100]],
    ids=["empty", "short by nine bytes", "no gzip", "short by a lot"],
)
async def test_a_packed_body_that_is_cut_short_is_no_body(body: bytes) -> None:
    assert type(await failure(sending(HEAD + b"Content-Encoding: gzip\r\n\r\n", body))) is CleverMalformed


@pytest.mark.parametrize("encoding", ["deflate", "br", "zstd", "gzip, gzip"])
async def test_a_body_that_is_packed_in_another_way_than_asked_for_is_not_unpacked(encoding: str) -> None:
    head = HEAD + f"Content-Encoding: {encoding}\r\n\r\n".encode()
    assert type(await failure(sending(head, zlib.compress(b'{"data": []}')))) is CleverMalformed


async def test_what_is_packed_as_asked_for_is_read_in_pieces() -> None:
    body = b'{"data": [' + b" " * (3 * MIB) + b"]}"
    send = sending(HEAD + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(body))
    async with clever_sending(send) as url, http_client() as client:
        assert client.headers["accept-encoding"] == "gzip"
        assert await Transport(client).read(url, ONCE, SHAPE, Ration(4 * MIB, 4 * MIB)) == SHAPE(data=[])


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>", CleverNotJson),
        (HEAD + b'Content-Length: 9\r\n\r\n{"data": ', CleverMalformed),
        (HEAD + b'Content-Length: 90\r\n\r\n{"data": []}', CleverUnreachable),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffff\r\n{}", CleverUnreachable),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", CleverUnreachable),
        (b"", CleverUnreachable),
    ],
)
async def test_what_is_no_whole_answer_is_told_apart(answer: bytes, error: type[CleverError]) -> None:
    assert type(await failure(sending(answer))) is error


async def test_large_bodies_are_not_all_read_at_once() -> None:
    ready = asyncio.Event()

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n" + b" " * 600_000)
        await ready.wait()
        writer.write(b'{"data": []}')

    async with clever_sending(send) as url, http_client() as client:
        transport = Transport(client, bodies=Bodies(MIB))
        first = asyncio.create_task(transport.read(url, ONCE, SHAPE))
        second = asyncio.create_task(transport.read(url, ONCE, SHAPE))
        done, _ = await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
        assert [type(one.exception()) for one in done] == [CleverBusy]
        assert transport.state == CleverState()
        ready.set()
        assert [await one for one in (first, second) if one not in done] == [SHAPE(data=[])]
        assert await transport.read(url, ONCE, SHAPE) == SHAPE(data=[])
