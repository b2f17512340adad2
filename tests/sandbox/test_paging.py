"""Paging as Clever does it: every record once, forward and back."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.sandbox.world import World


async def pages(clever: httpx.AsyncClient, uri: str, rel: str) -> AsyncIterator[list[str]]:
    """Follow a link until there is none or a page is empty."""
    while True:
        answer = (await clever.get(uri)).raise_for_status().json()
        yield [item["data"]["id"] for item in answer["data"]]
        links = {link["rel"]: link["uri"] for link in answer["links"]}
        if rel not in links or not answer["data"]:
            return
        uri = links[rel]


async def page(clever: httpx.AsyncClient, uri: str) -> tuple[list[str], list[dict[str, Any]]]:
    answer = (await clever.get(uri)).raise_for_status().json()
    return [item["data"]["id"] for item in answer["data"]], answer["links"]


@pytest.mark.parametrize("limit", [7, 100, 808])
@pytest.mark.parametrize("path", ["users?", "users?role=staff&", "sections?", "schools?"])
async def test_a_walk_forward_collects_everything_once(clever: httpx.AsyncClient, path: str, limit: int) -> None:
    whole, _ = await page(clever, f"/v3.0/{path}limit=10000")
    walked = [one async for ids in pages(clever, f"/v3.0/{path}limit={limit}", "next") for one in ids]
    assert walked == whole == sorted(set(whole))


async def test_a_walk_back_collects_everything_once(clever: httpx.AsyncClient) -> None:
    whole, _ = await page(clever, "/v3.0/users?limit=10000")
    start = f"/v3.0/users?limit=7&ending_before={'f' * 24}"
    walked = [ids async for ids in pages(clever, start, "prev")]
    assert [one for ids in reversed(walked) for one in ids] == whole


async def test_the_sections_of_a_teacher_are_paged_by_a_hundred(clever: httpx.AsyncClient, world: World) -> None:
    user = world.cases["teacher_of_many_sections"].user
    walked = [len(ids) async for ids in pages(clever, f"/v3.0/users/{user}/sections", "next")]
    assert walked == [100, 30]


async def test_links_keep_the_other_parameters(clever: httpx.AsyncClient) -> None:
    whole, _ = await page(clever, "/v3.1/users?role=staff")
    _, links = await page(clever, f"/v3.1/users?role=staff&limit=2&starting_after={whole[1]}")
    assert links == [
        {"rel": "self", "uri": f"/v3.1/users?role=staff&limit=2&starting_after={whole[1]}"},
        {"rel": "next", "uri": f"/v3.1/users?role=staff&limit=2&starting_after={whole[3]}"},
        {"rel": "prev", "uri": f"/v3.1/users?role=staff&limit=2&ending_before={whole[2]}"},
    ]


async def test_the_first_page_offers_no_way_back_and_the_last_none_on(clever: httpx.AsyncClient) -> None:
    whole, links = await page(clever, "/v3.0/schools")
    assert links == [{"rel": "self", "uri": "/v3.0/schools"}]
    _, links = await page(clever, f"/v3.0/schools?starting_after={whole[0]}")
    assert [link["rel"] for link in links] == ["self", "prev"]


async def test_a_page_before_the_end_offers_a_next_that_may_be_empty(clever: httpx.AsyncClient) -> None:
    whole, links = await page(clever, f"/v3.0/schools?ending_before={'f' * 24}")
    assert links[1:] == [{"rel": "next", "uri": f"/v3.0/schools?starting_after={whole[-1]}"}]
    assert await page(clever, links[1]["uri"]) == ([], [{"rel": "self", "uri": links[1]["uri"]}])


async def test_a_full_last_page_has_no_next(clever: httpx.AsyncClient) -> None:
    _, links = await page(clever, "/v3.0/schools?limit=3")
    assert links == [{"rel": "self", "uri": "/v3.0/schools?limit=3"}]
