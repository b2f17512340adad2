"""Decisions: whether one user may do one thing to one resource."""

import asyncio
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from app.domain.decision import Decision, Reason, decide, decide_without_location, denied_unread
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
from app.domain.evaluation import Access
from app.domain.facts import Facts, Role
from app.domain.ids import DistrictId, UserId
from app.domain.places import location_of_student
from app.domain.question import Question, district_named, permission_asked, role_asked
from app.domain.scopes import CLEVER_TYPES
from app.domain.serialization import PackedFacts
from app.domain.snapshot import Snapshot, staleness_of
from app.roster.concurrency import FEW, outcome_of
from app.roster.districts import cached_district_of
from app.roster.freshness import Freshness
from app.services.batch import affordable, answer_many
from app.services.decision_log import Answered, Asked, about_of, asked_in, decided, log_decisions
from app.services.decision_point import NO_DECISION_LOG, DecisionPoint
from app.services.needed_reads import ReadAhead, subject_of
from app.services.resource_lookup import NotLocated, ResourceLookup, cached_location
from app.telemetry import metrics
from app.telemetry.decision_log import About
from app.waiting import give_way

Counted = TypeVar("Counted", bound=Hashable)

_MOST_ODD = 10
_ODD_RECORDS = (CleverMalformed, CleverNotJson, CleverPagingBroken, CleverRecordMissing, CleverUnexpected)


def cached_decision(pdp: DecisionPoint, question: Question, freshness: Freshness) -> Decision | None:
    """Decide and log one question as ``evaluate`` does, from what is fresh in memory; None if that does not suffice."""
    decisions = cached_decisions(pdp, [question], freshness)
    return None if decisions is None else decisions[0]


def cached_decisions(pdp: DecisionPoint, questions: Sequence[Question], freshness: Freshness) -> list[Decision] | None:
    """Decide many questions as ``cached_decision`` does; None, and nothing is logged, unless all can be decided."""
    cached, found = _Cached(pdp, freshness), []
    for question in questions:
        each = cached.find(question)
        if each is None:
            return None
        found.append(each)
    return _logged(pdp, questions, freshness, found)


async def evaluate(pdp: DecisionPoint, question: Question, freshness: Freshness) -> Decision:
    """Decide one question.

    Unknown subjects, resources and actions are denials with a reason. What the caller says of the subject gives
    nothing; its property ``district`` picks the district that is asked.

    Raises:
        DistrictUnnamed: several districts are connected and the question names none.
        NotCached, CleverError: something that the decision rests on could not be read.
    """
    cached = cached_decision(pdp, question, freshness)
    if cached is not None:
        return cached
    permission = permission_asked(pdp.policy, question.action.name, question.resource.type)
    reason = denied_unread(pdp.policy, permission, question)
    if reason is not None:
        return _logged(pdp, [question], freshness, [_Outcome(reason)])[0]
    try:
        user, district = await subject_of(pdp, question.subject, freshness)
    except UserUnknown:
        return _logged(pdp, [question], freshness, [_Outcome(Reason.UNKNOWN_SUBJECT)])[0]
    lookup = ResourceLookup(pdp, district, freshness)
    reason = await _reason(lookup, question, permission, user)
    return _logged(pdp, [question], freshness, [_Outcome(reason, district, lookup.snapshots)])[0]


async def evaluate_many(
    pdp: DecisionPoint, questions: Sequence[Question], freshness: Freshness
) -> list[Decision | RosterguardError]:
    """Decide many questions, in the order asked; where one cannot be decided, its error stands in its place.

    Raises:
        DistrictUnnamed, NotCached, CleverError: no question could be decided; the one subject of them all could not be
            read; Clever failed for more than ten questions; or there are not enough requests left.
    """
    ahead = ReadAhead(pdp, freshness)

    async def decide(question: Question, within: Freshness) -> Decision:
        return await evaluate(ahead.pdp, question, within)

    outcomes = await answer_many(questions, decide, freshness, (*ahead.steps, ahead.afford))
    await _look_for_common_failure(pdp, questions, outcomes, freshness)
    return outcomes


async def evaluate_until(
    pdp: DecisionPoint,
    questions: Sequence[Question],
    freshness: Freshness,
    ends: Callable[[Decision | RosterguardError], bool],
) -> list[Decision | RosterguardError]:
    """Decide questions one after the other, up to and including the first whose outcome ``ends`` the run.

    Raises:
        DistrictUnnamed, NotCached, CleverError: as ``evaluate_many``; questions after the end count as decidable.
    """
    outcomes: list[Decision | RosterguardError] = []
    ahead, cold = ReadAhead(pdp, freshness), 0
    for place, question in enumerate(questions):
        outcome = await outcome_of(evaluate(ahead.pdp, question, freshness.at_once()))
        if isinstance(outcome, NotCached) and not freshness.only_if_cached:
            cold += 1
            # The run may end with any of the first few, which a list would cost more than.
            for step in ahead.steps if cold == FEW else ():
                await step(questions[place:])
            outcome = await affordable(evaluate(ahead.pdp, question, freshness))
        outcomes.append(outcome)
        if ends(outcome):
            break
        await give_way(place)
    await _look_for_common_failure(pdp, questions, outcomes, freshness)
    return outcomes


class _Outcome(msgspec.Struct, frozen=True, gc=False):
    """A decision before it is counted and logged.

    Attributes:
        reason: why it is allowed or denied.
        district: in which it was looked up.
        snapshots: what it rests on.
        caches: the cache of each lookup that is still to be counted as a hit.
        about: the question as the log has it; None if that is still to be worked out.
    """

    reason: Reason
    district: DistrictId | None = None
    snapshots: Sequence[Snapshot[Any]] = ()
    caches: tuple[str, ...] = ()
    about: About | None = None


class _Asker(msgspec.Struct, frozen=True, gc=False):
    """What memory holds about a subject, and what is asked, but for the id of the resource."""

    district: DistrictId
    snapshots: tuple[Snapshot[Any], ...]
    access: Access
    permission: str
    kind: str
    about: About | None


class _Cached:
    """Decides questions from memory; what several questions have in common is looked up once."""

    def __init__(self, pdp: DecisionPoint, freshness: Freshness) -> None:
        self._pdp = pdp
        self._freshness = freshness
        self._askers: dict[tuple[int, int, str, object], _Asker | _Outcome | None] = {}

    def find(self, question: Question) -> _Outcome | None:
        """Return what ``evaluate`` would decide; None if data has to be read, or if it would raise."""
        subject, action, resource = question.subject, question.action, question.resource
        role = question.context.get("role_context")
        # By identity, for what callers say of a subject cannot be hashed.
        key = id(subject), id(action), resource.type, role if isinstance(role, str) else id(role)
        asker = self._askers.get(key)
        if asker is None:
            asker = self._askers[key] = self._asker(question)
        if not isinstance(asker, _Asker):
            return asker
        reason = decide_without_location(asker.access, asker.permission, asker.kind, resource.id)
        if reason is not None:
            return _Outcome(reason, asker.district, asker.snapshots, _USERS, asker.about)
        if asker.kind not in CLEVER_TYPES:
            return None
        found = cached_location(self._pdp.roster, asker.district, asker.kind, resource.id, self._freshness)
        if found is None:
            return None
        reason = decide(asker.access, asker.permission, found.location, question)
        snapshots = asker.snapshots + found.snapshots
        return _Outcome(reason, asker.district, snapshots, _USERS + found.caches, asker.about)

    def _asker(self, question: Question) -> _Asker | _Outcome | None:
        """Return what is known of subject and action; or, if nobody can hold that, why; or None, as ``find``."""
        pdp, policy, subject, of_type = self._pdp, self._pdp.policy, question.subject, question.resource.type
        permission = permission_asked(policy, question.action.name, of_type)
        reason = denied_unread(policy, permission, question)
        if reason is not None:
            return _Outcome(reason)
        named = district_named(policy, subject.properties)
        if named is not None and not isinstance(named, str):
            return None
        district = cached_district_of(pdp.roster, named, self._freshness.caller)
        snapshot = None if district is None else pdp.roster.cached_user(district, subject.id, self._freshness)
        now = None if district is None or snapshot is None else pdp.cached_now(district, self._freshness)
        if district is None or snapshot is None or now is None:
            return None
        try:
            access = pdp.access(snapshot, role_asked(question), now.status)
        except RoleNotHeld:
            return None
        about = None
        if pdp.decision_log is not NO_DECISION_LOG:
            said = Asked("evaluation", subject.id, district, question.context.get("role_context"), permission)
            about = about_of(pdp, said, are_ids=True)
        return _Asker(district, (snapshot, *now.snapshots), access, permission, policy.type_of(of_type), about)


_USERS = ("users",)


def _logged(
    pdp: DecisionPoint, questions: Sequence[Question], freshness: Freshness, found: Sequence[_Outcome]
) -> list[Decision]:
    """Return the decisions, count them, and log them."""
    for (reason, caches), times in _times([(each.reason, each.caches) for each in found]):
        metrics.record_decisions(reason, times)
        for cache in caches:
            metrics.record_cache_lookup(cache, "hit", times)
    decisions = [Decision(each.reason, staleness_of(each.snapshots)) for each in found]
    if pdp.decision_log is not NO_DECISION_LOG:
        logged = []
        for question, each, decision in zip(questions, found, decisions, strict=True):
            about = each.about
            if about is None:
                asked = asked_in(pdp.policy, question, "evaluation", each.district)
                about = about_of(pdp, asked, are_ids=bool(each.snapshots))
            answered = Answered(decision.held, each.reason, each.snapshots)
            logged.append(decided(pdp, about, question.resource, answered))
        log_decisions(pdp, freshness, logged)
    return decisions


def _times(counted: Sequence[Counted]) -> Iterable[tuple[Counted, int]]:
    # For the one or few that there are the library's counter would cost more than all else that is counted.
    times: dict[Counted, int] = {}
    for each in counted:
        times[each] = times.get(each, 0) + 1
    return times.items()


async def _look_for_common_failure(
    pdp: DecisionPoint,
    questions: Sequence[Question],
    outcomes: Sequence[Decision | RosterguardError],
    freshness: Freshness,
) -> None:
    """Raise the error that all questions share, many of them, or their only subject (AuthZEN 7.2.1)."""
    failures = [outcome for outcome in outcomes if isinstance(outcome, RosterguardError)]
    outages = [each for each in failures if isinstance(each, CleverError) and not isinstance(each, _ODD_RECORDS)]
    # A few odd things are reported where they are asked about; an outage must not look like hundreds of denials.
    if len(outages) > _MOST_ODD:
        raise outages[0]
    if failures and (len(failures) == len(questions) or await _share_unread_subject(pdp, questions, freshness)):
        raise failures[0]


async def _share_unread_subject(pdp: DecisionPoint, questions: Sequence[Question], freshness: Freshness) -> bool:
    subject = questions[0].subject
    if any(question.subject != subject for question in questions):
        return False
    # The others may have been answered by an older snapshot.
    at_once = replace(freshness.at_once(), max_stale=freshness.max_stale or pdp.roster.stale_seconds)
    try:
        user, district = await subject_of(pdp, subject, freshness)
        await pdp.roster.user(district, user, at_once)
    except RosterguardError:
        return True
    return False


async def _reason(lookup: ResourceLookup, question: Question, permission: str, user: UserId) -> Reason:
    try:
        return await _decided(lookup, question, permission, user)
    except UserUnknown:
        return Reason.UNKNOWN_SUBJECT
    except RoleNotHeld:
        return Reason.ROLE_NOT_HELD
    except NotLocated as error:
        return error.reason


async def _decided(lookup: ResourceLookup, question: Question, permission: str, user: UserId) -> Reason:
    """Decide; subject, calendar and resource are read at once if they are not in memory."""
    role = role_asked(question)
    snapshot = await _cached(lookup, user)
    located = None if snapshot else asyncio.create_task(lookup.location(question.resource))
    try:
        if snapshot is None:
            snapshot, now = await lookup.pdp.user_now(lookup.district, user, lookup.freshness)
        else:
            now = await lookup.pdp.now(lookup.district, lookup.freshness)
        lookup.snapshots.extend((snapshot, *now.snapshots))
        access = lookup.pdp.access(snapshot, role, now.status)
        kind = lookup.pdp.policy.type_of(question.resource.type)
        reason = decide_without_location(access, permission, kind, question.resource.id)
        if reason is not None:
            return reason
        if _is_granted_by(lookup.student_without_sections(question.resource), lookup, access, permission, question):
            return Reason.GRANTED
        location = await (located or lookup.location(question.resource))
    finally:
        if located:
            located.cancel()
            await asyncio.gather(located, return_exceptions=True)
    return decide(access, permission, location, question)


def _is_granted_by(
    part: Snapshot[Facts] | None, lookup: ResourceLookup, access: Access, permission: str, question: Question
) -> bool:
    """Whether the facts of a student without sections already grant it: further places could not take that away."""
    if part is None or Role.STUDENT not in part.facts.held():
        return False
    is_granted = decide(access, permission, location_of_student(part.facts), question) is Reason.GRANTED
    if is_granted:
        lookup.snapshots.append(part)
    return is_granted


async def _cached(lookup: ResourceLookup, user: UserId) -> Snapshot[PackedFacts] | None:
    try:
        return await lookup.user_snapshot(user, lookup.freshness.at_once())
    except NotCached:
        if lookup.freshness.only_if_cached or lookup.freshness.without_waiting:
            raise
        return None
