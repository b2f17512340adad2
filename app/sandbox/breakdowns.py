"""What goes wrong on the way: answers that come late, in part, without end or not at all."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count

from starlette.responses import JSONResponse, StreamingResponse

from app.sandbox.exchange import Exchange, with_body
from app.sandbox.protocol import transport_of

HUGE_BYTES = 60 * 1024 * 1024
"""How much a huge answer is padded by."""

_PIECE = b"a" * (64 * 1024)
_SECONDS_BETWEEN_HEADERS = 0.01
_HEADER = "X-Filler-{}: {}\r\n"
_HEADER_VALUE = "a" * 1000
_NO_SOCKET = "This fault needs the sandbox's own protocol, which this server does not speak"


def _on_socket(act: Callable[[Exchange, asyncio.Transport], Awaitable[None]]) -> Callable[[Exchange], Awaitable[None]]:
    """Hand over the connection; where the server keeps it to itself, say so and pretend nothing."""

    async def kind(exchange: Exchange) -> None:
        transport = transport_of(exchange.scope)
        if transport is None:
            await exchange.answer(JSONResponse({"message": _NO_SOCKET}, 500))
        else:
            await act(exchange, transport)

    kind.__doc__ = act.__doc__
    return kind


async def delay(exchange: Exchange) -> None:
    """Answer truly, but late."""
    if not await exchange.gone_within(exchange.strike.fault.seconds):
        await exchange.proceed()


async def hang(exchange: Exchange) -> None:
    """Never answer."""
    await exchange.departure()


@_on_socket
async def drop(exchange: Exchange, transport: asyncio.Transport) -> None:
    """Close the connection without a byte."""
    transport.close()
    await exchange.departure()


@_on_socket
async def truncate(exchange: Exchange, transport: asyncio.Transport) -> None:
    """Announce the true answer whole, send half of its body, and close the connection."""
    answer = await exchange.true_answer()
    await exchange.send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    half = bytes(answer.body[: len(answer.body) // 2])
    await exchange.send({"type": "http.response.body", "body": half, "more_body": True})
    transport.close()
    await exchange.departure()


@_on_socket
async def headers(exchange: Exchange, transport: asyncio.Transport) -> None:
    """Begin an answer whose headers never end."""
    transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
    for number in count():
        if await exchange.gone_within(_SECONDS_BETWEEN_HEADERS):
            return
        transport.write(_HEADER.format(number, _HEADER_VALUE).encode())


async def drip(exchange: Exchange) -> None:
    """Answer truly, a byte at a time, with ``seconds`` or else a second between them."""
    answer, pause = await exchange.true_answer(), exchange.strike.fault.seconds or 1.0
    await exchange.send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    for byte in bytes(answer.body):
        await exchange.send({"type": "http.response.body", "body": bytes((byte,)), "more_body": True})
        if await exchange.gone_within(pause):
            return
    await exchange.send({"type": "http.response.body", "body": b"", "more_body": False})


async def half_json(exchange: Exchange) -> None:
    """Answer with the first half of the true body, at its honest length."""
    answer = await exchange.true_answer()
    await exchange.answer(with_body(answer, bytes(answer.body[: len(answer.body) // 2])))


async def huge(exchange: Exchange) -> None:
    """Answer truly, with a field beside it that is longer than all that Clever has ever said."""
    answer = await exchange.true_answer()
    kept = {name: value for name, value in answer.headers.items() if name.startswith("x-ratelimit")}
    whole = StreamingResponse(_padded(bytes(answer.body)), answer.status_code, kept, "application/json")
    await exchange.answer(whole)


async def _padded(body: bytes) -> AsyncIterator[bytes]:
    yield b'{"padding":"'
    for _ in range(HUGE_BYTES // len(_PIECE)):
        yield _PIECE
    yield b'",' + body[1:] if body.startswith(b"{") else b'"}'
