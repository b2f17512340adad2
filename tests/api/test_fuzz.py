"""Requests that nobody would send: no failure, no answer that the document lacks, nothing for who has no key."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from app.sandbox.world import World
from tests.chaos.fuzz import abrupt, operations, served, try_operation, try_raw, try_without_key

EXAMPLES, RAW_EXAMPLES = 12, 200


@pytest.fixture(scope="module")
def url(world: World) -> Iterator[str]:
    with served(world) as url:
        yield url


def test_whatever_is_asked_the_answer_is_one_that_the_document_describes(url: str, world: World) -> None:
    tried = {label: try_operation(operation, url, world, EXAMPLES) for label, operation in operations().items()}
    assert min(statuses.total() for statuses in tried.values()) > 0
    assert {status for statuses in tried.values() for status in statuses} >= {200, 400, 404, 422}


def test_no_operation_is_open_to_who_has_no_key(url: str) -> None:
    try_without_key(url)


def test_barely_http_is_refused_and_never_fails(url: str) -> None:
    assert {400, 401, 404, 405} <= set(try_raw(url, RAW_EXAMPLES))


def test_callers_who_go_away_in_the_middle_do_no_harm(url: str) -> None:
    asyncio.run(abrupt(url, 100, 7))
    assert httpx.get(f"{url}/livez").status_code == 200
