"""A second engine: slow, naive, straight from the wording of the rules, over what was written and nothing else."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.domain.facts import Facts, Standing
from app.domain.places import Location
from tests.domain.worlds import (
    HIDDEN,
    KNOWN,
    MAY_STAND_OVER,
    OVER,
    REQUEST_KEYS,
    Place,
    Written,
    applies,
    as_json,
    expand,
    full_names,
    request_keys,
)

EMPLOYEES = ("teacher", "staff", "district_admin")


PLACES = [(scope, name) for scope in OVER.values() for name in "abc"]


class Naive:
    """The rules of the policy, read from what was written and nothing else."""

    def __init__(self, facts: Facts, written: Written, rule: str) -> None:
        self.facts, self.written, self.rule = facts, written, rule
        self.held = {one.role.value: one for one in facts.roles}
        self.named = full_names(written)
        self.applying = {role: list(self.statements(role, over_self=False)) for role in self.held}
        self.over_self = {role: list(self.statements(role, over_self=True)) for role in self.held}
        self.asking = {role: list(self.those_that_ask(role)) for role in self.held if rule != "minimum"}

    def names_in(self, statement: Written) -> set[str]:
        scope = OVER[statement["over"]]
        return {full for name in statement["allow"] for full in expand(name, self.named) if applies(full, scope)}

    def ids(self, standing: Standing, scope: str) -> list[str]:
        if scope == "self":
            return [self.facts.user]
        found = [place for kind, some in standing.places if kind == scope for place in some]
        if scope == "school" and self.written["schools"]["unconfirmed"] == "drop":
            return [place for place in found if standing.unconfirmed is not None and place not in standing.unconfirmed]
        return found

    def statements(self, role: str, *, over_self: bool) -> Iterator[tuple[set[str], set[Place]]]:
        """Yield the names and places of each statement that counts and applies to this user."""
        for statement in self.written["roles"][role]:
            if not request_keys(statement) and (statement["over"] == "self") == over_self:
                yield from self.applied(role, statement)

    def those_that_ask(self, role: str) -> Iterator[tuple[Written, set[str], set[Place]]]:
        """Yield likewise, with the statement, each that reads the request."""
        for statement in self.written["roles"][role]:
            if request_keys(statement):
                yield from ((statement, names, places) for names, places in self.applied(role, statement))

    def applied(self, role: str, statement: Written) -> Iterator[tuple[set[str], set[Place]]]:
        scope, names = OVER[statement["over"]], self.names_in(statement)
        meeting = [standing for standing in self.held[role].standings if meets(standing, statement)]
        if names and meeting:
            yield names, {(scope, place) for standing in meeting for place in self.ids(standing, scope)}

    def names(self, role: str) -> set[str]:
        return {name for names, _ in self.applying[role] for name in names}

    def names_elsewhere(self, role: str) -> set[str]:
        """Return what a role gives beyond the places of a statement: a contact nothing on a relationship's terms."""
        if role in EMPLOYEES:
            return self.names(role)
        plain = (one for one in self.written["roles"][role] if one["over"] != "self" and not has_terms(one))
        return {name for statement in plain for name in self.names_in(statement)}

    def reach(self, role: str) -> set[Place]:
        places = {place for _, some in self.applying[role] for place in some}
        if self.rule == "superset" and self.juniors(role):
            first = OVER[MAY_STAND_OVER[role][0]]
            places |= {(first, place) for one in self.held[role].standings for place in self.ids(one, first)}
        return places

    def juniors(self, role: str) -> set[str]:
        direct = set(self.written["superset"].get(role, ()))
        return direct.union(*(self.juniors(junior) for junior in direct))

    def level(self, senior: str) -> set[str]:
        level = self.names(senior)
        for junior in self.juniors(senior):
            for statement in self.written["roles"][junior]:
                if statement["over"] != "self" and "when" not in statement and "unless" not in statement:
                    level |= self.names_in(statement)
            if junior in self.held:
                level |= self.names(junior)
        return level

    def gives(self, role: str, name: str, place: Place) -> bool:
        """Tell whether ``role`` gives ``name`` at ``place`` under the rule."""
        if any(name in names and place in places for names, places in self.over_self[role]):
            return True
        if place[0] == "self" or not applies(name, place[0]):
            return False
        by_statement = any(name in names and place in places for names, places in self.applying[role])
        match self.rule:
            case "superset" if self.juniors(role):
                reaching = [role, *(junior for junior in self.juniors(role) if junior in self.held)]
                return name in self.level(role) and any(place in self.reach(one) for one in reaching)
            case "maximum":
                at_work = any(place in self.reach(one) for one in self.held if one in EMPLOYEES)
                return by_statement or (at_work and name in self.names_elsewhere(role))
            case "minimum":
                return by_statement and all(name in self.names_elsewhere(one) for one in self.held if one != role)
            case _:
                return by_statement

    def holdings(self, places: Iterable[Place] = PLACES) -> dict[Place, dict[str, set[str]]]:
        found: dict[Place, dict[str, set[str]]] = {}
        for place in places:
            for role in self.held:
                if names := {name for name in self.named if self.gives(role, name, place)}:
                    found.setdefault(place, {})[role] = names
        return found

    def conditional(self) -> set[tuple[str, ...]]:
        return {
            (scope, place, name, role, *(as_json(asked_in(statement, word)) for word in ("when", "unless")))
            for role, some in self.asking.items()
            for statement, names, places in some
            for name in names
            for scope, place in places
        }

    def allows(self, name: str, location: Location, asked: Mapping[str, object]) -> bool:
        return any(self.gives(role, name, place) for role in self.held for place in location) or any(
            name in names and place in location and asked_for(statement, asked)
            for some in self.asking.values()
            for statement, names, places in some
            for place in places
        )


def has_terms(statement: Written) -> bool:
    return bool(statement.get("when") or statement.get("unless"))


def asked_in(statement: Written, word: str) -> list[tuple[str, list[object]]]:
    some = statement.get(word, {})
    return [
        (key, some[key] if isinstance(some[key], list) else [some[key]]) for key in sorted(some) if key in REQUEST_KEYS
    ]


def asked_for(statement: Written, asked: Mapping[str, object]) -> bool:
    def said(key: str) -> list[str]:
        values = asked.get(key)
        return [by_kind(one) for one in (values if isinstance(values, list) else [values])]

    def has(key: str, wanted: list[object]) -> bool:
        listed = set(map(by_kind, wanted)) - {""}
        return not listed.isdisjoint(said(key)) or (asked.get(key) is None and "text " in listed)

    def has_others_alone(key: str, unwanted: list[object]) -> bool:
        listed = set(map(by_kind, unwanted))
        others = listed if listed == {"text "} else listed - {"text "}
        kinds = {one.partition(" ")[0] for one in others} - {""}
        return bool(said(key)) and all(one.partition(" ")[0] in kinds and one not in listed for one in said(key))

    return all(has(*one) for one in asked_in(statement, "when")) and all(
        has_others_alone(*one) for one in asked_in(statement, "unless")
    )


def by_kind(value: object) -> str:
    """Write a value so that equal is the same: kind first, text without case; nothing for what can equal nothing."""
    match value:
        case bool():
            return f"boolean {value}"
        case float() if not abs(value) < 2**53:
            return ""
        case int() | float():
            return f"number {float(value)}"
        case str():
            return f"text {look(value)}"
        case _:
            return ""


def meets(standing: Standing, statement: Written) -> bool:
    def has(field: str, wanted: Any, *, or_may_have: bool) -> bool:
        listed = wanted if isinstance(wanted, list) else [wanted]
        texts = {look(value) for value in listed if isinstance(value, str)}
        said = {look(value) for name, some in standing.fields if name == field for value in some}
        unreadable = any(HIDDEN in some for name, some in standing.fields if name == field)
        may = or_may_have and unreadable and bool(texts - {look(known) for known in KNOWN[field]} - {""})
        return may or bool(said & texts) or (not said and "" in texts)

    when, unless = statement.get("when", {}), statement.get("unless", {})
    fields = [{key: wanted for key, wanted in some.items() if key not in REQUEST_KEYS} for some in (when, unless)]
    return all(has(*one, or_may_have=False) for one in fields[0].items()) and not any(
        has(*one, or_may_have=True) for one in fields[1].items()
    )


def look(text: str) -> str:
    """Return what a text looks like, whatever its case, its blanks and the way its accents are written."""
    decomposed = unicodedata.normalize("NFKD", text)
    seen = "".join(one for one in decomposed if one.isspace() or unicodedata.category(one) not in {"Cf", "Cc"})
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKD", seen.casefold())).strip()
