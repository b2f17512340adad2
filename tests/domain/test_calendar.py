"""What a district's pause, launch and terms mean for permissions: by example, and as laws over generated calendars."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.calendar import (
    ALWAYS,
    SHOWN_STATES,
    Calendar,
    Cause,
    DistrictStatus,
    Effect,
    Term,
    TermState,
    is_paused,
    shown_state,
    status_at,
)
from app.domain.decision import Reason, decide, decide_without_location
from app.domain.evaluation import access_of, permission_set
from app.domain.explanation import Explanation, Lack, explanation_of
from app.domain.facts import Facts, HeldRole, Role, SectionOf, Standing, standings_by_term
from app.domain.ids import DistrictId, UserId
from app.domain.places import Location
from app.domain.policy import Policy, policy_of
from app.domain.policy_schema import PolicyFile
from app.domain.scopes import Scope
from tests.domain.worlds import (
    NAMES,
    RULES,
    Written,
    held_on_conditions,
    law,
    locations,
    people,
    policies,
    requests,
    under,
)

DAY = 86_400


def at(day: str) -> float:
    """Return midnight UTC of a day in Unix seconds."""
    return datetime.combine(date.fromisoformat(day), time(), UTC).timestamp()


def policy(**blocks: object) -> Policy:
    teacher = {"allow": ["section:view", "section:edit", "report:view"], "over": "sections"}
    roles = {"teacher": [teacher], "staff": [{"allow": ["section:view", "school:view"], "over": "schools"}]}
    return policy_of(PolicyFile.model_validate({"version": 1, "rule": "scoped", "roles": roles, **blocks}))


def paused(effect: str, **more: object) -> Policy:
    return policy(district={"paused": effect, **more})


BY_TERM: Written = {"terms": "current"}
SUMMER = (date(2026, 6, 10), date(2026, 8, 15))
FALL = Term("fall", date(2026, 8, 24), date(2026, 12, 18))
SPRING = Term("spring", date(2027, 1, 10), date(2027, 6, 4))
YEAR = Calendar(terms=(FALL, SPRING))


@pytest.mark.parametrize("effect", ["read_only", "deny"])
@pytest.mark.parametrize(
    ("calendar", "day", "applies", "until"),
    [
        (Calendar("paused"), "2026-07-01", True, None),
        (Calendar("paused", *SUMMER), "2026-05-01", True, None),
        (Calendar("running", *SUMMER), "2026-06-09", False, "2026-06-10"),
        (Calendar("running", *SUMMER), "2026-06-10", True, "2026-08-15"),
        (Calendar("", *SUMMER), "2026-08-14", True, "2026-08-15"),
        (Calendar("success", *SUMMER), "2026-08-15", False, None),
        (Calendar("running", pause_start=date(2026, 6, 10)), "2031-01-01", True, None),
        (Calendar("running", pause_end=date(2026, 8, 15)), "2026-08-01", False, None),
        (Calendar("running", date(2026, 8, 15), date(2026, 6, 10)), "2026-07-01", False, None),
        *((Calendar(state), "2026-07-01", False, None) for state in ("", "running", "success", "pending", "error")),
    ],
)
def test_a_district_is_paused_by_its_state_or_by_the_days_that_it_names(
    effect: str, calendar: Calendar, day: str, applies: bool, until: str | None
) -> None:
    found = status_at(calendar, paused(effect), at(day))
    assert (found.effect, found.cause) == ((effect, Cause.PAUSED) if applies else (Effect.ALLOW, None))
    assert found.until == (inf if until is None else at(until))
    assert is_paused(calendar, at(day)) is applies
    assert status_at(calendar, policy(), at(day)) == ALWAYS


def test_before_its_launch_a_district_is_denied_everything_even_if_it_is_paused() -> None:
    calendar = Calendar("paused", launch_date=date(2026, 9, 1))
    strict = policy(district={"paused": "read_only", "before_launch": "deny"})
    for now in (at("2026-08-01"), at("2026-09-01") - 1):
        found = status_at(calendar, strict, now)
        assert (found.effect, found.cause, found.until) == (Effect.DENY, Cause.BEFORE_LAUNCH, at("2026-09-01"))
    assert status_at(calendar, strict, at("2026-09-01")).effect is Effect.READ_ONLY
    assert status_at(Calendar(), strict, 0) == ALWAYS


@pytest.mark.parametrize(
    ("grace", "day", "fall", "spring", "until"),
    [
        (14, "2026-08-09", TermState.NOT_BEGUN, TermState.NOT_BEGUN, "2026-08-10"),
        (14, "2026-08-10", None, TermState.NOT_BEGUN, "2026-12-27"),
        (14, "2026-12-27", None, None, "2027-01-02"),
        (14, "2027-01-02", TermState.ENDED, None, "2027-06-19"),
        (0, "2026-12-18", None, TermState.NOT_BEGUN, "2026-12-19"),
        (0, "2026-12-19", TermState.ENDED, TermState.NOT_BEGUN, "2027-01-10"),
        (0, "2027-06-05", TermState.ENDED, TermState.ENDED, None),
    ],
)
def test_a_term_counts_with_the_days_of_grace_on_either_side(
    grace: int, day: str, fall: TermState | None, spring: TermState | None, until: str | None
) -> None:
    found = status_at(YEAR, policy(sections={**BY_TERM, "grace_days": grace}), at(day))
    assert (found.of_term("fall"), found.of_term("spring")) == (fall, spring)
    assert (found.of_term("deleted"), found.of_term(None)) == (None, None)
    assert found.until == (inf if until is None else at(until))


def test_a_term_that_lacks_a_day_is_open_on_that_side_and_the_last_days_of_the_calendar_are_days_too() -> None:
    by_term, terms = policy(sections=BY_TERM), (Term("a"), Term("b", end=date.max), Term("c", start=date.min))
    for day in ("0001-01-01", "2026-08-24", "9999-12-31"):
        assert status_at(Calendar(terms=terms), by_term, at(day)) == ALWAYS
    assert status_at(YEAR, policy(), at("2031-01-01")) == ALWAYS
    assert status_at(Calendar(), by_term, at("2031-01-01")) == ALWAYS
    assert YEAR.term("spring") == SPRING
    assert Calendar().term("spring") is None


@pytest.mark.parametrize(
    ("calendar", "state"),
    [
        (None, "unread"),
        (Calendar(), "running"),
        (Calendar("success"), "running"),
        (Calendar("pending"), "pending"),
        (Calendar("error", *SUMMER), "paused"),
        (Calendar("resting"), "other"),
    ],
)
def test_the_state_of_a_district_is_shown_in_one_of_a_few_words(calendar: Calendar | None, state: str) -> None:
    assert shown_state(calendar, at("2026-07-01")) == state
    assert state in SHOWN_STATES


days = st.none() | st.dates(date(2026, 1, 1), date(2026, 1, 20))
calendars = st.builds(
    Calendar,
    st.sampled_from(["", "running", "success", "pending", "error", "paused"]),
    days,
    days,
    days,
    st.none() | st.tuples(st.builds(Term, st.just("t1"), days, days), st.builds(Term, st.just("t2"), days, days)),
)
instants = st.integers(-40 * DAY, 60 * DAY).map(lambda seconds: at("2026-01-01") + seconds)
blocks = st.fixed_dictionaries(
    {
        "district": st.fixed_dictionaries(
            {
                "paused": st.sampled_from(["allow", "read_only", "deny"]),
                "before_launch": st.sampled_from(["allow", "deny"]),
                "read_only": st.lists(st.sampled_from(NAMES), unique=True),
            }
        ),
        "sections": st.fixed_dictionaries(
            {
                "terms": st.sampled_from(["any", "current"]),
                "grace_days": st.integers(0, 9),
                "after": st.sampled_from(["drop", "read_only"]),
            }
        ),
    }
)
ours = blocks.map(lambda drawn: policy(**drawn))


@law
@given(calendars, ours, instants, st.data())
def test_a_status_holds_until_the_next_instant_at_which_it_changes(
    calendar: Calendar, by: Policy, now: float, data: st.DataObject
) -> None:
    found = status_at(calendar, by, now)
    last = min(found.until - 1, now + 100 * DAY)
    assert status_at(calendar, by, data.draw(st.floats(now, last))) == found
    assert status_at(calendar, by, last).until == found.until
    if found.until < inf:
        assert found.until % DAY == 0
        assert status_at(calendar, by, found.until) != found


@law
@given(calendars, ours, instants)
def test_what_a_status_says_is_what_the_days_say(calendar: Calendar, by: Policy, now: float) -> None:
    today, states, sections = datetime.fromtimestamp(now, UTC).date(), by.file.district, by.file.sections
    launching = calendar.launch_date is not None and today < calendar.launch_date
    in_pause = calendar.pause_start is not None and calendar.pause_start <= today < (calendar.pause_end or date.max)
    wanted = {"allow"} | ({states.before_launch} if launching else set())
    wanted |= {states.paused} if in_pause or calendar.state == "paused" else set()
    found = status_at(calendar, by, now)
    assert found.effect == next(each for each in ("deny", "read_only", "allow") if each in wanted)
    grace = timedelta(sections.grace_days)
    for term in calendar.terms or ():
        early = term.start is not None and today < term.start - grace
        late = term.end is not None and today > term.end + grace
        if sections.terms == "any" or not (early or late):
            assert found.of_term(term.id) is None
        else:
            assert found.of_term(term.id) is (TermState.NOT_BEGUN if early else TermState.ENDED)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Facts, Policy, DistrictStatus]:
    """Draw people whose sections are in terms, a policy, and what a calendar means under it."""
    drawn = draw(people())
    term_of = {section: draw(st.sampled_from([None, "t1", "t2"])) for section in "abc"}

    def by_term(standing: Standing) -> tuple[Standing, ...]:
        others = tuple(each for each in standing.places if each[0] is not Scope.SECTION)
        sections = [SectionOf(each, term=term_of[each]) for each in standing.ids(Scope.SECTION)]
        return standings_by_term(replace(standing, places=others), sections)

    roles = tuple(
        replace(each, standings=tuple(part for one in each.standings for part in by_term(one)))
        if each.role in (Role.TEACHER, Role.STUDENT)
        else each
        for each in drawn.roles
    )
    written = {**draw(policies()), **draw(blocks)}
    by = under(draw(st.sampled_from(RULES)), written)
    return replace(drawn, roles=roles), by, status_at(draw(calendars), by, draw(instants))


Held = set[tuple[str, ...]]


def held_of(facts: Facts, by: Policy, status: DistrictStatus, role: Role | None = None) -> Held:
    """Return all that a user holds with the role that gives it, with or without a condition."""
    access = access_of(facts, by, role, status)
    plain = {
        (*place, name, giving)
        for place, by_role in access.holdings.items()
        for giving, names in by_role.items()
        for name in names
    }
    return plain | held_on_conditions(permission_set(facts, by, role, status))


@law
@given(worlds())
def test_a_calendar_only_takes(world: tuple[Facts, Policy, DistrictStatus]) -> None:
    facts, by, status = world
    for role in (None, *facts.held()):
        without, left = held_of(facts, by, ALWAYS, role), held_of(facts, by, status, role)
        assert left <= without
        if status.effect is Effect.DENY:
            assert left == set()
        if status.effect is Effect.READ_ONLY:
            assert {each[2] for each in left} <= by.read_only


@law
@given(worlds(), calendars, instants)
def test_a_policy_without_the_blocks_is_as_it_was(
    world: tuple[Facts, Policy, DistrictStatus], calendar: Calendar, now: float
) -> None:
    facts, by, _ = world
    plain = policy_of(
        by.file.model_copy(update={"district": policy().file.district, "sections": policy().file.sections})
    )
    assert not plain.needs_calendar
    status = status_at(calendar, plain, now)
    assert status == ALWAYS
    assert access_of(facts, plain, None, status) == access_of(facts, plain)


@law
@given(worlds())
def test_sections_that_are_dropped_are_as_if_they_were_not_there(
    world: tuple[Facts, Policy, DistrictStatus],
) -> None:
    facts, by, status = world
    by = policy_of(by.file.model_copy(update={"sections": by.file.sections.model_copy(update={"after": "drop"})}))
    status = replace(status, effect=Effect.ALLOW, cause=None)

    def counting(held: HeldRole) -> HeldRole:
        return replace(held, standings=tuple(each for each in held.standings if status.of_term(each.term) is None))

    fewer = replace(facts, roles=tuple(map(counting, facts.roles)))
    for role in (None, *facts.held()):
        assert held_of(facts, by, status, role) == held_of(fewer, by, ALWAYS, role)


@law
@given(worlds(), st.sampled_from(NAMES), locations, requests)
def test_a_denial_by_the_calendar_is_told_as_such_and_explained(
    world: tuple[Facts, Policy, DistrictStatus], name: str, location: Location, request: dict[str, object]
) -> None:
    facts, by, status = world
    without, access = access_of(facts, by), access_of(facts, by, None, status)
    before, reason = decide(without, name, location, request), decide(access, name, location, request)
    if reason in {Reason.DISTRICT_PAUSED, Reason.DISTRICT_NOT_LAUNCHED}:
        assert name in without.anywhere
        assert status.effect is not Effect.ALLOW
    elif reason in {Reason.TERM_ENDED, Reason.TERM_NOT_BEGUN}:
        assert before is Reason.GRANTED
        assert status.ended | status.not_begun
    else:
        assert reason is before
    assert decide_without_location(access, name, "report", "") in {None, reason}
    found = explanation_of(access, by, name, location | {(Scope.DISTRICT, "a")}, request, status=status)
    assert found.held == bool(found.grounds) != bool(found.missing) or name not in by.permissions


ALGEBRA, BIOLOGY, CHESS = "algebra", "biology", "chess"
"""Of the fall, of the spring, and of no term."""

NORTH = (Scope.SCHOOL, "north")
SECTIONS = [SectionOf(ALGEBRA, "north", "fall"), SectionOf(BIOLOGY, "north", "spring"), SectionOf(CHESS, "north")]
TEACHING = HeldRole(Role.TEACHER, standings_by_term(Standing(), SECTIONS))
EVE = Facts(UserId("eve"), DistrictId("zeta"), (TEACHING, HeldRole(Role.STUDENT)))


def explained(by: Policy, calendar: Calendar, day: str, name: str, section: str) -> Explanation:
    status = status_at(calendar, by, at(day))
    location = frozenset({(Scope.SECTION, section), NORTH, (Scope.DISTRICT, "zeta")})
    return explanation_of(access_of(EVE, by, None, status), by, name, location, status=status)


LAST_YEAR = "its data is last year's, and the policy allows"


@pytest.mark.parametrize(
    ("calendar", "effect", "reason", "detail"),
    [
        (
            Calendar("running", *SUMMER),
            "deny",
            "district_paused",
            "the district is paused from 2026-06-10 until 2026-08-15: {} nothing meanwhile",
        ),
        (
            Calendar("paused"),
            "read_only",
            "district_paused",
            "the district is paused: {} nothing but reading meanwhile",
        ),
        (
            Calendar(launch_date=date(2026, 9, 1)),
            "allow",
            "district_not_launched",
            "the district is launched on 2026-09-01, and the policy allows nothing before",
        ),
    ],
)
def test_an_explanation_says_why_the_district_denies(calendar: Calendar, effect: str, reason: str, detail: str) -> None:
    by = policy(district={"paused": effect, "before_launch": "deny"})
    found = explained(by, calendar, "2026-07-01", "section:edit", CHESS)
    assert (found.reason, found.summary) == (reason, f"section:edit is not held: {detail.format(LAST_YEAR)}.")
    assert [(each.lack, each.role, each.statements) for each in found.missing] == [
        (Lack.DISTRICT, Role.TEACHER, ("roles.teacher[0]",))
    ]
    elsewhere = explained(by, calendar, "2026-07-01", "section:edit", "dance")
    assert (elsewhere.reason, [each.lack for each in elsewhere.missing]) == (reason, [Lack.DISTRICT, Lack.REACH])
    never = explained(by, calendar, "2026-07-01", "school:view", CHESS)
    assert (never.reason, [each.lack for each in never.missing]) == ("not_permitted", [Lack.ROLE])


@pytest.mark.parametrize(
    ("sections", "section", "reason", "detail"),
    [
        ({}, ALGEBRA, "term_ended", "its term ended on 2026-12-18, more than 14 days ago"),
        ({"grace_days": 1}, ALGEBRA, "term_ended", "its term ended on 2026-12-18, more than 1 day ago"),
        (
            {"grace_days": 0, "after": "read_only"},
            ALGEBRA,
            "term_ended",
            "its term ended on 2026-12-18: it can only be read now",
        ),
        (
            {"grace_days": 3},
            BIOLOGY,
            "term_not_begun",
            "its term begins on 2027-01-10, in more than 3 days",
        ),
        ({"grace_days": 0}, BIOLOGY, "term_not_begun", "its term begins on 2027-01-10"),
    ],
)
def test_an_explanation_says_which_term_is_over_or_has_not_begun(
    sections: Written, section: str, reason: str, detail: str
) -> None:
    found = explained(policy(sections={**BY_TERM, **sections}), YEAR, "2027-01-03", "section:edit", section)
    assert (found.reason, found.summary) == (
        reason,
        f"section:edit is not held: teaches this section, but {detail}.",
    )
    assert [(each.lack, each.scope, each.statements) for each in found.missing] == [
        (Lack.TERM, Scope.SECTION, ("roles.teacher[0]",))
    ]


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (ALGEBRA, "teaches this section, whose term ended on 2026-12-18: it can still be read"),
        (BIOLOGY, "teaches this section, whose term runs from 2027-01-10 through 2027-06-04"),
        (CHESS, "teaches this section"),
    ],
)
def test_an_explanation_says_in_which_term_a_section_is_that_counts(section: str, told: str) -> None:
    by = policy(sections={**BY_TERM, "after": "read_only"})
    [ground] = explained(by, YEAR, "2027-01-03", "section:view", section).grounds
    assert ground.fact == told
    [unasked] = explained(policy(), YEAR, "2027-01-03", "section:view", section).grounds
    assert unasked.fact == "teaches this section"


def test_what_can_be_read_after_a_term_is_what_the_policy_calls_reading() -> None:
    by = policy(sections={**BY_TERM, "after": "read_only"}, district={"read_only": ["report:view"]})
    assert [explained(by, YEAR, "2027-01-03", name, ALGEBRA).reason for name in ("report:view", "section:view")] == [
        Reason.GRANTED,
        Reason.TERM_ENDED,
    ]
