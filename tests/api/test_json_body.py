"""Bodies: only what I-JSON allows, in time and memory that their length bounds (AuthZEN sections 10.1 and 11.5)."""

import json
import time

import httpx
import pytest

from app.api.json_body import MOST_DEPTH, MOST_PARTS, object_in
from app.api.messages import Refused
from tests.api.authzen.conftest import Json, action, question, resource, subject

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
