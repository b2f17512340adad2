"""Whether an answer was right: true at some moment within the age that it may have, or an error that says so."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.chaos.exchanges import Answer
from tests.chaos.hastened import FastClock
from tests.chaos.history import History, Seen, Window
from tests.chaos.oracle import Oracle, Place, Record, location_of_section, location_of_student
from tests.chaos.questions import Kind, Question

READING_SECONDS = 31
"""Real seconds within which a reading is over, whatever happens."""

LAG_SECONDS = 0.5
"""Real seconds that may lie between two looks at the clock within one step of the service, on a machine so busy."""

PROBLEM = "urn:problem-type:rosterguard:"
MARKED = {
    404: ("user-unknown",),
    409: ("role-not-held",),
    429: ("caller-overspent",),
    502: (
        *("clever-refused-token", "clever-forbade", "clever-record-missing", "clever-unexpected", "clever-not-json"),
        *("clever-malformed", "clever-paging-broken"),
    ),
    503: (
        *("clever-limited", "clever-barred", "clever-failed", "clever-unreachable", "clever-timed-out"),
        *("busy", "bulk-busy", "no-connection"),
    ),
    504: ("not-cached",),
}
_NOT_THERE = {"unknown_resource", "places_disagree"}


@dataclass(frozen=True)
class Asked:
    """A question with the answer to it, and between which moments of the run's clock it was answered."""

    question: Question
    answer: Answer
    sent: float
    received: float

    @property
    def lasted(self) -> float:
        return self.received - self.sent


class Wrong(Exception):
    """What is wrong with an answer."""


@dataclass
class Judge:
    """Holds answers against what was true.

    Attributes:
        fresh: for how many seconds an answer may be given without a mark.
        stale: for how many it may be given with one.
        verdicts: how often which kind of answer was right.
    """

    oracle: Oracle
    history: History
    clock: FastClock
    fresh: float
    stale: float
    verdicts: Counter[str] = field(default_factory=Counter)
    _bodies: dict[object, Record] = field(default_factory=dict)
    _allowed: dict[object, bool] = field(default_factory=dict)

    def complaint(self, asked: Asked) -> str | None:
        """Return what is wrong with an answer, None where it is right."""
        try:
            self.verdicts[self._verdict(asked)] += 1
        except Wrong as wrong:
            self.verdicts["wrong"] += 1
            return f"{wrong}: {asked}"
        return None

    def _verdict(self, asked: Asked) -> str:
        if asked.answer.status != 200:
            return self._marked(asked)
        body, question = _object(asked.answer.body), asked.question
        verdicts: Mapping[Kind, Callable[[], str]] = {
            "permissions": lambda: self._permissions(
                asked, question.users[0], question.role, body, self._age(asked, body)
            ),
            "roles": lambda: self._roles(asked, body, self._age(asked, body)),
            "explanation": lambda: self._explanation(asked, body),
            "evaluation": lambda: self._decision(asked, question, body),
            "evaluations": lambda: self._many(asked, body["evaluations"]),
            "batch": lambda: self._batch(asked, body["results"]),
        }
        return verdicts[question.kind]()

    # Errors

    def _marked(self, asked: Asked) -> str:
        answer, standard = asked.answer, asked.question.path().startswith("/access/")
        if answer.status not in MARKED:
            raise Wrong(f"status {answer.status}")
        if answer.status in {429, 503} and not answer.headers.get("retry-after", "").isdigit():
            raise Wrong("no Retry-After")
        if standard:
            if not answer.headers.get("content-type", "").startswith("text/plain") or not answer.body:
                raise Wrong("no message")
        else:
            if answer.headers.get("content-type") != "application/problem+json":
                raise Wrong("no problem")
            self._problem(asked, asked.question, answer.status, _object(answer.body))
        return f"{answer.status} marked"

    def _problem(self, asked: Asked, question: Question, status: int, body: Record) -> None:
        kind = str(body.get("type", "")).removeprefix(PROBLEM)
        if kind not in MARKED.get(status, ()) or body.get("status") != status:
            raise Wrong(f"a problem that nobody knows, {status} {kind}")
        if kind == "not-cached" and not question.freshness.only_if_cached:
            raise Wrong("not-cached, though it was not asked of the cache alone")
        if kind == "user-unknown" and not self._may_be_unknown(asked, question.users[0]):
            raise Wrong("an unknown user, though there was one all the time")
        if kind == "role-not-held":
            self._role_not_held(asked, body)

    def _role_not_held(self, asked: Asked, body: Record) -> None:
        """A role that is not held is an answer, and is marked where it is stale."""
        user, role = asked.question.users[0], asked.question.role
        seen = self.history.people(user, self._dated(asked, body))
        if not any(role not in person.held and body["held"] == sorted(person.held) for _, person in seen):
            raise Wrong("a role not held, though it was held all the time")

    def _may_be_unknown(self, asked: Asked, user: str) -> bool:
        return self.history.may_be_unknown(user, self._unstamped(asked, stale=False))

    # Age

    def _unstamped(self, asked: Asked, *, stale: bool) -> Window:
        """Return when an answer may have been true that does not say how old it is."""
        freshness = asked.question.freshness
        limit = freshness.stale_for(self.stale) if stale else freshness.fresh_for(self.fresh)
        if limit is None:
            raise Wrong("stale, though that was forbidden")
        return Window(asked.sent - limit, asked.received)

    def _age(self, asked: Asked, body: Record) -> Window:
        """Return when an answer must have been true that says how old it is."""
        limit = asked.sent - self._unstamped(asked, stale=self._is_stale(body)).start
        age = int(asked.answer.headers["age"])
        if age > limit + asked.lasted:
            raise Wrong(f"{age} s old, where {limit} s is the most")
        latest = asked.received - age
        self._as_of(body, Window(asked.sent - age - 2, latest + LAG_SECONDS * self.clock.speed))
        return Window(asked.sent - age - 1, min(asked.received, latest + READING_SECONDS * self.clock.speed))

    def _is_stale(self, told: Record) -> bool:
        marks = "as_of" in told, "stale_reason" in told
        if set(marks) != {bool(told.get("stale"))}:
            raise Wrong("the mark of a stale answer is incomplete")
        return bool(told.get("stale"))

    def _as_of(self, told: Record, window: Window) -> None:
        if self._is_stale(told):
            as_of = datetime.fromisoformat(told["as_of"]).timestamp()
            if not window.start <= as_of <= window.end:
                raise Wrong("as_of does not agree with Age")

    def _dated(self, asked: Asked, told: Record) -> Window:
        """Return when something must have been true that says how old it is only where it is stale."""
        window = self._unstamped(asked, stale=self._is_stale(told))
        if self._is_stale(told):
            as_of = datetime.fromisoformat(told["as_of"]).timestamp()
            if as_of < window.start - asked.lasted - 1:
                raise Wrong("older than it may be")
            fresh = self._unstamped(asked, stale=False)
            return Window(min(as_of, fresh.start), asked.received)
        return window

    # Answers

    def _permissions(self, asked: Asked, user: str, role: str | None, body: Record, window: Window) -> str:
        said = {name: value for name, value in body.items() if name not in {"as_of", "stale_reason"}} | {"stale": False}
        if said not in (self._body(seen, role) for seen in self._people(user, window)):
            raise Wrong("grants that were true at no time within the allowed age")
        return "200 stale" if body["stale"] else "200 fresh"

    def _roles(self, asked: Asked, body: Record, window: Window) -> str:
        said = {name: value for name, value in body.items() if name not in {"as_of", "stale_reason"}} | {"stale": False}
        seen = self._people(asked.question.users[0], window)
        if said not in [json.loads(json.dumps(self.oracle.roles(person))) for _, person in seen]:
            raise Wrong("roles that were held at no time within the allowed age")
        return "200 stale" if body["stale"] else "200 fresh"

    def _explanation(self, asked: Asked, body: Record) -> str:
        # It rests on more than one reading, and its age is that of the oldest.
        window = Window(self._age(asked, body).start, asked.received)
        self._decided(asked, asked.question, (body["held"], body["reason"]), window)
        return "200 stale" if body["stale"] else "200 fresh"

    def _decision(self, asked: Asked, question: Question, body: Record) -> str:
        context = body.get("context", {})
        if "error" in context:
            error = context["error"]
            if body["decision"] is not False or error.get("status") not in MARKED or not error.get("message"):
                raise Wrong("an error that is not marked as one")
            return "item marked"
        self._decided(asked, question, (body["decision"], context["reason"]), self._dated(asked, context))
        return "200 stale" if context["stale"] else "200 fresh"

    def _many(self, asked: Asked, told: list[Record]) -> str:
        if len(told) != len(asked.question.items):
            raise Wrong("not as many decisions as questions")
        for question, body in zip(asked.question.items, told, strict=True):
            self.verdicts[self._decision(asked, question, body)] += 1
        return "200 many"

    def _batch(self, asked: Asked, told: list[Record]) -> str:
        if len(told) != len(asked.question.users):
            raise Wrong("not as many results as users")
        for user, result in zip(asked.question.users, told, strict=True):
            body = result["body"]
            if result["status"] == 200:
                verdict = self._permissions(asked, user, None, body, self._dated(asked, body))
            else:
                one = Question("permissions", (user,), freshness=asked.question.freshness)
                self._problem(asked, one, result["status"], body)
                verdict = "item marked"
            self.verdicts[verdict] += 1
        return "200 many"

    # What would have been right

    def _people(self, user: str, window: Window) -> list[Seen]:
        return self.history.people(user, window)

    def _body(self, seen: Seen, role: str | None) -> Record | None:
        if role is not None and role not in seen[1].held:
            return None
        key = (seen[0], role)
        if key not in self._bodies:
            self._bodies[key] = json.loads(json.dumps(self.oracle.body(seen[1], role)))
        return self._bodies[key]

    def _decided(self, asked: Asked, question: Question, told: tuple[bool, str], window: Window) -> None:
        held, reason = told
        if held != (reason == "granted"):
            raise Wrong("decision and reason disagree")
        if reason == "unknown_subject" and not self._may_be_unknown(asked, question.users[0]):
            raise Wrong("an unknown subject, though there was one all the time")
        if reason in _NOT_THERE and not self._resource_may_be_unknown(question.resource, window):
            raise Wrong(f"{reason}, though there was one all the time: {question}")
        if reason not in {"unknown_subject", *_NOT_THERE} and held not in self._possible(question, window):
            raise Wrong(f"a decision, {reason}, that was right at no time within {window}: {question}")

    def _resource_may_be_unknown(self, resource: tuple[str, str], window: Window) -> bool:
        kind, name = resource
        if kind == "student":
            return self.history.may_be_unknown(name, window)
        return kind != "school" and None in self.history.section(name, window)

    def _possible(self, question: Question, window: Window) -> Iterator[bool]:
        """Yield what would have been right, as often as there are combinations of what may have been read."""
        for seen in self._people(question.users[0], window):
            for key, location in self._locations(question.resource, window, seen[1].record["district"]):
                asked = (seen[0], key, question.permission)
                if asked not in self._allowed:
                    self._allowed[asked] = self.oracle.allows(seen[1], question.permission, location)
                yield self._allowed[asked]

    def _locations(
        self, resource: tuple[str, str], window: Window, district: str
    ) -> Iterator[tuple[object, set[Place]]]:
        kind, name = resource
        match kind:
            case "school":
                yield name, {("school", name), ("district", district)}
                return
            case "student":
                yield from ((key, location_of_student(student)) for key, student in self._people(name, window))
            case _:
                sections = self.history.section(name, window)
                yield from ((id(section), location_of_section(section)) for section in sections if section)
        if self._resource_may_be_unknown((kind, name), window):
            # Whoever holds a permission nowhere is denied without a look at what it is asked of.
            yield "gone", set()


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(body)
    except ValueError as error:
        raise Wrong("no JSON") from error
    if not isinstance(said, dict):
        raise Wrong("no JSON object")
    return said
