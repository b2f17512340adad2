"""Matches accounts of an application to users of API 3.x, and never guesses. Pure: no file and no request.

An id of Clever decides, unless the fields lead to somebody else. Without one the fields do, in the order of Clever's
onboarding guide, and only where nothing speaks against it: a wrong match shows a child's data to the wrong adult, so in
doubt a person has to look.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from app.domain.facts import Role
from app.domain.ids import DistrictId, UserId
from app.migration.identities import ORDER, Field, Identity, Person


class Account(NamedTuple):
    """An account of the application.

    Attributes:
        identity: its role, and the fields by which people are known.
        clever_id: the Clever id that it has, from before API 3.0 or since.
        legacy_id: the id from before API 3.0, where that is kept apart.
        district: the district that it names as its own, if it names one.
    """

    identity: Identity
    clever_id: str | None = None
    legacy_id: str | None = None
    district: str | None = None


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
        identifying = _ALONE[role].intersection(self.agreeing)
        if not identifying and not _ALONE[role].isdisjoint(self.differing):
            # Somebody of the same name and birthday.
            return True
        is_another = Field.NAME in self.differing or (
            # A sibling, who shares the address.
            Field.DATE_OF_BIRTH in self.differing and Field.NAME not in self.agreeing
        )
        if is_another and len(identifying) < 2:  # noqa: PLR2004
            return True
        return bool(self.differing) and len(self.agreeing) <= len(self.differing)


_MOST_ALIKE = 1_000
"""People of one role with one value: whatever more of them share is not looked up. It identifies nobody."""

_EMPLOYEES = frozenset({Role.TEACHER, Role.STAFF, Role.DISTRICT_ADMIN})
"""The roles between which a user changes; a student or a contact is never anything else."""

_Holder: TypeAlias = tuple[UserId, Role | None]
"""Whose an id is, and of which role; None if it is that of the user."""


class Directory:
    """The users of one district, found by their ids and fields."""

    def __init__(self, people: Iterable[Person] = (), district: DistrictId | None = None) -> None:
        """Hold people: one entry for each role of a user; an account that names another district is nobody's here."""
        self._district = district
        self._roles: dict[UserId, tuple[Role, ...]] = {}
        self._legacy: dict[str, tuple[_Holder, ...]] = {}
        # Almost every value has one holder: a list for each would take as much memory as all else.
        self._first: Mapping[Role, Sequence[dict[str, Person]]] = {role: [{} for _ in ORDER[role]] for role in Role}
        self._others: dict[tuple[Role, int, str], list[Person]] = {}
        for person in people:
            self.add(person)

    def add(self, person: Person) -> None:
        """Hold one more person."""
        role, user = person.identity.role, person.user
        self._roles[user] = (*self._roles.get(user, ()), role)
        if person.legacy_id and person.legacy_id != user:
            self._legacy[person.legacy_id] = (*self._legacy.get(person.legacy_id, ()), (user, role))
        for number in _LOOKED_UP[role]:
            if value := person.identity.values[number]:
                first = self._first[role][number].setdefault(value, person)
                if first is not person:
                    self._others.setdefault((role, number, value), []).append(person)

    def users(self) -> Mapping[UserId, Sequence[Role]]:
        """Return all users, with the roles that each holds."""
        return self._roles

    def match(self, account: Account) -> Match:
        """Match an account by its ids, or else by its fields."""
        if account.district not in {None, self._district}:
            return Match(Result.UNMATCHED, reason="The account is one of another district.")
        if account.identity.role is Role.CONTACT:
            reason = "Contacts changed with API 3.0: create the account anew."
            return Match(Result.UNMATCHED, candidates=_users(self._holders_of(account)), reason=reason)
        if account.clever_id or account.legacy_id:
            return self._by_ids(account)
        return self._by_fields(account.identity)

    def _holders_of(self, account: Account) -> Mapping[str, Sequence[_Holder]]:
        ids = {on: one for on, one in (("clever_id", account.clever_id), ("legacy_id", account.legacy_id)) if one}
        return {on: found for on, one in ids.items() if (found := self._holders(one))}

    def _by_ids(self, account: Account) -> Match:
        role, holders = account.identity.role, self._holders_of(account)
        users = _users(holders)
        if not holders:
            return self._of_unknown_id(account.identity)
        if len(users) > 1:
            return Match(Result.AMBIGUOUS, candidates=users, reason="The ids belong to different users.")
        (user,) = users
        if not any(self._is_of(role, holder) for found in holders.values() for holder in found):
            return Match(Result.AMBIGUOUS, candidates=users, reason=f"The id is that of another role than {role}.")
        # Rows in which ids and names have come apart, as when a spreadsheet sorts one column alone.
        other = self._by_fields(account.identity)
        if other.certainty is Certainty.CONFIRMED and other.user not in {None, user}:
            both = tuple(sorted(filter(None, (user, other.user))))
            return Match(Result.AMBIGUOUS, candidates=both, reason="The id and the fields belong to different users.")
        return Match(Result.MATCHED, user, tuple(holders), Certainty.ID)

    def _is_of(self, role: Role, holder: _Holder) -> bool:
        """Whether an account in a role can have an id: of its user, its holder may have left that role meanwhile."""
        user, held = holder
        if held is not None:
            return held is role
        return role in self._roles[user] or (role in _EMPLOYEES and not _EMPLOYEES.isdisjoint(self._roles[user]))

    def _holders(self, one: str) -> Sequence[_Holder]:
        user = UserId(one)
        return (*([(user, None)] if user in self._roles else ()), *self._legacy.get(one, ()))

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
        candidates = [_candidate(identity, person) for person in self._people(identity)]
        if not candidates:
            reason = f"No user in the role {role} agrees in a field that identifies them."
            if not any(identity.values):
                reason = "The account has nothing to match it by."
            return Match(Result.UNMATCHED, reason=reason)
        identified = [each for each in candidates if each.identified(role)]
        if len(identified) == 1 and not identified[0].contradicted(role):
            return _matched(identified[0])
        return _undecided(identified, candidates)

    def _people(self, identity: Identity) -> Iterable[Person]:
        """Return whoever agrees in a field that is looked up."""
        role, values = identity
        found: dict[UserId, Person] = {}
        for number in _LOOKED_UP[role]:
            value = values[number]
            first = self._first[role][number].get(value) if value else None
            if first is None:
                continue
            others = self._others.get((role, number, value), ()) if self._others else ()
            if len(others) < _MOST_ALIKE:
                found[first.user] = first
                for each in others:
                    found[each.user] = each
        return found.values()


_LOOKED_UP: Mapping[Role, Sequence[int]] = {
    role: [number for number, field in enumerate(fields) if field is not Field.DATE_OF_BIRTH]
    for role, fields in ORDER.items()
}
"""The fields by which people are looked up, by their place; dates of birth, which many share, only confirm another."""


def _users(holders: Mapping[str, Iterable[_Holder]]) -> tuple[UserId, ...]:
    return tuple(sorted({user for found in holders.values() for user, _ in found}))


def _candidate(identity: Identity, person: Person) -> _Candidate:
    agreeing: list[Field] = []
    differing: list[Field] = []
    for field, mine, theirs in zip(ORDER[identity.role], identity.values, person.identity.values, strict=True):
        if mine and theirs:
            (agreeing if mine == theirs else differing).append(field)
    return _Candidate(person.user, tuple(agreeing), tuple(differing))


def _matched(found: _Candidate) -> Match:
    certainty = Certainty.CONFIRMED if len(found.agreeing) > 1 else Certainty.SINGLE
    return Match(Result.MATCHED, found.user, found.agreeing, certainty)


def _undecided(identified: Sequence[_Candidate], candidates: Sequence[_Candidate]) -> Match:
    """Name everybody whom it may be: where too much speaks against one, whoever agrees in less may be meant."""
    users = tuple(sorted(each.user for each in candidates))
    if not identified:
        return Match(Result.AMBIGUOUS, candidates=users, reason="The fields that agree identify nobody.")
    if len(identified) > 1:
        return Match(Result.AMBIGUOUS, candidates=users, reason="The fields agree with different users.")
    (found,) = identified
    reason = f"Too little agrees with the user, since this differs: {', '.join(found.differing)}."
    return Match(Result.AMBIGUOUS, None, found.agreeing, None, users, reason)


def settled(matches: Sequence[tuple[Role, Match]]) -> list[Match]:
    """Return the matches of all accounts, none of two accounts in one role to one user unless ids say so.

    Two people of one role are never one account, so of several matches by fields at most one can be right.
    """
    counts = Counter((match.user, role) for role, match in matches)
    return [_unsettled(match) if counts[match.user, role] > 1 else match for role, match in matches]


def _unsettled(match: Match) -> Match:
    if match.user is None or match.certainty is Certainty.ID:
        return match
    reason = "Another account in this role matches the same user."
    return Match(Result.AMBIGUOUS, None, match.on, None, (match.user,), reason)
