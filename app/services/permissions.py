"""Permission sets and role contexts of users, rendered once for each snapshot and policy."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from math import inf
from typing import NamedTuple

from msgspec.structs import replace

from app.domain.callers import Caller
from app.domain.errors import DistrictUnnamed, NotCached, RoleNotHeld, RosterguardError, UserUnknown
from app.domain.evaluation import Access, access_of, permission_set_of
from app.domain.facts import Facts, Role
from app.domain.grants import PermissionSet
from app.domain.ids import DistrictId
from app.domain.serialization import PackedFacts, unpacked
from app.domain.snapshot import Rendered, Snapshot, Staleness
from app.roster.concurrency import halfway_to
from app.roster.context import NO_DECISION_LOG, Context
from app.roster.freshness import Freshness, cached_user
from app.services.batch import answered, outcome_of
from app.services.decision_log import Asked, told_refusal
from app.services.prefetch import USER_REQUESTS, Prefetch
from app.services.resource_lookup import NOTHING_PREFETCHED, Prefetched, ResourceLookup
from app.telemetry import metrics
from app.telemetry.decision_log import Decided
from app.waiting import deadline

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
    """A rendered answer and its age in seconds, counted from when the fetch behind it began."""

    rendered: Rendered
    age: int


def cached_permissions(context: Context, subject: Subject, freshness: Freshness, render: RenderSet) -> Answer | None:
    """Return what ``permissions_of`` would, if it has rendered that before from a snapshot that is still fresh."""
    district = known_district_of(context, subject.district, freshness.caller)
    snapshot = None if district is None else cached_user(context, district, subject.user, freshness)
    if district is None or snapshot is None:
        return None
    rendered = snapshot.answer(asked_of(render, subject.role, context.policy.revision, None))
    if rendered is None:
        return None
    metrics.record_cache_lookup("users", "hit")
    answer = Answer(rendered, int(context.clock() - snapshot.began))
    _tell(context, freshness, "permissions", subject, (district, snapshot, answer))
    return answer


async def permissions_of(
    context: Context, subject: Subject, freshness: Freshness, render: RenderSet, known: Prefetched = NOTHING_PREFETCHED
) -> Answer:
    """Answer what a user may do, and where; what is ``known`` already is not read.

    Raises:
        QuestionError: a malformed id, a district left open, an unknown user, or a role that is not held.
        NotCached, CleverError: see ``reading_of``.
    """
    # What the request has read itself comes before what was cached earlier.
    cached = None if known.snapshots else cached_permissions(context, subject, freshness, render)
    if cached is not None:
        return cached
    try:
        district, snapshot = await _reading_of(context, subject, freshness, known)
        policy = context.policy
        key = asked_of(render, subject.role, policy.revision, snapshot.stale)

        def rendered() -> bytes:
            # It is rendered once, and need not be kept in the form in which questions are decided.
            return render(permission_set_of(_access(context, snapshot, subject.role), policy), snapshot.staleness())

        answer = _answer(context, snapshot, key, rendered)
    except (RoleNotHeld, UserUnknown) as error:
        _tell_refusal(context, freshness, "permissions", subject, error)
        raise
    _tell(context, freshness, "permissions", subject, (district, snapshot, answer))
    return answer


def access(context: Context, snapshot: Snapshot[PackedFacts], role: Role | None = None) -> Access:
    """Return what a user may do under the policy in force; raises ``RoleNotHeld``."""
    key = (snapshot.facts, role, context.policy.revision)
    found = context.accesses.get(key)
    if found is None:
        found = context.accesses[key] = _access(context, snapshot, role)
    return found


def _access(context: Context, snapshot: Snapshot[PackedFacts], role: Role | None) -> Access:
    try:
        return access_of(unpacked(snapshot.facts), context.policy, role)
    except RoleNotHeld as error:
        # A role that an older snapshot lacks may be held by now.
        raise RoleNotHeld(error.role, error.held, snapshot.staleness()) from error


@lru_cache(maxsize=1_000)
def asked_of(*parts: Hashable) -> Hashable:
    """Return what a kept answer depends on, the same object for the same: all who are cached refer to it."""
    return parts


async def permissions_of_many(
    context: Context, subjects: Sequence[Subject], freshness: Freshness, render: RenderSet
) -> list[Answer | RosterguardError]:
    """Answer for many users at once, in the order asked; what goes wrong with one is its own answer.

    Raises:
        CleverLimited, CallerOverspent: there are not enough requests left for all.
    """
    prefetch = Prefetch(context, replace(freshness, until=halfway_to(freshness.until)))

    async def answer(subject: Subject, within: Freshness) -> Answer:
        return await permissions_of(context, subject, within, render, prefetch.known)

    async def read_users(unanswered: Sequence[Subject]) -> None:
        lacking: dict[DistrictId, set[str]] = defaultdict(set)
        for subject in unanswered:
            district = await outcome_of(district_of(context, subject.district, freshness.at_once()))
            if not isinstance(district, RosterguardError) and context.id_shape.fits(subject.user):
                lacking[district].add(subject.user)
        for district, users in lacking.items():
            await prefetch.users(district, users)
            unread = {user for user in users if prefetch.is_unread("user", district, user)}
            prefetch.afford(district, USER_REQUESTS * len(unread))

    return await answered(subjects, answer, freshness, [read_users])


async def roles_of(context: Context, subject: Subject, freshness: Freshness, render: RenderRoles) -> Answer:
    """Answer which roles a user holds, for an application with a role switcher; raises as ``permissions_of``."""
    try:
        district, snapshot = await _reading_of(context, subject, freshness)
    except UserUnknown as error:
        _tell_refusal(context, freshness, "roles", subject, error)
        raise
    answer = _answer(
        context,
        snapshot,
        asked_of(render, snapshot.stale),
        lambda: render(unpacked(snapshot.facts), snapshot.staleness()),
    )
    _tell(context, freshness, "roles", subject, (district, snapshot, answer))
    return answer


async def _reading_of(
    context: Context, subject: Subject, freshness: Freshness, known: Prefetched = NOTHING_PREFETCHED
) -> tuple[DistrictId, Snapshot[PackedFacts]]:
    user = context.id_shape.user(subject.user)
    district = await district_of(context, subject.district, freshness)
    return district, await ResourceLookup(context, district, freshness, known=known).reading_of(user)


def known_district_of(context: Context, named: str | None, caller: Caller) -> DistrictId | None:
    """Return what ``district_of`` would without asking Clever; None where it would raise, or has to ask."""
    connected = context.clever.known_districts()
    if connected is None:
        return None
    theirs = connected if caller.districts is None else caller.districts
    if named is None:
        if len(theirs) != 1:
            return None
        (district,) = theirs
    else:
        district = DistrictId(named)
    return district if district in theirs and district in connected else None


async def district_of(context: Context, named: str | None, freshness: Freshness) -> DistrictId:
    """Take the district that the question names, else the only one that the caller may ask about; never guess it.

    Whether the caller may ask about it is decided first, so that the time taken tells nothing of other districts.

    One that was not connected when Clever was last asked has it asked again, at most every few seconds in all.

    Raises:
        MalformedId, DistrictUnnamed: what is named is no id, or nothing is named and there are several.
        UserUnknown: the district is not connected, or is none of the caller's.
        NotCached: it has to be asked whether the district is connected by now, and only the cache may answer.
        CleverError: which districts are connected is not known yet, or has to be asked again, and cannot be.
    """
    known = known_district_of(context, named, freshness.caller)
    if known is not None:
        return known
    theirs = freshness.caller.districts
    if named is not None:
        district = context.id_shape.district(named)
        if not freshness.caller.may_ask_about(district):
            raise UserUnknown
    else:
        if theirs is None:
            theirs = await _connected(context, freshness) or await _connected_now(context, freshness)
        district = _the_only(theirs)
    if district in await _connected(context, freshness) or district in await _connected_now(context, freshness):
        return district
    raise UserUnknown


def _the_only(districts: frozenset[DistrictId]) -> DistrictId:
    if len(districts) > 1:
        raise DistrictUnnamed
    if not districts:
        raise UserUnknown
    (district,) = districts
    return district


async def _connected(context: Context, freshness: Freshness) -> frozenset[DistrictId]:
    known = context.clever.known_districts()
    if known is not None:
        return known
    async with deadline(freshness.until):
        return await context.clever.districts()


async def _connected_now(context: Context, freshness: Freshness) -> frozenset[DistrictId]:
    """Return the connected districts for a question about one that is not connected as far as is known."""
    if (freshness.only_if_cached or freshness.without_waiting) and not context.clever.districts_are_settled():
        raise NotCached
    asked_at = context.clock() if freshness.asked_at is None else freshness.asked_at
    oldest = 0 if freshness.no_cache else inf if freshness.max_age is None else freshness.max_age
    async with deadline(freshness.until):
        return await context.clever.districts_now(asked_at - oldest)


def _answer(context: Context, snapshot: Snapshot[PackedFacts], key: Hashable, render: Callable[[], bytes]) -> Answer:
    rendered = snapshot.answer(key) or snapshot.keep(Rendered.of(render(), key))
    return Answer(rendered, int(context.clock() - snapshot.began))


def _tell(
    context: Context,
    freshness: Freshness,
    kind: str,
    subject: Subject,
    answered: tuple[DistrictId, Snapshot[PackedFacts], Answer],
) -> None:
    """Tell the log of decisions of an answer, if there is one; the ids are well-formed, for there was an answer."""
    if context.decision_log is NO_DECISION_LOG:
        return
    district, snapshot, answer = answered
    revision, tag = context.policy.revision, answer.rendered.tag
    context.decision_log.decided(
        Decided(kind, revision, tag, district, subject.user, subject.role, age=answer.age, stale=snapshot.stale),
        caller=freshness.caller.name,
        alone=not freshness.one_of_many,
    )


def _tell_refusal(
    context: Context, freshness: Freshness, kind: str, subject: Subject, error: RoleNotHeld | UserUnknown
) -> None:
    told_refusal(context, freshness, Asked(kind, subject.user, subject.district, subject.role), error)
