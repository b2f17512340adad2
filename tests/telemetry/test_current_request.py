import pytest

from app.telemetry.current_request import Parent, Request, request_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
OWN = "0123456789abcdef0123456789abcdef"


def own() -> str:
    return OWN


def test_a_request_without_names_is_given_one_for_both() -> None:
    assert request_of([(b"accept", b"*/*")], own) == Request([OWN.encode()], OWN, OWN)


def test_a_request_keeps_the_names_that_it_comes_with() -> None:
    headers = [(b"x-request-id", b"mine"), (b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())]
    assert request_of(headers, own) == Request([b"mine"], "mine", TRACE, Parent(TRACE, SPAN, sampled=True))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"),
        (b"two words", ""),
        (b"jane@school.example", ""),
        (b'","admin":true,"x":"', ""),
        (b"a\nb", ""),
        (b"\x1b[31m", ""),
        (b"\xe4", ""),
        (b"x" * 129, ""),
        (b"", ""),
    ],
)
def test_a_name_gets_into_logs_only_where_it_can_do_no_harm_there(said: bytes, told: str) -> None:
    request = request_of([(b"x-request-id", said)], own)
    assert (request.named, request.id) == ([said], told)


@pytest.mark.parametrize(
    "said",
    [
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        "",
    ],
)
def test_a_trace_that_is_none_is_begun_anew(said: str) -> None:
    request = request_of([(b"traceparent", said.encode())], own)
    assert (request.trace, request.parent) == (OWN, None)


def test_a_trace_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    request = request_of([(b"traceparent", f"01-{TRACE}-{SPAN}-00-more".encode())], own)
    assert request.parent == Parent(TRACE, SPAN, sampled=False)


def test_two_traces_are_none() -> None:
    twice = [(b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())] * 2
    assert request_of(twice, own).parent is None
