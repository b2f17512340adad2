"""What becomes of matched accounts: one for each user, or one for each role of theirs. Pure: no file and no request."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from app.domain.facts import Role
from app.domain.ids import UserId
from app.migration.matching import Match, Result


class Mode(StrEnum):
    """How an application keeps its accounts from now on."""

    MERGE = "merge"
    """One for each user, with all roles, between which the user switches."""
    SEPARATE = "separate"
    """One for each role of a user, all with the same Clever id."""


class Step(StrEnum):
    """What there is to do for a user."""

    MERGE = "merge"
    """Several accounts become one."""
    KEEP = "keep"
    """The one account that there is goes on with all roles."""
    SEPARATE = "separate"
    """Each account goes on with its role."""
    DECIDE = "decide"
    """No account matched, but a person has to say of one whether it is this user's."""
    CREATE = "create"
    """There is no account yet."""


class RoleAccount(NamedTuple):
    """An account of a user, and the role that it is for."""

    role: Role
    account: str

    def __str__(self) -> str:
        return f"{self.role}:{self.account}"


class UserAccounts(NamedTuple):
    """A user and their accounts.

    Attributes:
        user: the user.
        step: what there is to do.
        roles: the roles that they hold.
        accounts: the accounts that matched.
        roles_without_account: the roles that no account is for.
    """

    user: UserId
    step: Step
    roles: Sequence[Role]
    accounts: Sequence[RoleAccount]
    roles_without_account: Sequence[Role]


class Merging:
    """The accounts of each user."""

    def __init__(
        self, mode: Mode, users: Mapping[UserId, Sequence[Role]], matches: Iterable[tuple[RoleAccount, Match]]
    ) -> None:
        """Sort the accounts by user; ``users`` are all of the district, with their roles."""
        self._mode = mode
        self._users = users
        self._accounts: dict[UserId, list[RoleAccount]] = defaultdict(list)
        self._to_decide: set[UserId] = set()
        for account, match in matches:
            if match.user is not None:
                self._accounts[match.user].append(account)
            elif match.result is Result.AMBIGUOUS:
                self._to_decide.update(match.candidates)

    def roles_of(self, user: UserId, role: Role) -> Sequence[Role]:
        """Return the roles of an account that matched a user in a role; none if that is not held any more."""
        held = self._users[user]
        if self._mode is Mode.MERGE:
            return held
        return [role] if role in held else []

    def accounts_of(self, user: UserId) -> Sequence[RoleAccount]:
        """Return the accounts that matched a user: all of them get this user's Clever id."""
        return self._accounts[user]

    def users(self) -> Iterable[UserAccounts]:
        """Yield what there is to do for each user, by id."""
        for user in sorted(self._users):
            roles, accounts = self._users[user], self._accounts.get(user, ())
            missing = [role for role in roles if role not in {account.role for account in accounts}]
            yield UserAccounts(user, self._step(user, len(accounts)), roles, accounts, missing)

    def _step(self, user: UserId, accounts: int) -> Step:
        if not accounts:
            return Step.DECIDE if user in self._to_decide else Step.CREATE
        if self._mode is Mode.SEPARATE:
            return Step.SEPARATE
        return Step.MERGE if accounts > 1 else Step.KEEP
