import pytest

from tests.bench.district import Load
from tests.bench.latency import Answered, end_of_answer, request
from tests.bench.lists import first_page, next_page
from tests.bench.load import WentWrong
from tests.bench.remembered import is_long_page

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"


def test_an_answer_ends_where_it_says() -> None:
    assert end_of_answer(ANSWER) == len(ANSWER)
    assert end_of_answer(ANSWER[:-2]) == len(ANSWER)
    assert end_of_answer(ANSWER[:30]) is None


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", "503"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "how long it is"),
    ],
    ids=["refused", "of unknown length"],
)
def test_an_answer_that_cannot_be_timed_is_no_measurement(answer: bytes, why: str) -> None:
    with pytest.raises(WentWrong, match=why):
        end_of_answer(answer)


def test_a_request_with_a_body_says_how_long_it_is() -> None:
    assert request("GET", "/a", {"X": "1"}) == b"GET /a HTTP/1.1\r\nHost: localhost\r\nX: 1\r\n\r\n"
    assert request("POST", "/a", {}, b"{}").endswith(b"Content-Length: 2\r\n\r\n{}")


def test_the_answers_during_a_load_are_those_that_were_waited_for_while_it_lasted() -> None:
    load = Load(began=100.0, ended=110.0, processor=1.0, users=1)
    answered = [Answered(99.9, 50), Answered(100.1, 200), Answered(105.0, 3), Answered(110.1, 250), Answered(110.2, 60)]
    assert load.during(answered) == [200, 3, 250]


def test_a_list_is_read_from_its_first_page_to_the_one_that_links_no_other() -> None:
    assert first_page("users?role=teacher") == "/v3.1/users?role=teacher&limit=10000"
    assert next_page({"links": [{"rel": "self", "uri": "/a"}, {"rel": "next", "uri": "/b"}]}) == "/b"
    assert next_page({"links": [{"rel": "self", "uri": "/b"}]}) is None


def test_only_pages_of_a_whole_district_are_remembered() -> None:
    assert is_long_page("/v3.1/users", {"limit": "10000", "role": "staff"})
    assert not is_long_page("/v3.1/users", {"limit": "1000"})
    assert not is_long_page("/v3.1/events", {"limit": "10000"})
