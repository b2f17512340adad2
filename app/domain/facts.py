"""Facts: what Clever says of one user, cut down to what permissions can rest on.

Ids and role fields only. The only free text is a role's title and department, the name of a staff role, and a label of
a relationship, in the form in which they are compared; no names, emails, birthdays or SIS ids ever get here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from app.domain.fields import UNREADABLE
from app.domain.ids import DistrictId, UserId
from app.domain.scopes import Scope


class Role(StrEnum):
    """A role of Clever API 3.x, the most senior first; one user can hold several.

    Clever names no primary role; its one hint is to open the admin view first
    (dev.clever.com/docs/multi-role-users-in-clever), hence the order.
    """

    DISTRICT_ADMIN = "district_admin"
    STAFF = "staff"
    TEACHER = "teacher"
    STUDENT = "student"
    CONTACT = "contact"


EMPLOYEES = frozenset({Role.DISTRICT_ADMIN, Role.STAFF, Role.TEACHER})
"""The roles of those who work for the district. What a student or a contact may do rests on who they are to a section
or to a student, so their places lend no other role anything, and under no rule."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One way in which a role is held: the fields that a condition may read, and the places it reaches.

    Most roles have one standing. A contact has one for each relationship, so that a right rests on the entry of *that*
    student and on no other.

    Attributes:
        places: ids by kind of place, such as ``((Scope.SECTION, ("…",)),)``; each kind once, ids sorted.
        fields: values by name of the field, such as ``(("title", ("principal",)),)``; in their normal form but for the
            names of staff roles that Clever documents; an absent field is left out, and nothing else is.
        unconfirmed: those of the schools above that Clever's list of the user's schools lacks; ``None`` where that
            list could not be read.
        section_schools: the schools in which the sections above lie, sorted; they need not be the user's own.
    """

    places: tuple[tuple[Scope, tuple[str, ...]], ...] = ()
    fields: tuple[tuple[str, tuple[str, ...]], ...] = ()
    unconfirmed: tuple[str, ...] | None = ()
    section_schools: tuple[str, ...] = ()

    def ids(self, scope: Scope) -> tuple[str, ...]:
        """Return the ids of the places of kind ``scope``."""
        return next((ids for kind, ids in self.places if kind is scope), ())

    def values(self, field: str) -> tuple[str, ...]:
        """Return the values of ``field``, none where it is absent."""
        return next((values for name, values in self.fields if name == field), ())

    def readable(self, field: str) -> tuple[str, ...]:
        """Return the values of ``field`` that can be told."""
        return tuple(value for value in self.values(field) if value != UNREADABLE)


@dataclass(frozen=True, slots=True)
class HeldRole:
    """A role that the user holds: at least one standing, and the role's id from before API 3.0 where Clever has it."""

    role: Role
    standings: tuple[Standing, ...] = (Standing(),)
    legacy_id: str | None = None

    def ids(self, scope: Scope) -> tuple[str, ...]:
        """Return the ids of all places of kind ``scope``, sorted."""
        return tuple(sorted({place for standing in self.standings for place in standing.ids(scope)}))


@dataclass(frozen=True, slots=True)
class Facts:
    """What Clever says of one user: their district and their roles, each at most once, the most senior first."""

    user: UserId
    district: DistrictId
    roles: tuple[HeldRole, ...] = ()

    def held(self) -> tuple[Role, ...]:
        """Return the roles held, the most senior first."""
        return tuple(held.role for held in self.roles)

    def confirmed(self) -> bool:
        """Tell whether Clever's list of the user's schools was there to hold administered schools against."""
        return all(standing.unconfirmed is not None for standing in self._standings())

    def _standings(self) -> Iterator[Standing]:
        return (standing for held in self.roles for standing in held.standings)


class Oddity(StrEnum):
    """Something in Clever's data that grants nothing and is counted, since it may explain a missing permission."""

    FIELD_UNKNOWN = "field_unknown"
    ROLE_UNKNOWN = "role_unknown"
    STAFF_ROLE_UNKNOWN = "staff_role_unknown"
    RELATIONSHIP_UNKNOWN = "relationship_unknown"
    TEXT_TOO_LONG = "text_too_long"
    ID_MALFORMED = "id_malformed"
    LEGACY_ID_IN_SECTION = "legacy_id_in_section"
    SCHOOL_UNCONFIRMED = "school_unconfirmed"
    DISTRICT_FOREIGN = "district_foreign"
