"""Answers that no server should send: each is a clear error, within the time, and takes no more memory than it may."""

import asyncio
import gzip
import math
import tracemalloc
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
from pydantic import ValidationError

from app.clever.answer_limits import MIB, BodyMemory, ByteBudget, of_own_list
from app.clever.connections import ProxyTransport
from app.clever.http import RequestContext
from app.clever.models import MOST_LISTED, MOST_NESTED, ApiModel, BarePage, Entry, IdRecord, Page
from app.clever.records import SchoolRecord, SectionRecord, UserRecord
from app.clever.resilience import CleverState, Transport
from app.domain.errors import (
    CleverBusy,
    CleverError,
    CleverMalformed,
    CleverNotJson,
    CleverTimedOut,
    CleverUnreachable,
)
from app.domain.read_context import ReadContext, Urgency
from tests.waiting import turn

Send = Callable[[asyncio.StreamWriter], Awaitable[None]]

ONCE = RequestContext("Bearer hush", ReadContext(urgency=Urgency.RENEWAL), math.inf)
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


async def failure(send: Send, *, byte_budget: ByteBudget | None = None, seconds: float = 30) -> CleverError:
    async with clever_sending(send) as url, ProxyTransport() as way:
        with pytest.raises(CleverError) as caught:
            await Transport(way, seconds=seconds).read(url, ONCE, SHAPE, byte_budget)
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


class Blanks(httpx.AsyncByteStream):
    """A body of so many blanks."""

    def __init__(self, size: int) -> None:
        self.size = size

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        yield b" " * self.size


def objects_in(schema: object) -> Iterator[dict[str, object]]:
    """Every object of a JSON Schema."""
    inner: list[object] = list(schema.values()) if isinstance(schema, dict) else []
    if isinstance(schema, dict):
        yield schema
    for one in schema if isinstance(schema, list) else inner:
        yield from objects_in(one)


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
            await turn()

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
    async with clever_sending(send) as url, ProxyTransport() as way:
        assert await Transport(way).read(url, ONCE, SHAPE, ByteBudget(4 * MIB, 4 * MIB)) == SHAPE(data=[])


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
        writer.write(HEAD + b"\r\n" + b" " * (MIB + 600_000))
        await ready.wait()
        writer.write(b'{"data": []}')

    async with clever_sending(send) as url, ProxyTransport() as way:
        transport = Transport(way, bodies=BodyMemory(MIB))
        first = asyncio.create_task(transport.read(url, ONCE, SHAPE, of_own_list()))
        second = asyncio.create_task(transport.read(url, ONCE, SHAPE, of_own_list()))
        done, _ = await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
        assert [type(one.exception()) for one in done] == [CleverBusy]
        assert transport.state == CleverState()
        ready.set()
        assert [await one for one in (first, second) if one not in done] == [SHAPE(data=[])]
        assert await transport.read(url, ONCE, SHAPE, of_own_list()) == SHAPE(data=[])


async def test_large_bodies_leave_room_for_single_records() -> None:
    record = sending(HEAD + b"\r\n" + b" " * (MIB - 100) + b'{"data": []}')
    bodies = BodyMemory(MIB)
    async with clever_sending(record) as url, ProxyTransport() as way:
        with bodies.held() as of_a_list, bodies.held() as of_another:
            await bodies.fill(of_a_list, httpx.Response(200, stream=Blanks(2 * MIB)), 2 * MIB)
            assert await Transport(way, bodies=bodies).read(url, ONCE, SHAPE) == SHAPE(data=[])
            with pytest.raises(CleverBusy):
                await bodies.fill(of_another, httpx.Response(200, stream=Blanks(MIB + 1)), 2 * MIB)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (Page[SectionRecord], '{"data": [1, 1, 1]}'),
        (Page[SectionRecord], '{"data": [], "links": [1, 1, 1]}'),
        (Page[SectionRecord], '{"data": [{"data": {"id": "a", "students": [1, 1, 1]}}]}'),
        (Page[SectionRecord], '{"data": [{"data": {"id": "a", "teachers": [1, 1, 1]}}]}'),
        (Page[UserRecord], '{"data": [{"data": {"id": "a", "roles": {"staff": {"schools": [1, 1, 1]}}}}]}'),
        (Entry[UserRecord], '{"data": {"id": "a", "roles": {"staff": {"roles": [1, 1, 1]}}}}'),
        (Entry[UserRecord], '{"data": {"id": "a", "roles": {"teacher": {"schools": [1, 1, 1]}}}}'),
        (Entry[UserRecord], '{"data": {"id": "a", "roles": {"student": {"schools": [1, 1, 1]}}}}'),
        (Entry[UserRecord], '{"data": {"id": "a", "roles": {"contact": {"student_relationships": [1, 1, 1]}}}}'),
        (BarePage[IdRecord], '{"data": [1, 1, 1]}'),
    ],
)
def test_of_a_list_of_nonsense_one_mistake_is_kept_and_not_one_of_each_entry(shape: type[ApiModel], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        shape.model_validate_json(said)
    assert caught.value.error_count() == 1


@pytest.mark.parametrize("shape", [Page[SectionRecord], Page[UserRecord], Page[SchoolRecord], BarePage[IdRecord]])
def test_every_list_has_a_longest(shape: type[ApiModel]) -> None:
    lists = [one for one in objects_in(shape.model_json_schema()) if one.get("type") == "array"]
    assert lists
    assert {one.get("maxItems") for one in lists} <= {100, 10_000, 20_000}


@pytest.mark.parametrize(
    "dense", ["{}," * (MOST_NESTED + 1), "[]," * (MOST_NESTED + 1), "1," * (MOST_LISTED + 1)], ids=["{}", "[]", "1"]
)
async def test_a_body_that_is_absurdly_dense_is_not_even_parsed(dense: str) -> None:
    packed = gzip.compress(f'{{"nobody": [{dense}1], "data": []}}'.encode())
    error = await failure(sending(HEAD + b"Content-Encoding: gzip\r\n\r\n", packed), byte_budget=of_own_list())
    assert str(error) == "Clever sent a body with more in it than any answer should have"


async def test_what_was_sent_does_not_live_on_in_the_error() -> None:
    error = await failure(sending(HEAD + b'\r\n{"data": [1, 1, 1]}'))
    assert (type(error), error.__cause__, error.__context__) == (CleverMalformed, None, None)
