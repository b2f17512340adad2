"""What holds for every user under every policy, over generated facts and policies.

Worlds are small on purpose: three ids serve as schools, sections and students alike, so that roles meet in the same
places. Policies are drawn as they are written; a second, slow engine reads them anew, rule by rule, and has to agree.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.engine import holdings_of, permission_set
from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import DistrictId, UserId
from app.domain.policy import Policy, policy_of
from app.domain.policy_file import PolicyFile
from app.domain.scopes import Scope

Written = dict[str, Any]
Place = tuple[str, str]

law = settings(derandomize=True, max_examples=60, deadline=None)

RULES = ("scoped", "superset", "maximum", "minimum")
OVER = {"district": "district", "schools": "school", "sections": "section", "students": "student", "self": "self"}
MAY_STAND_OVER = {
    "student": ("sections", "schools", "self"),
    "contact": ("students", "self"),
    "teacher": ("sections", "schools", "self"),
    "staff": ("schools", "self"),
    "district_admin": ("district", "self"),
}
FIELDS = {
    "student": (),
    "contact": ("type", "relationship"),
    "teacher": ("title",),
    "staff": ("title", "department", "roles"),
    "district_admin": ("title",),
}
LIES_IN = {
    "district": ("district",),
    "school": ("district", "school"),
    "section": ("district", "school", "section"),
    "student": ("district", "school", "section", "student"),
    "user": ("district", "self"),
    "report": tuple(OVER.values()),
    "grade": tuple(OVER.values()),
}
NAMES = (
    *("district:view", "school:view", "section:view", "section:edit", "student:view", "user:view"),
    *("report:export", "grade:view", "grade:edit"),
)
STAFF_ABOVE_TEACHERS: Sequence[Written] = (
    {"staff": ["teacher"]},
    {"staff": ["teacher"], "district_admin": ["staff", "teacher"]},
    {"district_admin": ["staff"], "staff": ["teacher"], "teacher": ["student", "contact"]},
    {"staff": ["contact"], "contact": ["teacher"], "teacher": ["student"]},
)
SENIORITIES: Sequence[Written] = (
    *STAFF_ABOVE_TEACHERS,
    {"contact": ["student"], "student": ["teacher"], "teacher": ["staff", "district_admin"]},
    {"student": ["district_admin"], "teacher": [], "district_admin": ["staff"]},
)
WILDCARDS = ("*:view", "*:edit", "section:*", "grade:*", "*:*")


def applies(name: str, scope: str) -> bool:
    return scope in LIES_IN[name.partition(":")[0]]


# Worlds: people and policies.

ids = st.lists(st.sampled_from("abc"), unique=True).map(lambda some: tuple(sorted(some)))
texts = st.sampled_from([(), ("dean",), ("aide",), ("1",)])
values = st.one_of(
    st.sampled_from(["Dean", "aide", "1", True, 1]), st.lists(st.sampled_from(["DEAN", "Aide", 1]), min_size=1)
)


@st.composite
def standings(draw: st.DrawFn, role: str) -> Standing:
    drawn = {name: draw(texts) for name in FIELDS[role]}
    kept = tuple((name, some) for name, some in drawn.items() if some)
    if role == "district_admin":
        return Standing(((Scope.DISTRICT, ("a",)),), kept)
    if role == "contact":
        return Standing(((Scope.STUDENT, (draw(st.sampled_from("abc")),)),), kept)
    if role == "staff":
        return Standing(((Scope.SCHOOL, draw(ids)),), kept, draw(st.none() | ids))
    return Standing(((Scope.SCHOOL, draw(ids)), (Scope.SECTION, draw(ids))), kept)


@st.composite
def people(draw: st.DrawFn) -> Facts:
    held = draw(st.lists(st.sampled_from(Role), unique=True, min_size=1))
    roles = [
        HeldRole(
            role,
            tuple(draw(st.lists(standings(role.value), min_size=1, max_size=3 if role is Role.CONTACT else 1))),
        )
        for role in Role
        if role in held
    ]
    return Facts(UserId("b"), DistrictId("a"), tuple(roles))


@st.composite
def statements(draw: st.DrawFn, role: str) -> Written:
    over = draw(st.sampled_from(MAY_STAND_OVER[role]))
    fitting = [name for name in NAMES if applies(name, OVER[over])]
    allow = draw(st.lists(st.sampled_from(fitting * 2 + list(WILDCARDS)), min_size=1, max_size=3))
    statement: Written = {"allow": allow, "over": over}
    for key in ("when", "unless"):
        if FIELDS[role] and draw(st.integers(0, 3)) == 0:
            statement[key] = draw(st.dictionaries(st.sampled_from(FIELDS[role]), values, min_size=1, max_size=2))
    return statement


@st.composite
def policies(draw: st.DrawFn, seniorities: Sequence[Written] = SENIORITIES) -> Written:
    """Draw a policy that can be used under every rule: no circles, and no wildcard that stands for nothing."""
    roles = {
        role: draw(st.lists(statements(role), min_size=draw(st.sampled_from([1, 1, 0])), max_size=3))
        for role in MAY_STAND_OVER
    }
    written = {
        "version": 1,
        "superset": draw(st.sampled_from(seniorities)),
        "roles": roles,
        "schools": {"unconfirmed": draw(st.sampled_from(["keep", "drop"]))},
    }
    return repaired(written)


def repaired(written: Written) -> Written:
    """Leave out the wildcards that match nothing, and the statements that had nothing else."""
    named = full_names(written)
    roles = {
        role: [
            {**one, "allow": allow} for one in said if (allow := [name for name in one["allow"] if expand(name, named)])
        ]
        for role, said in written["roles"].items()
    }
    return {**written, "roles": roles}


def under(rule: str, written: Written) -> Policy:
    return policy_of(PolicyFile.model_validate({**written, "rule": rule}))


def held(facts: Facts, policy: Policy, role: Role | None = None) -> set[tuple[Scope, str, str]]:
    """Return what the user holds, as place and permission."""
    grants = permission_set(facts, policy, role).grants
    return {(grant.scope, place, name) for grant in grants for place in grant.ids for name in grant.permissions}


# The laws.


@law
@given(people(), policies())
def test_minimum_is_within_scoped_and_scoped_within_superset_and_maximum(facts: Facts, written: Written) -> None:
    scoped, superset, maximum, minimum = (held(facts, under(rule, written)) for rule in RULES)
    assert minimum <= scoped
    assert scoped <= superset
    assert scoped <= maximum


@law
@given(people(), policies())
def test_one_more_role_never_takes_away(facts: Facts, written: Written) -> None:
    for rule in RULES[:3]:
        policy = under(rule, written)
        for left_out in facts.roles:
            without = replace(facts, roles=tuple(one for one in facts.roles if one is not left_out))
            assert held(without, policy) <= held(facts, policy)


@law
@given(people(), policies(), st.sampled_from([Scope.SCHOOL, Scope.SECTION]), st.data())
def test_one_more_school_or_section_never_takes_away(
    facts: Facts, written: Written, scope: Scope, data: st.DataObject
) -> None:
    grown = data.draw(st.sampled_from(facts.roles))
    more = replace(grown, standings=tuple(with_place(one, scope, "d") for one in grown.standings))
    after = replace(facts, roles=tuple(more if one is grown else one for one in facts.roles))
    for policy in (under(rule, written) for rule in RULES):
        assert held(facts, policy) <= held(after, policy)


def with_place(standing: Standing, scope: Scope, place: str) -> Standing:
    others = tuple((kind, some) for kind, some in standing.places if kind is not scope)
    return replace(standing, places=(*others, (scope, (*standing.ids(scope), place))))


@law
@given(people(), policies(), st.data())
def test_one_more_statement_never_takes_away(facts: Facts, written: Written, data: st.DataObject) -> None:
    role = data.draw(st.sampled_from(list(MAY_STAND_OVER)))
    said = [*written["roles"][role], data.draw(statements(role))]
    more = repaired({**written, "roles": {**written["roles"], role: said}})
    for rule in RULES:
        assert held(facts, under(rule, written)) <= held(facts, under(rule, more))


@law
@given(
    policies(STAFF_ABOVE_TEACHERS),
    standings("teacher"),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from("abc")),
)
def test_staff_senior_to_teacher_hold_in_their_school_what_a_mere_teacher_holds_there(
    written: Written, standing: Standing, school_of: dict[str, str]
) -> None:
    teacher = Facts(UserId("b"), DistrictId("a"), (HeldRole(Role.TEACHER, (standing,)),))
    for scope, place, name in held(teacher, under("superset", without_conditions(written))):
        school = {Scope.SCHOOL: place, Scope.SECTION: school_of.get(place)}.get(scope)
        if school:
            stands = HeldRole(Role.STAFF, (Standing(((Scope.SCHOOL, (school,)),)),))
            staff = Facts(UserId("c"), DistrictId("a"), (stands,))
            assert (Scope.SCHOOL, school, name) in held(staff, under("superset", written))


def without_conditions(written: Written) -> Written:
    plain = {
        role: [one for one in said if "when" not in one and "unless" not in one]
        for role, said in written["roles"].items()
    }
    return repaired({**written, "roles": plain})


@law
@given(people(), policies())
def test_a_role_context_is_the_role_alone_cut_down_to_the_whole_user(facts: Facts, written: Written) -> None:
    for policy in (under(rule, written) for rule in RULES):
        whole = held(facts, policy)
        for one in facts.roles:
            seen = held(facts, policy, one.role)
            assert seen <= whole
            assert seen == held(replace(facts, roles=(one,)), policy) & whole
            assert all(grant.via == (one.role,) for grant in permission_set(facts, policy, one.role).grants)


@settings(law, max_examples=20)
@given(policies())
def test_whoever_holds_no_role_has_no_grant(written: Written) -> None:
    nobody = Facts(UserId("b"), DistrictId("a"))
    for rule in RULES:
        assert permission_set(nobody, under(rule, written)).grants == ()


@law
@given(people(), policies(), st.randoms(use_true_random=True))
def test_order_and_repetition_change_nothing(facts: Facts, written: Written, random: Random) -> None:
    roles = tuple(replace(one, standings=mixed_up(one.standings, random)) for one in facts.roles)
    other = replace(facts, roles=tuple(random.sample(roles, len(roles))))
    for policy in (under(rule, written) for rule in RULES):
        for role in (None, *facts.held()):
            assert permission_set(other, policy, role) == permission_set(facts, policy, role)


def mixed_up(standings: tuple[Standing, ...], random: Random) -> tuple[Standing, ...]:
    def mixed(some: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*random.sample(some, len(some)), *random.choices(some, k=2 if some else 0))

    def each(one: Standing) -> Standing:
        places = tuple((scope, mixed(some)) for scope, some in reversed(one.places))
        fields = tuple((name, mixed(some)) for name, some in reversed(one.fields))
        return Standing(places, fields, one.unconfirmed and mixed(one.unconfirmed))

    return mixed(tuple(map(each, standings)))


@law
@given(people(), policies())
def test_an_answer_is_sorted_and_names_each_place_once_with_what_says_something_there(
    facts: Facts, written: Written
) -> None:
    for rule in RULES:
        answer = permission_set(facts, under(rule, written))
        places = [(grant.scope, place) for grant in answer.grants for place in grant.ids]
        assert len(places) == len(set(places))
        assert answer.permissions == tuple(sorted({name for grant in answer.grants for name in grant.permissions}))
        order = list(OVER.values())
        assert list(answer.grants) == sorted(answer.grants, key=lambda grant: (order.index(grant.scope), grant.ids))
        for grant in answer.grants:
            assert all(name in NAMES and applies(name, grant.scope) for name in grant.permissions)
            for some in (grant.ids, grant.permissions, grant.via):
                assert some
                assert list(some) == sorted(set(some))
        assert len({(grant.scope, grant.permissions, grant.via) for grant in answer.grants}) == len(answer.grants)


# A second engine: slow, naive, straight from the wording of the rules.


def full_names(written: Written) -> set[str]:
    return {name for said in written["roles"].values() for one in said for name in one["allow"] if "*" not in name}


def expand(name: str, named: set[str]) -> set[str]:
    kind, action = name.split(":")
    return {full for full in named | {name} if "*" not in full and fits(kind, full, 0) and fits(action, full, 1)}


def fits(part: str, full: str, position: int) -> bool:
    return part in ("*", full.split(":")[position])


class Naive:
    """The rules of the policy, read from what was written and nothing else."""

    def __init__(self, facts: Facts, written: Written, rule: str) -> None:
        self.facts, self.written, self.rule = facts, written, rule
        self.held = {one.role.value: one for one in facts.roles}
        self.named = full_names(written)
        self.applying = {role: list(self.statements(role, over_self=False)) for role in self.held}
        self.over_self = {role: list(self.statements(role, over_self=True)) for role in self.held}

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
            scope, names = OVER[statement["over"]], self.names_in(statement)
            meeting = [standing for standing in self.held[role].standings if meets(standing, statement)]
            if names and meeting and (scope == "self") == over_self:
                yield names, {(scope, place) for standing in meeting for place in self.ids(standing, scope)}

    def names(self, role: str) -> set[str]:
        return {name for names, _ in self.applying[role] for name in names}

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
                return name in self.names(role) and any(place in self.reach(one) for one in self.held)
            case "minimum":
                return by_statement and all(name in self.names(one) for one in self.held)
            case _:
                return by_statement

    def holdings(self) -> dict[Place, dict[str, set[str]]]:
        found: dict[Place, dict[str, set[str]]] = {}
        for place in [(scope, name) for scope in OVER.values() for name in "abc"]:
            for role in self.held:
                if names := {name for name in NAMES if self.gives(role, name, place)}:
                    found.setdefault(place, {})[role] = names
        return found


def meets(standing: Standing, statement: Written) -> bool:
    def has(field: str, wanted: Any) -> bool:
        listed = wanted if isinstance(wanted, list) else [wanted]
        texts = [value.lower() for value in listed if isinstance(value, str)]
        return any(value in texts for name, some in standing.fields if name == field for value in some)

    when, unless = statement.get("when", {}), statement.get("unless", {})
    return all(has(*one) for one in when.items()) and not any(has(*one) for one in unless.items())


@settings(law, max_examples=150)
@given(people(), policies())
def test_a_naive_engine_agrees(facts: Facts, written: Written) -> None:
    for rule in RULES:
        policy, naive = under(rule, written), Naive(facts, written, rule).holdings()
        assert holdings_of(facts, policy) == naive
        grants = permission_set(facts, policy).grants
        found = {(grant.scope, place): (grant.permissions, grant.via) for grant in grants for place in grant.ids}
        assert found == {
            place: (tuple(sorted(set().union(*by_role.values()))), tuple(sorted(by_role)))
            for place, by_role in naive.items()
        }
