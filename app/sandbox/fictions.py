"""Answers that are made up: what the sandbox itself would say is not even asked. They take nothing of a rate limit."""

import zlib
from functools import cache
from http import HTTPStatus
from itertools import repeat
from struct import pack

from starlette.responses import HTMLResponse, JSONResponse, Response

from app.sandbox.exchange import Exchange

ELSEWHERE = "https://evil.example"
"""Where a request must not follow."""

BOMB_BYTES = 300 * 1024 * 1024
"""What a bomb is when it is unpacked."""

_PIECE = 1024 * 1024
_GZIP_HEAD = bytes.fromhex("1f8b08000000000002ff")
_GARBLED_BYTES = 512
_OF_A_GATEWAY = (502, 503, 504)
_WITHOUT_BODY = (204, 304)
_USUAL_LIMIT = 1200

WRONG_SHAPES: tuple[object, ...] = (
    None,
    [],
    [{"data": {"id": 1}}],
    "data",
    {"data": None},
    {"data": 7},
    {"data": [1, None]},
    {"data": [{"data": {"id": 7, "district": 8, "school": 9, "teachers": 10, "students": 11}}]},
    {"data": {"id": 7, "district": 8, "roles": []}},
    {"data": {"id": None, "district": {}, "roles": {"staff": {"schools": "all"}}}},
)
"""JSON that no question of the API is answered with."""


def status(exchange: Exchange) -> Response:
    """Answer with any status, as Clever does; 502 to 504 as a gateway before it does."""
    code = exchange.strike.fault.status or HTTPStatus.INTERNAL_SERVER_ERROR
    if code == HTTPStatus.TOO_MANY_REQUESTS:
        return _limited(exchange)
    if code in _WITHOUT_BODY:
        return Response(status_code=code)
    if code in _OF_A_GATEWAY:
        return HTMLResponse(f"<!DOCTYPE html><title>{code}</title><h1>{code} {_phrase(code)}</h1>", code)
    redirect = {"Location": f"{ELSEWHERE}/"} if code // 100 == 3 else None  # noqa: PLR2004 -- 3xx
    return JSONResponse({"message": _phrase(code)}, code, redirect)


def _phrase(code: int) -> str:
    return HTTPStatus(code).phrase if code in set(HTTPStatus) else "Unknown"


def _limited(exchange: Exchange) -> Response:
    state, district, seconds = exchange.state, exchange.district, exchange.strike.fault.seconds
    bucket = f"district:{district.id}" if district else "client"
    headers = state.limit.exhausted(bucket, state.rate_limit or _USUAL_LIMIT)
    return Response(status_code=429, headers=headers | ({"Retry-After": f"{seconds:.0f}"} if seconds else {}))


def html(_: Exchange) -> Response:
    """Answer 200 with a page, such as a proxy's."""
    return HTMLResponse("<!DOCTYPE html><title>Sign in</title><h1>Sign in to the network</h1>")


def gone(_: Exchange) -> Response:
    """Answer as if there were no such record."""
    return JSONResponse({"message": "Resource not found"}, 404)


def garble(exchange: Exchange) -> Response:
    """Answer 200 with bytes that only claim to be JSON."""
    return Response(exchange.strike.chance.randbytes(_GARBLED_BYTES), media_type="application/json")


def wrong_shape(exchange: Exchange) -> Response:
    """Answer 200 with JSON of a shape that nobody asked for."""
    return JSONResponse(exchange.strike.chance.choice(WRONG_SHAPES))


def bomb(_: Exchange) -> Response:
    """Answer 200 with little that unpacks to very much."""
    return Response(_packed(BOMB_BYTES), headers={"Content-Encoding": "gzip"}, media_type="application/json")


@cache
def _packed(size: int) -> bytes:
    """Compress JSON of ``size`` bytes and a few: one piece, compressed once, stands there again and again."""
    head, piece, tail, times = b'{"data":{"id":"', b"a" * _PIECE, b'"}}', size // _PIECE
    packed = (_deflated(head), _deflated(piece) * times, _deflated(tail, zlib.Z_FINISH))
    checksum = zlib.crc32(head)
    for one in (*repeat(piece, times), tail):
        checksum = zlib.crc32(one, checksum)
    length = len(head) + len(piece) * times + len(tail)
    return b"".join((_GZIP_HEAD, *packed, pack("<II", checksum, length)))


def _deflated(data: bytes, flush: int = zlib.Z_FULL_FLUSH) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush(flush)
