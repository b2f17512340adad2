"""Bodies: only what I-JSON allows, in time and memory that their length bounds (AuthZEN sections 10.1 and 11.5)."""

import asyncio
import json
import time
from typing import NoReturn

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.errors import Refused
from app.api.strict_json import AT_A_STRETCH, MOST_DEPTH, MOST_PART, MOST_PARTS, USUAL_PART, object_in, object_read_in
from tests.api.authzen.conftest import Json, action, question, resource, subject
from tests.waiting import turn

EVERY_PATH = ["evaluation", "evaluations", "search/subject", "search/resource", "search/action"]

MANY = 500_000
"""Enough to notice what takes more than linear time."""

NOT_JSON = "the body is not JSON"
TOO_DEEP = f"the body nests objects and arrays more than {MOST_DEPTH} deep"
BAD: list[tuple[bytes, str]] = [
    (b"", "the body is empty"),
    (b" \n", "the body is empty"),
    (b"{", NOT_JSON),
    (b"{'subject': 1}", NOT_JSON),
    (b'{"a": 1,}', NOT_JSON),
    (b'{"a": 1} {}', NOT_JSON),
    (b'\xef\xbb\xbf{"a": 1}', NOT_JSON),
    (b'{"a": "line\nbreak"}', NOT_JSON),
    (b"9" * 5000, NOT_JSON),
    (b'{"a": \xff}', "the body is not UTF-8"),
    (b'{"a": "\xed\xa0\x80"}', "the body is not UTF-8"),
    ('{"a": "ä"}'.encode("utf-16"), "the body is not UTF-8"),
    (b"[]", "the body must be an object"),
    (b'"subject"', "the body must be an object"),
    (b"null", "the body must be an object"),
    (b'{"a": NaN}', "NaN is not JSON"),
    (b'{"a": [-Infinity]}', "-Infinity is not JSON"),
    (b'{"a": 1, "a": 1}', "an object has two members of the same name"),
    (b'{"a": {"b": 1, "\\u0062": 2}}', "an object has two members of the same name"),
    (rb'{"a": "\ud800"}', "a string holds half of a surrogate pair"),
    (rb'{"\uDFFF": 1}', "a string holds half of a surrogate pair"),
    (b'{"a":' * 1000 + b"1" + b"}" * 1000, TOO_DEEP),
    (b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}", TOO_DEEP),
    (b"[" * MOST_PARTS, TOO_DEEP),
    (b'"' + b'\\"[' * MANY, NOT_JSON),
    (b'"' * MANY, NOT_JSON),
    (b"\\" * MANY, NOT_JSON),
    (b"]" * MOST_PARTS, NOT_JSON),
    (b"{}[]" * 1000, NOT_JSON),
]


@pytest.mark.parametrize(("body", "message"), BAD, ids=range(len(BAD)))
def test_what_is_no_object_of_i_json_is_refused(body: bytes, message: str) -> None:
    """c-2-4-4, c-2-4-5, §11.5."""
    began = time.process_time()
    with pytest.raises(Refused) as refused:
        object_in(body)
    assert (str(refused.value), refused.value.status) == (message, 400)
    assert time.process_time() - began < 5


@pytest.mark.parametrize("part", [b"[],", b"{},", b"["])
def test_more_objects_and_arrays_than_any_questions_need_are_not_even_read(part: bytes) -> None:
    """§11.7."""
    with pytest.raises(Refused, match="the body holds more than 200000 objects and arrays") as refused:
        object_in(b'{"a":[' + part * (2 * MOST_PARTS) + b"1]}")
    assert refused.value.status == 413


def test_an_object_has_no_more_members_than_every_question_can_look_at() -> None:
    """§11.7."""
    assert len(object_in(json.dumps({f"a{number}": 1 for number in range(1_000)}).encode())) == 1_000
    with pytest.raises(Refused, match="an object has more than 1000 members"):
        object_in(json.dumps({f"a{number}": 1 for number in range(1_001)}).encode())


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"a": "[[[[" * 1000, "b": '"' * 1000, "c": "\\" * 1001 + '"{'},
        {"a": json.loads("[" * (MOST_DEPTH - 1) + "]" * (MOST_DEPTH - 1))},
        {"a": [[1], [2], {}] * 1000},
        {"ä": "\U0001f600", "b": "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")},
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_what_is_one_is_read_as_it_stands(said: Json, ascii_only: bool) -> None:
    assert object_in(json.dumps(said, ensure_ascii=ascii_only).encode()) == said


def read_whole(body: str) -> object:
    """Read a body as Python does, by the rules of I-JSON that it knows nothing of."""

    def members(pairs: list[tuple[str, object]]) -> Json:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("twice")
        return dict(pairs)

    def no_number(name: str) -> NoReturn:
        raise ValueError(name)

    said = json.loads(body, object_pairs_hook=members, parse_constant=no_number)
    if not isinstance(said, dict):
        raise ValueError("no object")  # noqa: TRY004 -- as for all that is wrong with it
    json.dumps(said, ensure_ascii=False).encode()
    return said


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(
    st.dictionaries(st.text(max_size=4), JSON, max_size=5),
    st.sampled_from([(", ", ": "), (",", ":"), (" ,\n", "\t:\r\n")]),
    st.lists(st.tuples(st.integers(0, 500), st.sampled_from(',:[]{}"\\ 0-eN')), max_size=2),
    st.booleans(),
)
def test_a_body_that_is_read_in_parts_is_read_as_if_it_were_read_whole(
    said: Json, separators: tuple[str, str], changes: list[tuple[int, str]], ascii_only: bool
) -> None:
    body = json.dumps(said, separators=separators, ensure_ascii=ascii_only)
    for place, sign in changes:
        body = body[:place] + sign + body[place + 1 :]
    # A short body is read in one go, and one of which the blanks behind it are a part is not.
    for text in (body, body + " " * AT_A_STRETCH):
        try:
            wanted = read_whole(text)
        except ValueError:
            with pytest.raises(Refused):
                object_in(text.encode("utf-8", "surrogatepass"))
        else:
            assert object_in(text.encode()) == wanted


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=5), st.integers(0, 2 * MOST_DEPTH), st.sampled_from("[{"))
def test_a_short_body_is_as_deep_as_a_long_one_may_be(said: Json, depth: int, kind: str) -> None:
    inner = json.dumps(said)
    before, after = ("[", "]") if kind == "[" else ('{"a":', "}")
    body = f'{{"}}": "}}]", "a": {before * depth}{inner}{after * depth}}}'.encode()
    outcomes = []
    for text in (body, body + b" " * AT_A_STRETCH):
        try:
            outcomes.append(object_in(text))
        except Refused as error:
            outcomes.append({"refused": str(error)})
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("length", [1_000, USUAL_PART - 1, USUAL_PART, USUAL_PART + 1, 30_000])
def test_a_number_may_end_anywhere(length: int) -> None:
    said = {"a": [" " * (length - 10), 123456, {"b": 1.5e3}, 7], "b": 12}
    assert object_in(json.dumps(said).encode()) == said
    assert object_in(json.dumps([said])[1:-1].encode()) == said
    assert object_in(b'{"a":%b}' % (b"1" + b"0" * (length % 4_000))) == {"a": int("1" + "0" * (length % 4_000))}


def test_one_part_of_many_is_no_longer_than_a_question_alone() -> None:
    longest = {"a": [1, "x" * (MOST_PART - 2), 2]}
    assert object_in(json.dumps(longest).encode()) == longest
    for body in (b'{"a":[1,"%b"]}', b'{"a":"%b"}', b'{"a":{"b":"%b"}}', b'["%b"]'):
        with pytest.raises(Refused, match="a part of the body is longer than 65536 characters") as refused:
            object_in(body % (b"x" * MOST_PART))
        assert refused.value.status == 413
    with pytest.raises(Refused, match=NOT_JSON):
        object_in(b'{"a":"%b' % (b"x" * MOST_PART))
    with pytest.raises(Refused, match="an array of the body has more than 20000 items"):
        object_in(b'{"a":[%b0]}' % (b"0," * 20_000))


ITEM = b'{"subject":{"type":"user","id":"x"},"action":{"name":"view"},"resource":{"type":"section","id":"y"}}'


async def test_a_large_body_lets_others_have_their_turn_every_few_kilobytes() -> None:
    body = b'{"evaluations":[%b]}' % b",".join([ITEM] * 5_000)
    snapshot, turns = asyncio.create_task(object_read_in(body)), 0
    while not snapshot.done():
        await turn()
        turns += 1
    assert len((await snapshot)["evaluations"]) == 5_000  # type: ignore[arg-type]
    assert turns > 3 * len(body) / AT_A_STRETCH


@pytest.mark.parametrize("path", EVERY_PATH)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", BAD[-1][0][:1000], b'{"a":' * 1000 + b"1" + b"}" * 1000])
def test_every_path_refuses_them_with_a_message(path: str, body: bytes, service: httpx.Client) -> None:
    """§10.1.2."""
    answer = service.post(f"/access/v1/{path}", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert answer.text.startswith("the body ")


WHOLE = question(subject("a"), action("edit"), resource("b"))


@pytest.mark.parametrize("path", EVERY_PATH)
@pytest.mark.parametrize(
    "media_type", [None, "", "text/plain", "application/xml", "application/json-patch+json", "json", "text/json"]
)
def test_another_content_type_or_none_is_400(path: str, media_type: str | None, service: httpx.Client) -> None:
    """c-2-4-3, and not 415."""
    headers = {} if media_type is None else {"Content-Type": media_type}
    answer = service.post(f"/access/v1/{path}", content=json.dumps(WHOLE).encode(), headers=headers)
    assert (answer.status_code, answer.text) == (400, "the header Content-Type must be application/json")


@pytest.mark.parametrize("media_type", ["application/json", "application/json; charset=utf-8", "Application/JSON;x=y"])
def test_parameters_and_case_of_the_content_type_mean_nothing(media_type: str, service: httpx.Client) -> None:
    """§10.1."""
    body = json.dumps(WHOLE).encode()
    answer = service.post("/access/v1/evaluation", content=body, headers={"Content-Type": media_type})
    assert (answer.status_code, answer.json()["decision"]) == (200, False)


@pytest.mark.parametrize(("path", "most"), [("evaluation", 64), ("evaluations", 4096), ("search/subject", 64)])
def test_a_body_that_is_too_large_is_413(path: str, most: int, service: httpx.Client) -> None:
    """§11.7."""
    body = b" " * (most * 1024 + 1)
    for content in (body, iter([body])):
        answer = service.post(f"/access/v1/{path}", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.text) == (413, "the body is larger than this service reads")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
