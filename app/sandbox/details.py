"""What a record says beside ids and roles: names, birthdays, addresses; invented, and the same for the same record.

None of it matters for permissions. It is here since Clever sends it, and a reader has to leave it alone.
"""

from collections.abc import Sequence
from typing import TypeVar

from app.sandbox.ids import made_at
from app.sandbox.records import User

T = TypeVar("T")
Details = dict[str, object]

FIRST_NAMES = ("Agate", "Basalt", "Cobalt", "Dolomite", "Epidote", "Feldspar", "Garnet", "Hematite", "Iolite", "Jasper")
LAST_NAMES = ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Ginkgo", "Hazel", "Ironwood", "Juniper", "Katsura")
LANGUAGES = (("English", "eng"), ("Spanish", "spa"), ("Vietnamese", "vie"), ("Arabic", "ara"))
YES_OR_NO = ("N", "N", "N", "Y", "N")


def name_of(user: User) -> Details:
    """Return the name; a contact's stands whole in `last`, as Clever sends it."""
    first, last = _pick(FIRST_NAMES, user.number), f"{_pick(LAST_NAMES, user.number)}-{user.number}"
    return {"last": f"{first} {last}"} if "contact" in user.roles else {"first": first, "middle": "", "last": last}


def email_of(user: User) -> str:
    """Return an address that reaches nobody."""
    return f"{_pick(FIRST_NAMES, user.number)}.{user.number}@school.example.org".lower()


def timestamps_of(number: int) -> Details:
    """Return when a record was made, and that nobody has touched it since."""
    made = f"{made_at(number):%Y-%m-%dT%H:%M:%S}.000Z"
    return {"created": made, "last_modified": made}


def location_of(number: int) -> Details:
    """Return an address in a town that does not exist."""
    return {"address": f"{number} Sandbox Street", "city": "Sandville", "state": "ZZ", "zip": "00000"}


def grade_of(number: int) -> str:
    """Return a grade."""
    return str(number % 12 + 1)


def role_details(user: User, role: str, version: str) -> Details:
    """Return the fields that Clever adds to a role in a version; none for a role that it does not know."""
    match role:
        case "student":
            return _student(user) | (_student_since_3_1(user) if version == "v3.1" else {})
        case "teacher":
            return _credentials(user) | {"sis_id": f"T{user.number}", "teacher_number": f"{user.number}"} | _TEACHER
        case "staff":
            return _credentials(user) | {"staff_id": f"A{user.number}", "ext": {"badge_color": "blue"}}
        case "contact":
            return {"sis_id": "", "phone": f"555-01{user.number % 100:02}", "phone_type": "Cell"}
        case _:
            return {}


_TEACHER: Details = {"state_id": "", "title": "Classroom Teacher", "ext": {"room": "101"}}


def _credentials(user: User) -> Details:
    return {"credentials": {"district_username": f"user{user.number}"}}


def _student(user: User) -> Details:
    at = user.number
    return {
        **_credentials(user),
        "sis_id": f"S{at}",
        "state_id": f"Z{at:08}",
        "student_number": f"{at}",
        "dob": f"{at % 12 + 1}/{at % 28 + 1}/{2006 + at % 12}",
        "gender": _pick(("F", "M", "X", ""), at),
        "race": _pick(("Unknown", "Two or More Races", ""), at),
        "hispanic_ethnicity": _pick(YES_OR_NO, at),
        "home_language": _pick(LANGUAGES, at)[0],
        "ell_status": _pick(YES_OR_NO, at),
        "iep_status": _pick(YES_OR_NO, at + 1),
        "grade": grade_of(at),
        "graduation_year": f"{2025 + at % 12}",
        "unweighted_gpa": "",
        "weighted_gpa": "",
        "location": location_of(at),
        "enrollments": [
            {"school": school, "start_date": "2024-08-19", "end_date": "2025-06-13"}
            for school in user.ids_in("student", "school")
        ],
        "ext": {"locker": f"{at}"},
    }


def _student_since_3_1(user: User) -> Details:
    at = user.number
    return {
        "disability": {"disability_status": "N", "disability_type": None, "disability_code": None},
        "frl_status": _pick(("Free", "Paid", ""), at),
        "gifted_status": _pick(YES_OR_NO, at + 2),
        "section_504_status": _pick(YES_OR_NO, at + 3),
        "home_language_code": _pick(LANGUAGES, at)[1],
        "preferred_name": {"first": _pick(FIRST_NAMES, at + 1)},
    }


def _pick(choices: Sequence[T], number: int) -> T:
    return choices[number % len(choices)]
