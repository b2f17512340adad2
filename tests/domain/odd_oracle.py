"""What comes of a question in an odd world, read from Clever's words and the policy's on a way of its own."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, cached_property
from typing import Any

from app.domain.decision import Reason
from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import DistrictId, UserId
from app.domain.scopes import Scope
from tests.domain.naive import Naive
from tests.domain.odd_worlds import APPLICATIONS, DISTRICT, Asking, Place, Record, World, members
from tests.domain.worlds import (
    ALIASES,
    HIDDEN,
    KNOWN,
    Written,
    applies,
    full_names,
)


def well_formed(named: object) -> bool:
    return isinstance(named, str) and bool(re.fullmatch("[0-9a-f]{24}", named))


def fitting(*listed: Sequence[str | None] | None) -> tuple[str, ...]:
    return tuple(sorted({one for some in listed for one in some or () if one is not None and well_formed(one)}))


def text_of(said: str | None, field: str) -> tuple[str, ...]:
    said = " ".join(re.sub(r"[\u200b\x00\x07]", "", said or "").split())
    if not said:
        return ()
    if len(said) > 500:
        return (HIDDEN,) if field in ("title", "department") else (HIDDEN, "other")
    if field == "roles" and "@" in said:
        return (HIDDEN, "other")
    if field in ("type", "relationship"):
        folded = re.sub(r"(?<=[a-z]) ?\d$", "", said.lower())
        known = {one.lower() for one in KNOWN["type"]}
        if folded not in known and (len(folded) > 40 or re.search(r"[0-9,]", folded)):
            return (HIDDEN, "other")
    return (said,)


def naive_facts(world: World, user: str) -> Facts:
    """Read a person as the rules of roles say it."""
    roles = world.people[user]["roles"]
    held = [HeldRole(role, naive_standings(world, user, role)) for role in Role if roles.get(role.value) is not None]
    return Facts(UserId(user), DistrictId(DISTRICT), tuple(held))


def naive_standings(world: World, user: str, role: Role) -> tuple[Standing, ...]:
    said = world.people[user]["roles"][role.value]
    if role is Role.CONTACT:
        entries = said.get("student_relationships") or []
        return tuple(
            Standing(
                ((Scope.STUDENT, fitting([one["student"]])),),
                tuple((field, text_of(one[field], field)) for field in ("type", "relationship")),
            )
            for one in entries
        ) or (Standing(),)
    fields = [(field, text_of(said.get(field), field)) for field in ("title", "department")]
    fields.append(("roles", tuple(one for text in said.get("roles") or () for one in text_of(text, "roles"))))
    if role is Role.DISTRICT_ADMIN:
        return (Standing(((Scope.DISTRICT, (DISTRICT,)),), tuple(fields)),)
    if role is Role.STAFF:
        listed = world.listed_schools[user]
        schools = fitting(said.get("schools"))
        confirmed = {one["id"] for one in listed or () if one["district"] == DISTRICT}
        unconfirmed = None if listed is None else tuple(one for one in schools if one not in confirmed)
        return (Standing(((Scope.SCHOOL, schools),), tuple(fields), unconfirmed),)
    sections = fitting(
        [
            one["id"]
            for one in world.sections.values()
            if one["district"] == DISTRICT and user in members(one, role.value)
        ]
    )
    places = ((Scope.SCHOOL, fitting([said.get("school")], said.get("schools"))), (Scope.SECTION, sections))
    return (Standing(places, tuple(fields)),)


class Oracle(Naive):
    """The naive engine, with what a request asks and where it looks; what it works out is kept, for it is slow."""

    def __init__(self, world: World, user: str, written: Written, role: str | None = None) -> None:
        whole = naive_facts(world, user)
        seen = replace(whole, roles=tuple(one for one in whole.roles if role in (None, one.role.value)))
        super().__init__(seen, written, written["rule"])
        for name in ("juniors", "level", "names", "names_elsewhere", "reach"):
            setattr(self, name, cache(getattr(self, name)))
        self.world, self.user = world, user
        self.whole = Oracle(world, user, written) if role else None

    @cached_property
    def held_at(self) -> dict[Place, dict[str, set[str]]]:
        standings = [standing for held in self.held.values() for standing in held.standings]
        mentioned = {(scope.value, one) for standing in standings for scope, some in standing.places for one in some}
        found = self.holdings({*mentioned, ("self", self.user)})
        if self.whole is None:
            return found
        at = {place: set().union(*by_role.values()) for place, by_role in self.whole.held_at.items()}
        cut = {
            place: {role: names & at.get(place, set()) for role, names in by_role.items()}
            for place, by_role in found.items()
        }
        return {place: kept for place, by_role in cut.items() if (kept := {r: n for r, n in by_role.items() if n})}

    def names_at(self, place: Place) -> set[str]:
        return set().union(*self.held_at.get(place, {}).values())

    def reason(self, asking: Asking, kind: str, permission: str) -> Reason:
        """Decide; the role is held."""
        anywhere = set().union(*map(self.names_at, self.held_at), {one[2] for one in self.conditional()})
        if permission not in anywhere:
            return Reason.NOT_PERMITTED
        scope = "self" if kind == "user" else kind
        if kind not in APPLICATIONS and permission in self.names_at((scope, asking.named)):
            return Reason.GRANTED
        location = lies(self.world, asking, kind)
        if isinstance(location, Reason):
            return location
        if any(permission in self.names_at(place) for place in location):
            return Reason.GRANTED
        there = {one for one in self.conditional() if one[2] == permission and one[:2] in location}
        scoped = frozenset((Scope(scope), named) for scope, named in location)
        if there and self.allows_asking(permission, scoped, asking.said):
            return Reason.GRANTED
        return Reason.CONDITION_NOT_MET if there else Reason.NOT_IN_REACH

    def allows_asking(self, permission: str, location: Any, said: Record) -> bool:
        plain, self.held = self.held, {}
        try:
            return self.allows(permission, location, said)
        finally:
            self.held = plain


def expected(world: World, user: str, written: Written, asking: Asking, whole: Oracle) -> Reason:
    """Return what a question comes to; ``whole`` is the oracle of the user."""
    kind = ALIASES.get(asking.kind, asking.kind)
    first, colon, second = asking.action.partition(":")
    permission = f"{ALIASES.get(first, first)}:{second}" if colon else f"{kind}:{asking.action}"
    if permission not in full_names(written):
        return Reason.UNKNOWN_ACTION
    scope = "self" if kind == "user" else kind
    own = kind in APPLICATIONS
    if not (permission.startswith(("report:", "grade:")) if own else applies(permission, scope)):
        return Reason.NOT_APPLICABLE
    if asking.role and world.people[user]["roles"].get(asking.role) is None:
        return Reason.ROLE_NOT_HELD
    oracle = Oracle(world, user, written, asking.role) if asking.role else whole
    return oracle.reason(asking, kind, permission)


def lies(world: World, asking: Asking, kind: str) -> set[Place] | Reason:
    """Return where something lies, or why it lies nowhere."""
    if kind in APPLICATIONS:
        return lies_where_named(world, asking.properties)
    found = looked_up(world, kind, asking.named)
    return Reason.UNKNOWN_RESOURCE if found is None else found


def looked_up(world: World, kind: str, named: str) -> set[Place] | None:
    district = ("district", DISTRICT)
    match kind:
        case "district":
            return {district} if named == DISTRICT else None
        case "school":
            return {("school", named), district} if well_formed(named) and named in world.schools else None
        case "section":
            section = world.sections.get(named)
            if section is None or section["district"] != DISTRICT:
                return None
            at = {("school", one) for one in fitting([section["school"]])}
            return {("section", named), district, *at}
        case "user":
            return {("self", named), district} if named in world.people else None
    learning = learns(world, named)
    return None if learning is None else {("student", named), district, *learning}


def learns(world: World, user: str) -> set[Place] | None:
    """Return the sections and schools of a student, or None for whoever is none."""
    return (
        stands(world, user, "student")
        if world.people.get(user, {}).get("roles", {}).get("student") is not None
        else None
    )


def stands(world: World, user: str, role: str) -> set[Place]:
    if world.people[user]["roles"].get(role) is None:
        return set()
    found: set[Place] = set()
    for standing in naive_standings(world, user, Role(role)):
        found |= {(scope.value, one) for scope, some in standing.places for one in some}
    schools = {
        one for scope, named in found if scope == "section" for one in fitting([world.sections[named]["school"]])
    }
    return found | {("school", one) for one in schools}


def lies_where_named(world: World, named: Record) -> set[Place] | Reason:
    if not named:
        return Reason.NO_PLACE
    found = {kind: looked_up(world, kind, one) for kind, one in named.items()}
    if None in found.values():
        return Reason.PLACES_DISAGREE
    there: set[Place] = set().union(*(places or set() for kind, places in found.items() if kind != "student"))
    section, school, student, user = (named.get(kind) for kind in ("section", "school", "student", "user"))
    if section and school and ("school", school) not in (found["section"] or ()):
        return Reason.PLACES_DISAGREE
    if student:
        learning = learns(world, student) or set()
        if (section and ("section", section) not in learning) or (school and ("school", school) not in learning):
            return Reason.PLACES_DISAGREE
    if user and not has_to_do(world, user, section, school, student):
        return Reason.PLACES_DISAGREE
    if student:
        there |= {("student", student)} if section or school or user else (found["student"] or set())
    return there | {("district", DISTRICT)}


def has_to_do(world: World, user: str, section: str | None, school: str | None, student: str | None) -> bool:
    if world.people[user]["roles"].get("district_admin") is not None:
        return True
    theirs = {named for scope, named in stands(world, user, "contact") if scope == "student"}
    if student and (student == user or student in theirs):
        return True
    work = stands(world, user, "teacher") | stands(world, user, "staff")
    study = stands(world, user, "student")
    schools_of_work = {place for place in work if place[0] == "school"}
    if student:
        learning = learns(world, student) or set()
        together = {place for place in learning & (work | study) if place[0] == "section"}
        if not together and not learning & schools_of_work:
            return False
    if section and ("section", section) not in work | study:
        at = {("school", one) for one in fitting([world.sections[section]["school"]])}
        pupils = set(fitting(world.sections[section]["students"]))
        if not at & schools_of_work and (student or not theirs & pupils):
            return False
        if not at & schools_of_work:
            return True
    return not school or ("school", school) in work | study
