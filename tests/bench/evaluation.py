"""Decisions over HTTP on a cached user: the standard's calls, beside a bare server and beside Cerbos."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from app.sandbox.world import generate
from tests.bench import cerbos, tools
from tests.bench.cast import SECTIONS, Teacher, about, asked, typical_teacher, written
from tests.bench.load import Generator, Pair, Question, Rates, generator
from tests.bench.processes import CREDENTIAL, Served, module, sandbox, service, serving, settings, until_ready
from tests.chaos.report import Figure, at_least, told

SECONDS, ROUNDS = 1, 11
MANY = 50

ONE_PATH, MANY_PATH = "/access/v1/evaluation", "/access/v1/evaluations"
BARE, ONE, FIFTY, CERBOS_ONE, CERBOS_FIFTY = "bare", "one", "fifty", "cerbos one", "cerbos fifty"
ONE_UNTOLD, FIFTY_UNTOLD = "one, untold", "fifty, untold"
"""Without a log of decisions: Cerbos' own, which it calls its audit log, is off."""
PAIRS = (
    Pair(ONE, BARE),
    Pair(ONE, CERBOS_ONE),
    Pair(FIFTY, CERBOS_FIFTY),
    Pair(ONE_UNTOLD, CERBOS_ONE),
    Pair(FIFTY_UNTOLD, CERBOS_FIFTY),
)


def main() -> list[Figure]:
    """Measure, and return what was reached."""
    rival = tools.cerbos()
    with (
        sandbox() as clever,
        generator(tools.wrk(), seconds=SECONDS, rounds=ROUNDS) as load,
        service(settings(clever)) as ours,
        service(settings(clever, ROSTERGUARD_DECISION_LOG="off")) as untold,
        cerbos.running(rival) as theirs,
    ):
        until_ready(ours)
        until_ready(untold)
        return [*_measured(load, (ours, untold), theirs, typical_teacher(generate()))]


def _measured(load: Generator, both: tuple[Served, Served], theirs: Served, teacher: Teacher) -> Iterator[Figure]:
    """Ask for what the teacher teaches and for what others do; both have to say the same of each."""
    sections = [*teacher.taught, *teacher.others][:MANY]
    one = written(asked(teacher, sections[0]))
    fifty = written(about(teacher) | {"evaluations": [{"resource": _section(each)} for each in sections]})
    wanted = [True] * SECTIONS + [False] * (MANY - SECTIONS)
    ours, untold = both
    with untold.asking() as asking:
        asking.post(MANY_PATH, content=fifty, headers=_JSON).raise_for_status()
    with ours.asking() as asking, ExitStack() as stack:
        for number, allowed in ((0, True), (SECTIONS, False)):
            said = asking.post(ONE_PATH, json=asked(teacher, sections[number])).json()
            assert [said["decision"]] == cerbos.decisions(theirs.url, cerbos.asked(teacher, [sections[number]]))
            assert said["decision"] is allowed
        many = asking.post(MANY_PATH, content=fifty, headers=_JSON).json()["evaluations"]
        assert [each["decision"] for each in many] == wanted
        assert cerbos.decisions(theirs.url, cerbos.asked(teacher, sections)) == wanted
        file = Path(stack.enter_context(TemporaryDirectory())) / "answer"
        file.write_bytes(asking.post(ONE_PATH, content=one, headers=_JSON).content)
        bare = stack.enter_context(serving(module("bare", file)))
        questions = (
            Question(BARE, bare.url + ONE_PATH, CREDENTIAL, one),
            Question(ONE, ours.url + ONE_PATH, CREDENTIAL, one),
            Question(FIFTY, ours.url + MANY_PATH, CREDENTIAL, fifty, MANY),
            Question(ONE_UNTOLD, untold.url + ONE_PATH, CREDENTIAL, one),
            Question(FIFTY_UNTOLD, untold.url + MANY_PATH, CREDENTIAL, fifty, MANY),
            Question(CERBOS_ONE, theirs.url + cerbos.CHECK, {}, cerbos.asked(teacher, sections[:1])),
            Question(CERBOS_FIFTY, theirs.url + cerbos.CHECK, {}, cerbos.asked(teacher, sections), MANY),
        )
        yield from _figures(load.rates(questions, PAIRS))


_JSON = {"Content-Type": "application/json"}


def _section(section: str) -> dict[str, str]:
    return {"type": "section", "id": section}


def _figures(rates: Rates) -> Sequence[Figure]:
    return (
        told("bare server that reads the same body: requests a second", rates.of(BARE)),
        told("ours, one question: requests a second", rates.of(ONE)),
        told(f"Cerbos {tools.CERBOS_VERSION}, one question: requests a second", rates.of(CERBOS_ONE)),
        at_least("ours, one question / bare", rates.ratio(ONE, BARE), 0.45),
        at_least("ours, one question, no log of decisions / Cerbos", rates.ratio(ONE_UNTOLD, CERBOS_ONE), 5),
        told("ours, one question, with its log of decisions / Cerbos", rates.ratio(ONE, CERBOS_ONE)),
        told(f"ours, {MANY} questions in a request: decisions a second", rates.of(FIFTY)),
        told(f"Cerbos, {MANY} questions in a request: decisions a second", rates.of(CERBOS_FIFTY)),
        told(f"ours, {MANY} questions, no log of decisions: decisions a second", rates.of(FIFTY_UNTOLD)),
        at_least(f"ours, {MANY} questions, no log / Cerbos: decisions", rates.ratio(FIFTY_UNTOLD, CERBOS_FIFTY), 10),
        told(f"ours, {MANY} questions, with its log / Cerbos: decisions", rates.ratio(FIFTY, CERBOS_FIFTY)),
    )
