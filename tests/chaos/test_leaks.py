"""The watch over what gets out sees what does, and lets pass what may."""

from base64 import b64encode
from urllib.parse import quote

import pytest

from tests.chaos.findings import RIGHT, WRONG, Findings
from tests.chaos.leaks import CALLED, SAID, SENT, Lookout, Planted
from tests.marking import MARK, TITLE
from tests.planted import KEY, SECRET

ASKED = Planted(named=(f"{CALLED}1".encode(),), said=f"{SAID}1".encode())


def found(answer: bytes, planted: Planted = ASKED) -> set[str]:
    lookout = Lookout()
    lookout.answer(answer, planted, "it")
    return set(lookout.found)


@pytest.mark.parametrize(
    ("answer", "leaks"),
    [
        (f"X: 1\r\n\r\n{MARK}email-1", {f"{MARK}… in the body of it"}),
        (f"X: {MARK}email-1\r\n\r\n", {f"{MARK}… in the head of it"}),
        (f"X: 1\r\n\r\n{TITLE}title-1".upper(), {f"{TITLE}… in the body of it"}),
        (f"X: 1\r\n\r\n{b64encode(MARK.encode()).decode()}", {f"{MARK}… in the body of it"}),
        (f"X: {SECRET}\r\n\r\n", {"ROSTERGUARD_SECRET in the head of it"}),
        (f"X: 1\r\n\r\n{quote(KEY)}", {"the API key in the body of it"}),
        (f"X: 1\r\n\r\n{b64encode(KEY.encode()).decode()}", {"the API key in the body of it"}),
        (f"X: {SENT}1\r\n\r\n{SENT}1", {f"{SENT}… in the head of it", f"{SENT}… in the body of it"}),
        (f"X: {SAID}1\r\n\r\n", {f"{SAID}… in the head of it"}),
        (f"X: 1\r\n\r\n{SAID}2", {f"{SAID}… in the body of it"}),
        (f"X: {CALLED}1\r\n\r\n", {f"{CALLED}… in the head of it"}),
        (f"x-request-id: {CALLED}2\r\n\r\n", {f"{CALLED}… in the head of it"}),
        (f"x-request-id: {CALLED}1\r\nX: {SAID}1\r\n\r\n", {f"{SAID}… in the head of it"}),
        (f"x-request-id: {CALLED}1\r\n\r\n{SAID}1", set()),
    ],
)
def test_what_leaks_into_an_answer_is_found(answer: str, leaks: set[str]) -> None:
    assert found(f"HTTP/1.1 200 OK\r\n{answer}".encode()) == leaks


def test_titles_may_be_answered_to_who_asks_for_roles_in_the_body() -> None:
    answer = f"HTTP/1.1 200 OK\r\nX: {TITLE}1\r\n\r\n{TITLE}2".encode()
    assert found(answer, Planted(titled=True)) == {f"{TITLE}… in the head of it"}


@pytest.mark.parametrize("leaked", [f"{MARK}1", f"{TITLE}1", f"{SENT}1", f"{SAID}1", f"{CALLED}1", KEY, SECRET])
def test_what_leaks_into_a_log_is_found(leaked: str) -> None:
    lookout = Lookout()
    lookout.written(f'{{"request_id":"{CALLED}000001","event":"{leaked}"}}'.encode(), "the log")
    assert len(lookout.found) == 1
    assert lookout.welcome == {"request id in the log": 1}


def test_who_is_let_in_without_a_valid_key_is_noted() -> None:
    findings = Findings()
    for credential in (RIGHT, *WRONG):
        findings.see_to_entry(credential, "/v1/policy?a=/livez", 304)
        findings.see_to_entry(credential, "/livez", 200)
    assert len(findings.let_in) == len(WRONG)
