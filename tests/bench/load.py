"""Load: what one server answers in a short while, and what two of them do by turns."""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.bench.cores import ASKING, pinned
from tests.bench.processes import HOUSE
from tests.bench.tools import Tool

CONNECTIONS = 32

_RATE = re.compile(r"^Requests/sec: +([0-9.]+)$", re.MULTILINE)
_WRONG = re.compile(r"^ +(?:Non-2xx or 3xx responses: .*|Socket errors: .*)$", re.MULTILINE)


class WentWrong(Exception):
    """Requests that were not answered as they should: what was measured means nothing."""


@dataclass(frozen=True)
class Question:
    """A request that is sent over and over again; with a body it is a POST of JSON.

    Attributes:
        worth: how many decisions its answer holds.
        numbered: whether each has an `X-Request-ID` of its own, as a proxy gives it.
    """

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    worth: int = 1
    numbered: bool = False

    def script(self) -> str:
        """Return what tells wrk of it."""
        lines = [f"wrk.headers[{_lua(name)}] = {_lua(value)}" for name, value in self.headers.items()]
        if self.body is not None:
            lines += ['wrk.method = "POST"', f"wrk.body = {_lua(self.body.decode())}"]
            lines += ['wrk.headers["Content-Type"] = "application/json"']
        if self.numbered:
            lines.append(_NUMBERING)
        return "\n".join(lines)


_NUMBERING = """\
local number = 0
request = function()
  number = number + 1
  wrk.headers["X-Request-ID"] = string.format("%032x", number)
  return wrk.format()
end"""


def _lua(text: str) -> str:
    # What JSON escapes Lua does too, but for characters outside of ASCII, of which there are none.
    return json.dumps(text)


@dataclass(frozen=True)
class Pair:
    """Two questions whose rates are to be compared, the first in terms of the second."""

    one: str
    other: str


@dataclass(frozen=True)
class Rates:
    """Decisions a second, by question and by pair.

    Attributes:
        by_question: of each question, in all its slices.
        by_pair: of each pair, the ratio of two slices of which one followed the other, in each round.
    """

    by_question: Mapping[str, Sequence[float]]
    by_pair: Mapping[Pair, Sequence[float]]

    def of(self, name: str) -> float:
        """Return the median rate of a question."""
        return median(self.by_question[name])

    def ratio(self, one: str, other: str) -> float:
        """Return the median ratio of a pair."""
        return median(self.by_pair[Pair(one, other)])

    def ratio_of_ratios(self, one: tuple[str, str], other: tuple[str, str]) -> float:
        """Return the median, over rounds, of the ratio of one pair in terms of that of another."""
        both = zip(self.by_pair[Pair(*one)], self.by_pair[Pair(*other)], strict=True)
        return median(first / second for first, second in both)


@dataclass(frozen=True)
class Generator:
    """Sends load from a processor of its own; ``cores`` are where, ``seconds`` is how long a slice lasts."""

    wrk: Tool
    folder: Path
    seconds: int
    rounds: int
    cores: Sequence[int] = (ASKING,)

    def rate(self, question: Question) -> float:
        """Return decisions a second over one slice; raises ``WentWrong``."""
        script = self.folder / f"{re.sub(r'[^a-z0-9]+', '-', question.name.lower())}.lua"
        if not script.exists():
            script.write_text(question.script(), encoding="utf-8")
        sent = (f"-c{CONNECTIONS}", "-t1", f"-d{self.seconds}s", "-s", script, question.url)
        told = subprocess.run(
            pinned([self.wrk.path, *map(str, sent)], *self.cores),
            cwd=HOUSE,
            env=os.environ | self.wrk.environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        try:
            return rate_in(told) * question.worth
        except WentWrong as error:
            raise WentWrong(f"{question.name}: {error}") from error

    def rates(self, questions: Sequence[Question], pairs: Sequence[Pair]) -> Rates:
        """Measure pairs by turns, and in turned order every other round, so that what drifts cancels out."""
        named = {question.name: question for question in questions}
        by_question: dict[str, list[float]] = {name: [] for name in named}
        by_pair: dict[Pair, list[float]] = {pair: [] for pair in pairs}
        for question in questions:
            self.rate(question)
        for number in range(self.rounds):
            for pair in pairs:
                order = (pair.one, pair.other) if number % 2 else (pair.other, pair.one)
                taken = {name: self.rate(named[name]) for name in order}
                for name, rate in taken.items():
                    by_question[name].append(rate)
                by_pair[pair].append(taken[pair.one] / taken[pair.other])
        return Rates(by_question, by_pair)


def rate_in(told: str) -> float:
    """Return the requests a second that wrk tells of; raises ``WentWrong`` where any failed."""
    if wrong := _WRONG.search(told):
        raise WentWrong(wrong[0].strip())
    if (rate := _RATE.search(told)) is None or not float(rate[1]):
        raise WentWrong("wrk tells of no answers")
    return float(rate[1])


@contextmanager
def generator(wrk: Tool, *, seconds: int, rounds: int, cores: Sequence[int] = (ASKING,)) -> Iterator[Generator]:
    """Make a generator, whose files are removed in the end."""
    with tempfile.TemporaryDirectory() as folder:
        yield Generator(wrk, Path(folder), seconds, rounds, cores)
