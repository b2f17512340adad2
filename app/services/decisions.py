"""Decisions: whether one user may do one thing to one resource."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.domain.decision import Reason, by_facts_alone, decided, unanswerable
from app.domain.errors import MalformedId, NotCached, RoleNotHeld, RosterguardError, UserUnknown
from app.domain.facts import Role
from app.domain.ids import DistrictId, UserId
from app.domain.packed_facts import PackedFacts
from app.domain.policy import Policy
from app.domain.reading import Reading
from app.domain.staleness import Staleness
from app.services.journal import Answered, Asked, told
from app.services.locating import Entity, Seeker, Unlocated, district_named
from app.services.many import answered, give_way, outcome_of
from app.services.permissions import access, district_of
from app.services.ports import NO_JOURNAL, Context
from app.services.reading import Demand, reading_of
from app.telemetry import metrics


@dataclass(frozen=True, slots=True)
class Action:
    """What a question wants to do: its name as the caller wrote it, and what the caller says of it."""

    name: str
    properties: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Question:
    """May this subject do this to that resource?"""

    subject: Entity
    action: Action
    resource: Entity
    context: Mapping[str, object]

    def get(self, key: str, /) -> object:
        """Return what it says under a key that conditions read, such as ``resource.status``."""
        part, _, name = key.partition(".")
        said = {"resource": self.resource.properties, "action": self.action.properties, "context": self.context}
        return said[part].get(name)


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to a question, why, and how stale it is; None where it is fresh."""

    reason: Reason
    stale: Staleness | None = None

    @property
    def held(self) -> bool:
        """Whether it is allowed."""
        return self.reason is Reason.GRANTED


async def evaluate(context: Context, question: Question, demand: Demand) -> Decision:
    """Decide one question.

    Unknown subjects, resources and actions are denials with a reason. What the caller says of the subject gives
    nothing; its property ``district`` picks the district that is asked.

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
    seeker = Seeker(context, district, demand)
    reason = await _reason(seeker, question, permission, user)
    return _told(context, question, demand, reason, seeker)


async def evaluate_many(
    context: Context, questions: Sequence[Question], demand: Demand
) -> list[Decision | RosterguardError]:
    """Decide many questions, in the order asked; what cannot be decided is the error that prevents it.

    Raises:
        DistrictUnnamed, NotCached, CleverError: none of them, or not the subject of them all, could be looked at.
    """

    async def decide(question: Question, within: Demand) -> Decision:
        return await evaluate(context, question, within)

    outcomes = await answered(questions, decide, demand)
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
    for place, question in enumerate(questions):
        outcomes.append(await outcome_of(evaluate(context, question, demand)))
        if ends(outcomes[-1]):
            break
        await give_way(place)
    await _look_for_common_failure(context, questions, outcomes, demand)
    return outcomes


def permission_asked(policy: Policy, action: str, resource_type: str) -> str:
    """Return the permission that an action on a type of resource asks for; with a colon it is one already."""
    kind, colon, name = action.partition(":")
    return f"{policy.type_of(kind)}:{name}" if colon else f"{policy.type_of(resource_type)}:{action}"


def is_user(policy: Policy, subject: Entity) -> bool:
    """Tell whether a subject is one of Clever's users, the only subjects that hold anything."""
    return policy.type_of(subject.type) == "user"


async def whose(context: Context, subject: Entity, demand: Demand) -> tuple[UserId, DistrictId]:
    """Return the user and district that a subject names; raises ``UserUnknown`` or ``DistrictUnnamed``."""
    named = district_named(context.policy, subject.properties)
    if named is not None and not isinstance(named, str):
        raise UserUnknown
    try:
        return context.id_shape.user(subject.id), await district_of(context, named, demand)
    except MalformedId as error:
        raise UserUnknown from error


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
    """Raise what keeps all questions from being answered, or from their common subject being known (AuthZEN 7.2.1)."""
    failures = [outcome for outcome in outcomes if isinstance(outcome, RosterguardError)]
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
            reading = await reading_of(seeker.context, user, seeker.district, seeker.demand)
        seeker.readings.append(reading)
        known = access(seeker.context, reading, role)
        kind = seeker.context.policy.type_of(question.resource.type)
        reason = by_facts_alone(known, permission, kind, question.resource.id)
        if reason is not None:
            return reason
        location = await (located or seeker.location(question.resource))
    finally:
        if located:
            located.cancel()
            await asyncio.gather(located, return_exceptions=True)
    return decided(known, permission, location, question)


async def _cached(seeker: Seeker, user: UserId) -> Reading[PackedFacts] | None:
    try:
        return await reading_of(seeker.context, user, seeker.district, seeker.demand.at_once())
    except NotCached:
        if seeker.demand.only_if_cached or seeker.demand.without_waiting:
            raise
        return None
