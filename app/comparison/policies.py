"""What changes for roles and titles from one policy to another. Pure: two policies in, changes out."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import NamedTuple, TypeAlias

from app.comparison.differences import Change, State, compare
from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.fields import DOCUMENTED, spellings
from app.domain.ids import DistrictId, UserId
from app.domain.places import Location, Place
from app.domain.policy import Clause, Policy
from app.domain.policy_schema import Rule
from app.domain.rules import applied_clauses
from app.domain.scopes import Scope
from app.domain.text import normal

ANYTHING_ELSE = "anything else"
NOTHING = "nothing"

Fields: TypeAlias = tuple[tuple[str, str], ...]


class RoleChange(NamedTuple):
    """A permission that a role gains or loses by the policy alone.

    Attributes:
        role: the role.
        fields: the values of its fields for which this is so, in words; none if it is so for everyone in the role.
        gained: whether it is gained; else it is lost.
        permission: its full name.
        scope: over which of the role's places.
        conditional: whether a request must meet a condition.
        detail: the statements that give it, or gave it, as a sentence.
    """

    role: Role
    fields: Fields
    gained: bool
    permission: str
    scope: Scope
    conditional: bool
    detail: str


class SettingChange(NamedTuple):
    """A setting of the whole policy that differs.

    Attributes:
        setting: its path in the file; for seniority, with the indirect juniors.
        before: its value, in words; empty if it has none, or has no effect.
        after: the same afterwards.
        may_take: whether somebody may lose something by it.
    """

    setting: str
    before: str
    after: str
    may_take: bool


@dataclass(frozen=True, slots=True)
class PolicyComparison:
    """What changes from one policy to another; losses come first."""

    before: str
    after: str
    settings: tuple[SettingChange, ...]
    changes: tuple[RoleChange, ...]

    def loses(self) -> bool:
        """Whether anyone may lose a permission."""
        return any(each.may_take for each in self.settings) or not all(each.gained for each in self.changes)


def compare_policies(before: Policy, after: Policy) -> PolicyComparison:
    """Return what changes for each role, by every combination of field values that a condition of either policy names.

    Wildcards are expanded by each policy itself. A user has one role here: what follows from several is in the settings
    (the rule, and seniority). Values that all conditions treat alike are told as one.
    """
    changes = sorted(
        (change for role in Role for change in _of_role(role, before, after)),
        key=lambda each: (each.gained, list(Role).index(each.role), each[1:]),
    )
    return PolicyComparison(
        f"policy {before.revision}", f"policy {after.revision}", tuple(_settings(before, after)), tuple(changes)
    )


class _Value(NamedTuple):
    """A value of a field, or several that no condition tells apart, or a set of them."""

    shown: str
    texts: tuple[str, ...]


_USER, _DISTRICT = UserId("user"), DistrictId("district")
_SCHOOL = (Scope.SCHOOL, ("school",))
_SECTION = (Scope.SECTION, ("section",))
_PLACES: Mapping[Role, tuple[tuple[Scope, tuple[str, ...]], ...]] = {
    Role.DISTRICT_ADMIN: ((Scope.DISTRICT, (_DISTRICT,)),),
    Role.STAFF: (_SCHOOL,),
    Role.TEACHER: (_SCHOOL, _SECTION),
    Role.STUDENT: (_SCHOOL, _SECTION),
    Role.CONTACT: ((Scope.STUDENT, ("student",)),),
}
_UNNAMED = "\0unnamed"
_HELD_TOGETHER = "roles"  # a staff member has several staff roles, and one of each other field
_ALL_SETS = 8


def _location_of(place: Place) -> Location:
    in_school = {(Scope.SCHOOL, "school")} if place[0] is Scope.SECTION else set[Place]()
    return frozenset({place, (Scope.DISTRICT, _DISTRICT), *in_school})


class _Key(NamedTuple):
    gained: bool
    permission: str
    scope: Scope
    conditional: bool


_Combination = tuple[_Value | None, ...]
"""A value of each field; None where the field does not matter."""


def _of_role(role: Role, before: Policy, after: Policy) -> Iterator[RoleChange]:
    clauses = (*before.clauses.get(role, ()), *after.clauses.get(role, ()))
    fields = sorted({field for clause in clauses for field, _ in (*clause.when, *clause.unless)})
    options = [_values(field, clauses) for field in fields]
    found: dict[_Key, dict[_Combination, frozenset[str]]] = defaultdict(dict)
    for combination in product(*options):
        texts = tuple((field, value.texts) for field, value in zip(fields, combination, strict=True) if value.texts)
        facts = Facts(_USER, _DISTRICT, (HeldRole(role, (Standing(_PLACES[role], texts),)),))
        gained, lost = compare(_USER, State(facts, before), State(facts, after), _location_of)
        for is_gained, changes in ((True, gained), (False, lost)):
            for each in changes:
                key = _Key(is_gained, each.permission, each.scope, each.conditional)
                found[key][combination] = frozenset(_why(each, facts, before, after, is_gained=is_gained))
    for key, by_combination in found.items():
        for merged, sentences in _merged(by_combination, options).items():
            shown = tuple((field, value.shown) for field, value in zip(fields, merged, strict=True) if value)
            yield RoleChange(role, shown, *key, " ".join(sorted(sentences)))


def _values(field: str, clauses: Sequence[Clause]) -> list[_Value]:
    """Return the values that conditions tell apart."""
    sets = [values for clause in clauses for named, values in (*clause.when, *clause.unless) if named == field]
    alike: dict[tuple[bool, ...], list[str]] = defaultdict(list)
    for text in sorted(frozenset().union(*sets) - {""}):
        alike[tuple(text in values for values in sets)].append(text)
    spelt = {normal(name): name for name in spellings(field)} if field in DOCUMENTED else {}
    named = [_Value(" or ".join(spelt.get(text, text) for text in texts), (texts[0],)) for texts in alike.values()]
    if field == _HELD_TOGETHER:
        named = list(_held_together(named))
    absent = [_Value(NOTHING, ())] if any("" in values for values in sets) else []
    return [*named, _Value(ANYTHING_ELSE, (_UNNAMED,)), *absent]


def _held_together(values: Sequence[_Value]) -> Iterator[_Value]:
    """Yield every set of values that one person may hold; of more than eight, each and each two."""
    largest = len(values) if len(values) <= _ALL_SETS else 2
    for size in range(1, largest + 1):
        for some in combinations(values, size):
            yield _Value(
                " with ".join(each.shown for each in some), tuple(text for each in some for text in each.texts)
            )


def _merged(
    found: Mapping[_Combination, frozenset[str]], options: Sequence[Collection[_Value]]
) -> dict[_Combination, frozenset[str]]:
    """Tell combinations that differ in one field alone as one, where they have all of its values."""
    merged = dict(found)
    for field, values in enumerate(options):
        alike: dict[_Combination, list[_Combination]] = defaultdict(list)
        for each in merged:
            alike[*each[:field], None, *each[field + 1 :]].append(each)
        for whole, some in alike.items():
            if len(some) == len(values):
                merged[whole] = frozenset[str]().union(*(merged.pop(each) for each in some))
    return merged


def _why(change: Change, facts: Facts, before: Policy, after: Policy, *, is_gained: bool) -> Iterator[str]:
    paths = _giving(change, facts, after if is_gained else before)
    verb = "gives" if is_gained else "gave"
    yield from (f"{path} {verb} it." for path in paths)
    if not paths:
        yield f"The rule {(after if is_gained else before).rule} {verb} it."
    if not is_gained and not change.conditional:
        yield from (f"{path} gives it on a condition." for path in _giving(change, facts, after))


def _giving(change: Change, facts: Facts, policy: Policy) -> list[str]:
    at = frozenset[Place]().union(*(_location_of((change.scope, place)) for place in change.places))
    return [
        each.clause.path
        for each in applied_clauses(facts, policy)
        if change.permission in each.clause.permissions and not at.isdisjoint(each.places)
    ]


_ORDER: Mapping[str, Sequence[str]] = {
    "district.paused": ("deny", "read_only", "allow"),
    "district.before_launch": ("deny", "allow"),
    "schools.unconfirmed": ("drop", "keep"),
    "sections.terms": ("current", "any"),
    "sections.after": ("drop", "read_only"),
}
"""Settings, each with its values from the one that takes the most."""

_ONLY_GIVES = frozenset(
    {(Rule.SCOPED, Rule.SUPERSET), (Rule.SCOPED, Rule.MAXIMUM)}
    | {(Rule.MINIMUM, other) for other in (Rule.SCOPED, Rule.SUPERSET, Rule.MAXIMUM)}
)


def _settings(before: Policy, after: Policy) -> Iterator[SettingChange]:
    old, new = dict(_of_policy(before)), dict(_of_policy(after))
    for setting in dict.fromkeys((*old, *new)):
        was, becomes = old.get(setting, ()), new.get(setting, ())
        if was != becomes:
            yield SettingChange(setting, ", ".join(was), ", ".join(becomes), _may_take(setting, was, becomes))


def _of_policy(policy: Policy) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the settings that have an effect, with wildcards expanded."""
    file = policy.file
    yield "rule", (file.rule,)
    yield from ((f"superset.{senior}", tuple(sorted(juniors))) for senior, juniors in policy.juniors.items())
    yield from ((f"aliases.{alias}", (kind,)) for alias, kind in sorted(file.aliases.items()))
    yield "district.paused", (file.district.paused,)
    yield "district.before_launch", (file.district.before_launch,)
    yield "schools.unconfirmed", (file.schools.unconfirmed,)
    yield "sections.terms", (file.sections.terms,)
    reading: Iterable[str] = (file.district.paused,)
    if policy.needs_terms:
        yield "sections.grace_days", (str(file.sections.grace_days),)
        yield "sections.after", (file.sections.after,)
        reading = (*reading, file.sections.after)
    if "read_only" in reading:
        yield "district.read_only", tuple(sorted(policy.read_only))


def _may_take(setting: str, was: tuple[str, ...], becomes: tuple[str, ...]) -> bool:
    if setting == "rule":
        return (Rule(was[0]), Rule(becomes[0])) not in _ONLY_GIVES
    if not setting.startswith(("superset.", "aliases.")) and not (was and becomes):
        return False  # the setting by which it takes effect says so
    if setting in _ORDER:
        order = _ORDER[setting]
        return order.index(becomes[0]) < order.index(was[0])
    if setting == "sections.grace_days":
        return int(becomes[0]) < int(was[0])
    return not set(was) <= set(becomes)
