from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
import orjson
from msgspec import structs

from app.telemetry import decision_log
from app.telemetry.current_request import CURRENT, Request
from app.telemetry.decision_log import About, Decided, DecisionLogWriter, Sampling
from app.telemetry.log_writer import LogWriter

EDIT = About("evaluation", "3f9c2a1b", user="u1", district="d1")
GRANTED = Decided(EDIT, answer=True, reason="granted")
DENIED = Decided(EDIT, answer=False, reason="not_permitted")


class Kept:
    """Lines that are kept."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, lines: Sequence[bytes]) -> None:
        self.written += b"".join(lines)

    def close(self) -> None:
        pass


def told(
    *decisions: Decided, sampling: Sampling, as_told: decision_log.ShownId = decision_log.plain
) -> list[dict[str, object]]:
    kept = Kept()
    lines = LogWriter(kept, "tests")
    log = DecisionLogWriter(lines, sampling, as_told, lambda: 1_000_000_000.0)
    log.log(decisions, caller="gradebook", alone=False)
    lines.close(30)
    return [orjson.loads(line) for line in kept.written.splitlines()]


def draws(*numbers: float) -> Sampling:
    drawn: Iterator[float] = iter(numbers)
    return Sampling(0.5, every_denial=True, draw=lambda: next(drawn))


EVERY = Sampling(1, every_denial=False, draw=lambda: 0.0)


def test_a_decision_is_logged_with_who_asked_about_whom_what_and_why() -> None:
    about = About("evaluation", "3f9c2a1b", "d1", "u1", "staff", "section:edit")
    whole = Decided(about, answer=True, resource=("section", "s1"), reason="granted", age=12, stale="slow")
    assert told(whole, sampling=EVERY) == [
        {
            "time": "2001-09-09T01:46:40.000000Z",
            "level": "info",
            "event": "decision",
            "caller": "gradebook",
            "decision": {
                "kind": "evaluation",
                "revision": "3f9c2a1b",
                "answer": True,
                "district": "d1",
                "user": "u1",
                "role": "staff",
                "permission": "section:edit",
                "resource": {"type": "section", "id": "s1"},
                "reason": "granted",
                "age": 12,
                "stale": "slow",
            },
        }
    ]


def test_a_part_of_the_decisions_is_logged_and_every_denial() -> None:
    answers = [GRANTED, DENIED, GRANTED, GRANTED, DENIED]
    assert [line["decision"] for line in told(*answers, sampling=draws(0.5, 0.49, 0.9))] == [
        line["decision"] for line in told(DENIED, GRANTED, DENIED, sampling=EVERY)
    ]


def test_denials_are_sampled_like_the_rest_where_that_is_wanted() -> None:
    assert told(DENIED, sampling=Sampling(0.5, every_denial=False, draw=lambda: 0.7)) == []


def test_no_sample_leaves_the_denials() -> None:
    assert len(told(GRANTED, DENIED, sampling=Sampling(0, every_denial=True, draw=lambda: 0.0))) == 1


def test_an_id_is_hashed_alike_each_time_and_otherwise_under_another_key() -> None:
    one, other = decision_log.hashed(b"a secret of sixteen"), decision_log.hashed(b"another of sixteen")
    assert one("u1") == decision_log.hashed(b"a secret of sixteen")("u1")
    assert len({"u1", one("u1"), one("u2"), other("u1")}) == 4


def test_hashed_ids_are_all_that_is_logged_of_people_and_places() -> None:
    [line] = told(
        structs.replace(GRANTED, resource=("section", "s1")),
        sampling=EVERY,
        as_told=decision_log.hashed(b"a secret of sixteen"),
    )
    said = line["decision"]
    assert isinstance(said, dict)
    assert {"u1", "d1", "s1"}.isdisjoint({said["user"], said["district"], said["resource"]["id"]})


def test_the_tag_of_an_answer_is_hashed_as_ids_are_for_it_can_be_made_by_whoever_guesses_the_answer() -> None:
    as_told = decision_log.hashed(b"a secret of sixteen")
    tagged = structs.replace(GRANTED, answer="tag")
    [hashed], [plain] = told(tagged, sampling=EVERY, as_told=as_told), told(tagged, sampling=EVERY)
    assert (answer_in(hashed), answer_in(plain)) == (as_told("tag"), "tag")


def answer_in(line: dict[str, object]) -> object:
    assert isinstance(line["decision"], dict)
    return line["decision"]["answer"]


@contextmanager
def request_in_progress() -> Iterator[Request]:
    request = Request([b"mine"], "mine", "0af7651916cd43dd8448eb211c80319c")
    token = CURRENT.set(request)
    try:
        yield request
    finally:
        CURRENT.reset(token)


def test_the_one_decision_of_a_request_goes_into_its_line() -> None:
    kept = Kept()
    lines = LogWriter(kept, "tests")
    log = DecisionLogWriter(lines, EVERY, decision_log.plain, lambda: 0.0)
    with request_in_progress() as request:
        log.log([GRANTED], caller="gradebook", alone=True)
    lines.close(30)
    assert request.decision is not None
    assert (msgspec.to_builtins(request.decision)["answer"], kept.written) == (True, b"")


def test_one_of_many_decisions_names_the_request() -> None:
    with request_in_progress() as request:
        [line] = told(GRANTED, sampling=EVERY)
    assert (line["request_id"], line["trace_id"]) == ("mine", request.trace)
