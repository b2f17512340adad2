"""What may be done under the accounts from before API 3.0, and what under its users: who gains and loses by the switch.

Both are read of one district at Clever, and compared account by account. Pure: districts and policies in, differences
out.
"""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import NamedTuple

from app.comparison.differences import Comparison, Difference, LocationOf, OldAccount, State, by_loss, compare
from app.comparison.whole_district import location_in
from app.domain.calendar import ALWAYS, DistrictStatus
from app.domain.facts import Facts, Role
from app.domain.ids import UserId
from app.domain.places import Location, Place
from app.domain.policy import Policy
from app.domain.scopes import Scope
from app.migration.merging import Mode
from app.roster.district import District


class Side(NamedTuple):
    """A side of a rehearsal.

    Attributes:
        title: what holds on this side, in words.
        district: the district with everybody in it.
        policy: the policy in force.
        status: what the calendar of the district means under this policy.
    """

    title: str
    district: District
    policy: Policy
    status: DistrictStatus = ALWAYS

    def state(self, facts: Facts | None, role: Role | None = None) -> State:
        """Return what somebody may do on this side, perhaps in one role."""
        return State(facts, self.policy, role, self.status)

    def everybody(self) -> Iterator[Facts]:
        """Yield the facts of everybody, by ascending id."""
        users = self.district.people((Scope.DISTRICT, self.district.id))
        return (facts for user in users if (facts := self.district.facts(user)) is not None)


def compare_accounts(before: Side, after: Side, mode: Mode) -> Comparison:
    """Return what changes for each account from before API 3.0, and for each user who has none.

    An account belongs to the user whose role has its id as ``legacy_id``, and a student's id stays the same
    (dev.clever.com/docs/migrating-to-api-30). An account that belongs to nobody loses all that it could do.

    Args:
        before: with accounts, of one role each.
        after: with users of API 3.x.
        mode: whether an account gets all roles of its user, or keeps to the one that it has.
    """
    owners, differences, met = _owners(after), list[Difference](), set[tuple[UserId, Role]]()
    location_of, compared = _location(before, after), 0
    for facts in before.everybody():
        (role,) = facts.held()
        user = owners.get((facts.user, role))
        if user is not None:
            met.add((user, role))
        new = after.state(None if user is None else after.district.facts(user), role if mode is Mode.SEPARATE else None)
        compared += 1
        differences += _difference(user, OldAccount(facts.user, role), (before.state(facts), new), location_of)
    for facts in after.everybody():
        for context in _without_account(facts, met, mode):
            compared += 1
            states = (before.state(None), after.state(facts, context))
            differences += _difference(facts.user, None, states, location_of)
    return Comparison(after.district.id, before.title, after.title, compared, by_loss(differences))


def compare_users(before: Side, after: Side) -> Comparison:
    """Return what changes for each user between two versions since API 3.0, where ids stay the same."""
    differences, location_of = list[Difference](), _location(before, after)
    users = sorted({facts.user for side in (before, after) for facts in side.everybody()})
    for user in users:
        states = (before.state(before.district.facts(user)), after.state(after.district.facts(user)))
        differences += _difference(user, None, states, location_of)
    return Comparison(after.district.id, before.title, after.title, len(users), by_loss(differences))


def _without_account(facts: Facts, met: AbstractSet[tuple[UserId, Role]], mode: Mode) -> list[Role | None]:
    """Return the roles for which there is a new account; None stands for all roles."""
    left: list[Role | None] = [role for role in facts.held() if (facts.user, role) not in met]
    if mode is Mode.SEPARATE:
        return left
    return [None] if len(left) == len(facts.roles) else []


def _owners(after: Side) -> Mapping[tuple[str, Role], UserId]:
    """Return the users by the ids and roles of their accounts."""
    owners = {}
    for facts in after.everybody():
        for held in facts.roles:
            legacy_id = facts.user if held.role is Role.STUDENT else held.legacy_id
            if legacy_id:
                owners[legacy_id, held.role] = facts.user
    return owners


def _location(before: Side, after: Side) -> LocationOf:
    def location_of(place: Place) -> Location:
        # Where something lies now decides what is lost; what is gone lies where it lay.
        known = location_in(after.district, place)
        return known if len(known) > len(_UNPLACED) else location_in(before.district, place)

    return lru_cache(_MOST_PLACES)(location_of)


_UNPLACED = ("itself", "its district")
_MOST_PLACES = 10_000


def _difference(
    user: UserId | None, account: OldAccount | None, states: tuple[State, State], location_of: LocationOf
) -> Iterator[Difference]:
    before, after = states
    named = user or UserId(account.id if account else "")
    gained, lost = compare(named, before, after, location_of)
    if gained or lost:
        yield Difference(user, account, after.facts.held() if after.facts else (), gained, lost)
