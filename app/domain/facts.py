"""Facts: the part of Clever's data about one user that permissions depend on.

Ids and role fields only. The only free text is a role's title and department, the name of a staff role, and the label
of a relationship, each in its compared form. No names, emails, birthdays or SIS ids.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from app.domain.fields import UNREADABLE
from app.domain.ids import DistrictId, UserId
from app.domain.scopes import Scope


class Role(StrEnum):
    """A role of Clever API 3.x, the most senior first; one user can hold several.

    Clever names no primary role. The order follows its one hint, to open the admin view first
    (dev.clever.com/docs/multi-role-users-in-clever).
    """

    DISTRICT_ADMIN = "district_admin"
    STAFF = "staff"
    TEACHER = "teacher"
    STUDENT = "student"
    CONTACT = "contact"


EMPLOYEES = frozenset({Role.DISTRICT_ADMIN, Role.STAFF, Role.TEACHER})
"""The roles of employees. Students and contacts hold permissions through their relation to one section or student, so
their places count for no other role, whatever the rule."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One way in which a role is held: the fields that a condition may read, and the places it reaches.

    Most roles have one standing. A contact has one for each relationship, so that a permission depends on the entry of
    that one student. A teacher or student has one for each term of their sections, after one for all that has no term.

    Attributes:
        places: ids by scope, such as ``((Scope.SECTION, ("…",)),)``; each scope once, ids sorted.
        fields: values by field, such as ``(("title", ("principal",)),)``; in their normal form, except the staff roles
            that Clever documents. Only absent fields are left out.
        unconfirmed: the schools of ``places`` that Clever's list of the user's schools lacks; None if that list could
            not be read.
        section_schools: the schools of the sections in ``places``, sorted; they need not be the user's own schools.
        term: the id of the term in which its sections are held; None if they have none.
    """

    places: tuple[tuple[Scope, tuple[str, ...]], ...] = ()
    fields: tuple[tuple[str, tuple[str, ...]], ...] = ()
    unconfirmed: tuple[str, ...] | None = ()
    section_schools: tuple[str, ...] = ()
    term: str | None = None

    def ids(self, scope: Scope) -> tuple[str, ...]:
        """Return the ids of the places of one scope."""
        for kind, ids in self.places:
            if kind is scope:
                return ids
        return ()

    def values(self, field: str) -> tuple[str, ...]:
        """Return the values of a field; none if it is absent."""
        for name, values in self.fields:
            if name == field:
                return values
        return ()

    def readable(self, field: str) -> tuple[str, ...]:
        """Return the values of a field without ``UNREADABLE``."""
        return tuple(value for value in self.values(field) if value != UNREADABLE)


class SectionOf(NamedTuple):
    """A section in which a user teaches or learns, its school and its term; None where Clever names none."""

    id: str
    school: str | None = None
    term: str | None = None


def standings_by_term(standing: Standing, sections: Iterable[SectionOf]) -> tuple[Standing, ...]:
    """Return a standing with its sections: first itself with those without a term, then one standing for each term."""
    by_term: dict[str | None, list[SectionOf]] = defaultdict(list)
    for section in sections:
        by_term[section.term].append(section)
    if not by_term:
        return (standing,)
    places, schools = _held_in(by_term.pop(None, ()))
    whole = Standing((*standing.places, *places), standing.fields, standing.unconfirmed, schools, standing.term)
    of_terms = ((term, *_held_in(by_term[term])) for term in sorted(by_term, key=str))
    return whole, *(Standing(places, standing.fields, (), schools, term) for term, places, schools in of_terms)


def _held_in(sections: Iterable[SectionOf]) -> tuple[tuple[tuple[Scope, tuple[str, ...]], ...], tuple[str, ...]]:
    """Return sections as places, and their schools."""
    ids = tuple(sorted({section.id for section in sections}))
    return ((Scope.SECTION, ids),) if ids else (), tuple(sorted({each.school for each in sections if each.school}))


@dataclass(frozen=True, slots=True)
class HeldRole:
    """A role that the user holds: at least one standing, and the role's id from before API 3.0 if Clever has one."""

    role: Role
    standings: tuple[Standing, ...] = (Standing(),)
    legacy_id: str | None = None

    def ids(self, scope: Scope) -> tuple[str, ...]:
        """Return the ids of all places of one scope, sorted."""
        return tuple(sorted({place for standing in self.standings for place in standing.ids(scope)}))


@dataclass(frozen=True, slots=True)
class Facts:
    """One user's district and roles; each role at most once, the most senior first."""

    user: UserId
    district: DistrictId
    roles: tuple[HeldRole, ...] = ()

    def held(self) -> tuple[Role, ...]:
        """Return the roles held, the most senior first."""
        return tuple(held.role for held in self.roles)

    def confirmed(self) -> bool:
        """Whether administered schools could be checked against Clever's list of the user's schools."""
        return all(standing.unconfirmed is not None for standing in self._standings())

    def _standings(self) -> Iterator[Standing]:
        return (standing for held in self.roles for standing in held.standings)


class Oddity(StrEnum):
    """Odd data from Clever that grants nothing; it is counted because it may explain a missing permission."""

    FIELD_UNKNOWN = "field_unknown"
    ROLE_UNKNOWN = "role_unknown"
    STAFF_ROLE_UNKNOWN = "staff_role_unknown"
    RELATIONSHIP_UNKNOWN = "relationship_unknown"
    TEXT_TOO_LONG = "text_too_long"
    ID_MALFORMED = "id_malformed"
    LEGACY_ID_IN_SECTION = "legacy_id_in_section"
    SCHOOL_UNCONFIRMED = "school_unconfirmed"
    DISTRICT_FOREIGN = "district_foreign"
    DATE_UNREADABLE = "date_unreadable"
