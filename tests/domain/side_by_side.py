"""Odd people under odd policies: what oracle, engine, policy test and service say of them, side by side.

``python -m tests.domain.side_by_side --pairs 200000`` prints its seed, and each pair that is answered in several ways.
"""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

from pydantic import ValidationError

from app.clever.mapping import Answers, facts_of, section_of
from app.clever.records import SchoolRecord, SectionRecord, UserRecord
from app.domain.decision import Decision, Reason
from app.domain.errors import CleverCircuitOpen, CleverError, RecordUnknown, RoleNotHeld, UserUnknown
from app.domain.evaluation import access_of, permission_set
from app.domain.facts import Facts, Role
from app.domain.grants import ConditionalGrant, Grant, PermissionSet
from app.domain.ids import DistrictId, SchoolId, SectionId, UserId
from app.domain.places import Place, Section
from app.domain.policy import Policy, policy_of
from app.domain.policy_schema import PolicyFile
from app.domain.policy_test_lint import mistakes_in
from app.domain.policy_test_run import answer, failures
from app.domain.policy_test_schema import CaseFile
from app.domain.question import Action, Entity, Question, permission_asked
from app.domain.read_context import ReadContext
from app.domain.scopes import Scope
from app.domain.snapshot import Staleness
from app.roster.freshness import Freshness
from app.roster.ports import Clever
from app.services.decision_point import DecisionPoint, decision_point
from app.services.decisions import evaluate, evaluate_many
from app.services.explanations import explain
from app.services.permissions import Subject, permissions_of
from tests.domain.odd_oracle import Oracle, expected, fitting, looked_up, naive_standings, well_formed
from tests.domain.odd_worlds import APPLICATIONS, DISTRICT, LABELS, SHAPE, Asking, Maker, Record, World, near_to
from tests.domain.worlds import (
    ALIASES,
    FIELDS,
    MAY_STAND_OVER,
    Written,
    held_on_conditions,
)
from tests.rosters import roster_over


@dataclass
class InMemory:
    """A Clever that knows one world."""

    world: World
    user_requests: int = 3

    def circuit_open(self, _district: DistrictId) -> CleverCircuitOpen | None:
        return None

    def unaffordable(self, _district: DistrictId, _errand: ReadContext, _requests: int) -> CleverError | None:
        return None

    def known_districts(self) -> frozenset[DistrictId] | None:
        return frozenset({DistrictId(DISTRICT)})

    async def facts(self, user: UserId, _district: DistrictId, _errand: ReadContext, *, confirm_schools: bool) -> Facts:
        if user not in self.world.people:
            raise UserUnknown
        return read(self.world, user)

    async def section(self, section: SectionId, district: DistrictId, _errand: ReadContext) -> Section:
        record = self.world.sections.get(section)
        if record is None or record["district"] != district:
            raise RecordUnknown
        return section_of(SectionRecord.model_validate(record), district, SHAPE, Counter())

    async def school(self, school: SchoolId, _district: DistrictId, _errand: ReadContext) -> SchoolId:
        if school not in self.world.schools:
            raise RecordUnknown
        return school

    async def sections(
        self, place: Place, district: DistrictId, _errand: ReadContext, **_: object
    ) -> tuple[Section, ...]:
        self._look_up(place)
        records = [one for one in self.world.sections.values() if one["district"] == district]
        found = [section_of(SectionRecord.model_validate(one), district, SHAPE, Counter()) for one in records]
        here = [one for one in found if place[0] is Scope.DISTRICT or one.school == place[1]]
        return tuple(sorted(here, key=lambda one: one.id))

    async def schools(self, _district: DistrictId, _errand: ReadContext) -> tuple[SchoolId, ...]:
        return tuple(SchoolId(one) for one in sorted(self.world.schools))

    async def people(
        self, place: Place, district: DistrictId, role: Role | None, _errand: ReadContext, **_: object
    ) -> tuple[Facts, ...]:
        self._look_up(place)
        records = [self.world.people[user] for user in sorted(self.world.people) if self._is_listed(user, place)]
        found = [facts_of(Answers(UserRecord.model_validate(one)), district, SHAPE, Counter()) for one in records]
        return tuple(one for one in found if role is None or role in one.held())

    def _look_up(self, place: Place) -> None:
        if place[0] is Scope.SCHOOL and place[1] not in self.world.schools:
            raise RecordUnknown

    def _is_listed(self, user: str, place: Place) -> bool:
        """Tell whether Clever lists somebody for a place: for a school by what their roles say."""
        return place[0] is Scope.DISTRICT or place[1] in near_to(self.world, user, "school")


def read(world: World, user: str) -> Facts:
    """Return the facts that the service makes of what Clever sends."""
    listed = world.listed_schools[user]
    answers = Answers(
        UserRecord.model_validate(world.people[user]),
        [SectionRecord.model_validate(one) for one in world.sections_of(user)],
        None if listed is None else [SchoolRecord.model_validate(one) for one in listed],
    )
    return facts_of(answers, DistrictId(DISTRICT), SHAPE, Counter())


def pdp_over(world: World, policy: Policy) -> DecisionPoint:
    clever = cast(Clever, InMemory(world))  # of its state nobody asks here
    return decision_point(roster_over(clever, lambda: 0.0, id_shape=SHAPE, most=100), policy)


def dressed(written: Written, chance: random.Random) -> Written:
    """Write a policy in another way that says the same: some types by their aliases."""
    used = dict(chance.sample(sorted(ALIASES.items()), 2))
    names = {kind: alias for alias, kind in used.items()}

    def other(name: str) -> str:
        kind, _, action = name.partition(":")
        return f"{names[kind]}:{action}" if kind in names and chance.randrange(2) else name

    roles = {
        role: [{**one, "allow": [other(name) for name in one["allow"]]} for one in said]
        for role, said in written["roles"].items()
    }
    return {**written, "roles": roles, "aliases": ALIASES}


def case_of(world: World, user: str, beside: Iterable[str] = (), **others: object) -> Record:
    """Write a person down as a policy test does, with some beside them and all sections."""
    return {
        "description": "One.",
        "facts": {"user": user, "district": DISTRICT, "roles": written_roles(world, user)},
        "people": {other: written_roles(world, other) for other in beside if other != user and other in world.people},
        "sections": {
            named: {
                "students": list(fitting(one["students"])),
                "school": next(iter(fitting([one["school"]])), None),
            }
            for named, one in world.sections.items()
            if one["district"] == DISTRICT
        },
        "undocumented": [one for one in (*LABELS, "MedicalAdmin", "ann@example.org", "x" * 501) if one],
        **others,
    }


def written_roles(world: World, user: str) -> Record:
    found: Record = {}
    for role, said in world.people[user]["roles"].items():
        if said is None or role not in MAY_STAND_OVER:
            continue
        if role == "contact":
            found[role] = [
                {key: one[key] or "" for key in ("student", "type", "relationship")}
                for one in said.get("student_relationships") or ()
            ]
            continue
        fields: Record = {field: said.get(field) or "" for field in ("title", "department") if field in FIELDS[role]}
        if role in ("teacher", "student"):
            ids = {scope.value: list(some) for scope, some in naive_standings(world, user, Role(role))[0].places}
            fields |= {"schools": ids["school"], "sections": ids["section"]}
        if role == "staff":
            standing = naive_standings(world, user, Role.STAFF)[0]
            unconfirmed = "unread" if standing.unconfirmed is None else list(standing.unconfirmed)
            fields |= {"schools": list(standing.ids(Scope.SCHOOL)), "unconfirmed": unconfirmed}
            fields["roles"] = [one for one in said.get("roles") or () if one]
        found[role] = fields
    return found


def can_be_written(world: World, *users: str) -> bool:
    """Tell whether a case can say of people what Clever does: it names the student of each relationship."""
    entries = [
        one
        for user in users
        for one in (world.people[user]["roles"].get("contact") or {}).get("student_relationships") or ()
    ]
    return all(well_formed(one["student"]) for one in entries)


def grants_of(answer_of: PermissionSet) -> list[Record]:
    """Write a permission set down as a policy test wants it."""

    def written(grant: Grant) -> Record:
        asks = (
            {word: {key: list(values) for key, values in getattr(grant.condition, word)} for word in ("when", "unless")}
            if isinstance(grant, ConditionalGrant)
            else {}
        )
        parts = {"scope": grant.scope.value, "ids": list(grant.ids), "permissions": list(grant.permissions)}
        return {
            **parts,
            "via": [role.value for role in grant.via],
            **{word: some for word, some in asks.items() if some},
        }

    return [written(grant) for grant in (*answer_of.grants, *answer_of.conditional)]


def question_of(user: str, asking: Asking) -> Question:
    parts: dict[str, Record] = {"resource": {}, "action": {}, "context": {}}
    for key, value in asking.said.items():
        part, _, name = key.partition(".")
        parts[part][name] = value
    if asking.role:
        parts["context"]["role_context"] = asking.role
    return Question(
        Entity("user", user, {}),
        Action(asking.action, parts["action"]),
        Entity(asking.kind, asking.named, {**parts["resource"], **asking.properties}),
        parts["context"],
    )


def written_question(asking: Asking) -> Record:
    question = question_of("", asking)
    kind = ALIASES.get(asking.kind, asking.kind)
    resource: Record = {"type": asking.kind, "id": asking.named or "nothing"}
    resource["properties"] = {k: v for k, v in question.resource.properties.items() if k not in asking.properties}
    if kind in APPLICATIONS:
        resource["in"] = asking.properties
    return {
        "action": {"name": asking.action, "properties": question.action.properties},
        "resource": resource,
        "context": {key: value for key, value in question.context.items() if key != "role_context"},
        **({"role": asking.role} if asking.role else {}),
        "wanted": True,
    }


# Side by side.


@dataclass
class Found:
    """What was compared, and what differed."""

    counts: Counter[str]
    differences: list[str]


async def compare(maker: Maker, found: Found, *, users: int, policies: int, questions: int) -> None:
    """Compare over one world: each of its users under each of some policies."""
    world = maker.world()
    for written in [maker.policy() for _ in range(policies)]:
        policy = policy_of(PolicyFile.model_validate(dressed(written, maker.chance)))
        pdp = pdp_over(world, policy)
        alone: list[tuple[Question, Reason]] = []
        for user in sorted(world.people)[:users]:
            found.counts["pairs"] += 1
            oracle = Oracle(world, user, written)
            asked = [maker.asking(world, written, user) for _ in range(questions)]
            for difference in [*await _sets(oracle, pdp), *await _answers(oracle, pdp, asked, found, alone)]:
                found.differences.append(f"{difference}\n  user {user}: {world.people[user]}\n  policy {written}")
        for user in maker.some(sorted(world.people), 15):
            question = question_of(user, maker.asking(world, written, user))
            alone.append((question, (await evaluate(pdp, question, Freshness())).reason))
        differences = await _together(pdp_over(world, policy), alone)
        found.differences += [f"{one}\n  world {world}\n  policy {written}" for one in differences]
    _malformed(maker, world, found)


async def _sets(oracle: Oracle, pdp: DecisionPoint) -> list[str]:
    world, user, policy = oracle.world, oracle.user, pdp.policy
    facts = read(world, user)
    engine = permission_set(facts, policy)
    differences = []
    if (holdings := access_of(facts, policy).holdings) != oracle.held_at:
        differences.append(f"engine {holdings}\n  oracle {oracle.held_at}")
    if held_on_conditions(engine) != oracle.conditional():
        differences.append(f"engine {held_on_conditions(engine)}\n  oracle {oracle.conditional()}")
    answered: list[PermissionSet] = []

    def render(one: PermissionSet, _stale: Staleness | None) -> bytes:
        answered.append(one)
        return repr(one).encode()

    rendered = (await permissions_of(pdp, Subject(user), Freshness(), render)).rendered.body
    if rendered != repr(engine).encode():
        differences.append(f"service {rendered.decode()}\n  engine {engine}")
    if can_be_written(world, user):
        case = CaseFile.model_validate(case_of(world, user, wanted=grants_of(engine)))
        differences += [f"policy test {one}" for one in failures(case, policy)]
    return differences


async def _together(pdp: DecisionPoint, alone: Sequence[tuple[Question, Reason]]) -> list[str]:
    """Ask at once, with nothing read yet, what was asked alone."""
    outcomes = await evaluate_many(pdp, [question for question, _ in alone], Freshness())
    return [
        f"alone {reason}, in a batch {outcome}: {question}"
        for (question, reason), outcome in zip(alone, outcomes, strict=True)
        if not isinstance(outcome, Decision) or outcome.reason is not reason
    ]


async def _answers(
    oracle: Oracle, pdp: DecisionPoint, asked: list[Asking], found: Found, alone: list[tuple[Question, Reason]]
) -> list[str]:
    differences = []
    world, user = oracle.world, oracle.user
    for asking in asked:
        wanted = expected(world, user, oracle.written, asking, oracle)
        found.counts[wanted.value] += 1
        decided = (await evaluate(pdp, question_of(user, asking), Freshness())).reason
        alone.append((question_of(user, asking), decided))
        if _plain(decided) is not wanted:
            differences.append(f"oracle {wanted}, service {decided}: {asking}\n  world {world}")
        differences += await _explained(pdp, user, asking)
        if not _is_written(world, user, asking):
            continue
        found.counts["cases"] += 1
        beside, questions = {asking.named, *asking.properties.values()}, [written_question(asking)]
        case = CaseFile.model_validate(case_of(world, user, beside, questions=questions))
        mistakes = list(mistakes_in(case, pdp.policy))
        least, most = answer((case.questions or ())[0], case, pdp.policy)
        if mistakes or not least is most is decided:
            told = [str(one) for one in mistakes]
            differences.append(f"service {decided}, policy test {least} to {most} {told}: {asking}\n  world {world}")
    return differences


async def _explained(pdp: DecisionPoint, user: str, asking: Asking) -> list[str]:
    """Explain what was asked, as far as one can ask to have it explained: of places, with nothing said beside."""
    kind = ALIASES.get(asking.kind, asking.kind)
    places = asking.properties if kind in APPLICATIONS else {kind: asking.named}
    own = permission_asked(pdp.policy, asking.action, asking.kind)
    fitting = own.partition(":")[0] in APPLICATIONS or kind not in APPLICATIONS
    if not (places and fitting) or "district" in places or not all(map(SHAPE.fits, places.values())):
        return []
    asked = replace(asking, action=own, said={})
    if len(places) == 1:
        # One place alone is explained as what is asked about, and not as what something else lies in.
        [(place, named)] = places.items()
        asked = replace(asked, kind=place, named=named, properties={})
    decided = (await evaluate(pdp, question_of(user, asked), Freshness())).reason
    try:
        role = Role(asking.role) if asking.role else None
        found = (await explain(pdp, Subject(user, role=role), own, places, Freshness())).explanation
    except RoleNotHeld:
        return [] if decided in (Reason.ROLE_NOT_HELD, *_BEFORE_ROLES) else [f"{decided}, yet no explanation: {asking}"]
    whole = bool(found.grounds) == found.held and (found.reason in _REFUSED or found.held != bool(found.missing))
    return [] if found.reason is decided and whole else [f"service {decided}, explained as {found}: {asking}"]


_BEFORE_ROLES = (Reason.UNKNOWN_ACTION, Reason.NOT_APPLICABLE)
_REFUSED = (*_BEFORE_ROLES, Reason.UNKNOWN_RESOURCE, Reason.PLACES_DISAGREE)


def _plain(reason: Reason) -> Reason:
    # Whether a condition was not met or could not be compared is told apart elsewhere.
    return Reason.CONDITION_NOT_MET if reason is Reason.CONDITION_NOT_COMPARABLE else reason


def _is_written(world: World, user: str, asking: Asking) -> bool:
    """Tell whether a case can ask the same: it takes for granted that there is what it names."""
    kind = ALIASES.get(asking.kind, asking.kind)
    named = asking.properties if kind in APPLICATIONS else {kind: asking.named}
    there = all(
        one == "district"
        or (one in ("user", "student") and place in world.people)
        or (one in ("school", "section") and looked_up(world, one, place) is not None)
        for one, place in named.items()
    )
    people = {user, asking.named, *asking.properties.values()} & world.people.keys()
    return there and can_be_written(world, *people)


def _malformed(maker: Maker, world: World, found: Found) -> None:
    """Give a field another kind of JSON than documented: no facts are made of that."""
    user, wrong = maker.chance.choice(sorted(world.people)), maker.chance.choice([5, True, {}, [1], 1.5])
    field = maker.chance.choice(["title", "schools", "roles", "school"])
    roles = {**world.people[user]["roles"], "teacher": {"title": wrong}, "staff": {field: wrong}}
    found.counts["malformed"] += 1
    try:
        UserRecord.model_validate({**world.people[user], "roles": roles})
    except ValidationError:
        return
    found.differences.append(f"taken for facts: {roles}")


_MOST_DIFFERENCES = 5


async def run(pairs: int, seed: int) -> Found:
    """Compare over about so many pairs of user and policy."""
    found = Found(Counter(), [])
    for batch in _batches(pairs, found):
        if len(found.differences) >= _MOST_DIFFERENCES:
            break
        before = len(found.differences)
        await compare(Maker(random.Random(f"{seed}/{batch}")), found, users=5, policies=4, questions=2)  # noqa: S311
        found.differences[before:] = [f"seed {seed}, batch {batch}: {one}" for one in found.differences[before:]]
    return found


def _batches(pairs: int, found: Found) -> Iterator[int]:
    batch = 0
    while found.counts["pairs"] < pairs:
        yield batch
        batch += 1


def main() -> None:
    """Compare, and say what was found; exit code 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)  # noqa: T201
    began = time.monotonic()
    found = asyncio.run(run(chosen.pairs, chosen.seed))
    print(f"{dict(found.counts)} in {time.monotonic() - began:.0f} s")  # noqa: T201
    for difference in found.differences:
        print(f"DIFFERENCE {difference}")  # noqa: T201
    sys.exit(bool(found.differences))


if __name__ == "__main__":
    main()
