import pytest

from tests.bench.load import Pair, Question, Rates, WentWrong, rate_in

TOLD = """\
Running 2s test @ http://127.0.0.1:8900/v1/users/1/permissions
  1 threads and 32 connections
  2 requests in 2.00s, 1.00MB read
{}Requests/sec:  11844.25
Transfer/sec:     19.00MB
"""


def test_the_rate_is_the_one_that_wrk_tells() -> None:
    assert rate_in(TOLD.format("")) == 11844.25


@pytest.mark.parametrize(
    "line",
    ["Non-2xx or 3xx responses: 1", "Socket errors: connect 0, read 1, write 0, timeout 0"],
    ids=["refused", "broken off"],
)
def test_a_slice_in_which_anything_failed_is_no_measurement(line: str) -> None:
    with pytest.raises(WentWrong, match=line):
        rate_in(TOLD.format(f"  {line}\n"))


def test_a_slice_without_answers_is_no_measurement() -> None:
    with pytest.raises(WentWrong, match="no answers"):
        rate_in("unable to connect")


def test_a_question_with_a_body_is_written_as_a_post_of_json() -> None:
    assert Question("one", "http://127.0.0.1", {"Authorization": "Bearer key"}, b'{"a":"b"}').script() == (
        'wrk.headers["Authorization"] = "Bearer key"\n'
        'wrk.method = "POST"\n'
        'wrk.body = "{\\"a\\":\\"b\\"}"\n'
        'wrk.headers["Content-Type"] = "application/json"'
    )


def test_ratios_are_medians_over_rounds_and_not_ratios_of_medians() -> None:
    rates = Rates({}, {Pair("a", "b"): [0.5, 0.9, 0.6], Pair("c", "d"): [1.0, 0.3, 2.0]})
    assert rates.ratio("a", "b") == 0.6
    assert rates.ratio_of_ratios(("a", "b"), ("c", "d")) == 0.5
