"""Matching: an id decides, else the fields; in doubt nobody is matched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.facts import Role
from app.domain.ids import DistrictId, IdShape, UserId
from app.migration.accounts import account_of
from app.migration.identities import Person, identity_of
from app.migration.matching import Account, Certainty, Directory, Match, Result, settled
from tests.domain.worlds import law


def person(user: str, role: Role, legacy_id: str | None = None, **fields: str) -> Person:
    return Person(UserId(user), legacy_id, identity_of(role, fields))


def account(role: Role, clever_id: str | None = None, legacy_id: str | None = None, **fields: str) -> Account:
    return Account(identity_of(role, fields), clever_id, legacy_id)


ANN = person("ann", Role.TEACHER, "old1", email="ann@x", sis_id="T1", teacher_number="1", name="Ann Alder")
ANN_AS_STAFF = person("ann", Role.STAFF, "old2", email="ann@x", staff_id="A1", name="Ann Alder")
BOB = person("bob", Role.TEACHER, "old3", email="bob@x", sis_id="T2", name="Bob Birch")
TWINS = [
    person(
        f"twin{number}", Role.STUDENT, sis_id=f"S{number}", date_of_birth="1/2/2012", email="home@x", name=f"{name} Elm"
    )
    for number, name in enumerate(("Ida", "Ivo"))
]
NAMESAKES = [
    person(f"sam{number}", Role.STUDENT, sis_id=f"M{number}", date_of_birth="3/4/2012", name="Sam Fir")
    for number in (1, 2)
]
NED = person(
    *("ned", Role.STUDENT), sis_id="N1", state_id="8", date_of_birth="5/6/2012", email="oaks@x", name="Ned Oak"
)
CONTACT = person("carl", Role.CONTACT, "old4")
DIRECTORY = Directory([ANN, ANN_AS_STAFF, BOB, *TWINS, *NAMESAKES, NED, CONTACT])


@pytest.mark.parametrize(
    ("wanted", "user", "on", "certainty"),
    [
        (account(Role.TEACHER, "ann"), "ann", ("clever_id",), Certainty.ID),
        (account(Role.TEACHER, "old1"), "ann", ("clever_id",), Certainty.ID),
        (account(Role.STAFF, legacy_id="old2"), "ann", ("legacy_id",), Certainty.ID),
        (account(Role.TEACHER, "ann", "old1"), "ann", ("clever_id", "legacy_id"), Certainty.ID),
        (account(Role.TEACHER, "ann", "gone"), "ann", ("clever_id",), Certainty.ID),
        (account(Role.DISTRICT_ADMIN, "ann"), "ann", ("clever_id",), Certainty.ID),
        (account(Role.TEACHER, "ann", email="bob@x"), "ann", ("clever_id",), Certainty.ID),
        (account(Role.TEACHER, "ann", email="new@x", name="Ann Elm"), "ann", ("clever_id",), Certainty.ID),
        (account(Role.TEACHER, email=" ANN@x "), "ann", ("email",), Certainty.SINGLE),
        (account(Role.TEACHER, email="ann@x", name="ann  alder"), "ann", ("email", "name"), Certainty.CONFIRMED),
        (
            account(Role.TEACHER, email="ann@x", sis_id="T1", name="Ann Elm"),
            "ann",
            ("email", "sis_id"),
            Certainty.CONFIRMED,
        ),
        (
            account(Role.TEACHER, email="new@x", sis_id="T2", name="Bob Birch"),
            "bob",
            ("sis_id", "name"),
            Certainty.CONFIRMED,
        ),
        (account(Role.STUDENT, email="home@x", name="Ida Elm"), "twin0", ("email", "name"), Certainty.CONFIRMED),
        (
            account(Role.STUDENT, date_of_birth="2012-01-02T00:00:00.000Z", name="Ivo Elm"),
            "twin1",
            ("date_of_birth", "name"),
            Certainty.CONFIRMED,
        ),
    ],
)
def test_an_account_is_matched_by_its_id_or_by_fields_that_identify_one_user(
    wanted: Account, user: str, on: tuple[str, ...], certainty: Certainty
) -> None:
    assert DIRECTORY.match(wanted) == Match(Result.MATCHED, UserId(user), on, certainty)


@pytest.mark.parametrize(
    ("wanted", "candidates"),
    [
        pytest.param(account(Role.TEACHER, "ann", "old3"), {"ann", "bob"}, id="ids of two users"),
        pytest.param(account(Role.TEACHER, "old2"), {"ann"}, id="the id of another role"),
        pytest.param(
            account(Role.STUDENT, state_id="7", name="Ned Oak", date_of_birth="5/6/2012"),
            {"ned"},
            id="name and birthday, and another number",
        ),
        pytest.param(
            account(Role.STUDENT, sis_id="N1", email="oaks@x", date_of_birth="7/8/2014"),
            {"ned"},
            id="the address of a family, and another birthday",
        ),
        pytest.param(account(Role.STUDENT, "ann"), {"ann"}, id="a student with the id of a teacher"),
        pytest.param(account(Role.TEACHER, "twin0"), {"twin0"}, id="a teacher with the id of a student"),
        pytest.param(
            account(Role.TEACHER, "old1", email="bob@x", name="Bob Birch"), {"ann", "bob"}, id="an id in the wrong row"
        ),
        pytest.param(account(Role.TEACHER, email="ann@x", sis_id="T2"), {"ann", "bob"}, id="fields of two users"),
        pytest.param(account(Role.TEACHER, name="Ann Alder"), {"ann"}, id="a name alone"),
        pytest.param(account(Role.TEACHER, email="ann@x", name="Eve Elm"), {"ann"}, id="one field, and another name"),
        pytest.param(account(Role.STUDENT, email="home@x"), {"twin0", "twin1"}, id="the address of a family"),
        pytest.param(
            account(Role.STUDENT, email="home@x", date_of_birth="1/2/2012"), {"twin0", "twin1"}, id="what twins share"
        ),
        pytest.param(
            account(Role.STUDENT, name="Sam Fir", date_of_birth="3/4/2012"),
            {"sam1", "sam2"},
            id="two of one name and day",
        ),
        pytest.param(
            account(Role.STUDENT, sis_id="S1", name="Ida Elm", date_of_birth="1/2/2012"),
            {"twin0", "twin1"},
            id="a number of somebody else",
        ),
    ],
)
def test_in_doubt_the_candidates_are_named_and_nobody_is_matched(wanted: Account, candidates: set[str]) -> None:
    match = DIRECTORY.match(wanted)
    assert (match.result, match.user, set(match.candidates)) == (Result.AMBIGUOUS, None, candidates)
    assert match.reason


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (account(Role.CONTACT, name="Carl Cedar"), "create the account anew"),
        (account(Role.STAFF), "nothing to match"),
        (account(Role.STAFF, email="nobody@x"), "No user in the role staff"),
        (account(Role.STUDENT, date_of_birth="1/2/2012"), "No user in the role student"),
        (account(Role.TEACHER, "gone"), "No user has the id"),
    ],
)
def test_whoever_is_not_found_is_told_why(wanted: Account, reason: str) -> None:
    match = DIRECTORY.match(wanted)
    assert (match.result, match.user, match.candidates) == (Result.UNMATCHED, None, ())
    assert reason in match.reason


def test_a_contact_is_to_be_created_anew_though_the_user_is_known() -> None:
    match = DIRECTORY.match(account(Role.CONTACT, "old4"))
    assert (match.result, match.candidates) == (Result.UNMATCHED, ("carl",))
    assert "create the account anew" in match.reason


def test_whoever_lost_their_id_is_a_new_user_and_not_taken_for_the_old_one() -> None:
    match = DIRECTORY.match(account(Role.TEACHER, "gone", email="ann@x", sis_id="T1", name="Ann Alder"))
    assert (match.result, match.candidates) == (Result.UNMATCHED, ("ann",))
    assert "new user" in match.reason


def test_an_account_of_another_district_is_nobodys_whatever_agrees() -> None:
    directory = Directory([ANN], DistrictId("north"))
    wanted = [account(Role.TEACHER, "ann"), account(Role.TEACHER, sis_id="T1")]
    results = [
        [directory.match(each._replace(district=named)).result for each in wanted] for named in ("north", "south")
    ]
    assert results == [[Result.MATCHED] * 2, [Result.UNMATCHED] * 2]


@pytest.mark.parametrize("written", ["6682620F9155DAC23400000F", " 6682620f9155dac23400000f\t"])
def test_an_id_may_be_in_upper_case_or_between_blanks(written: str) -> None:
    read = account_of({"account_id": "1", "role": "Teacher", "clever_id": written}, IdShape().fits).account
    assert read.clever_id == "6682620f9155dac23400000f"


def test_a_name_may_be_in_two_columns_though_there_is_a_third_without_one() -> None:
    row = {"account_id": "1", "role": "teacher", "name": " ", "first_name": "Ann", "last_name": "Alder"}
    assert "ann alder" in account_of(row, IdShape().fits).account.identity.values


def test_two_accounts_of_one_role_are_never_matched_to_one_user_by_fields() -> None:
    wanted = [account(Role.TEACHER, "old1"), account(Role.TEACHER, email="ann@x"), account(Role.STAFF, email="ann@x")]
    found = settled([(each.identity.role, DIRECTORY.match(each)) for each in wanted])
    assert [match.result for match in found] == [Result.MATCHED, Result.AMBIGUOUS, Result.MATCHED]


@law
@given(st.dictionaries(st.sampled_from(["sis_id", "student_number", "state_id"]), st.sampled_from("123"), min_size=1))
def test_identifiers_of_several_students_match_nobody(numbers: dict[str, str]) -> None:
    fields = ("sis_id", "student_number", "state_id")
    students = [person(each, Role.STUDENT, **dict.fromkeys(fields, each)) for each in "123"]
    match = Directory(students).match(account(Role.STUDENT, **numbers))
    meant = set(numbers.values())
    assert (match.user is None) == (len(meant) > 1)
    assert match.user in {None, *meant}


@pytest.mark.parametrize("written", ["13/1/2012", "2012-02-30", "yesterday", "1/2/12"])
def test_what_is_no_date_of_birth_is_refused_without_being_repeated(written: str) -> None:
    with pytest.raises(ValueError, match=r"^this is no date$"):
        person("eve", Role.STUDENT, date_of_birth=written)
