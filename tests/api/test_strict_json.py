"""Bodies: only what I-JSON allows, in time and memory that their length bounds (AuthZEN sections 10.1 and 11.5)."""

import asyncio
import json
import time
from typing import NoReturn

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.authzen.evaluation import evaluations_in, questions_read
from app.api.errors import Refused
from app.api.strict_json import MOST_DEPTH, MOST_PART, MOST_VALUES, members_in, object_in, values_in
from app.waiting import AT_A_STRETCH
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
    (b'{"a": NaN}', NOT_JSON),
    (b'{"a": [-Infinity]}', NOT_JSON),
    (b'{"a": 1, "a": 1}', "an object has two members of the same name"),
    (b'{"a": {"b": 1, "\\u0062": 2}}', "an object has two members of the same name"),
    (rb'{"a": "\ud800"}', "a string holds half of a surrogate pair"),
    (rb'{"\uDFFF": 1}', "a string holds half of a surrogate pair"),
    (b'{"a":' * 1000 + b"1" + b"}" * 1000, TOO_DEEP),
    (b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}", TOO_DEEP),
    (b"[" * MANY, TOO_DEEP),
    (b'"' + b'\\"[' * MANY, NOT_JSON),
    (b'"' * MANY, NOT_JSON),
    (b"\\" * MANY, NOT_JSON),
    (b"]" * MANY, NOT_JSON),
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


@pytest.mark.parametrize("part", [b"[],", b"{},", b"1,"])
def test_more_values_than_any_questions_need_are_not_even_read(part: bytes) -> None:
    """§11.7."""
    with pytest.raises(Refused, match="the body holds more than 200000 values") as refused:
        members_in(b'{"a":[' + part * (MOST_VALUES + 1) + b"1]}")
    assert refused.value.status == 413


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
def test_a_body_is_read_as_the_standard_library_reads_it_whole_and_in_parts(
    said: Json, separators: tuple[str, str], changes: list[tuple[int, str]], ascii_only: bool
) -> None:
    body = json.dumps(said, separators=separators, ensure_ascii=ascii_only)
    for place, sign in changes:
        body = body[:place] + sign + body[place + 1 :]
    text = body.encode("utf-8", "surrogatepass")
    for read in (object_in, read_in_parts):
        try:
            wanted = read_whole(body)
        except ValueError:
            with pytest.raises(Refused):
                read(text)
        else:
            assert read(text) == wanted


def read_in_parts(body: bytes) -> Json:
    members = members_in(body)
    return dict(zip(members, values_in([*members.values()]), strict=True))


@pytest.mark.parametrize("body", [body for body, _ in BAD], ids=range(len(BAD)))
def test_what_is_refused_when_it_is_read_whole_is_refused_in_parts(body: bytes) -> None:
    with pytest.raises(Refused):
        read_in_parts(body)


def test_one_part_of_many_is_no_longer_than_a_question_alone() -> None:
    longest = b'{"a":"%b"}' % (b"x" * (MOST_PART - 2))
    assert read_in_parts(longest) == json.loads(longest)
    for body in (b'{"evaluations":[1,"%b"]}', b'{"a":"%b"}', b'{"a":{"b":"%b"}}'):
        with pytest.raises(Refused, match="a part of the body is longer than 65536 bytes") as refused:
            asyncio.run(questions_read(evaluations_in(body % (b"x" * MOST_PART))))
        assert refused.value.status == 413


ITEM = b'{"subject":{"type":"user","id":"x"},"action":{"name":"view"},"resource":{"type":"section","id":"y"}}'


async def test_many_questions_are_read_with_turns_for_others_in_between() -> None:
    evaluations = evaluations_in(b'{"evaluations":[%b]}' % b",".join([ITEM] * 5_000))
    reading, turns = asyncio.create_task(questions_read(evaluations)), 0
    while not reading.done():
        await turn()
        turns += 1
    assert len(await reading) == 5_000
    assert turns >= 5_000 / AT_A_STRETCH


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
