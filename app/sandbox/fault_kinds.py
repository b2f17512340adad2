"""The kinds of faults, and the middleware that applies them."""

import asyncio
import json
import zlib
from bisect import bisect_left
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import cache
from http import HTTPStatus
from itertools import count, repeat
from struct import pack
from typing import Any, TypeAlias
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.sandbox.endpoints import EVENTS, not_found
from app.sandbox.events import LAST
from app.sandbox.faults import Exchange, KindName, with_body
from app.sandbox.records import Ids
from app.sandbox.request_counts import OWN_PATHS
from app.sandbox.versions import asked_by, error_of

ELSEWHERE = "https://evil.example"
"""An origin that a client must not follow."""

BOMB_BYTES = 300 * 1024 * 1024
"""The unpacked size of a bomb."""

_PIECE_OF_LIST = 1024 * 1024

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
"""JSON that is no answer of the API."""


def status(exchange: Exchange) -> Response:
    """Answer with any status, as Clever does; 502 to 504 as a gateway does."""
    code = exchange.strike.fault.status or HTTPStatus.INTERNAL_SERVER_ERROR
    if code == HTTPStatus.TOO_MANY_REQUESTS:
        return _limited(exchange)
    if code in _WITHOUT_BODY:
        return Response(status_code=code)
    if code in _OF_A_GATEWAY:
        return HTMLResponse(f"<!DOCTYPE html><title>{code}</title><h1>{code} {_phrase(code)}</h1>", code)
    redirect = {"Location": f"{ELSEWHERE}/"} if code // 100 == 3 else None  # noqa: PLR2004 -- 3xx
    return JSONResponse(error_of(exchange.scope["path"], _phrase(code)), code, redirect)


def _phrase(code: int) -> str:
    return HTTPStatus(code).phrase if code in set(HTTPStatus) else "Unknown"


def _limited(exchange: Exchange) -> Response:
    state, district, seconds = exchange.state, exchange.district, exchange.strike.fault.seconds
    bucket = f"district:{district.id}" if district else "client"
    headers = state.limit.exhausted(bucket, state.rate_limit or _USUAL_LIMIT)
    return Response(status_code=429, headers=headers | ({"Retry-After": f"{seconds:.0f}"} if seconds else {}))


def html(exchange: Exchange) -> Response:
    """Answer with an HTML page, such as a proxy's; with 200 if the fault names no status."""
    page = "<!DOCTYPE html><title>Sign in</title><h1>Sign in to the network</h1>"
    return HTMLResponse(page, exchange.strike.fault.status or HTTPStatus.OK)


def gone(exchange: Exchange) -> Response:
    """Answer 404."""
    return JSONResponse(error_of(exchange.scope["path"], not_found().message), 404)


def garble(exchange: Exchange) -> Response:
    """Answer 200 with random bytes as JSON."""
    return Response(exchange.strike.chance.randbytes(_GARBLED_BYTES), media_type="application/json")


def wrong_shape(exchange: Exchange) -> Response:
    """Answer 200 with JSON of another shape."""
    return JSONResponse(exchange.strike.chance.choice(WRONG_SHAPES))


def bomb(_: Exchange) -> Response:
    """Answer 200 with a small body that unpacks to a huge one."""
    return Response(_packed(BOMB_BYTES), headers={"Content-Encoding": "gzip"}, media_type="application/json")


@cache
def _packed(size: int) -> bytes:
    """Compress JSON of about ``size`` bytes: one piece, compressed once, is repeated."""
    head, piece, tail, times = b'{"data":{"id":"', b"a" * _PIECE_OF_LIST, b'"}}', size // _PIECE_OF_LIST
    packed = (_deflated(head), _deflated(piece) * times, _deflated(tail, zlib.Z_FINISH))
    checksum = zlib.crc32(head)
    for one in (*repeat(piece, times), tail):
        checksum = zlib.crc32(one, checksum)
    length = len(head) + len(piece) * times + len(tail)
    return b"".join((_GZIP_HEAD, *packed, pack("<II", checksum, length)))


def _deflated(data: bytes, flush: int = zlib.Z_FULL_FLUSH) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush(flush)


DANGLING = ("", "https://[evil.example", "no way on", "/nowhere?limit=100", "?limit=0x", "javascript:alert(1)")
"""Invalid URLs of a `next` link."""


def loop(exchange: Exchange, body: Any) -> Any:
    """Make `next` lead to the same page."""
    scope = exchange.scope
    return _leading_to(body, f"{scope['path']}?{scope['query_string'].decode('latin-1')}")


def astray(exchange: Exchange, body: Any) -> Any:
    """Make `next` lead to another origin."""
    return _leading_to(body, f"{ELSEWHERE}{exchange.scope['path']}?starting_after={_last_id(body)}")


def dangling(exchange: Exchange, body: Any) -> Any:
    """Make `next` an invalid URL."""
    return _leading_to(body, exchange.strike.chance.choice(DANGLING))


def _leading_to(body: Any, uri: str) -> Any:
    links = [link for link in body["links"] if link["rel"] != "next"]
    return {**body, "links": [*links, {"rel": "next", "uri": uri}]}


def _last_id(body: Any) -> str:
    return [*_records(body["data"])][-1]["id"] if body["data"] else "0" * 24


def other_district(exchange: Exchange, body: Any) -> Any:
    """Make every record one of another district than the token's."""
    other = _other_district(exchange)
    for found in _records(body["data"]):
        record = found["data"]["object"] if "object" in found.get("data", {}) else found
        record["district" if "district" in record else "id"] = other
    return body


def _records(data: Any) -> Iterator[Any]:
    """Yield the records of an answer; some lists of version 1 have no envelopes, and one has no records."""
    items = [one.get("data", one) for one in data if isinstance(one, dict)] if isinstance(data, list) else [data]
    yield from items


UNKNOWN_TYPE = "enrollments.updated"
"""A type of event that Clever's descriptions do not list."""


def unknown_type(_: Exchange, body: Any) -> Any:
    """Give every event an unknown type."""
    for event in _records(body["data"]):
        event["type"] = UNKNOWN_TYPE
    return body


HOLES: tuple[tuple[str, ...], ...] = (
    ("id",),
    ("type",),
    ("data",),
    ("data", "object"),
    ("data", "object", "id"),
    ("data", "object", "roles"),
    ("data", "object", "students"),
    ("data", "object", "term_id"),
    ("data", "previous_attributes"),
)
"""The fields that an event may lack."""


def holes(exchange: Exchange, body: Any) -> Any:
    """Remove a field of every event, or make it null."""
    chance = exchange.strike.chance
    for event in _records(body["data"]):
        place, name = chance.choice([*_fields_of(event)])
        if chance.choice((True, False)):
            del place[name]
        else:
            place[name] = None
    return body


def _fields_of(event: Any) -> Iterator[tuple[Any, str]]:
    for *way, name in HOLES:
        place = event
        for step in way:
            place = place[step]
        if name in place:
            yield place, name


def doubled(exchange: Exchange, body: Any) -> Any:
    """Repeat one item of a list."""
    return _with_item(exchange, body, lambda data, at: [*data[: at + 1], *data[at:]])


def skipped(exchange: Exchange, body: Any) -> Any:
    """Leave out one item of a list; the links stay."""
    return _with_item(exchange, body, lambda data, at: [*data[:at], *data[at + 1 :]])


def disordered(exchange: Exchange, body: Any) -> Any:
    """Shuffle the items of a list."""
    return {**body, "data": exchange.strike.chance.sample(body["data"], len(body["data"]))}


def _with_item(exchange: Exchange, body: Any, change: Callable[[list[Any], int], list[Any]]) -> Any:
    data = body["data"]
    return {**body, "data": change(data, exchange.strike.chance.randrange(len(data)))} if data else body


CHANGES_BETWEEN_PAGES = 20


async def changing(exchange: Exchange) -> None:
    """Make random changes, with their events, before a later page is answered."""
    if exchange.district is not None:
        seed, changes = f"{exchange.strike.chance.random()}", CHANGES_BETWEEN_PAGES
        exchange.state.world.change_at_random(exchange.district.id, seed=seed, changes=changes, sync=changes)
    await exchange.proceed()


async def repeated(exchange: Exchange) -> None:
    """Answer with the items of the page before and the links of the requested page."""
    answer = await exchange.true_answer()
    before = await _asking_from(exchange, "ending_before", 1).true_answer()
    if answer.status_code == before.status_code == HTTPStatus.OK:
        body = {**json.loads(bytes(answer.body)), "data": json.loads(bytes(before.body))["data"]}
        answer = with_body(answer, json.dumps(body).encode())
    await exchange.answer(answer)


def _asking_from(exchange: Exchange, name: str, step: int) -> Exchange:
    """Return a request for another page: ``name`` is the parameter of the cursor, ``step`` its shift in items."""
    given = exchange.request.query_params
    others = [(each, value) for each, value in given.multi_items() if each != "starting_after"]
    query = urlencode([*others, (name, _neighbour(exchange, given["starting_after"], step))])
    return exchange.asking(query_string=query.encode())


def _neighbour(exchange: Exchange, cursor: str, step: int) -> str:
    """Return the cursor one before or after another; for events it must exist, for records any id will do."""
    district, asked = exchange.district, asked_by(exchange.scope["path"])
    if district is not None and asked is not None and asked.template == EVENTS:
        ids = [event.id for event in exchange.state.world.events[district.id].kept()]
        at = ids.index(cursor) + step if cursor in ids else -1
        return ids[at] if 0 <= at < len(ids) else LAST if step > 0 else cursor
    try:
        return f"{max(int(cursor, 16) + step, 0):024x}"
    except ValueError:
        return cursor


def _other_district(exchange: Exchange) -> str:
    district, world = exchange.district, exchange.state.world.start
    return Ids(world.seed, (district.number if district else 0) + 1).of("district", 0)


def shifted(exchange: Exchange) -> Exchange:
    """Answer with a page that begins a record too early, so that the last record of the page before comes again."""
    return _asking_from(exchange, "starting_after", -1)


def other_record(exchange: Exchange) -> Exchange:
    """Answer with the next record instead."""
    _, name, collection, wanted, *rest = exchange.scope["path"].split("/")
    district, asked = exchange.district, asked_by(exchange.scope["path"])
    if district is None or asked is None:
        return exchange
    records = asked.version.lists[f"/{collection}"](asked.version.view(district), "", {})
    at = bisect_left(records, wanted, key=lambda record: record.id)
    if at == len(records) or records[at].id != wanted:
        return exchange
    path = "/".join((records[(at + 1) % len(records)].id, *rest))
    return exchange.asking(path=f"/{name}/{collection}/{path}")


HUGE_BYTES = 60 * 1024 * 1024
"""The size of a huge answer's padding."""

_PIECE = b"a" * (64 * 1024)

_SECONDS_BETWEEN_HEADERS = 0.01

_HEADER = "X-Filler-{}: {}\r\n"

_HEADER_VALUE = "a" * 1000

_NO_SOCKET = "This fault needs the sandbox's own protocol, which this server does not use"


def _on_socket(act: Callable[[Exchange, asyncio.Transport], Awaitable[None]]) -> Callable[[Exchange], Awaitable[None]]:
    """Pass the connection to a fault; if the server does not expose it, answer 500 with the reason."""

    async def kind(exchange: Exchange) -> None:
        if exchange.transport is None:
            await exchange.answer(JSONResponse({"message": _NO_SOCKET}, 500))
        else:
            await act(exchange, exchange.transport)

    kind.__doc__ = act.__doc__
    return kind


async def delay(exchange: Exchange) -> None:
    """Answer correctly, but late."""
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
    """Send the correct head and half of the body, and close the connection."""
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
    """Answer correctly, a byte every ``seconds``, by default every second."""
    answer, pause = await exchange.true_answer(), exchange.strike.fault.seconds or 1.0
    await exchange.send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    for byte in bytes(answer.body):
        await exchange.send({"type": "http.response.body", "body": bytes((byte,)), "more_body": True})
        if await exchange.gone_within(pause):
            return
    await exchange.send({"type": "http.response.body", "body": b"", "more_body": False})


async def half_json(exchange: Exchange) -> None:
    """Answer with the first half of the correct body, and its length."""
    answer = await exchange.true_answer()
    await exchange.answer(with_body(answer, bytes(answer.body[: len(answer.body) // 2])))


async def huge(exchange: Exchange) -> None:
    """Answer correctly, with a huge additional field."""
    answer = await exchange.true_answer()
    kept = {name: value for name, value in answer.headers.items() if name.startswith("x-ratelimit")}
    whole = StreamingResponse(_padded(bytes(answer.body)), answer.status_code, kept, "application/json")
    await exchange.answer(whole)


async def _padded(body: bytes) -> AsyncIterator[bytes]:
    yield b'{"padding":"'
    for _ in range(HUGE_BYTES // len(_PIECE)):
        yield _PIECE
    yield b'",' + body[1:] if body.startswith(b"{") else b'"}'


Kind: TypeAlias = Callable[[Exchange], Awaitable[None]]


class Faulty:
    """Applies the faults in force to requests, except those to the sandbox's own endpoints."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or apply a fault to it."""
        is_ours = scope["type"] != "http" or scope["path"].startswith(OWN_PATHS)
        strike = None if is_ours else scope["app"].state.faults.strike(Request(scope))
        if strike is None:
            await self.app(scope, receive, send)
        else:
            await KINDS[strike.kind](Exchange(self.app, scope, receive, send, strike))


def _answering(make: Callable[[Exchange], Response]) -> Kind:
    async def kind(exchange: Exchange) -> None:
        await exchange.answer(make(exchange))

    return kind


def _changing(change: Callable[[Exchange, Any], Any]) -> Kind:
    async def kind(exchange: Exchange) -> None:
        answer = await exchange.true_answer()
        body = json.loads(bytes(answer.body)) if answer.status_code == HTTPStatus.OK else {}
        # A count has no data to change.
        if "data" in body:
            answer = with_body(answer, json.dumps(change(exchange, body)).encode())
        await exchange.answer(answer)

    return kind


def _asking(another: Callable[[Exchange], Exchange]) -> Kind:
    async def kind(exchange: Exchange) -> None:
        await another(exchange).proceed()

    return kind


async def _other_record(exchange: Exchange) -> None:
    # A token reads one district, so there is no other one to answer with.
    asked = asked_by(exchange.scope["path"])
    kind = _changing(other_district) if asked and asked.is_of_district else _asking(other_record)
    await kind(exchange)


KINDS: Mapping[KindName, Kind] = {
    "astray": _changing(astray),
    "bomb": _answering(bomb),
    "changing": changing,
    "dangling": _changing(dangling),
    "delay": delay,
    "disordered": _changing(disordered),
    "doubled": _changing(doubled),
    "drip": drip,
    "drop": drop,
    "garble": _answering(garble),
    "gone": _answering(gone),
    "half_json": half_json,
    "hang": hang,
    "headers": headers,
    "holes": _changing(holes),
    "html": _answering(html),
    "huge": huge,
    "loop": _changing(loop),
    "other_district": _changing(other_district),
    "other_record": _other_record,
    "repeated": repeated,
    "shifted": _asking(shifted),
    "skipped": _changing(skipped),
    "status": _answering(status),
    "truncate": truncate,
    "unknown_type": _changing(unknown_type),
    "wrong_shape": _answering(wrong_shape),
}
