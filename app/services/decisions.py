"""Decisions: whether one user may do one thing to one resource."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import msgspec

from app.domain.access import Access
from app.domain.decision import Reason, by_facts_alone, decided, unanswerable
from app.domain.errors import (
    CleverError,
    CleverMalformed,
    CleverNotJson,
    CleverPagingBroken,
    CleverRecordMissing,
    CleverUnexpected,
    NotCached,
    RoleNotHeld,
    RosterguardError,
    UserUnknown,
)
from app.domain.facts import Facts, Role
from app.domain.ids import UserId
from app.domain.packed_facts import PackedFacts
from app.domain.places import location_of_student
from app.domain.policy import Policy
from app.domain.reading import Reading
from app.domain.staleness import Staleness
from app.services.journal import Answered, Asked, told
from app.services.locating import NOTHING_KNOWN, Entity, Known, Seeker, Unlocated, district_named
from app.services.many import FEW, affordable, answered, give_way, outcome_of
from app.services.needs import ReadAhead, is_user, whose
from app.services.permissions import access
from app.services.ports import NO_JOURNAL, Context
from app.services.reading import Demand, reading_of
from app.telemetry import metrics

_MOST_ODD = 10
_ODD_RECORDS = (CleverMalformed, CleverNotJson, CleverPagingBroken, CleverRecordMissing, CleverUnexpected)


class Action(msgspec.Struct, frozen=True, gc=False):
    """What a question wants to do: its name as the caller wrote it, and what the caller says of it."""

    name: str
    properties: Mapping[str, object]


class Question(msgspec.Struct, frozen=True, gc=False):
    """May this subject do this to that resource?

    There may be ten thousand at once, of each caller: the garbage collector would stop everybody to look at them all.
    """

    subject: Entity
    action: Action
    resource: Entity
    context: Mapping[str, object]

    def get(self, key: str, /) -> object:
        """Return what it says under a key that conditions read, such as ``resource.status``."""
        part, _, name = key.partition(".")
        said = {"resource": self.resource.properties, "action": self.action.properties, "context": self.context}
        return said[part].get(name)


class Decision(msgspec.Struct, frozen=True, gc=False):
    """The answer to a question, why, and how stale it is; None where it is fresh."""

    reason: Reason
    stale: Staleness | None = None

    @property
    def held(self) -> bool:
        """Whether it is allowed."""
        return self.reason is Reason.GRANTED


async def evaluate(context: Context, question: Question, demand: Demand, known: Known = NOTHING_KNOWN) -> Decision:
    """Decide one question.

    Unknown subjects, resources and actions are denials with a reason. What the caller says of the subject gives
    nothing; its property ``district`` picks the district that is asked. What is ``known`` already is not read.

    Raises:
        DistrictUnnamed: several districts are connected and the question names none.
        NotCached, CleverError: something that the decision rests on could not be read.
    """
    permission = permission_asked(context.policy, question.action.name, question.resource.type)
    reason = _refused_unread(context.policy, permission, question)
    if reason is not None:
        return _told(context, question, demand, reason)
    try:
        user, district = await whose(context, question.subject, demand)
    except UserUnknown:
        return _told(context, question, demand, Reason.UNKNOWN_SUBJECT)
    seeker = Seeker(context, district, demand, known=known)
    reason = await _reason(seeker, question, permission, user)
    return _told(context, question, demand, reason, seeker)


async def evaluate_many(
    context: Context, questions: Sequence[Question], demand: Demand
) -> list[Decision | RosterguardError]:
    """Decide many questions, in the order asked; what cannot be decided is the error that prevents it.

    Raises:
        DistrictUnnamed, NotCached, CleverError: none of them, or not the subject of them all, could be looked at; what
            many of them rest on could not; or there are not enough requests left.
    """
    ahead = ReadAhead(context, demand)

    async def decide(question: Question, within: Demand) -> Decision:
        return await evaluate(context, question, within, ahead.known)

    outcomes = await answered(questions, decide, demand, (*ahead.steps, ahead.afford))
    await _look_for_common_failure(context, questions, outcomes, demand)
    return outcomes


async def evaluate_until(
    context: Context, questions: Sequence[Question], demand: Demand, ends: Callable[[Decision | RosterguardError], bool]
) -> list[Decision | RosterguardError]:
    """Decide questions one after the other, up to and including the first whose outcome ``ends`` the run.

    Raises:
        DistrictUnnamed, NotCached, CleverError: as ``evaluate_many``; what was not run counts as what might have been.
    """
    outcomes: list[Decision | RosterguardError] = []
    ahead, cold = ReadAhead(context, demand), 0
    for place, question in enumerate(questions):
        outcome = await outcome_of(evaluate(context, question, demand.at_once(), ahead.known))
        if isinstance(outcome, NotCached) and not demand.only_if_cached:
            cold += 1
            # The run may end with any of the first few, which a list would cost more than.
            for step in ahead.steps if cold == FEW else ():
                await step(questions[place:])
            outcome = await affordable(evaluate(context, question, demand, ahead.known))
        outcomes.append(outcome)
        if ends(outcome):
            break
        await give_way(place)
    await _look_for_common_failure(context, questions, outcomes, demand)
    return outcomes


def permission_asked(policy: Policy, action: str, resource_type: str) -> str:
    """Return the permission that an action on a type of resource asks for; with a colon it is one already."""
    kind, colon, name = action.partition(":")
    return f"{policy.type_of(kind)}:{name}" if colon else f"{policy.type_of(resource_type)}:{action}"


def role_asked(question: Question) -> Role | None:
    """Return the role context that a question asks in; raises ``RoleNotHeld`` for what is no role."""
    named = question.context.get("role_context")
    if named is None:
        return None
    try:
        return Role(str(named))
    except ValueError as error:
        raise RoleNotHeld(str(named), ()) from error


def _told(
    context: Context, question: Question, demand: Demand, reason: Reason, seeker: Seeker | None = None
) -> Decision:
    """Return the decision, and tell of it."""
    decision = Decision(reason, seeker.staleness() if seeker else None)
    metrics.decided(reason)
    if context.journal is not NO_JOURNAL:
        asked = asked_in(context, question, "evaluation", seeker)
        told(context, demand, asked, Answered(decision.held, reason, seeker.readings if seeker else ()))
    return decision


def asked_in(context: Context, question: Question, kind: str, seeker: Seeker | None = None) -> Asked:
    """Return what a question asks, for the journal."""
    return Asked(
        kind,
        question.subject.id if is_user(context.policy, question.subject) else None,
        seeker.district if seeker else district_named(context.policy, question.subject.properties),
        question.context.get("role_context"),
        permission_asked(context.policy, question.action.name, question.resource.type),
        question.resource,
    )


async def _look_for_common_failure(
    context: Context, questions: Sequence[Question], outcomes: Sequence[Decision | RosterguardError], demand: Demand
) -> None:
    """Raise what keeps all questions or very many from being answered, or their subject unknown (AuthZEN 7.2.1)."""
    failures = [outcome for outcome in outcomes if isinstance(outcome, RosterguardError)]
    outages = [each for each in failures if isinstance(each, CleverError) and not isinstance(each, _ODD_RECORDS)]
    # A few odd things are told where they are asked about; an outage must not look like hundreds of denials.
    if len(outages) > _MOST_ODD:
        raise outages[0]
    if failures and (len(failures) == len(questions) or await _share_unread_subject(context, questions, demand)):
        raise failures[0]


async def _share_unread_subject(context: Context, questions: Sequence[Question], demand: Demand) -> bool:
    subject = questions[0].subject
    if any(question.subject != subject for question in questions):
        return False
    # An older reading that answered for the others is one, too.
    at_hand = replace(demand.at_once(), max_stale=demand.max_stale or context.stale_seconds)
    try:
        user, district = await whose(context, subject, demand)
        await reading_of(context, user, district, at_hand)
    except RosterguardError:
        return True
    return False


def _refused_unread(policy: Policy, permission: str, question: Question) -> Reason | None:
    if not is_user(policy, question.subject):
        return Reason.UNKNOWN_SUBJECT
    return unanswerable(policy, permission, question.resource.type)


async def _reason(seeker: Seeker, question: Question, permission: str, user: UserId) -> Reason:
    try:
        return await _decided(seeker, question, permission, user)
    except UserUnknown:
        return Reason.UNKNOWN_SUBJECT
    except RoleNotHeld:
        return Reason.ROLE_NOT_HELD
    except Unlocated as error:
        return error.reason


async def _decided(seeker: Seeker, question: Question, permission: str, user: UserId) -> Reason:
    """Read subject and resource at once where both are cold; the resource not at all where the facts decide."""
    role = role_asked(question)
    reading = await _cached(seeker, user)
    located = None if reading else asyncio.create_task(seeker.location(question.resource))
    try:
        if reading is None:
            reading = await seeker.reading_of(user)
        seeker.readings.append(reading)
        known = access(seeker.context, reading, role)
        kind = seeker.context.policy.type_of(question.resource.type)
        reason = by_facts_alone(known, permission, kind, question.resource.id)
        if reason is not None:
            return reason
        if _is_granted_by(seeker.partly(kind, question.resource.id), seeker, known, permission, question):
            return Reason.GRANTED
        location = await (located or seeker.location(question.resource))
    finally:
        if located:
            located.cancel()
            await asyncio.gather(located, return_exceptions=True)
    return decided(known, permission, location, question)


def _is_granted_by(
    part: Reading[Facts] | None, seeker: Seeker, known: Access, permission: str, question: Question
) -> bool:
    """Tell whether what is known of a student is enough: where else they may lie takes nothing away."""
    if part is None or Role.STUDENT not in part.facts.held():
        return False
    is_granted = decided(known, permission, location_of_student(part.facts), question) is Reason.GRANTED
    if is_granted:
        seeker.readings.append(part)
    return is_granted


async def _cached(seeker: Seeker, user: UserId) -> Reading[PackedFacts] | None:
    try:
        return await seeker.reading_of(user, seeker.demand.at_once())
    except NotCached:
        if seeker.demand.only_if_cached or seeker.demand.without_waiting:
            raise
        return None
