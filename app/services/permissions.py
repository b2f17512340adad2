"""Permission sets and role contexts of users, rendered once for each snapshot and policy."""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from math import inf
from typing import Any, NamedTuple

from msgspec.structs import replace

from app.domain.errors import RoleNotHeld, RosterguardError, UserUnknown
from app.domain.evaluation import permission_set_of
from app.domain.facts import Facts, Role
from app.domain.grants import PermissionSet
from app.domain.ids import DistrictId
from app.domain.serialization import PackedFacts, unpacked
from app.domain.snapshot import Rendered, Snapshot, Staleness, staleness_of
from app.roster.concurrency import halfway_to, outcome_of
from app.roster.districts import cached_district_of, district_of
from app.roster.freshness import Freshness
from app.roster.prefetch import Prefetch
from app.services.batch import answer_many
from app.services.decision_log import Asked, log_decisions, log_refusal
from app.services.decision_point import NO_DECISION_LOG, DecisionPoint, Now
from app.telemetry import metrics
from app.telemetry.decision_log import About, Decided

RenderSet = Callable[[PermissionSet, Staleness | None], bytes]
RenderRoles = Callable[[Facts, Staleness | None], bytes]


class Subject(NamedTuple):
    """Whom a question is about, as the caller wrote it.

    Attributes:
        user: the text of a user id.
        district: the text of a district id; None where the caller leaves it to there being only one.
        role: the role context, None for the whole user.
    """

    user: str
    district: str | None = None
    role: Role | None = None


class Answer(NamedTuple):
    """A rendered answer.

    Attributes:
        rendered: its body and tag.
        age: in seconds, counted from when the oldest fetch behind it began.
        lasts: in how many seconds the calendar of the district may change it.
    """

    rendered: Rendered
    age: int
    lasts: float = inf


def cached_permissions(pdp: DecisionPoint, subject: Subject, freshness: Freshness, render: RenderSet) -> Answer | None:
    """Answer and log as ``permissions_of`` does, from what is fresh in memory; None if that does not suffice."""
    district = cached_district_of(pdp.roster, subject.district, freshness.caller)
    snapshot = None if district is None else pdp.roster.cached_user(district, subject.user, freshness)
    now = None if district is None or snapshot is None else pdp.cached_now(district, freshness)
    if district is None or snapshot is None or now is None:
        return None
    try:
        answer = _permissions_in(pdp, snapshot, subject.role, now, render)
    except RoleNotHeld:
        return None
    metrics.record_cache_lookup("users", "hit")
    _log_answer(pdp, freshness, "permissions", subject, (district, (snapshot, *now.snapshots), answer))
    return answer


async def permissions_of(pdp: DecisionPoint, subject: Subject, freshness: Freshness, render: RenderSet) -> Answer:
    """Return what a user may do, and where, rendered; the answer is logged.

    Raises:
        QuestionError: a malformed id, a district left open, an unknown user, or a role that is not held.
        NotCached, CleverError: see ``Roster``.
    """
    cached = cached_permissions(pdp, subject, freshness, render)
    if cached is not None:
        return cached
    try:
        user = pdp.roster.id_shape.user(subject.user)
        district = await district_of(pdp.roster, subject.district, freshness)
        snapshot, now = await pdp.user_now(district, user, freshness)
        answer = _permissions_in(pdp, snapshot, subject.role, now, render)
    except (RoleNotHeld, UserUnknown) as error:
        _log_refusal(pdp, freshness, "permissions", subject, error)
        raise
    _log_answer(pdp, freshness, "permissions", subject, (district, (snapshot, *now.snapshots), answer))
    return answer


def _permissions_in(
    pdp: DecisionPoint, snapshot: Snapshot[PackedFacts], role: Role | None, now: Now, render: RenderSet
) -> Answer:
    policy, stale = pdp.policy, staleness_of((snapshot, *now.snapshots))

    def rendered() -> bytes:
        # It is rendered once, and need not be kept in the form in which questions are decided.
        return render(permission_set_of(pdp.access_anew(snapshot, role, now.status), policy), stale)

    return _answer(pdp, snapshot, answer_key(render, role, policy.revision, now.status, stale), rendered, now)


@lru_cache(maxsize=1_000)
def answer_key(*parts: Hashable) -> Hashable:
    """Return the key of a kept answer: all that it depends on; equal keys are one object, which saves memory."""
    return parts


async def permissions_of_many(
    pdp: DecisionPoint, subjects: Sequence[Subject], freshness: Freshness, render: RenderSet
) -> list[Answer | RosterguardError]:
    """Return what ``permissions_of`` does for many users, in the order asked; an error stands in its place.

    Raises:
        CleverLimited, CallerOverspent: there are not enough requests left for all.
    """
    prefetch = Prefetch(pdp.roster, replace(freshness, until=halfway_to(freshness.until)))

    ahead = dataclasses.replace(pdp, roster=prefetch.roster)

    async def answer(subject: Subject, within: Freshness) -> Answer:
        return await permissions_of(ahead, subject, within, render)

    async def read_users(unanswered: Sequence[Subject]) -> None:
        lacking: dict[DistrictId, set[str]] = defaultdict(set)
        for subject in unanswered:
            district = await outcome_of(district_of(pdp.roster, subject.district, freshness.at_once()))
            if not isinstance(district, RosterguardError) and pdp.roster.id_shape.fits(subject.user):
                lacking[district].add(subject.user)
        for district, users in lacking.items():
            if pdp.policy.needs_calendar:
                await prefetch.calendar(district)
            await prefetch.users(district, users)
            unread = {user for user in users if prefetch.is_unread("user", district, user)}
            prefetch.afford(district, users=len(unread))

    return await answer_many(subjects, answer, freshness, [read_users])


async def roles_of(pdp: DecisionPoint, subject: Subject, freshness: Freshness, render: RenderRoles) -> Answer:
    """Return the roles of a user, for applications in which users switch roles; raises as ``permissions_of``."""
    try:
        user = pdp.roster.id_shape.user(subject.user)
        district = await district_of(pdp.roster, subject.district, freshness)
        snapshot = await pdp.roster.user(district, user, freshness)
    except UserUnknown as error:
        _log_refusal(pdp, freshness, "roles", subject, error)
        raise
    answer = _answer(
        pdp,
        snapshot,
        answer_key(render, snapshot.stale),
        lambda: render(unpacked(snapshot.facts), snapshot.staleness()),
    )
    _log_answer(pdp, freshness, "roles", subject, (district, (snapshot,), answer))
    return answer


def _answer(
    pdp: DecisionPoint,
    snapshot: Snapshot[PackedFacts],
    key: Hashable,
    render: Callable[[], bytes],
    now: Now | None = None,
) -> Answer:
    rendered = snapshot.answer(key) or snapshot.keep(Rendered.of(render(), key))
    if now is None:
        return Answer(rendered, pdp.roster.age_of(snapshot))
    return Answer(rendered, pdp.roster.age_of(snapshot, *now.snapshots), pdp.lasts(now))


def _log_answer(
    pdp: DecisionPoint,
    freshness: Freshness,
    kind: str,
    subject: Subject,
    answered: tuple[DistrictId, Sequence[Snapshot[Any]], Answer],
) -> None:
    """Log an answer, if there is a decision log; the ids are well-formed, for there was an answer."""
    if pdp.decision_log is NO_DECISION_LOG:
        return
    district, snapshots, answer = answered
    stale = staleness_of(snapshots)
    about = About(kind, pdp.policy.revision, district, subject.user, subject.role)
    logged = Decided(about, answer.rendered.tag, age=answer.age, stale=stale.reason if stale else None)
    log_decisions(pdp, freshness, [logged])


def _log_refusal(
    pdp: DecisionPoint, freshness: Freshness, kind: str, subject: Subject, error: RoleNotHeld | UserUnknown
) -> None:
    log_refusal(pdp, freshness, Asked(kind, subject.user, subject.district, subject.role), error)
