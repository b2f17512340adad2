"""What goes wrong with Clever and what changes in the district, dealt from a seed and noted down."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.sandbox.records import District, Section, User
from tests.chaos.exchanges import Peer
from tests.chaos.hastened import FastClock
from tests.chaos.history import History, Window, sent
from tests.chaos.strangers import Fault, Strangers

ONE_USER = "/v3.1/users/" + "[0-9a-f]" * 24
"""A user, and not their lists."""

_STATUSES = (500, 502, 503, 504, 429, 429, 501, 400, 401, 403, 413, 418, 302)

KINDS = (
    *("delay", "hang", "drop", "status", "html", "half_json", "truncate", "garble", "wrong_shape", "bomb", "huge"),
    *("headers", "drip", "loop", "astray", "dangling", "other_record", "other_district", "gone"),
    *("status", "status", "delay"),
)
"""What may go wrong, the likelier more than once. `shifted` needs lists of several pages, and nobody has as many
sections as one page holds."""

DENYING = {"other_district": ONE_USER, "gone": "/v3.1/users/*"}
"""Lies of which nobody can tell that they are: that there is no such user. Told of users alone, so that it is known
what may be answered."""


def hand(draw: random.Random, kinds: Sequence[str]) -> list[Fault]:
    """Deal faults of some kinds, which together strike from 10 to 50 % of the requests."""
    share = draw.uniform(0.1, 0.5) / len(kinds)
    return [_fault(draw, kind, share) for kind in kinds]


def _fault(draw: random.Random, kind: str, rate: float) -> Fault:
    fault = {"path": DENYING.get(kind, "/v3.1/*"), "kind": kind, "rate": rate}
    match kind:
        case "status":
            return fault | {"status": draw.choice(_STATUSES), "seconds": draw.choice((0, 1, 5))}
        case "delay":
            return fault | {"seconds": draw.choice((0.05, 0.3, 0.8, 3.0))}
        case "drip":
            return fault | {"seconds": draw.choice((0.01, 1.0))}
        case _:
            return fault


@dataclass
class Deck:
    """Kinds of faults in an order of chance; every kind comes before one comes twice."""

    draw: random.Random
    _left: list[str] = field(default_factory=list)

    def take(self, count: int) -> list[str]:
        """Take so many from the top."""
        if len(self._left) < count:
            self._left += self.draw.sample(KINDS, len(KINDS))
        taken, self._left = self._left[:count], self._left[count:]
        return taken


@dataclass
class Disorder:
    """Makes a sandbox fail and its world change; what it did stands in a history.

    Attributes:
        crowd: the users who are asked about, and change.
        rooms: the sections in which they stand.
        strangers: users whom Clever denies or tells in part all the time, none of the crowd.
        struck: how often each kind of fault has struck.
        changes: how often each kind of change was made.
    """

    sandbox: Peer
    clock: FastClock
    history: History
    district: District
    draw: random.Random
    crowd: Sequence[str]
    rooms: Sequence[str]
    strangers: Strangers = field(default_factory=Strangers)
    struck: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    _users: dict[str, User] = field(init=False)
    _sections: dict[str, Section] = field(init=False)
    _denying_since: float | None = None

    def __post_init__(self) -> None:
        self._users, self._sections = dict(self.district.users), dict(self.district.sections)

    # Faults

    async def fail(self, kinds: Sequence[str]) -> None:
        """Replace the faults in force by others, of the kinds named."""
        await self._count()
        began = self.clock()
        faults = [*self.strangers.faults(), *hand(self.draw, kinds)]
        await self._tell("/_sandbox/faults", {"seed": self.draw.randrange(10**6), "faults": faults}, "PUT")
        self._note_denial(began, denies=any(kind in DENYING for kind in kinds))

    async def heal(self) -> None:
        """Let nothing go wrong any more."""
        await self._count()
        began = self.clock()
        await self._tell("/_sandbox/faults", {"faults": self.strangers.faults()}, "PUT")
        self._note_denial(began, denies=False)

    def _note_denial(self, began: float, *, denies: bool) -> None:
        if self._denying_since is not None:
            self.history.lies[-1] = Window(self._denying_since, self.clock())
        self._denying_since = began if denies else None
        if denies:
            self.history.lies.append(Window(began, float("inf")))

    async def _count(self) -> None:
        told = (await self.sandbox.ask("/_sandbox/faults")).json()
        for fault in told["faults"][len(self.strangers.faults()) :]:
            self.struck[fault["kind"]] += fault["struck"]

    # Changes

    async def change(self) -> None:
        """Change one thing."""
        ways = (self._change_staff, self._change_role, self._change_section, self._move_section, self._remove)
        way: Callable[[], Any] = self.draw.choices(ways, (35, 25, 25, 10, 5))[0]
        self.changes[way.__name__.strip("_").replace("_", " ")] += 1
        await way()

    async def come_back(self) -> None:
        """Undo every change, and bring back whoever is gone."""
        began = self.clock()
        await self._tell("/_sandbox/reset", None, "POST")
        change = Window(began, self.clock())
        self._note_denial(began, denies=False)
        users = {name: sent(was) for name, was in self.district.users.items() if self._users.get(name) is not was}
        lay = self.district.sections.items()
        sections = {name: sent(was) for name, was in lay if self._sections.get(name) is not was}
        self._users, self._sections = dict(self.district.users), dict(self.district.sections)
        self.history.put(users | sections, change)
        self.changes["come back"] += 1

    async def _change_staff(self) -> None:
        """Let somebody gain, lose or change what they administer."""
        user = self._somebody()
        if user is not None:
            schools = self.draw.sample(list(self.district.schools), self.draw.choice((0, 1, 1, 2)))
            qualifiers = self.draw.choice(
                ((), ("PortalOnly",), ("SchoolTechLead",), ("PortalOnly", "Coach", "SchoolTechLead"))
            )
            title = self.draw.choice(("Principal", " assistant\u00a0 principal", "Custodian", ""))
            staff = {"schools": tuple(schools), "roles": qualifiers, "title": title, "department": "Office"}
            await self._give(user, "staff", {"legacy_id": f"{user.number:024x}", **staff})

    async def _change_role(self) -> None:
        """Let somebody lose a role that they have, or get one that they had at the start or never."""
        user = self._somebody()
        if user is None:
            return
        role = self.draw.choice(("staff", "teacher", "district_admin", "contact"))
        if user.roles.get(role) is not None:
            await self._give(user, role, None)
            return
        schools = tuple(self.draw.sample(list(self.district.schools), 2))
        student = self.draw.choice(self.crowd)
        fields: Mapping[str, Mapping[str, object]] = {
            "staff": {"schools": schools, "roles": ("PortalOnly",), "title": "Principal", "department": ""},
            "teacher": {"school": schools[0], "schools": schools},
            "district_admin": {"title": "Superintendent"},
            "contact": {
                "student_relationships": (
                    {
                        "student": student,
                        "relationship": "Parent",
                        "type": self.draw.choice(
                            ("Emergency", "Emergency Contact", "555-0100", "", "Parent/Guardian", "Primary ")
                        ),
                    },
                )
            },
        }
        await self._give(user, role, {"legacy_id": f"{user.number:024x}", **fields[role]})

    async def _give(self, user: User, role: str, fields: Mapping[str, object] | None) -> None:
        began = self.clock()
        await self._tell(f"/_sandbox/users/{user.id}", {"roles": {role: fields}}, "PATCH")
        roles = {**user.roles, role: fields}
        held = {name: said for name, said in roles.items() if name != role or said is not None}
        self._users[user.id] = replace(user, roles=held)
        self.history.put({user.id: sent(self._users[user.id])}, Window(began, self.clock()))

    async def _change_section(self) -> None:
        """Let teachers and students of a section move."""
        section = self._some_section()
        if section is not None:
            teachers = tuple(self.draw.sample(self.crowd, self.draw.choice((1, 1, 2, 3))))
            students = tuple(self.draw.sample(self.crowd, 5))
            new = replace(section, teacher=teachers[0], teachers=teachers, students=students)
            await self._alter(new, {"teachers": teachers, "students": students})

    async def _move_section(self) -> None:
        """Let a section lie at another school."""
        section = self._some_section()
        if section is not None:
            school = self.draw.choice(list(self.district.schools))
            await self._alter(replace(section, school=school), {"school": school})

    async def _alter(self, new: Section, said: Mapping[str, object]) -> None:
        began = self.clock()
        await self._tell(f"/_sandbox/sections/{new.id}", said, "PATCH")
        self._sections[new.id] = new
        self.history.put({new.id: sent(new)}, Window(began, self.clock()))

    async def _remove(self) -> None:
        """Let a user or a section vanish, until everybody comes back."""
        began, user, section = self.clock(), self._somebody(), self._some_section()
        if self.draw.random() < 0.5 and user is not None:
            await self._tell(f"/_sandbox/users/{user.id}", None, "DELETE")
            del self._users[user.id]
            self.history.put({user.id: None}, Window(began, self.clock()))
        elif section is not None:
            await self._tell(f"/_sandbox/sections/{section.id}", None, "DELETE")
            del self._sections[section.id]
            self.history.put({section.id: None}, Window(began, self.clock()))

    def _somebody(self) -> User | None:
        return self._users.get(self.draw.choice(self.crowd))

    def _some_section(self) -> Section | None:
        return self._sections.get(self.draw.choice(self.rooms))

    async def _tell(self, path: str, said: object, method: str) -> None:
        answer = await self.sandbox.ask(path, said, method=method)
        if answer.status not in {200, 204}:
            raise RuntimeError(f"the sandbox does not take {method} {path}: {answer.status} {answer.body!r}")
