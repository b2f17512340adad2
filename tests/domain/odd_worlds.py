"""Odd worlds, policies and questions, from one source of chance.

People are made as Clever sends them, with empty texts, blanks, accents, unknown values, malformed ids, one id as school
and as section, one student twice; policies as they are written, with conditions in other spellings.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.ids import IdShape
from tests.domain.worlds import (
    ALIASES,
    FIELDS,
    LIES_IN,
    MAY_STAND_OVER,
    NAMES,
    OVER,
    REQUEST_KEYS,
    RULES,
    SENIORITIES,
    WILDCARDS,
    Written,
    applies,
    full_names,
    repaired,
)

Record = dict[str, Any]
Place = tuple[str, str]

APPLICATIONS = ("report", "grade")
"""The types that are not Clever's."""

DISTRICT, ELSEWHERE = "d" * 24, "e" * 24
IDS = [letter * 24 for letter in "abc0123"]
"""For schools, sections and people alike."""
MALFORMED = ["", "not an id", "A" * 24]
SHAPE = IdShape(re.compile("[0-9a-f]{24}"))

TITLES = [
    *(None, None, "", " ", "\u200b", "Dean", " dean ", "DEAN\u00a0", "Nurse", "nurse", "yes", "1", "x" * 600),
    *("\x00", "Nur\x07se", "Dean" + " " * 600),
    *("D\u00e9l\u00e9gu\u00e9  du lyc\u00e9e", "De\u0301le\u0301gue\u0301 du\tlyce\u0301e", "\uff24ean", "stra\u00dfe"),
]
STAFF_ROLES = [
    *(None, [], ["PortalOnly"], ["SchoolTechLead", "schooltechlead "], ["MedicalAdmin"], [""], ["  ", "PortalOnly"]),
    *(["MEDICALadmin", "PortalOnly"], ["ann@example.org"], ["x" * 501]),
]
LABELS = [
    *(None, "", " ", "Emergency", "emergency ", "EMERGENCY", "Parent/Guardian", "Parent", "Other", "other", "Doctor"),
    *(
        "No Contact",
        "Emergency 1",
        "Emergency" + "\u200b" * 600,
        "555-0100",
        "x" * 41,
        "Emergency  Contact",
        "Dr. Who, 42",
        "Family",
    ),
]
WANTED: dict[str, list[Any]] = {
    "title": [
        "Dean",
        "dean  ",
        "nurse",
        "",
        " ",
        "Yes",
        "1",
        1,
        True,
        "De\u0301le\u0301gue\u0301 du lyc\u00e9e",
        "STRASSE",
    ],
    "department": ["Dean", "NURSE", ""],
    "roles": ["PortalOnly", "schooltechlead", "MedicalAdmin", "", 1],
    "type": [
        "Emergency",
        " emergency",
        "Parent/Guardian",
        "Other",
        "Doctor",
        "",
        "Emergency Contact",
        "emergency 1",
        "555-0100",
    ],
    "relationship": ["Emergency", "Parent", "Family", "doctor", "other", ""],
}
REQUEST_WANTED = ["Active", "archived ", "", "1", "true", True, False, 1, 1.0, 0]
REQUEST_SAID: list[Any] = [
    *("active\u00a0", "Archived", "", " ", 2.0**53, True, False, 1, 1.0, 0, None, "true", "1"),
    *({}, [], ["ACTIVE", 1], ["draft", "late"], [True], [None], [["active"]]),
]


@dataclass(frozen=True)
class World:
    """What Clever has: people with the list of their schools, sections and schools, by their ids."""

    people: Mapping[str, Record]
    listed_schools: Mapping[str, list[Record] | None]
    sections: Mapping[str, Record]
    schools: frozenset[str]

    def sections_of(self, user: str) -> list[Record]:
        return [one for one in self.sections.values() if user in members(one, "teacher") | members(one, "student")]


def members(section: Record, role: str) -> set[str]:
    if role == "student":
        return set(section.get("students") or ())
    return {one for one in (section.get("teacher"), *(section.get("teachers") or ())) if one}


def near_to(world: World, user: str, kind: str) -> set[str]:
    """Return the sections, schools or students that somebody has to do with, whatever comes of it."""
    roles = {role: said for role, said in world.people[user]["roles"].items() if said}
    if kind == "section":
        return {one["id"] for one in world.sections_of(user)}
    if kind == "school":
        return {one for said in roles.values() for one in (said.get("school"), *(said.get("schools") or ())) if one}
    entries = roles.get("contact", {}).get("student_relationships") or ()
    return {one["student"] for one in entries if one["student"]} if kind == "student" else set()


@dataclass(frozen=True)
class Asking:
    """A question: whose, and the rest as a request has it."""

    action: str
    kind: str
    named: str
    properties: Record
    said: Record
    role: str | None


class Maker:
    """Makes worlds, policies and questions, all from one source of chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def one_in(self, many: int) -> bool:
        return self.chance.randrange(many) == 0

    def some(self, of: Sequence[Any], most: int) -> list[Any]:
        return self.chance.choices(of, k=self.chance.randint(0, most)) if of else []

    def ids(self, most: int) -> list[str] | None:
        if self.one_in(8):
            return None
        return self.some([*IDS * 3, *MALFORMED], most)

    def world(self) -> World:
        people = {user: self.person(user) for user in self.chance.sample(IDS, self.chance.randint(3, 5))}
        sections = {one: self.section(one, list(people)) for one in self.chance.sample(IDS, self.chance.randint(1, 4))}
        schools = frozenset(self.chance.sample(IDS, self.chance.randint(2, 5)))
        listed = {
            user: None
            if self.one_in(6)
            else [
                {"id": one, "district": self.chance.choice([DISTRICT] * 5 + [ELSEWHERE])} for one in self.some(IDS, 4)
            ]
            for user in people
        }
        return World(people, listed, sections, schools)

    def section(self, named: str, people: list[str]) -> Record:
        everybody = [*people * 2, "f" * 24, *MALFORMED]
        return {
            "id": named,
            "district": ELSEWHERE if self.one_in(10) else DISTRICT,
            "school": self.chance.choice([*IDS, *IDS, None, "nowhere"]),
            "teacher": self.chance.choice([None, *people]),
            "teachers": self.chance.choice([None, self.some(everybody, 2)]),
            "students": None if self.one_in(10) else self.some(everybody, 4),
            "subject": "math",
        }

    def person(self, user: str) -> Record:
        held = self.chance.sample(list(MAY_STAND_OVER), self.chance.choice([0, 1, 1, 2, 2, 3, 5]))
        roles: Record = {role: getattr(self, f"a_{role}")() for role in held}
        if self.one_in(10):
            roles[self.chance.choice(["principal", "student"])] = None
        return {"id": user, "district": DISTRICT, "roles": roles, "name": {"first": "Ada"}}

    def a_student(self) -> Record:
        return {"school": self.chance.choice([None, *IDS]), "schools": self.ids(2), "legacy_id": "f" * 24}

    def a_teacher(self) -> Record:
        return {**self.a_student(), "title": self.chance.choice(TITLES)}

    def a_staff(self) -> Record:
        texts = {"title": self.chance.choice(TITLES), "department": self.chance.choice(TITLES)}
        return {"schools": self.ids(3), "roles": self.chance.choice(STAFF_ROLES), **texts}

    def a_district_admin(self) -> Record:
        return {"title": self.chance.choice(TITLES)} if self.one_in(2) else {}

    def a_contact(self) -> Record:
        entries = [
            {
                "student": self.chance.choice([*IDS * 4, None, *MALFORMED]),
                "type": self.chance.choice(LABELS),
                "relationship": self.chance.choice(LABELS),
            }
            for _ in range(self.chance.choice([0, 1, 2, 2, 3]))
        ]
        return {"student_relationships": None if self.one_in(10) else entries * self.chance.choice([1, 1, 2])}

    def policy(self) -> Written:
        written: Written = {
            "version": 1,
            "rule": self.chance.choice(RULES),
            "superset": self.chance.choice(SENIORITIES),
            "roles": {
                role: [self.statement(role) for _ in range(self.chance.choice([0, 1, 2, 2, 3]))]
                for role in MAY_STAND_OVER
            },
            "schools": {"unconfirmed": self.chance.choice(["keep", "drop"])},
        }
        return repaired(written)

    def statement(self, role: str) -> Written:
        over = self.chance.choice(MAY_STAND_OVER[role])
        fitting = [name for name in NAMES if applies(name, OVER[over])]
        statement: Written = {"allow": self.chance.choices([*fitting, *fitting, *WILDCARDS], k=2), "over": over}
        for word in ("when", "unless"):
            conditions: Written = {}
            if FIELDS[role] and self.one_in(4):
                field = self.chance.choice(FIELDS[role])
                conditions[field] = self.values(WANTED[field])
            if self.one_in(5):
                conditions[self.chance.choice(REQUEST_KEYS)] = self.values(REQUEST_WANTED)
            if conditions:
                statement[word] = conditions
        return statement

    def values(self, of: Sequence[Any]) -> Any:
        return self.chance.choice(of) if self.one_in(2) else self.chance.sample(of, self.chance.randint(1, 3))

    def asking(self, world: World, written: Written, user: str) -> Asking:
        action = self.chance.choice([*sorted(full_names(written)) * 9, *NAMES])
        own, _, bare = action.partition(":")
        inside = [kind for kind in LIES_IN if applies(action, "self" if kind == "user" else kind)]
        kind = self.chance.choice(
            list(LIES_IN) if self.one_in(8) else [*inside, "report"] if own in APPLICATIONS else inside
        )
        if self.one_in(3) and not self.one_in(8):
            action, kind = bare, own
        if self.one_in(4):
            kind = self.chance.choice([kind, *(alias for alias, plain in ALIASES.items() if plain == kind)])
        if self.one_in(30):
            action = self.chance.choice(["paint", "report:exprot", "*:view", "classroom:view"])
        plain = ALIASES.get(kind, kind)
        properties: Record = {}
        if plain in APPLICATIONS:
            for place in self.chance.sample(
                ("section", "school", "student", "user"), self.chance.choice([0, 1, 1, 2, 2, 3])
            ):
                properties[place] = self.named(place, world, user)
            if self.one_in(8):
                properties["district"] = self.chance.choice([DISTRICT, DISTRICT, ELSEWHERE])
        said = {key: self.chance.choice(REQUEST_SAID) for key in self.some(REQUEST_KEYS, 3)}
        role = self.chance.choice(list(MAY_STAND_OVER)) if self.one_in(5) else None
        return Asking(action, kind, self.named(plain, world, user), properties, said, role)

    def named(self, kind: str, world: World, user: str) -> str:
        """Name something of a kind: often one that the user has to do with, seldom one that is not there."""
        there: Mapping[str, Sequence[str]] = {
            "district": [DISTRICT, DISTRICT, ELSEWHERE],
            "school": sorted(world.schools),
            "section": sorted(world.sections),
            "student": [one for one, said in world.people.items() if said["roles"].get("student") is not None],
            "user": [*world.people, *[user] * 3],
        }
        near = [one for one in sorted(near_to(world, user, kind)) if one in there.get(kind, ())]
        known = near if near and self.one_in(2) else there.get(kind) or IDS
        return self.chance.choice([*IDS, *MALFORMED] if self.one_in(12) else known)
