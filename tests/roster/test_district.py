"""A loaded district says of everybody what reading them one by one says."""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clever.mapping import Answers, facts_of, section_of
from app.clever.records import SchoolRecord, SectionRecord, UserRecord
from app.domain.calendar import Calendar, DistrictStatus, Term
from app.domain.evaluation import Access, access_of
from app.domain.facts import EMPLOYEES, Facts, HeldRole, Role, Standing
from app.domain.ids import DistrictId, SchoolId, SectionId, UserId
from app.domain.places import Place, Section
from app.domain.scopes import Scope
from app.roster.district import HERE as HERE_ASKED
from app.roster.district import AsOf, District, LegacyHolder, Whom
from tests.domain.odd_worlds import DISTRICT, ELSEWHERE, IDS, SHAPE, Maker, Record, World
from tests.domain.worlds import under

law = settings(derandomize=True, max_examples=30, deadline=None)

HERE = DistrictId(DISTRICT)
ADA, BEN, CAL = (UserId(letter * 24) for letter in "abc")
ALGEBRA, NORTH, SOUTH = SectionId("1" * 24), SchoolId("2" * 24), SchoolId("3" * 24)


def empty(whom: Whom = Whom.EVERYONE) -> District:
    return District(HERE, whom, AsOf(0, 0))


@dataclass
class Clever:
    """What Clever has at one moment, and what it says of it."""

    people: dict[str, Record] = field(default_factory=dict)
    sections: dict[str, Record] = field(default_factory=dict)
    schools: set[str] = field(default_factory=set)

    def read_alone(self, user: str) -> Facts | None:
        """What three reads of one user say: the record, the sections and the schools."""
        record = self.people.get(user)
        if record is None:
            return None
        world = World(self.people, {}, self.sections, frozenset(self.schools))
        sections = [SectionRecord.model_validate(section) for section in world.sections_of(user)]
        schools = [SchoolRecord(id=school, district=DISTRICT) for school in self.schools]
        return facts_of(Answers(UserRecord.model_validate(record), sections, schools), HERE, SHAPE, Counter())

    def listed(self, user: str) -> Facts:
        """What a list of users says of one."""
        return facts_of(Answers(UserRecord.model_validate(self.people[user])), HERE, SHAPE, Counter())

    def section(self, section: str) -> Section:
        return section_of(SectionRecord.model_validate(self.sections[section]), HERE, SHAPE, Counter())


Change = Callable[[Clever, District], Collection[str]]


def putting_person(record: Record) -> Change:
    def put(clever: Clever, district: District) -> Collection[str]:
        clever.people[record["id"]] = record
        return district.put_person(clever.listed(record["id"]))

    return put


def dropping_person(user: str) -> Change:
    def drop(clever: Clever, district: District) -> Collection[str]:
        clever.people.pop(user, None)
        return district.drop_person(UserId(user))

    return drop


def putting_section(record: Record) -> Change:
    def put(clever: Clever, district: District) -> Collection[str]:
        clever.sections[record["id"]] = record
        return district.put_section(clever.section(record["id"]))

    return put


def dropping_section(section: str) -> Change:
    def drop(clever: Clever, district: District) -> Collection[str]:
        clever.sections.pop(section, None)
        return district.drop_section(SectionId(section))

    return drop


def putting_school(school: str) -> Change:
    def put(clever: Clever, district: District) -> Collection[str]:
        clever.schools.add(school)
        return district.put_school(SchoolId(school))

    return put


def dropping_school(school: str) -> Change:
    def drop(clever: Clever, district: District) -> Collection[str]:
        clever.schools.discard(school)
        return district.drop_school(SchoolId(school))

    return drop


@st.composite
def changes(draw: st.DrawFn) -> list[Change]:
    """Two states of a district as Clever sends them, in any order, and some of it dropped in between."""
    chance = draw(st.randoms(use_true_random=False))
    assert isinstance(chance, Random)
    maker, every = Maker(chance), list[Change]()
    for world in (maker.world(), maker.world()):
        every += map(putting_person, world.people.values())
        for section in world.sections.values():
            if section["district"] != ELSEWHERE:
                every.append(putting_section(section | {"term_id": chance.choice([None, "no term", *IDS[:2]])}))
        every += map(putting_school, world.schools)
    for dropping in (dropping_person, dropping_section, dropping_school):
        every += map(dropping, chance.sample(IDS, 2))
    return draw(st.permutations(every))


@law
@given(changes())
def test_facts_put_together_equal_those_of_single_reads_and_whose_facts_change_is_named(every: list[Change]) -> None:
    clever, district = Clever(), empty()
    before: dict[str, Facts | None] = dict.fromkeys(IDS)
    for change in every:
        named = change(clever, district)
        after = {user: clever.read_alone(user) for user in IDS}
        assert {user: district.facts(user) for user in IDS} == after
        assert {user for user in IDS if after[user] != before[user]} <= set(named)
        before = after


@law
@given(changes())
def test_a_district_of_staff_holds_those_who_are_employees_and_all_whom_sections_list(every: list[Change]) -> None:
    clever, district = Clever(), empty(Whom.STAFF)
    before: dict[str, Facts | None] = dict.fromkeys(IDS)
    for change in every:
        named = change(clever, district)
        after = {user: district.facts(user) for user in IDS}
        assert {user for user in IDS if after[user] != before[user]} <= set(named)
        before = after
    read = {user: clever.read_alone(user) for user in IDS}
    held = {user for user, facts in read.items() if facts and facts.roles and EMPLOYEES.issuperset(facts.held())}
    assert before == {user: facts if user in held else None for user, facts in read.items()}
    sections = {section: clever.section(section) for section in clever.sections}
    assert {section: district.section(section) for section in sections} == sections


@law
@given(changes(), st.randoms(use_true_random=False))
def test_a_district_changed_again_and_again_is_one_that_is_loaded_anew(every: list[Change], chance: Random) -> None:
    clever, district = Clever(), empty()
    for change in every:
        change(clever, district)
    puts = [*map(putting_person, clever.people.values()), *map(putting_section, clever.sections.values())]
    puts += map(putting_school, clever.schools)
    chance.shuffle(puts)
    anew = empty()
    for put in puts:
        put(Clever(clever.people, clever.sections, clever.schools), anew)
    assert [*district.contents()] == [*anew.contents()]
    assert not any(district.differences(anew))
    assert district.counts() == anew.counts()


@law
@given(changes(), changes())
def test_two_districts_differ_where_their_contents_do(some: list[Change], others: list[Change]) -> None:
    one, other = empty(), empty()
    for district, every in ((one, some), (other, others)):
        clever = Clever()
        for change in every:
            change(clever, district)
    assert any(one.differences(other)) is ([*one.contents()] != [*other.contents()])


@law
@given(changes())
def test_people_and_sections_are_found_where_their_own_facts_put_them(every: list[Change]) -> None:
    clever, district = Clever(), empty()
    for change in every:
        change(clever, district)
    people = [facts for user in sorted(IDS) if (facts := district.facts(user)) is not None]
    sections = [district.section(section) for section in sorted(clever.sections)]
    for role in Role:
        in_role = {facts.user: held for facts in people for held in facts.roles if held.role is role}
        assert district.people((Scope.DISTRICT, HERE), role) == [*in_role]
        for scope in (Scope.SCHOOL, Scope.SECTION, Scope.STUDENT):
            for place in IDS:
                there = [user for user, held in in_role.items() if place in held.ids(scope)]
                assert district.people((scope, place), role) == there
    for school in IDS:
        lying_there = [each.id for each in sections if each is not None and each.school == school]
        assert district.sections((Scope.SCHOOL, school)) == lying_there
    assert sections == [clever.section(section) for section in sorted(clever.sections)]
    assert district.sections((Scope.DISTRICT, HERE)) == sorted(clever.sections)
    assert district.schools() == sorted(clever.schools)


PLACES = [(Scope.DISTRICT, DISTRICT), *product((Scope.SCHOOL, Scope.SECTION, Scope.STUDENT), IDS)]
SPRING_ENDED = DistrictStatus(ended=frozenset(IDS[:1]))


@law
@given(changes(), st.randoms(use_true_random=False))
def test_whoever_is_alike_in_a_place_holds_there_what_each_of_them_holds(every: list[Change], chance: Random) -> None:
    clever, district, written = Clever(), empty(), Maker(chance).policy()
    policy = under(written["rule"], written)
    for change in every:
        change(clever, district)
        for place in (PLACES[0], *chance.sample(PLACES, 2)):
            roles = chance.choice([tuple(Role), (Role.STAFF, Role.TEACHER)])
            found = {user: alike.facts for alike in district.alike(place, roles) for user in alike.users}
            assert found.keys() == {user for role in roles for user in district.people(place, role)}
            for user, alike in found.items():
                facts = district.facts(user)
                assert facts is not None
                for role in (None, *facts.held()):
                    one, each = (access_of(said, policy, role, SPRING_ENDED) for said in (alike, facts))
                    assert given_at((place[0], HERE_ASKED), one) == given_at(place, each)


def given_at(place: Place, access: Access) -> tuple[frozenset[str], set[str]]:
    """What an access gives at a place, and the paths of what it gives there to some requests."""
    conditional = {
        f"{each.clause.path} {sorted(each.clause.permissions)}" for each in access.conditional if place in each.places
    }
    return access.at.get(place, frozenset()), conditional


def staff(user: UserId, *schools: str, legacy_id: str | None = None) -> Facts:
    places = ((Scope.SCHOOL, schools),) if schools else ()
    return Facts(user, HERE, (HeldRole(Role.STAFF, (Standing(places, unconfirmed=None),), legacy_id),))


def test_an_administered_school_counts_as_confirmed_while_the_district_has_it() -> None:
    district = empty()
    district.put_person(staff(ADA, NORTH, SOUTH))
    district.put_person(staff(BEN, SOUTH))
    assert district.put_school(NORTH) == (ADA,)
    person = district.facts(ADA)
    assert person is not None
    assert person.roles[0].standings[0].unconfirmed == (SOUTH,)
    assert district.put_school(NORTH) == ()
    assert set(district.put_school(SOUTH)) == {ADA, BEN}
    assert set(district.drop_school(SOUTH)) == {ADA, BEN}


def test_whoever_is_alike_at_a_school_is_confirmed_there_while_the_district_has_it() -> None:
    district = empty()
    district.put_person(staff(ADA, NORTH))
    for change, unconfirmed in (
        (lambda: None, (HERE_ASKED,)),
        (lambda: district.put_school(NORTH), ()),
        (lambda: district.drop_school(NORTH), (HERE_ASKED,)),
    ):
        change()
        (alike,) = district.alike((Scope.SCHOOL, NORTH), (Role.STAFF,))
        assert alike.users == (ADA,)
        assert alike.facts.roles[0].standings[0].unconfirmed == unconfirmed


def test_a_section_names_whom_it_gains_and_loses_and_everybody_in_it_when_its_school_or_term_changes() -> None:
    district = empty()
    assert set(district.put_section(Section(ALGEBRA, HERE, NORTH, (CAL,), (ADA,)))) == {ADA, CAL}
    assert district.put_section(Section(ALGEBRA, HERE, NORTH, (CAL,), (ADA,))) == ()
    assert set(district.put_section(Section(ALGEBRA, HERE, NORTH, (CAL,), (BEN,)))) == {ADA, BEN}
    assert set(district.put_section(Section(ALGEBRA, HERE, SOUTH, (CAL,), (BEN,)))) == {BEN, CAL}
    assert set(district.put_section(Section(ALGEBRA, HERE, SOUTH, (CAL,), (BEN,), "8" * 24))) == {BEN, CAL}
    assert set(district.drop_section(ALGEBRA)) == {BEN, CAL}
    assert district.section(ALGEBRA) is None


def test_it_is_known_whether_any_section_is_in_a_term() -> None:
    district, term = empty(), "8" * 24
    district.put_section(Section(ALGEBRA, HERE, NORTH))
    assert not district.has_terms()
    district.put_section(Section(ALGEBRA, HERE, NORTH, term=term))
    district.put_section(Section(ALGEBRA, HERE, NORTH, (CAL,), term=term))
    assert district.has_terms()
    district.drop_section(ALGEBRA)
    assert not district.has_terms()


def test_the_calendar_is_that_of_the_record_with_the_terms_the_same_until_it_changes() -> None:
    district, spring = empty(), Term("8" * 24, date(2027, 1, 1), date(2027, 6, 30))
    assert district.calendar() is None
    district.put_calendar(Calendar("running"))
    assert district.calendar() == Calendar("running")
    district.put_calendar(Calendar("running", terms=(spring,)))
    district.put_calendar(Calendar("pending"))
    assert district.calendar() == Calendar("pending", terms=(spring,))
    assert district.calendar() is district.calendar()
    district.put_calendar(Calendar("paused", terms=()))
    assert district.calendar() == Calendar("paused", terms=())
    district.drop_calendar()
    assert district.calendar() is None


def test_a_legacy_id_finds_its_user_and_the_role_that_it_belongs_to() -> None:
    district, old, older = empty(), "4" * 24, "5" * 24
    district.put_person(staff(ADA, legacy_id=old))
    district.put_person(Facts(CAL, HERE, (HeldRole(Role.STUDENT, legacy_id=CAL),)))
    assert district.by_legacy_id(old) == [LegacyHolder(ADA, Role.STAFF)]
    assert district.by_legacy_id(CAL) == [LegacyHolder(CAL, Role.STUDENT)]
    assert district.by_legacy_id(ADA) == []
    district.put_person(staff(ADA, legacy_id=older))
    assert district.by_legacy_id(old) == []
    assert district.by_legacy_id(older) == [LegacyHolder(ADA, Role.STAFF)]
    district.drop_person(ADA)
    assert district.by_legacy_id(older) == []


@pytest.mark.parametrize("text", ["", "a b", "\ud800", f"{ADA} ", "school  "])
def test_a_text_that_is_no_id_finds_nothing(text: str) -> None:
    district = empty()
    district.put_person(staff(ADA, NORTH))
    district.put_school(SchoolId("school"))
    assert district.facts(text) is None
    assert district.section(text) is None
    assert district.school(text) is None
    assert district.by_legacy_id(text) == []


def test_records_of_another_district_are_refused() -> None:
    district = empty()
    with pytest.raises(ValueError, match="another district"):
        district.put_person(Facts(ADA, DistrictId(ELSEWHERE)))
    with pytest.raises(ValueError, match="another district"):
        district.put_section(Section(ALGEBRA, DistrictId(ELSEWHERE), None))
    assert district.people((Scope.DISTRICT, ELSEWHERE)) == []
    assert district.sections((Scope.DISTRICT, ELSEWHERE)) == []
