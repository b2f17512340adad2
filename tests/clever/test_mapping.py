from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app.clever.mapping import Answers, calendar_of, facts_of, section_of
from app.clever.models import Entry
from app.clever.records import DistrictRecord, SchoolRecord, SectionRecord, TermRecord, UserRecord
from app.domain.calendar import Calendar, Term
from app.domain.errors import CleverMalformed
from app.domain.facts import Facts, HeldRole, Oddity, Role, Standing
from app.domain.fields import UNREADABLE
from app.domain.ids import DistrictId, IdShape, SchoolId, SectionId, UserId
from app.domain.places import Section
from app.domain.scopes import Scope

DISTRICT = DistrictId("d" * 24)
ME = UserId("a" * 24)
NORTH, SOUTH, WEST = "1" * 24, "2" * 24, "3" * 24
ALGEBRA, BIOLOGY, CHEMISTRY = "4" * 24, "5" * 24, "6" * 24
PUPIL, OTHER, OLD = "b" * 24, "c" * 24, "e" * 24


TOLD = TypeAdapter(tuple[UserRecord, list[SectionRecord], list[SchoolRecord]])


def read(
    roles: object,
    *sections: Mapping[str, object],
    schools: Sequence[str] | None = (),
    **more: object,
) -> tuple[Facts, Counter[Oddity]]:
    user = UserRecord.model_validate({"id": ME, "district": DISTRICT, "roles": roles, **more})
    answers = Answers(
        user,
        [SectionRecord.model_validate({"district": DISTRICT, **section}) for section in sections],
        None if schools is None else [SchoolRecord(id=school, district=DISTRICT) for school in schools],
    )
    return facts_and_odd(answers)


def facts_and_odd(answers: Answers) -> tuple[Facts, Counter[Oddity]]:
    """The facts, and how much of the data grants nothing."""
    odd: Counter[Oddity] = Counter()
    return facts_of(answers, DISTRICT, IdShape(), odd), odd


def own(record: str) -> Mapping[str, object]:
    """What every record of the district says of itself."""
    return {"id": record, "district": DISTRICT}


def facts(*roles: HeldRole) -> Facts:
    return Facts(ME, DISTRICT, roles)


def test_a_teacher_reaches_the_schools_of_the_role_and_the_sections_in_which_they_stand_as_a_teacher() -> None:
    assert read(
        {"teacher": {"school": NORTH, "schools": [SOUTH], "title": " Lead Teacher ", "legacy_id": OLD}},
        {"id": ALGEBRA, "teacher": ME},
        {"id": BIOLOGY, "teacher": OTHER, "teachers": [OTHER, ME], "students": [PUPIL]},
        {"id": CHEMISTRY, "teacher": OTHER, "teachers": [OTHER], "students": [ME]},
    ) == (
        facts(
            HeldRole(
                Role.TEACHER,
                (
                    Standing(
                        ((Scope.SCHOOL, (NORTH, SOUTH)), (Scope.SECTION, (ALGEBRA, BIOLOGY))),
                        (("title", ("lead teacher",)),),
                    ),
                ),
                OLD,
            )
        ),
        Counter(),
    )


@pytest.mark.parametrize(("role", "stands"), [("teacher", "teachers"), ("student", "students")])
def test_the_schools_of_the_sections_listed_are_kept_apart_from_the_users_own(role: str, stands: str) -> None:
    assert read(
        {role: {"school": NORTH}},
        {"id": ALGEBRA, "school": WEST, stands: [ME]},
        {"id": BIOLOGY, "school": SOUTH, stands: [ME]},
        {"id": CHEMISTRY, "school": SOUTH, stands: [ME]},
        {"id": "7" * 24, "school": "school-42", stands: [ME]},
        {"id": "8" * 24, "school": None, stands: [ME]},
        {"id": "9" * 24, "school": NORTH, stands: [OTHER]},
        {"id": "algebra!", "school": NORTH, stands: [ME]},
    ) == (
        facts(
            HeldRole(
                Role(role),
                (
                    Standing(
                        (
                            (Scope.SCHOOL, (NORTH,)),
                            (Scope.SECTION, (ALGEBRA, BIOLOGY, CHEMISTRY, "7" * 24, "8" * 24)),
                        ),
                        section_schools=(SOUTH, WEST),
                    ),
                ),
            )
        ),
        Counter({Oddity.ID_MALFORMED: 2}),
    )


def test_a_student_reaches_the_sections_in_which_they_stand_as_a_student() -> None:
    assert read(
        {"student": {"school": NORTH, "schools": [NORTH, SOUTH], "legacy_id": ME}},
        {"id": ALGEBRA, "teacher": ME},
        {"id": BIOLOGY, "teachers": None, "students": [PUPIL, ME]},
    ) == (
        facts(
            HeldRole(
                Role.STUDENT, (Standing(((Scope.SCHOOL, (NORTH, SOUTH)), (Scope.SECTION, (BIOLOGY,)))),), legacy_id=ME
            )
        ),
        Counter(),
    )


@pytest.mark.parametrize(("role", "stands"), [("teacher", "teachers"), ("student", "students")])
def test_sections_stand_apart_by_their_term_and_one_with_an_odd_term_has_none(role: str, stands: str) -> None:
    fall, spring = "7" * 24, "8" * 24
    assert read(
        {role: {"school": NORTH}},
        {"id": CHEMISTRY, "school": WEST, "term_id": spring, stands: [ME]},
        {"id": BIOLOGY, "school": SOUTH, "term_id": fall, stands: [ME]},
        {"id": ALGEBRA, "school": NORTH, "term_id": fall, stands: [ME]},
        {"id": "9" * 24, "term_id": None, stands: [ME]},
        {"id": "e" * 24, "term_id": "fall 26", stands: [ME]},
        {"id": "f" * 24, "term_id": "1" * 24, stands: [OTHER]},
    ) == (
        facts(
            HeldRole(
                Role(role),
                (
                    Standing(((Scope.SCHOOL, (NORTH,)), (Scope.SECTION, ("9" * 24, "e" * 24)))),
                    Standing(((Scope.SECTION, (ALGEBRA, BIOLOGY)),), section_schools=(NORTH, SOUTH), term=fall),
                    Standing(((Scope.SECTION, (CHEMISTRY,)),), section_schools=(WEST,), term=spring),
                ),
            )
        ),
        Counter({Oddity.ID_MALFORMED: 1}),
    )


def test_staff_administer_the_schools_of_the_role_and_none_that_clever_lists_besides() -> None:
    assert read(
        {
            "teacher": {"school": WEST},
            "staff": {
                "schools": [SOUTH, NORTH],
                "roles": ["schooltechlead", "PortalOnly", "CurriculumLead"],
                "title": "Principal",
                "department": "",
            },
        },
        schools=[NORTH, WEST],
    ) == (
        facts(
            HeldRole(
                Role.STAFF,
                (
                    Standing(
                        ((Scope.SCHOOL, (NORTH, SOUTH)),),
                        (("roles", ("PortalOnly", "SchoolTechLead", "curriculumlead")), ("title", ("principal",))),
                        unconfirmed=(SOUTH,),
                    ),
                ),
            ),
            HeldRole(Role.TEACHER, (Standing(((Scope.SCHOOL, (WEST,)),)),)),
        ),
        Counter({Oddity.STAFF_ROLE_UNKNOWN: 1, Oddity.SCHOOL_UNCONFIRMED: 1}),
    )


@pytest.mark.parametrize("district", ["f" * 24, "", None])
@pytest.mark.parametrize(("role", "stands"), [("teacher", "teachers"), ("student", "students")])
def test_a_section_of_another_district_grants_nothing_and_is_counted(
    role: str, stands: str, district: str | None
) -> None:
    assert read(
        {role: {}},
        {"id": ALGEBRA, "school": NORTH, stands: [ME]},
        {"id": BIOLOGY, "school": SOUTH, stands: [ME], "district": district},
    ) == (
        facts(HeldRole(Role(role), (Standing(((Scope.SECTION, (ALGEBRA,)),), section_schools=(NORTH,)),))),
        Counter({Oddity.DISTRICT_FOREIGN: 1}),
    )


@pytest.mark.parametrize("district", ["f" * 24, "", None])
def test_a_school_of_another_district_confirms_none_and_is_counted(district: str | None) -> None:
    user = UserRecord.model_validate({**own(ME), "roles": {"staff": {"schools": [NORTH, SOUTH]}}})
    listed = [SchoolRecord(id=NORTH, district=DISTRICT), SchoolRecord(id=SOUTH, district=district)]
    assert facts_and_odd(Answers(user, schools=listed)) == (
        facts(HeldRole(Role.STAFF, (Standing(((Scope.SCHOOL, (NORTH, SOUTH)),), unconfirmed=(SOUTH,)),))),
        Counter({Oddity.DISTRICT_FOREIGN: 1, Oddity.SCHOOL_UNCONFIRMED: 1}),
    )


@pytest.mark.parametrize(
    ("sent", "kept", "unknown"),
    [
        (["MedicalAdmin", "PortalOnly"], ("PortalOnly", "medicaladmin"), 1),
        (["Level 2 Tech", "Class of 2027"], ("class of 2027", "level 2 tech"), 2),
        (["ann@example.org"], (UNREADABLE, "other"), 1),
        (["Desk (555) 123-4567", "PortalOnly"], (UNREADABLE, "PortalOnly", "other"), 1),
        (["x" * 501], (UNREADABLE, "other"), 1),
        (["", " \u200b"], (), 0),
    ],
)
def test_staff_roles_are_kept_but_for_what_is_no_name_of_a_role(
    sent: list[str], kept: tuple[str, ...], unknown: int
) -> None:
    told, odd = read({"staff": {"roles": sent}})
    assert told.roles[0].standings[0].values("roles") == kept
    assert odd == Counter({Oddity.STAFF_ROLE_UNKNOWN: unknown} if unknown else ())


def test_without_clevers_list_of_schools_nobody_knows_which_are_confirmed() -> None:
    assert read({"staff": {"schools": [NORTH], "department": "IT"}}, schools=None) == (
        facts(
            HeldRole(Role.STAFF, (Standing(((Scope.SCHOOL, (NORTH,)),), (("department", ("it",)),), unconfirmed=None),))
        ),
        Counter(),
    )


def test_a_district_admin_reaches_the_district() -> None:
    assert read({"district_admin": {"title": "Superintendent", "legacy_id": OLD}}) == (
        facts(
            HeldRole(
                Role.DISTRICT_ADMIN,
                (Standing(((Scope.DISTRICT, (DISTRICT,)),), (("title", ("superintendent",)),)),),
                OLD,
            )
        ),
        Counter(),
    )


def test_a_contact_stands_once_for_each_entry_with_what_that_entry_says() -> None:
    entries = [
        {"student": PUPIL, "relationship": "Aunt/Uncle", "type": "EMERGENCY"},
        {"student": OTHER, "relationship": "Parent/Guardian", "type": ""},
        {"student": OTHER, "relationship": "Neighbour", "type": "Family"},
    ]
    assert read({"contact": {"student_relationships": entries}}) == (
        facts(
            HeldRole(
                Role.CONTACT,
                (
                    Standing(
                        ((Scope.STUDENT, (PUPIL,)),), (("relationship", ("aunt/uncle",)), ("type", ("emergency",)))
                    ),
                    Standing(((Scope.STUDENT, (OTHER,)),), (("relationship", ("neighbour",)), ("type", ("family",)))),
                    Standing(((Scope.STUDENT, (OTHER,)),), (("relationship", ("parent/guardian",)),)),
                ),
            )
        ),
        Counter({Oddity.RELATIONSHIP_UNKNOWN: 1}),
    )


def test_an_entry_without_a_usable_student_keeps_what_it_says_and_reaches_nobody() -> None:
    entries = [{"student": "pupil 1", "type": "Emergency"}]
    assert read({"contact": {"student_relationships": entries}}) == (
        facts(HeldRole(Role.CONTACT, (Standing(fields=(("type", ("emergency",)),)),))),
        Counter({Oddity.ID_MALFORMED: 1}),
    )


@pytest.mark.parametrize(
    ("sent", "kept", "unknown"),
    [
        ("Emergency Contact", ("emergency contact",), 1),
        ("  No\u00a0 Contact ", ("no contact",), 1),
        ("Mother's friend (work)", ("mother's friend (work)",), 1),
        ("Großmutter", ("grossmutter",), 1),
        ("Emergency 2", ("emergency 2",), 1),
        ("Parent2", ("parent2",), 1),
        ("Emergency 22", (UNREADABLE, "other"), 1),
        ("7", (UNREADABLE, "other"), 1),
        ("555-1234", (UNREADABLE, "other"), 1),
        ("ann@example.org", (UNREADABLE, "other"), 1),
        ("word " * 9, (UNREADABLE, "other"), 1),
        ("a" * 100_000, (UNREADABLE, "other"), 1),
        ("Emergency" + " \u200b" * 500, ("emergency",), 0),
        ("Emer\x00gency", ("emergency",), 0),
        ("Other", ("other",), 0),
        (" \u200b", (), 0),
        ("", (), 0),
        (None, (), 0),
    ],
)
@pytest.mark.parametrize("field", ["type", "relationship"])
def test_an_undocumented_label_is_kept_where_it_looks_like_one_and_never_read_as_absent(
    field: str, sent: str | None, kept: tuple[str, ...], unknown: int
) -> None:
    told, odd = read({"contact": {"student_relationships": [{"student": PUPIL, field: sent}]}})
    assert told.roles[0].standings[0].values(field) == kept
    assert odd == Counter({Oddity.RELATIONSHIP_UNKNOWN: 1} if unknown else ())


@pytest.mark.parametrize(
    ("title", "kept"),
    [
        (" Assistant\t Principal\n", ("assistant principal",)),
        ("De\u0301le\u0301gue\u0301", ("délégué",)),
        ("\uff24\uff25\uff21\uff2e", ("dean",)),
        ("\u00a0", ()),
        ("\x00", ()),
        ("Dean" + "\u200b" * 500, ("dean",)),
        ("\0unreadable", ("unreadable",)),
        ("x" * 501, (UNREADABLE,)),
    ],
)
def test_titles_are_kept_in_their_normal_form(title: str, kept: tuple[str, ...]) -> None:
    for role in ("teacher", "staff", "district_admin"):
        told, odd = read({role: {"title": title}})
        assert told.roles[0].standings[0].values("title") == kept
        assert odd == Counter({Oddity.TEXT_TOO_LONG: 1} if kept == (UNREADABLE,) else ())


@pytest.mark.parametrize("entries", [[], None])
def test_a_contact_without_entries_has_one_empty_standing(entries: object) -> None:
    assert read({"contact": {"student_relationships": entries}}) == (facts(HeldRole(Role.CONTACT)), Counter())


@pytest.mark.parametrize("roles", [None, {}, {"teacher": None, "staff": None}])
def test_a_role_that_is_absent_or_null_is_not_held(roles: object) -> None:
    assert read(roles) == (facts(), Counter())


def test_a_role_that_is_an_empty_object_is_held_and_the_most_senior_comes_first() -> None:
    everything, odd = read({"contact": {}, "student": {}, "teacher": {}, "staff": {}, "district_admin": {}})
    assert everything == facts(
        HeldRole(Role.DISTRICT_ADMIN, (Standing(((Scope.DISTRICT, (DISTRICT,)),)),)),
        HeldRole(Role.STAFF),
        HeldRole(Role.TEACHER),
        HeldRole(Role.STUDENT),
        HeldRole(Role.CONTACT),
    )
    assert everything.held() == tuple(Role)
    assert odd == Counter()


def test_ids_without_the_shape_of_one_grant_nothing_and_are_counted() -> None:
    assert read(
        {
            "staff": {"schools": ["school-42", NORTH, ""], "legacy_id": "../../v1.1/me"},
            "teacher": {"school": "", "schools": ["school-42"]},
        },
        {"id": "algebra!", "teacher": ME},
        {"id": "not mine", "teacher": OTHER},
        schools=[NORTH],
    ) == (
        facts(
            HeldRole(Role.STAFF, (Standing(((Scope.SCHOOL, (NORTH,)),)),)),
            HeldRole(Role.TEACHER),
        ),
        Counter({Oddity.ID_MALFORMED: 4}),
    )


def test_a_legacy_id_in_a_section_grants_nothing_and_is_counted() -> None:
    assert read(
        {"teacher": {"legacy_id": OLD}},
        {"id": ALGEBRA, "teacher": OLD, "teachers": [OLD]},
        {"id": BIOLOGY, "teacher": OLD, "teachers": [OLD, ME]},
    ) == (
        facts(HeldRole(Role.TEACHER, (Standing(((Scope.SECTION, (BIOLOGY,)),)),), OLD)),
        Counter({Oddity.LEGACY_ID_IN_SECTION: 1}),
    )


def test_fields_and_roles_that_clever_has_not_documented_are_counted_and_ignored() -> None:
    assert read(
        {"librarian": {"schools": [NORTH]}, "staff": {"badge": 1, "staff_id": "7"}}, email="a@b", mood="good"
    ) == (
        facts(HeldRole(Role.STAFF)),
        Counter({Oddity.ROLE_UNKNOWN: 1, Oddity.FIELD_UNKNOWN: 2}),
    )


def test_what_undocumented_fields_hold_is_never_kept() -> None:
    user = UserRecord.model_validate({"id": ME, "name": {"first": "Ada"}, "roles": {"student": {"dob": "1/2/2010"}}})
    assert "Ada" not in repr(user)
    assert "2010" not in repr(user)


@pytest.mark.parametrize(
    "wrong",
    [
        {"roles": []},
        {"roles": {"teacher": []}},
        {"roles": {"staff": {"schools": NORTH}}},
        {"roles": {"staff": {"schools": [7]}}},
        {"roles": {"staff": {"roles": "SchoolTechLead"}}},
        {"roles": {"staff": {"roles": {"a": 1}}}},
        {"roles": {"staff": {"roles": ["SchoolTechLead", None]}}},
        {"roles": {"staff": {"roles": [5]}}},
        {"roles": {"staff": {"title": 5}}},
        {"roles": {"staff": {"department": ["IT"]}}},
        {"roles": {"teacher": {"title": True}}},
        {"roles": {"district_admin": {"title": {}}}},
        {"roles": {"contact": {"student_relationships": [None]}}},
        {"roles": {"contact": {"student_relationships": ["Emergency"]}}},
        {"roles": {"contact": {"student_relationships": [{"student": PUPIL, "type": 5}]}}},
        {"roles": {"contact": {"student_relationships": [{"student": PUPIL, "relationship": ["Parent"]}]}}},
        {"roles": {"contact": {"student_relationships": {"student": PUPIL}}}},
        {"district": 7},
        {"id": None},
    ],
)
def test_a_field_of_the_wrong_type_is_a_mistake_and_no_absent_field(wrong: Mapping[str, object]) -> None:
    with pytest.raises(ValidationError):
        UserRecord.model_validate({"id": ME, **wrong})


@pytest.mark.parametrize(
    ("sent", "section", "malformed"),
    [
        (
            {"school": NORTH, "teacher": ME, "students": [OTHER, PUPIL, OTHER]},
            Section(SectionId(ALGEBRA), DISTRICT, SchoolId(NORTH), (PUPIL, OTHER), (ME,)),
            0,
        ),
        (
            {"school": "school-42", "students": ["pupil 1", PUPIL, ""]},
            Section(SectionId(ALGEBRA), DISTRICT, None, (PUPIL,)),
            2,
        ),
        ({"school": None, "students": None}, Section(SectionId(ALGEBRA), DISTRICT, None), 0),
    ],
)
def test_a_section_lies_at_its_school_with_its_students(
    sent: Mapping[str, object], section: Section, malformed: int
) -> None:
    record = SectionRecord.model_validate({"id": ALGEBRA, **sent})
    odd: Counter[Oddity] = Counter()
    assert section_of(record, DISTRICT, IdShape(), odd) == section
    assert odd == Counter({Oddity.ID_MALFORMED: malformed})


@pytest.mark.parametrize(
    "fields",
    [
        rb'"title": "\ud800"',
        rb'"title": "a\udfff"',
        rb'"roles": ["\ud800"]',
        rb'"\ud800": 1',
        rb'"ext": {"a": "\udfff"}',
    ],
)
async def test_what_cannot_be_written_as_utf_8_is_malformed(fields: bytes) -> None:
    body = bytearray(b'{"data": {"id": "%s", "roles": {"staff": {%b}}}}' % (ME.encode(), fields))
    with pytest.raises(CleverMalformed):
        await Entry[UserRecord].parse(body)


def scrambled(value: object, random: Random) -> object:
    """The same JSON with the entries of every list in another order, and some of them repeated."""
    if isinstance(value, dict):
        return {key: scrambled(value[key], random) for key in random.sample(sorted(value), len(value))}
    if isinstance(value, list):
        entries = [scrambled(entry, random) for entry in [*value, *random.choices(value, k=2)]]
        return random.sample(entries, len(entries))
    return value


@settings(max_examples=50, deadline=None)
@given(st.randoms(use_true_random=False))
def test_order_and_repetition_in_clevers_answer_change_nothing(random: Random) -> None:
    entries = [{"student": PUPIL, "type": "Family"}, {"student": OTHER}, {"student": PUPIL, "type": "Emergency"}]
    answer: tuple[object, ...] = (
        {
            "id": ME,
            "roles": {
                "contact": {"student_relationships": entries},
                "student": {"schools": [NORTH, WEST]},
                "teacher": {"schools": [NORTH, SOUTH, WEST, "school-42"]},
                "staff": {"schools": [NORTH, SOUTH], "roles": ["PortalOnly", "SchoolTechLead", "Coach"]},
            },
        },
        [
            {**own(ALGEBRA), "school": NORTH, "teachers": [ME, OTHER], "students": [PUPIL, OTHER]},
            {**own(BIOLOGY), "school": WEST, "teacher": OTHER, "teachers": [OTHER, PUPIL], "students": [ME, PUPIL]},
            {**own(CHEMISTRY), "school": SOUTH, "teachers": [OTHER, ME], "students": [PUPIL]},
            {"id": "7" * 24, "teachers": [ME]},
        ],
        [own(NORTH), own(WEST), {"id": SOUTH}],
    )
    once, again = answer, tuple(scrambled(part, random) for part in answer)
    assert facts_and_odd(Answers(*TOLD.validate_python(again))) == facts_and_odd(Answers(*TOLD.validate_python(once)))


FALL, SPRING = "7" * 24, "8" * 24


def calendar(record: Mapping[str, object], terms: Sequence[Mapping[str, object]] | None = None) -> tuple[Calendar, int]:
    """Return the calendar of a district's record, and how many days could not be read."""
    odd: Counter[Oddity] = Counter()
    read = None if terms is None else [TermRecord.model_validate({"district": DISTRICT, **term}) for term in terms]
    found = calendar_of(DistrictRecord.model_validate({"id": DISTRICT, **record}), read, odd)
    assert odd.keys() <= {Oddity.DATE_UNREADABLE}
    return found, odd.total()


@pytest.mark.parametrize("written", ["2026-06-10", "2026-06-10T00:00:00.000Z", "2026-06-10 07:00", " 2026-06-10 "])
def test_a_day_is_a_date_or_the_date_of_a_time(written: str) -> None:
    day = date(2026, 6, 10)
    days = dict.fromkeys(("pause_start", "pause_end", "launch_date"), written)
    assert calendar({"state": " Paused ", **days}) == (Calendar("paused", day, day, day), 0)


@pytest.mark.parametrize("nothing", [None, "", " "])
def test_where_there_is_no_day_or_state_there_is_none(nothing: str | None) -> None:
    days = dict.fromkeys(("pause_start", "pause_end", "launch_date", "state"), nothing)
    assert calendar(days) == calendar({}) == (Calendar(), 0)


@pytest.mark.parametrize(
    "unreadable",
    [
        "soon",
        "2026-02-30",
        "10.6.2026",
        "2026-6-1",
        "2026-W24-3",
        "20260610",
        "2026-06-10th",
        "2026-06-1\u0660",
        20260610,
        {},
    ],
)
def test_a_day_that_cannot_be_read_says_nothing_and_nor_does_the_other_day_of_a_pause(unreadable: object) -> None:
    fine = {"pause_start": "2026-06-10", "pause_end": "2026-08-15", "launch_date": "2025-08-15"}
    launch = date(2025, 8, 15)
    for name in ("pause_start", "pause_end"):
        read = Calendar("running", launch_date=launch, unreadable=(name,))
        assert calendar({"state": "running", **fine, name: unreadable}) == (read, 1)
    pause = date(2026, 6, 10), date(2026, 8, 15)
    assert calendar({**fine, "launch_date": unreadable}) == (Calendar("", *pause, unreadable=("launch_date",)), 1)


def test_terms_keep_the_days_that_they_have() -> None:
    terms = [
        {"id": FALL, "name": "Fall", "start_date": "2026-08-24", "end_date": "2026-12-18"},
        {"id": SPRING, "start_date": "", "end_date": "?"},
    ]
    read = (Term(FALL, date(2026, 8, 24), date(2026, 12, 18)), Term(SPRING))
    assert calendar({}, terms) == (Calendar(terms=read, unreadable=("terms",)), 1)
    assert calendar({}, []) == (Calendar(terms=()), 0)


@given(st.none() | st.text() | st.dates().map(str) | st.integers() | st.lists(st.text(), max_size=2))
@settings(derandomize=True, max_examples=60)
def test_whatever_stands_in_place_of_a_day_is_read_as_one_or_counted(written: object) -> None:
    found, unreadable = calendar({"launch_date": written})
    is_there = written is not None and bool(str(written).strip())
    assert is_there == (found.launch_date is not None or unreadable == 1)
    assert found.unreadable == (("launch_date",) if unreadable else ())
