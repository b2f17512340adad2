"""Matches accounts of an application to users of API 3.x, and never guesses. Pure: no file and no request.

An id of Clever decides. Without one the fields do, in the order of Clever's onboarding guide, and only where nothing
speaks against it: a wrong match shows a child's data to the wrong adult, so in doubt a person has to look.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from app.domain.facts import Role
from app.domain.ids import UserId
from app.migration.identities import ORDER, Field, Identity, Person


class Account(NamedTuple):
    """An account of the application.

    Attributes:
        identity: its role, and the fields by which people are known.
        clever_id: the Clever id that it has, from before API 3.0 or since.
        legacy_id: the id from before API 3.0, where that is kept apart.
    """

    identity: Identity
    clever_id: str | None = None
    legacy_id: str | None = None


class Result(StrEnum):
    """What became of an account."""

    MATCHED = "matched"
    AMBIGUOUS = "ambiguous"
    """There are candidates, and a person has to decide."""
    UNMATCHED = "unmatched"


class Certainty(StrEnum):
    """How sure a match is."""

    ID = "id"
    """By an id of Clever."""
    CONFIRMED = "confirmed"
    """By a field that only one user has, and at least one other field agrees."""
    SINGLE = "single"
    """By a field that only one user has; the account has no other field to confirm it."""


class Match(NamedTuple):
    """What became of an account, and why.

    Attributes:
        result: whether it was matched.
        user: the user, if it was.
        on: the fields that agree, the strongest first; ``clever_id`` or ``legacy_id`` for an id.
        certainty: how sure the match is; None without one.
        candidates: whom else it may be, sorted; of an unmatched account, who must not be taken for it unseen.
        reason: why it was not matched, as a sentence; empty if it was.
    """

    result: Result
    user: UserId | None = None
    on: tuple[str, ...] = ()
    certainty: Certainty | None = None
    candidates: tuple[UserId, ...] = ()
    reason: str = ""


_ALONE: Mapping[Role, frozenset[Field]] = {
    Role.STUDENT: frozenset({Field.SIS_ID, Field.STUDENT_NUMBER, Field.STATE_ID}),
    Role.TEACHER: frozenset({Field.EMAIL, Field.SIS_ID, Field.TEACHER_NUMBER, Field.STATE_ID}),
    Role.STAFF: frozenset({Field.EMAIL, Field.STAFF_ID}),
    Role.DISTRICT_ADMIN: frozenset({Field.EMAIL}),
    Role.CONTACT: frozenset(),
}
"""The fields that identify somebody by themselves. A student may share an email address with parents and siblings."""

_WITH_NAME = frozenset({Field.EMAIL, Field.DATE_OF_BIRTH})
"""The fields that identify somebody together with the name: twins share both, but no name."""


class _Candidate(NamedTuple):
    user: UserId
    agreeing: tuple[Field, ...]
    differing: tuple[Field, ...]

    def identified(self, role: Role) -> bool:
        agreeing = set(self.agreeing)
        return bool(agreeing & _ALONE[role] or (Field.NAME in agreeing and agreeing & _WITH_NAME))

    def contradicted(self, role: Role) -> bool:
        """Whether so much differs that the fields that agree may be mistyped."""
        if Field.NAME in self.differing and len(_ALONE[role].intersection(self.agreeing)) < 2:  # noqa: PLR2004
            return True
        return bool(self.differing) and len(self.agreeing) <= len(self.differing)


_Holder: TypeAlias = tuple[UserId, Role | None]
"""Whose an id is, and of which role; None if it is that of the user."""


class Directory:
    """The users of one district, found by their ids and fields."""

    def __init__(self, people: Iterable[Person]) -> None:
        """Hold people: one entry for each role of a user."""
        self._holders: dict[str, set[_Holder]] = defaultdict(set)
        self._people: dict[Role, list[Person]] = defaultdict(list)
        self._by_field: dict[tuple[Role, Field, str], list[int]] = defaultdict(list)
        for person in people:
            role = person.identity.role
            self._holders[person.user].add((person.user, None))
            if person.legacy_id:
                self._holders[person.legacy_id].add((person.user, role))
            for field, value in person.identity.fields.items():
                self._by_field[role, field, value].append(len(self._people[role]))
            self._people[role].append(person)

    def match(self, account: Account) -> Match:
        """Match an account by its ids, or else by its fields."""
        ids = {on: one for on, one in (("clever_id", account.clever_id), ("legacy_id", account.legacy_id)) if one}
        holders = {on: found for on, one in ids.items() if (found := self._holders.get(one))}
        if account.identity.role is Role.CONTACT:
            reason = "Contacts changed with API 3.0: create the account anew."
            return Match(Result.UNMATCHED, candidates=_users(holders), reason=reason)
        if not ids:
            return self._by_fields(account.identity)
        if not holders:
            return self._of_unknown_id(account.identity)
        users = _users(holders)
        if len(users) > 1:
            return Match(Result.AMBIGUOUS, candidates=users, reason="The ids belong to different users.")
        role = account.identity.role
        if all(held not in {None, role} for found in holders.values() for _, held in found):
            return Match(Result.AMBIGUOUS, candidates=users, reason=f"The id is that of another role than {role}.")
        return Match(Result.MATCHED, users[0], tuple(holders), Certainty.ID)

    def _of_unknown_id(self, identity: Identity) -> Match:
        """Clever gives a new id to whoever was removed for 300 days or has another SIS id: that is a new user."""
        found = self._by_fields(identity)
        candidates = found.candidates if found.user is None else (found.user,)
        reason = "No user has the id."
        if candidates:
            reason = "No user has the id. Whoever agrees in other fields is a new user at Clever, with a new id."
        return Match(Result.UNMATCHED, candidates=candidates, reason=reason)

    def _by_fields(self, identity: Identity) -> Match:
        role = identity.role
        if not identity.fields:
            return Match(Result.UNMATCHED, reason="The account has nothing to match it by.")
        candidates = [self._candidate(identity, number) for number in sorted(self._numbers(identity))]
        if not candidates:
            return Match(Result.UNMATCHED, reason=f"No user in the role {role} agrees in a field that identifies them.")
        identified = [each for each in candidates if each.identified(role)]
        return _decided(role, identified) if len(identified) == 1 else _undecided(identified, candidates)

    def _numbers(self, identity: Identity) -> set[int]:
        # So many share a date of birth that it is of use only to confirm another field.
        fields = (each for each in identity.fields.items() if each[0] is not Field.DATE_OF_BIRTH)
        keys = ((identity.role, *each) for each in fields)
        return {number for key in keys for number in self._by_field.get(key, ())}

    def _candidate(self, identity: Identity, number: int) -> _Candidate:
        person = self._people[identity.role][number]
        known = person.identity.fields
        both = [field for field in ORDER[identity.role] if field in known and field in identity.fields]
        agreeing = tuple(field for field in both if known[field] == identity.fields[field])
        return _Candidate(person.user, agreeing, tuple(field for field in both if field not in agreeing))


def _users(holders: Mapping[str, Iterable[_Holder]]) -> tuple[UserId, ...]:
    return tuple(sorted({user for found in holders.values() for user, _ in found}))


def _decided(role: Role, identified: Sequence[_Candidate]) -> Match:
    (found,) = identified
    if found.contradicted(role):
        reason = f"Too little agrees with the user, since this differs: {', '.join(found.differing)}."
        return Match(Result.AMBIGUOUS, None, found.agreeing, None, (found.user,), reason)
    certainty = Certainty.CONFIRMED if len(found.agreeing) > 1 else Certainty.SINGLE
    return Match(Result.MATCHED, found.user, found.agreeing, certainty)


def _undecided(identified: Sequence[_Candidate], candidates: Sequence[_Candidate]) -> Match:
    reason = "The fields agree with different users." if identified else "The fields that agree identify nobody."
    users = tuple(sorted({each.user for each in identified or candidates}))
    return Match(Result.AMBIGUOUS, candidates=users, reason=reason)


def settled(matches: Sequence[tuple[Role, Match]]) -> list[Match]:
    """Return the matches of all accounts, none of two accounts in one role to one user unless ids say so.

    Two people of one role are never one account, so of several matches by fields at most one can be right.
    """
    users = ((match.user, role) for role, match in matches if match.user)
    several = {key for key, found in _counted(users).items() if found > 1}
    return [_unsettled(match) if (match.user, role) in several else match for role, match in matches]


def _counted(users: Iterable[tuple[UserId, Role]]) -> Mapping[tuple[UserId, Role], int]:
    counts: dict[tuple[UserId, Role], int] = defaultdict(int)
    for each in users:
        counts[each] += 1
    return counts


def _unsettled(match: Match) -> Match:
    if match.user is None or match.certainty is Certainty.ID:
        return match
    reason = "Another account in this role matches the same user."
    return Match(Result.AMBIGUOUS, None, match.on, None, (match.user,), reason)
