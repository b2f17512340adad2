"""Grants, and the permission set of a user. Everything is sorted, so that equal sets render to equal bytes."""

from dataclasses import dataclass

from app.domain.conditions import RequestCondition
from app.domain.facts import Role
from app.domain.ids import DistrictId, UserId
from app.domain.policy_schema import Rule
from app.domain.scopes import Scope


@dataclass(frozen=True, slots=True)
class Grant:
    """Permissions held at places of one scope.

    Attributes:
        scope: the kind of place.
        ids: the places, sorted; for ``self`` the user, for ``district`` the district.
        permissions: full names, sorted; each applies in this scope.
        via: every held role that gives one of these permissions there under the rule, sorted by name.
    """

    scope: Scope
    ids: tuple[str, ...]
    permissions: tuple[str, ...]
    via: tuple[Role, ...]


@dataclass(frozen=True, slots=True)
class ConditionalGrant(Grant):
    """Permissions held if a request meets a condition."""

    condition: RequestCondition


@dataclass(frozen=True, slots=True)
class PermissionSet:
    """All grants of one user under one policy.

    Attributes:
        role: the role context, where one was asked for.
        roles: every role held, sorted by name; the same in a role context.
        grants: from the widest scope to the narrowest, then by ids; each place is in exactly one.
        conditional: further grants that depend on the request, in the same order.
        revision: that of the policy.
    """

    user: UserId
    district: DistrictId
    role: Role | None
    roles: tuple[Role, ...]
    grants: tuple[Grant, ...]
    conditional: tuple[ConditionalGrant, ...]
    rule: Rule
    revision: str

    @property
    def permissions(self) -> tuple[str, ...]:
        """The permissions held anywhere, sorted: for switching features on and off."""
        return tuple(sorted({name for grant in self.grants for name in grant.permissions}))
