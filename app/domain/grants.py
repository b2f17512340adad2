"""What comes out: grants, and the permission set that they make up. Sorted throughout, so that equal is equal bytes."""

from dataclasses import dataclass

from app.domain.conditions import RequestCondition
from app.domain.facts import Role
from app.domain.ids import DistrictId, UserId
from app.domain.policy_schema import Rule
from app.domain.scopes import Scope


@dataclass(frozen=True, slots=True)
class Grant:
    """Permissions that hold on some places of one kind.

    Attributes:
        scope: the kind of place.
        ids: the places, sorted; under ``self`` the user, under ``district`` the district.
        permissions: full names, sorted; each says something inside this scope.
        via: every held role that gives one of these permissions there under the rule, sorted by name.
    """

    scope: Scope
    ids: tuple[str, ...]
    permissions: tuple[str, ...]
    via: tuple[Role, ...]


@dataclass(frozen=True, slots=True)
class ConditionalGrant(Grant):
    """Permissions that hold on some places where a request meets a condition.

    Attributes:
        asks: what the request has to say.
    """

    asks: RequestCondition


@dataclass(frozen=True, slots=True)
class PermissionSet:
    """All grants of one user under one policy.

    Attributes:
        role: the role context, where one was asked for.
        roles: every role held, sorted by name, in a role context too.
        grants: from the widest scope to the narrowest, then by ids; each place stands in exactly one.
        conditional: what a request may hold beyond that, in the same order.
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
        """The names that hold anywhere, sorted: for switching features on and off."""
        return tuple(sorted({name for grant in self.grants for name in grant.permissions}))
