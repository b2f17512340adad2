"""Answers that look right and are not: links that lead astray, records that nobody asked for.

What the sandbox truly says is changed in one place. An answer that is an error anyway stays as it is.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from app.sandbox.exchange import Exchange
from app.sandbox.fictions import ELSEWHERE
from app.sandbox.ids import Ids

DANGLING = ("", "https://[evil.example", "no way on", "/nowhere?limit=100", "?limit=0x", "javascript:alert(1)")
"""Addresses that a `next` link must not have."""


def loop(exchange: Exchange, body: Any) -> Any:
    """Let the way on from a page lead to the same page."""
    scope = exchange.scope
    return _leading_to(body, f"{scope['path']}?{scope['query_string'].decode('latin-1')}")


def astray(exchange: Exchange, body: Any) -> Any:
    """Let the way on from a page lead to another origin."""
    return _leading_to(body, f"{ELSEWHERE}{exchange.scope['path']}?starting_after={_last_id(body)}")


def dangling(exchange: Exchange, body: Any) -> Any:
    """Let the way on from a page lead nowhere."""
    return _leading_to(body, exchange.strike.chance.choice(DANGLING))


def _leading_to(body: Any, uri: str) -> Any:
    links = [link for link in body["links"] if link["rel"] != "next"]
    return {**body, "links": [*links, {"rel": "next", "uri": uri}]}


def _last_id(body: Any) -> str:
    return body["data"][-1]["data"]["id"] if body["data"] else "0" * 24


def other_district(exchange: Exchange, body: Any) -> Any:
    """Let every record be of a district that the token does not read."""
    other = _other_district(exchange)
    for record in _records(body["data"]):
        record["district" if "district" in record else "id"] = other
    return body


def _records(data: Any) -> Iterator[Any]:
    return (item["data"] for item in data) if isinstance(data, list) else iter((data,))


def _other_district(exchange: Exchange) -> str:
    district, world = exchange.district, exchange.state.world.start
    return Ids(world.seed, (district.number if district else 0) + 1).of("district", 0)


def shifted(exchange: Exchange) -> Exchange:
    """Ask for a page that begins a record too early: the last one of the page before comes again."""
    parameters = dict(exchange.request.query_params)
    after = parameters["starting_after"]
    try:
        before = f"{max(int(after, 16) - 1, 0):024x}"
    except ValueError:
        return exchange
    return exchange.asking(query_string=urlencode({**parameters, "starting_after": before}).encode())


def other_record(exchange: Exchange) -> Exchange:
    """Ask for the neighbour of the record that was asked for."""
    _, version, collection, wanted, *_ = exchange.scope["path"].split("/")
    district = exchange.district
    if district is None or wanted not in getattr(district, collection):
        return exchange
    records = getattr(district, f"all_{collection}")
    at = bisect_left(records, wanted, key=lambda record: record.id)
    return exchange.asking(path=f"/{version}/{collection}/{records[(at + 1) % len(records)].id}")
