import math
from collections.abc import Mapping

import httpx
import pytest

from app.clever.answer_limits import ByteBudget
from app.clever.http import RequestContext
from app.clever.models import IdRecord, Page
from app.clever.pagination import MOST_PAGES, pages, records_of
from app.clever.resilience import Transport
from app.domain.errors import CleverMalformed, CleverPagingBroken, CleverRecordMissing
from app.domain.read_context import ReadContext

REQUEST_CONTEXT = RequestContext("Bearer t", ReadContext(), math.inf)
ORIGIN = "https://clever.test"
PATH = "/v3.0/users/u/sections"
FIRST = f"{ORIGIN}{PATH}?limit=2"


def page(*ids: str, following: str | None = None, rel: str = "next") -> dict[str, object]:
    links = [{"rel": "self", "uri": PATH}, {"rel": "prev", "uri": "/elsewhere"}]
    links += [{"rel": rel, "uri": following}] if following is not None else []
    return {"data": [{"data": {"id": one}, "uri": f"/v3.0/sections/{one}"} for one in ids], "links": links}


async def walk(sent: Mapping[str, object], first: str = FIRST) -> list[str]:
    """Read the list whose pages are these, by path and query."""

    def handler(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer t"
        assert request.url.host == "clever.test"
        answer = sent.get(request.url.raw_path.decode())
        return httpx.Response(404, json={}) if answer is None else httpx.Response(200, json=answer)

    transport = Transport(httpx.MockTransport(handler))
    return [record.id for record in await records_of(pages(transport, first, REQUEST_CONTEXT, Page[IdRecord]))]


@pytest.mark.parametrize("rel", ["next", "NEXT", "Next"])
@pytest.mark.parametrize("origin", ["", ORIGIN, "https://clever.test:443", "https://CLEVER.test", "//clever.test"])
async def test_a_next_link_is_followed_as_given_whether_a_path_or_a_whole_url(rel: str, origin: str) -> None:
    following = f"{PATH}?starting_after=b&limit=2&odd=%2F+x"
    sent = {f"{PATH}?limit=2": page("a", "b", following=f"{origin}{following}", rel=rel), following: page("c")}
    assert await walk(sent) == ["a", "b", "c"]


async def test_a_list_ends_with_an_empty_page_even_if_that_has_a_next_link() -> None:
    sent = {
        f"{PATH}?limit=2": page("a", following=f"{PATH}?starting_after=a"),
        f"{PATH}?starting_after=a": page(following=f"{PATH}?starting_after=z"),
    }
    assert await walk(sent) == ["a"]


@pytest.mark.parametrize(
    "last",
    [
        {"data": [{"data": {"id": "a"}}]},
        {"data": [{"data": {"id": "a"}}], "links": None},
        {"data": [{"data": {"id": "a"}}], "links": [{"rel": None, "uri": "/x"}, {"rel": "prev"}, {}]},
    ],
)
async def test_a_page_without_a_next_link_is_the_last(last: object) -> None:
    assert await walk({f"{PATH}?limit=2": last}) == ["a"]


@pytest.mark.parametrize(
    "following",
    [
        "https://elsewhere.test/v3.0/users/u/sections?limit=2&page=2",
        "//elsewhere.test/v3.0/users/u/sections?page=2",
        "http://clever.test/v3.0/users/u/sections?page=2",
        "https://clever.test:8443/v3.0/users/u/sections?page=2",
        "https://clever.test@elsewhere.test/v3.0/users/u/sections?page=2",
        "https://name:secret@clever.test/v3.0/users/u/sections?page=2",
        "https://clever.test\\@elsewhere.test/v3.0/users/u/sections?page=2",
        "/v3.0/users/another/sections?page=2",
        "/v3.0/users/u/sections/?page=2",
        "/v3.0/users/u%2Fsections?page=2",
        "/v3.0/users/u/sections/../schools?page=2",
        "/v1.1/users/u/sections?page=2",
        "/v3.0/users/u/schools?page=2",
        "?\x00",
        "https://[::1/v3.0/users/u/sections",
        "https://clever.test:port/",
    ],
)
async def test_a_next_link_that_leaves_the_list_is_not_followed(following: str) -> None:
    with pytest.raises(CleverPagingBroken):
        await walk({f"{PATH}?limit=2": page("a", following=following)})


@pytest.mark.parametrize("rel", ["next", "NEXT", " next "])
@pytest.mark.parametrize("address", [{}, {"uri": None}, {"uri": ""}, {"uri": "  "}])
async def test_a_next_link_without_an_address_is_never_taken_for_the_last_page(
    rel: str, address: Mapping[str, object]
) -> None:
    links = [{"rel": "self", "uri": PATH}, {"rel": rel, **address}]
    with pytest.raises(CleverPagingBroken, match=r"^Clever's next link has no address$"):
        await walk({f"{PATH}?limit=2": page("a") | {"links": links}})


@pytest.mark.parametrize("links", [[{"rel": "next", "uri": 7}], [{"rel": "next", "uri": []}], [7], {}, "next"])
async def test_links_of_another_shape_are_never_taken_for_the_last_page(links: object) -> None:
    with pytest.raises(CleverMalformed):
        await walk({f"{PATH}?limit=2": page("a") | {"links": links}})


async def test_a_list_ends_with_an_empty_page_even_if_its_next_link_has_no_address() -> None:
    assert await walk({f"{PATH}?limit=2": {"data": [], "links": [{"rel": "next"}]}}) == []


@pytest.mark.parametrize("back_to", [f"{PATH}?limit=2", f"{PATH}?page=2"])
async def test_a_circle_of_next_links_is_left(back_to: str) -> None:
    sent = {
        f"{PATH}?limit=2": page("a", following=f"{PATH}?page=2"),
        f"{PATH}?page=2": page("b", following=back_to),
    }
    with pytest.raises(CleverPagingBroken):
        await walk(sent)


@pytest.mark.parametrize("most_pages", [MOST_PAGES, 7])
async def test_a_list_without_an_end_is_left(most_pages: int) -> None:
    asked = 0

    def handler(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return httpx.Response(200, json=page(f"{asked}", following=f"{PATH}?page={asked}"))

    transport = Transport(httpx.MockTransport(handler))
    with pytest.raises(CleverPagingBroken):
        await records_of(pages(transport, FIRST, REQUEST_CONTEXT, Page[IdRecord], most_pages=most_pages))
    assert asked == most_pages


async def test_a_page_that_cannot_be_read_leaves_no_shorter_list() -> None:
    with pytest.raises(CleverPagingBroken, match=r"^a page of Clever's list is missing$"):
        await walk({f"{PATH}?limit=2": page("a", following=f"{PATH}?page=2")})


async def test_a_list_that_is_not_there_is_missing() -> None:
    with pytest.raises(CleverRecordMissing):
        await walk({})


async def test_a_list_that_changes_while_its_pages_are_read_is_no_list() -> None:
    sent = {f"{PATH}?limit=2": page("a", "b", following=f"{PATH}?page=2"), f"{PATH}?page=2": page("b", "c")}
    with pytest.raises(CleverPagingBroken, match=r"^Clever's list changed while its pages were read$"):
        await walk(sent)


async def test_a_page_with_more_records_than_asked_for_is_no_page() -> None:
    transport = Transport(httpx.MockTransport(lambda _: httpx.Response(200, json=page("a", "b", "c"))))
    assert len(await records_of(pages(transport, FIRST, REQUEST_CONTEXT, Page[IdRecord], limit=3))) == 3
    with pytest.raises(CleverMalformed, match=r"^Clever sent a page with more records than it was asked for$"):
        await records_of(pages(transport, FIRST, REQUEST_CONTEXT, Page[IdRecord], limit=2))


async def test_all_pages_of_a_list_together_are_read_up_to_a_limit() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params.get("page", 0)) + 1
        return httpx.Response(200, json=page(f"{number}", following=f"{PATH}?page={number}"))

    transport = Transport(httpx.MockTransport(handler))
    with pytest.raises(CleverMalformed, match=r"^Clever sent a body that is larger than any answer should be$"):
        await records_of(pages(transport, FIRST, REQUEST_CONTEXT, Page[IdRecord], byte_budget=ByteBudget(1000, 1000)))


async def test_a_list_goes_on_from_the_cursor_of_an_earlier_page() -> None:
    handler, asked = in_pages()
    first = await anext(pages(Transport(handler), FIRST, REQUEST_CONTEXT, Page[IdRecord]))
    assert [record.id for record in first.records] == ["a"]
    cursor = first.cursor
    # Much later, perhaps in another process.
    rest = [page async for page in pages(Transport(handler), FIRST, REQUEST_CONTEXT, Page[IdRecord], cursor=cursor)]
    assert [([record.id for record in page.records], page.cursor is None) for page in rest] == [
        (["b"], False),
        (["c"], True),
    ]
    assert asked == [f"{PATH}?limit=2", f"{PATH}?page=2", f"{PATH}?page=3"]


async def test_no_page_is_read_before_it_is_wanted() -> None:
    handler, asked = in_pages()
    read = pages(Transport(handler), FIRST, REQUEST_CONTEXT, Page[IdRecord])
    await anext(read)
    assert len(asked) == 1
    await read.aclose()


@pytest.mark.parametrize(
    ("cursor", "error"),
    [
        ("", r"^Clever's next link has no address$"),
        ("https://elsewhere.test/v3.0/users/u/sections?page=2", r"^Clever's next link leaves the list"),
        (f"{ORIGIN}/v3.0/users/u/schools?page=2", r"^Clever's next link leaves the list"),
        (f"{ORIGIN}{PATH}?page=9", r"^a page of Clever's list is missing$"),
    ],
)
async def test_a_cursor_that_leads_nowhere_or_off_the_list_is_no_list(cursor: str, error: str) -> None:
    handler, _ = in_pages()
    with pytest.raises(CleverPagingBroken, match=error):
        await anext(pages(Transport(handler), FIRST, REQUEST_CONTEXT, Page[IdRecord], cursor=cursor))


def in_pages() -> tuple[httpx.MockTransport, list[str]]:
    """Serve a list of three pages; return what serves it, and what it was asked."""
    sent = {
        f"{PATH}?limit=2": page("a", following=f"{PATH}?page=2"),
        f"{PATH}?page=2": page("b", following=f"{PATH}?page=3"),
        f"{PATH}?page=3": page("c"),
    }
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        answer = sent.get(asked[-1])
        return httpx.Response(404, json={}) if answer is None else httpx.Response(200, json=answer)

    return httpx.MockTransport(handler), asked
