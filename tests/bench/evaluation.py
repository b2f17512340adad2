"""Decisions over HTTP on a cached user: the standard's calls, beside a bare server and beside Cerbos.

As with the permission set, what counts is the head that a proxy and a usual client make; Cerbos gets the same.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from app.sandbox.world import generate
from tests.bench import cerbos, tools
from tests.bench.cast import SECTIONS, Teacher, about, asked, typical_teacher, written
from tests.bench.load import Generator, Pair, Question, Rates, generator
from tests.bench.processes import (
    CREDENTIAL,
    PROXIED,
    Served,
    collector,
    module,
    sandbox,
    service,
    serving,
    settings,
    until_ready,
)
from tests.chaos.report import Figure, at_least, told, unmeasured

SECONDS, ROUNDS = 1, 7
MANY = 50

ONE_PATH, MANY_PATH = "/access/v1/evaluation", "/access/v1/evaluations"
BARE, ONE, TRACED = "bare", "one", "traced"
BARE_PLAIN, ONE_PLAIN, TRACED_PLAIN = "bare, plain", "one, plain", "traced, plain"
FIFTY, CERBOS_ONE, CERBOS_FIFTY = "fifty", "cerbos one", "cerbos fifty"
ONE_UNTOLD, FIFTY_UNTOLD = "one, untold", "fifty, untold"
"""Without a log of decisions: Cerbos' own, which it calls its audit log, is off."""
PAIRS = (Pair(ONE, BARE), Pair(ONE_PLAIN, BARE_PLAIN), Pair(TRACED, BARE), Pair(TRACED_PLAIN, BARE_PLAIN))
PAIRS_WITH_CERBOS = (
    Pair(ONE, CERBOS_ONE),
    Pair(FIFTY, CERBOS_FIFTY),
    Pair(ONE_UNTOLD, CERBOS_ONE),
    Pair(FIFTY_UNTOLD, CERBOS_FIFTY),
)


@dataclass(frozen=True)
class _Asking:
    """What is asked: about which teacher, of which sections, and the bodies of one question and of fifty."""

    teacher: Teacher
    sections: list[str]
    one: bytes
    fifty: bytes


def main() -> Iterator[Figure]:
    """Measure, and yield what was reached; without Cerbos the rest."""
    asking = _asking(typical_teacher(generate()))
    with (
        sandbox() as clever,
        generator(tools.wrk(), seconds=SECONDS, rounds=ROUNDS) as load,
        service(settings(clever)) as ours,
    ):
        until_ready(ours)
        yield from _beside_bare(load, clever, ours, asking)
        try:
            rival = tools.cerbos()
        except tools.Missing as error:
            yield unmeasured("ours beside Cerbos", str(error))
            return
        with (
            service(settings(clever, ROSTERGUARD_DECISION_LOG="off")) as untold,
            cerbos.running(rival) as theirs,
        ):
            until_ready(untold)
            yield from _beside_cerbos(load, (ours, untold), theirs, asking)


def _asking(teacher: Teacher) -> _Asking:
    """Ask for what the teacher teaches and for what others do."""
    sections = [*teacher.taught, *teacher.others][:MANY]
    one = written(asked(teacher, sections[0]))
    fifty = written(about(teacher) | {"evaluations": [{"resource": _section(each)} for each in sections]})
    return _Asking(teacher, sections, one, fifty)


def _section(section: str) -> dict[str, str]:
    return {"type": "section", "id": section}


def _proxied(name: str, url: str, body: bytes, worth: int = 1) -> Question:
    return Question(name, url, {**PROXIED, **CREDENTIAL}, body, worth, numbered=True)


def _beside_bare(load: Generator, clever: Served, ours: Served, asking: _Asking) -> Iterator[Figure]:
    with ExitStack() as stack:
        traced = stack.enter_context(service(settings(clever, **stack.enter_context(collector()))))
        until_ready(traced)
        file = Path(stack.enter_context(TemporaryDirectory())) / "answer"
        for served in (ours, traced):
            file.write_bytes(_answers(served, asking))
        bare = stack.enter_context(serving(module("bare", file)))
        questions = (
            _proxied(BARE, bare.url + ONE_PATH, asking.one),
            _proxied(ONE, ours.url + ONE_PATH, asking.one),
            _proxied(TRACED, traced.url + ONE_PATH, asking.one),
            Question(BARE_PLAIN, bare.url + ONE_PATH, CREDENTIAL, asking.one),
            Question(ONE_PLAIN, ours.url + ONE_PATH, CREDENTIAL, asking.one),
            Question(TRACED_PLAIN, traced.url + ONE_PATH, CREDENTIAL, asking.one),
        )
        rates = load.rates(questions, PAIRS)
        yield at_least("one question / bare, with a proxy's head", rates.ratio(ONE, BARE), 0.40)
        yield at_least("one question / bare, with wrk's plain head", rates.ratio(ONE_PLAIN, BARE_PLAIN), 0.40)
        yield at_least("traces of 1 % / bare, with a proxy's head", rates.ratio(TRACED, BARE), 0.25)
        yield at_least("traces of 1 % / bare, with wrk's plain head", rates.ratio(TRACED_PLAIN, BARE_PLAIN), 0.25)
        yield told("bare server that reads the same body: requests a second", rates.of(BARE))
        yield told("ours, one question: requests a second", rates.of(ONE))


_WANTED = [True] * SECTIONS + [False] * (MANY - SECTIONS)
_JSON = {"Content-Type": "application/json"}


def _answers(served: Served, asking: _Asking) -> bytes:
    """Have all that is asked about read, see to it that the answers are right, and return that to one question."""
    with served.asking() as client:
        many = client.post(MANY_PATH, content=asking.fifty, headers=_JSON).raise_for_status()
        assert [each["decision"] for each in many.json()["evaluations"]] == _WANTED
        one = client.post(ONE_PATH, content=asking.one, headers=_JSON).raise_for_status()
        assert one.json()["decision"]
        return one.content


def _beside_cerbos(load: Generator, both: tuple[Served, Served], theirs: Served, asking: _Asking) -> Iterator[Figure]:
    ours, untold = both
    _answers(untold, asking)
    assert cerbos.decisions(theirs.url, cerbos.asked(asking.teacher, asking.sections)) == _WANTED
    check = theirs.url + cerbos.CHECK
    rates = load.rates(
        (
            _proxied(ONE, ours.url + ONE_PATH, asking.one),
            _proxied(FIFTY, ours.url + MANY_PATH, asking.fifty, MANY),
            _proxied(ONE_UNTOLD, untold.url + ONE_PATH, asking.one),
            _proxied(FIFTY_UNTOLD, untold.url + MANY_PATH, asking.fifty, MANY),
            _proxied(CERBOS_ONE, check, cerbos.asked(asking.teacher, asking.sections[:1])),
            _proxied(CERBOS_FIFTY, check, cerbos.asked(asking.teacher, asking.sections), MANY),
        ),
        PAIRS_WITH_CERBOS,
    )
    yield from _figures(rates)


def _figures(rates: Rates) -> Iterator[Figure]:
    yield told(f"Cerbos {tools.CERBOS_VERSION}, one question: requests a second", rates.of(CERBOS_ONE))
    yield at_least("one question, no log of decisions / Cerbos", rates.ratio(ONE_UNTOLD, CERBOS_ONE), 5)
    yield at_least("one question, with its log of decisions / Cerbos", rates.ratio(ONE, CERBOS_ONE), 5)
    yield told(f"Cerbos, {MANY} questions in a request: decisions a second", rates.of(CERBOS_FIFTY))
    yield told(f"ours, {MANY} questions in a request: decisions a second", rates.of(FIFTY))
    yield told(f"ours, {MANY} questions, no log of decisions: decisions a second", rates.of(FIFTY_UNTOLD))
    yield at_least(f"{MANY} questions, no log / Cerbos: decisions", rates.ratio(FIFTY_UNTOLD, CERBOS_FIFTY), 10)
    yield at_least(f"{MANY} questions, with its log / Cerbos: decisions", rates.ratio(FIFTY, CERBOS_FIFTY), 5)
