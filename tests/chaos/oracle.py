"""What a user may do, worked out anew from what Clever sends and from the policy as it is written.

Nothing of the service is used here, so that it cannot share a mistake with what it judges. It is slow, knows
`rule: superset` without conditions on requests, which is what the default policy needs, and refuses any other.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Record = Mapping[str, Any]
Place = tuple[str, str]
Holdings = dict[Place, dict[str, set[str]]]

SCOPES = {"district": "district", "schools": "school", "sections": "section", "students": "student", "self": "self"}
OVER = {
    "student": ("sections", "schools", "self"),
    "contact": ("students", "self"),
    "teacher": ("sections", "schools", "self"),
    "staff": ("schools", "self"),
    "district_admin": ("district", "self"),
}
LIES_IN = {
    "district": ("district",),
    "school": ("district", "school"),
    "section": ("district", "school", "section"),
    "student": ("district", "school", "section", "student"),
    "user": ("district", "self"),
}
SENIORITY = ("district_admin", "staff", "teacher", "student", "contact")
_ID = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True)
class Policy:
    """The policy as the YAML has it, and the mark that answers carry of it."""

    written: Record
    mark: Record

    def __post_init__(self) -> None:
        asked = [key for one in self.statements() for word in ("when", "unless") for key in one.get(word, {})]
        if self.written["rule"] != "superset" or any("." in key for key in asked) or "aliases" in self.written:
            raise ValueError("the oracle does not know all rules of this policy")

    def statements(self, *roles: str) -> Iterator[Record]:
        """Return the statements of some roles, or of all."""
        for role, some in self.written["roles"].items():
            if not roles or role in roles:
                yield from some

    @cached_property
    def named(self) -> set[str]:
        """The permissions that stand somewhere in full."""
        return {name for one in self.statements() for name in one["allow"] if "*" not in name}

    def names(self, statement: Record) -> set[str]:
        """Return what a statement gives that can apply inside its own scope."""
        full = {name for wanted in statement["allow"] for name in self.named if _matches(wanted, name)}
        return {name for name in full if applies(name, SCOPES[statement["over"]])}

    def juniors(self, role: str) -> set[str]:
        """Return the juniors of a role, and theirs."""
        direct = set(self.written.get("superset", {}).get(role, ()))
        return direct.union(*map(self.juniors, direct))


def applies(name: str, scope: str) -> bool:
    """Tell whether a permission says anything inside a kind of place; the application's own do anywhere."""
    return scope in LIES_IN.get(name.partition(":")[0], tuple(SCOPES.values()))


def _matches(wanted: str, name: str) -> bool:
    return all(part in ("*", own) for part, own in zip(wanted.split(":"), name.split(":"), strict=True))


@dataclass(frozen=True)
class Person:
    """A user as Clever sends them, with their sections as Clever sends those."""

    record: Record
    sections: Sequence[Record]

    @cached_property
    def held(self) -> dict[str, Record]:
        """The roles held, the most senior first; one that is null is not held, an empty one is."""
        roles = self.record.get("roles") or {}
        return {role: roles[role] for role in SENIORITY if roles.get(role) is not None}

    def standings(self, role: str) -> list[Record]:
        """Return the ways in which a role is held: one, or for a contact one for each relationship."""
        said = self.held[role]
        if role != "contact":
            return [said]
        return list(said.get("student_relationships") or ()) or [{}]

    def places(self, role: str, standing: Record, over: str) -> set[Place]:
        """Return what a role reaches of one kind of place."""
        me, found = self.record["id"], []
        match over:
            case "self":
                return {("self", me)}
            case "district":
                found = [self.record["district"]]
            case "students":
                found = [standing.get("student")]
            case "schools":
                found = [standing.get("school") if role != "staff" else None, *(standing.get("schools") or ())]
            case "sections":
                found = [one["id"] for one in self.sections if me in _people(one, role)]
        return {(SCOPES[over], one) for one in found if one and _ID.fullmatch(one)}


def _people(section: Record, role: str) -> list[str]:
    if role == "student":
        return list(section.get("students") or ())
    return [one for one in (section.get("teacher"), *(section.get("teachers") or ())) if one]


@dataclass(frozen=True)
class Oracle:
    """Knows what a user may do."""

    policy: Policy

    def holdings(self, person: Person, role: str | None = None) -> Holdings:
        """Return the permissions at each place by the role that gives them; in a role context, of that role."""
        whole = self._holdings(person)
        if role is None:
            return whole
        alone = Person({**person.record, "roles": {role: person.held[role]}}, person.sections)
        anyone = {place: set().union(*by_role.values()) for place, by_role in whole.items()}
        cut = {
            place: {one: names & anyone.get(place, set()) for one, names in by_role.items()}
            for place, by_role in self._holdings(alone).items()
        }
        return {place: kept for place, by_role in cut.items() if (kept := {r: n for r, n in by_role.items() if n})}

    def _holdings(self, person: Person) -> Holdings:
        found: Holdings = {}
        for role in person.held:
            for place, names in self._given_by(person, role):
                fitting = {name for name in names if applies(name, place[0])}
                if fitting:
                    found.setdefault(place, {}).setdefault(role, set()).update(fitting)
        return found

    def _given_by(self, person: Person, role: str) -> Iterator[tuple[Place, set[str]]]:
        for names, places in self._applying(person, role, over_self=True):
            yield from ((place, names) for place in places)
        juniors = self.policy.juniors(role)
        if not juniors:
            for names, places in self._applying(person, role):
                yield from ((place, names) for place in places)
            return
        level = self._level(person, role, juniors)
        for one in {role, *juniors} & person.held.keys():
            yield from ((place, level) for place in self._reach(person, one))

    def _applying(self, person: Person, role: str, *, over_self: bool = False) -> Iterator[tuple[set[str], set[Place]]]:
        for statement in self.policy.statements(role):
            meeting = [one for one in person.standings(role) if _meets(one, statement)]
            if (statement["over"] == "self") == over_self and meeting:
                places = set().union(*(person.places(role, one, statement["over"]) for one in meeting))
                yield self.policy.names(statement), places

    def _reach(self, person: Person, role: str) -> set[Place]:
        reached = set().union(*(places for _, places in self._applying(person, role)))
        if self.policy.juniors(role):
            reached |= set().union(*(person.places(role, one, OVER[role][0]) for one in person.standings(role)))
        return reached

    def _level(self, person: Person, role: str, juniors: set[str]) -> set[str]:
        level = set().union(*(names for names, _ in self._applying(person, role)))
        for junior in juniors:
            for statement in self.policy.statements(junior):
                if statement["over"] != "self" and not statement.get("when") and not statement.get("unless"):
                    level |= self.policy.names(statement)
            if junior in person.held:
                level |= set().union(*(names for names, _ in self._applying(person, junior)))
        return level

    def body(self, person: Person, role: str | None = None) -> Record:
        """Return the permission set as the service is to answer it while it is fresh."""
        grants: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
        for (scope, place), by_role in self.holdings(person, role).items():
            names = tuple(sorted(set().union(*by_role.values())))
            grants.setdefault((scope, names, tuple(sorted(by_role))), []).append(place)
        order = list(SCOPES.values())
        told = [
            {"scope": scope, "ids": sorted(ids), "permissions": list(names), "via": list(via)}
            for (scope, names, via), ids in grants.items()
        ]
        return {
            "user": person.record["id"],
            "district": person.record["district"],
            "role": role,
            "roles": sorted(person.held),
            "permissions": sorted({name for _, names, _ in grants for name in names}),
            "grants": sorted(told, key=lambda grant: (order.index(str(grant["scope"])), grant["ids"])),
            "conditional": [],
            "policy": self.policy.mark,
            "stale": False,
        }

    def roles(self, person: Person) -> Record:
        """Return what the service is to answer of somebody's roles while it is fresh."""
        return {
            "user": person.record["id"],
            "district": person.record["district"],
            "default": next(iter(person.held), None),
            "roles": [_role_context(person, role, said) for role, said in person.held.items()],
            "stale": False,
        }

    def allows(self, person: Person, permission: str, location: set[Place]) -> bool:
        """Tell whether a permission is held at one of the places in which something lies."""
        at = self.holdings(person)
        return any(permission in names for place in location for names in at.get(place, {}).values())


def _meets(standing: Record, statement: Record) -> bool:
    def has(field: str, wanted: object) -> tuple[bool, bool]:
        """Tell whether a field has one of the values, and whether it may have, where nobody knows."""
        listed = {plain(one) for one in (wanted if isinstance(wanted, list) else [wanted]) if isinstance(one, str)}
        said = standing.get(field)
        values = [one for one in (said if isinstance(said, (list, tuple)) else [said]) if one]
        hidden = [one for one in values if len(one) > 500 or (field in _LABELS and _is_hidden(plain(one)))]
        told = {plain(one) for one in values if one not in hidden} - {""}
        told |= {"other"} if hidden and field in _LABELS else set()
        surely = bool(listed & (told if told or hidden else {""}))
        return surely, surely or bool(hidden and listed - _DOCUMENTED.get(field, set()) - {""})

    when, unless = statement.get("when", {}), statement.get("unless", {})
    return all(has(*one)[0] for one in when.items()) and not any(has(*one)[1] for one in unless.items())


def plain(said: object) -> str:
    """Write a text so that those are the same that look the same, but for case and blanks."""
    apart = unicodedata.normalize("NFKD", str(said or ""))
    seen = "".join(one for one in apart if unicodedata.category(one) != "Cf")
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", seen.casefold())).strip()


_RELATIONS = {
    *("parent", "grandparent", "self", "aunt/uncle", "sibling", "other"),
    *("parent/guardian", "emergency", "primary", "secondary", "family"),
}


_LABELS = {"type", "relationship"}
_DOCUMENTED = {"roles": {"portalonly", "schooltechlead"}, **dict.fromkeys(_LABELS, _RELATIONS)}


def _is_hidden(said: str) -> bool:
    """Tell whether a contact's label may be a personal datum, which the service does not keep."""
    odd = any(not (one in " /-'.&()" or unicodedata.category(one).startswith(("L", "M"))) for one in said)
    return said not in _RELATIONS and (odd or len(said) > 40)


_QUALIFIERS = {"portalonly": "PortalOnly", "schooltechlead": "SchoolTechLead"}


def _role_context(person: Person, role: str, said: Record) -> Record:
    legacy_id = said.get("legacy_id")
    over = "schools" if "schools" in OVER[role] else None
    at = {place for one in person.standings(role) for place in person.places(role, one, over)} if over else set()
    return {
        "role": role,
        "qualifiers": _qualifiers(said) if role == "staff" else [],
        "title": _text(said.get("title")) if role in {"staff", "teacher", "district_admin"} else None,
        "department": _text(said.get("department")) if role == "staff" else None,
        "schools": sorted(place for _, place in at),
        "legacy_id": legacy_id if legacy_id and _ID.fullmatch(legacy_id) else None,
    }


def _qualifiers(said: Record) -> list[str]:
    told = {plain(one) for one in said.get("roles") or ()} - {""}
    return sorted(_QUALIFIERS.get(one, one) for one in told)


def _text(said: str | None) -> str | None:
    return plain(said) or None


def location_of_section(section: Record) -> set[Place]:
    """Return where a section lies."""
    return {("section", section["id"]), ("school", section["school"]), ("district", section["district"])}


def location_of_student(student: Person) -> set[Place]:
    """Return where a student lies: in their sections, the schools of those and their own, and their district."""
    location = {("student", student.record["id"]), ("district", student.record["district"])}
    for standing in student.standings("student") if "student" in student.held else []:
        enrolled = student.places("student", standing, "sections")
        location |= enrolled | student.places("student", standing, "schools")
        location |= {("school", one["school"]) for one in student.sections if ("section", one["id"]) in enrolled}
    return location
