"""Permission sets and role contexts of users, rendered once for each reading and policy."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import lru_cache
from math import inf
from typing import NamedTuple

from app.domain.access import Access, access_of
from app.domain.engine import set_of
from app.domain.errors import DistrictUnnamed, NotCached, RoleNotHeld, RosterguardError, UserUnknown
from app.domain.facts import Facts, Role
from app.domain.grants import PermissionSet
from app.domain.ids import DistrictId
from app.domain.packed_facts import PackedFacts, unpacked
from app.domain.reading import Reading, Rendered
from app.domain.staleness import Staleness
from app.services.ahead import USER_REQUESTS, Ahead
from app.services.deadlines import by, halfway_to
from app.services.journal import Asked, told_refusal
from app.services.locating import NOTHING_KNOWN, Known, Seeker
from app.services.many import answered, outcome_of
from app.services.ports import NO_JOURNAL, Context
from app.services.reading import Demand
from app.telemetry.decisions import Decided

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
    """A rendered answer and its age in seconds, counted from when the reading behind it began."""

    rendered: Rendered
    age: int


async def permissions_of(
    context: Context, subject: Subject, demand: Demand, render: RenderSet, known: Known = NOTHING_KNOWN
) -> Answer:
    """Answer what a user may do, and where; what is ``known`` already is not read.

    Raises:
        QuestionError: a malformed id, a district left open, an unknown user, or a role that is not held.
        NotCached, CleverError: see ``reading_of``.
    """
    try:
        district, reading = await _reading_of(context, subject, demand, known)
        policy = context.policy
        key = asked_of(render, subject.role, policy.revision, reading.stale)

        def rendered() -> bytes:
            # It is rendered once, and need not be kept in the form in which questions are decided.
            return render(set_of(_access(context, reading, subject.role), policy), reading.staleness())

        answer = _answer(context, reading, key, rendered)
    except (RoleNotHeld, UserUnknown) as error:
        _tell_refusal(context, demand, "permissions", subject, error)
        raise
    _tell(context, demand, "permissions", subject, (district, reading, answer))
    return answer


def access(context: Context, reading: Reading[PackedFacts], role: Role | None = None) -> Access:
    """Return what a user may do under the policy in force; raises ``RoleNotHeld``."""
    key = (reading.facts, role, context.policy.revision)
    found = context.accesses.get(key)
    if found is None:
        found = context.accesses[key] = _access(context, reading, role)
    return found


def _access(context: Context, reading: Reading[PackedFacts], role: Role | None) -> Access:
    try:
        return access_of(unpacked(reading.facts), context.policy, role)
    except RoleNotHeld as error:
        # What is not held by an older reading may be held by now.
        raise RoleNotHeld(error.role, error.held, reading.staleness()) from error


@lru_cache(maxsize=1_000)
def asked_of(*parts: Hashable) -> Hashable:
    """Return what a kept answer depends on, the same object for the same: all who are cached refer to it."""
    return parts


async def permissions_of_many(
    context: Context, subjects: Sequence[Subject], demand: Demand, render: RenderSet
) -> list[Answer | RosterguardError]:
    """Answer for many users at once, in the order asked; what goes wrong with one is its own answer.

    Raises:
        CleverLimited, CallerOverspent: there are not enough requests left for all.
    """
    ahead = Ahead(context, replace(demand, until=halfway_to(demand.until)))

    async def answer(subject: Subject, within: Demand) -> Answer:
        return await permissions_of(context, subject, within, render, ahead.known)

    async def read_users(unanswered: Sequence[Subject]) -> None:
        lacking: dict[DistrictId, set[str]] = defaultdict(set)
        for subject in unanswered:
            district = await outcome_of(district_of(context, subject.district, demand.at_once()))
            if not isinstance(district, RosterguardError) and context.id_shape.fits(subject.user):
                lacking[district].add(subject.user)
        for district, users in lacking.items():
            await ahead.users(district, users)
            unread = {user for user in users if ahead.is_unread("user", district, user)}
            ahead.afford(district, USER_REQUESTS * len(unread))

    return await answered(subjects, answer, demand, [read_users])


async def roles_of(context: Context, subject: Subject, demand: Demand, render: RenderRoles) -> Answer:
    """Answer which roles a user holds, for an application with a role switcher; raises as ``permissions_of``."""
    try:
        district, reading = await _reading_of(context, subject, demand)
    except UserUnknown as error:
        _tell_refusal(context, demand, "roles", subject, error)
        raise
    answer = _answer(
        context, reading, asked_of(render, reading.stale), lambda: render(unpacked(reading.facts), reading.staleness())
    )
    _tell(context, demand, "roles", subject, (district, reading, answer))
    return answer


async def _reading_of(
    context: Context, subject: Subject, demand: Demand, known: Known = NOTHING_KNOWN
) -> tuple[DistrictId, Reading[PackedFacts]]:
    user = context.id_shape.user(subject.user)
    district = await district_of(context, subject.district, demand)
    return district, await Seeker(context, district, demand, known=known).reading_of(user)


async def district_of(context: Context, named: str | None, demand: Demand) -> DistrictId:
    """Take the district that the question names, else the only one that the caller may ask about; never guess it.

    Whether the caller may ask about it is decided first, so that the time taken tells nothing of other districts.

    One that was not connected when Clever was last asked has it asked again, at most every few seconds in all.

    Raises:
        MalformedId, DistrictUnnamed: what is named is no id, or nothing is named and there are several.
        UserUnknown: the district is not connected, or is none of the caller's.
        NotCached: it has to be asked whether the district is connected by now, and only the cache may answer.
        CleverError: which districts are connected is not known yet, or has to be asked again, and cannot be.
    """
    theirs = demand.caller.districts
    if named is not None:
        district = context.id_shape.district(named)
        if not demand.caller.may_ask_about(district):
            raise UserUnknown
    else:
        if theirs is None:
            theirs = await _connected(context, demand) or await _connected_now(context, demand)
        district = _the_only(theirs)
    if district in await _connected(context, demand) or district in await _connected_now(context, demand):
        return district
    raise UserUnknown


def _the_only(districts: frozenset[DistrictId]) -> DistrictId:
    if len(districts) > 1:
        raise DistrictUnnamed
    if not districts:
        raise UserUnknown
    (district,) = districts
    return district


async def _connected(context: Context, demand: Demand) -> frozenset[DistrictId]:
    known = context.clever.known_districts()
    if known is not None:
        return known
    async with by(demand.until):
        return await context.clever.districts()


async def _connected_now(context: Context, demand: Demand) -> frozenset[DistrictId]:
    """Return the connected districts for a question about one that is not connected as far as is known."""
    if (demand.only_if_cached or demand.without_waiting) and not context.clever.districts_are_settled():
        raise NotCached
    asked_at = context.clock() if demand.asked_at is None else demand.asked_at
    oldest = 0 if demand.no_cache else inf if demand.max_age is None else demand.max_age
    async with by(demand.until):
        return await context.clever.districts_now(asked_at - oldest)


def decided_set(context: Context, kind: str, subject: Subject, district: DistrictId, answer: Answer) -> Decided:
    """Return what the journal is told of a fresh answer; the ids are well-formed, for there was one."""
    revision, tag = context.policy.revision, answer.rendered.tag
    return Decided(kind, revision, tag, district, subject.user, subject.role, age=answer.age)


def _answer(context: Context, reading: Reading[PackedFacts], key: Hashable, render: Callable[[], bytes]) -> Answer:
    rendered = reading.answer(key) or reading.keep(Rendered.of(render(), key))
    return Answer(rendered, int(context.clock() - reading.began))


def _tell(
    context: Context,
    demand: Demand,
    kind: str,
    subject: Subject,
    answered: tuple[DistrictId, Reading[PackedFacts], Answer],
) -> None:
    if context.journal is not NO_JOURNAL:
        district, reading, answer = answered
        decided = decided_set(context, kind, subject, district, answer)._replace(stale=reading.stale)
        context.journal.decided(decided, caller=demand.caller.name, alone=not demand.one_of_many)


def _tell_refusal(
    context: Context, demand: Demand, kind: str, subject: Subject, error: RoleNotHeld | UserUnknown
) -> None:
    told_refusal(context, demand, Asked(kind, subject.user, subject.district, subject.role), error)
